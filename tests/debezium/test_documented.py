"""docs/debezium.md says what differs from Debezium, neither more nor less than the comparison lets pass."""

import re
from pathlib import Path

import pytest

from differences import DIFFERENCES, NORMALISED

PAGE = Path(__file__).resolve().parents[2] / "docs/debezium.md"
HEADING = "## What differs, and why"


def documented():
    """{name: reason} of the table under the heading."""
    section = PAGE.read_text().split(HEADING)[1].split("\n## ")[0]
    rows = [re.split(r"\s*\|\s*", line)[1:-1] for line in section.splitlines() if line.startswith("|")]
    return {row[0]: row[-1] for row in rows[2:]}


def test_every_difference_is_documented():
    intended = {difference.name: difference.reason for difference in (*DIFFERENCES, *NORMALISED)}
    assert documented() == intended


@pytest.mark.last
def test_every_difference_exists(ledger):
    """Of all tests together: what no longer differs is no longer listed."""
    assert [name for name, seen in ledger.seen.items() if seen == 0] == []

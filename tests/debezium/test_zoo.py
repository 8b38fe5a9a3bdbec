"""Every type with its edges, copied and streamed."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "zoo"))

import zoo  # noqa: E402


@pytest.mark.parametrize("animal", zoo.animals(), ids=lambda animal: animal.name)
def test_zoo(twin, animal):
    """One half of the rows is there before the two start; the same rows and their changes come by the stream."""
    twin.sql(animal.tables)
    twin.sql(animal.rows)
    twin.start()
    twin.sql(animal.changes)
    twin.check(minimum=10)

"""docs/testing.md names tests that exist."""

import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]


def existing_tests():
    names = set()
    for file in (ROOT / "tests").rglob("test_*.py"):
        names |= set(re.findall(r"^def (test_\w+)\(", file.read_text(), re.M))
    for file in (ROOT / "tests/unit").rglob("*_test.c"):
        names |= set(re.findall(r"cmocka_unit_test\((\w+)\)", file.read_text()))
    return names


def stories():
    """Of the last column of each row under the heading."""
    section = (ROOT / "docs/testing.md").read_text().split("\n## What captures have got wrong\n")[1]
    rows = [re.split(r"\s*\|\s*", line)[1:-1] for line in section.splitlines() if line.startswith("|")]
    return [(row[0], re.findall(r"`(\w+)`", row[-1])) for row in rows if row[-1] != "test" and set(row[-1]) != {"-"}]


def test_every_story_has_a_test_that_exists():
    exist = existing_tests()
    rows = stories()
    assert len(rows) > 50
    assert [story for story, names in rows if not names] == []
    assert sorted({name for _, names in rows for name in names} - exist) == []

"""docs/testing.md says which test stands for which story: each story has one, and all that it names exist."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/testing.md"
HEADING = "\n## What captures have got wrong\n"


def existing_tests():
    names = set()
    for file in (ROOT / "tests").rglob("test_*.py"):
        names |= set(re.findall(r"^def (test_\w+)\(", file.read_text(encoding="utf-8"), re.M))
    for file in (ROOT / "tests/unit").rglob("*_test.c"):
        names |= set(re.findall(r"cmocka_unit_test\((\w+)\)", file.read_text(encoding="utf-8")))
    return names


def stories():
    """(story, names of its tests): the rows of the tables under the heading."""
    section = PAGE.read_text(encoding="utf-8").split(HEADING)[1]
    rows = [re.split(r"\s*\|\s*", line)[1:-1] for line in section.splitlines() if line.startswith("|")]
    return [(row[0], re.findall(r"`(\w+)`", row[-1])) for row in rows if row[-1] != "test" and set(row[-1]) != {"-"}]


def main():
    exist, rows = existing_tests(), stories()
    wrong = [f"no test: {story}" for story, names in rows if not names]
    wrong += [f"no such test: {name} ({story})" for story, names in rows for name in names if name not in exist]
    print(f"{PAGE.name}: {len(rows)} stories", *wrong, sep="\n")
    return 1 if wrong or not rows else 0


if __name__ == "__main__":
    sys.exit(main())

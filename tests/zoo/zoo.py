"""The files of the type zoo, in their parts."""

from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parent
PARTS = ("tables", "rows", "changes")
INSTALLED = {"postgis": "", "pgvector": "16"}  # the major version of the server that has it; Debian's


class Animal(NamedTuple):
    name: str
    tables: str
    rows: str
    changes: str
    since: int = 0  # the major version that has these types


def read(path):
    parts = dict.fromkeys(PARTS, "")
    part, since = None, 0
    for line in path.read_text().splitlines(keepends=True):
        if line.strip() in {f"-- {name}" for name in PARTS}:
            part = line.strip()[3:]
        elif line.startswith("-- since "):
            since = int(line.split()[-1])
        elif part is not None:
            parts[part] += line
    return Animal(path.stem, **parts, since=since)


def animals(folder=FOLDER, version=99):
    """Those that live in a server of this major version."""
    found = [read(path) for path in sorted(folder.glob("*.sql"))]
    return [animal for animal in found if animal.since <= version]

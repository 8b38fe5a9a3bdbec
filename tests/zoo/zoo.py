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


def read(path):
    parts = dict.fromkeys(PARTS, "")
    part = None
    for line in path.read_text().splitlines(keepends=True):
        if line.strip() in {f"-- {name}" for name in PARTS}:
            part = line.strip()[3:]
        elif part is not None:
            parts[part] += line
    return Animal(path.stem, **parts)


def animals(folder=FOLDER):
    return [read(path) for path in sorted(folder.glob("*.sql"))]

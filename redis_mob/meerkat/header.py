"""By which first bytes a file is known that can be imported as a whole namespace."""

from __future__ import annotations

from pathlib import Path

HEADER = b"SQLite format 3\0"

FIRST_LINE = '{"format":"redis_mob namespace","version":1}'


def is_sqlite(path: Path) -> bool:
    """Whether a file begins like a database of SQLite. False for one that cannot be read."""
    return _begins(path, HEADER)


def is_lines(path: Path) -> bool:
    """Whether a file begins like the lines of a namespace. False for one that cannot be read."""
    return _begins(path, FIRST_LINE.encode() + b"\n")


def _begins(path: Path, first: bytes) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(first)) == first
    except OSError:
        return False

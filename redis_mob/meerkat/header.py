"""By what a database of SQLite is known."""

from __future__ import annotations

from pathlib import Path

HEADER = b"SQLite format 3\0"


def is_sqlite(path: Path) -> bool:
    """Whether a file begins like a database of SQLite. False for one that cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(len(HEADER)) == HEADER
    except OSError:
        return False

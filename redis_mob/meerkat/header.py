"""By which first bytes a file is known that can be imported as a whole namespace."""

from __future__ import annotations

from pathlib import Path

HEADER = b"SQLite format 3\0"

FORMAT = "redis_mob namespace"

FIRST_LINE = f'{{"format":"{FORMAT}","version":1}}'


def is_lines(path: Path) -> bool:
    """Whether a file begins like the lines of a namespace. False for one that cannot be read."""
    first = FIRST_LINE.encode() + b"\n"
    try:
        with path.open("rb") as file:
            return file.read(len(first)) == first
    except OSError:
        return False

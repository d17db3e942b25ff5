"""By which first bytes a file is known that can be imported as a whole namespace."""

from __future__ import annotations

import codecs
import json
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

HEADER = b"SQLite format 3\0"

_FORMAT = "redis_mob namespace"

LINES_VERSION = 1
"""The version of the lines that are written and read here."""

FIRST_LINE = f'{{"format":"{_FORMAT}","version":{LINES_VERSION}}}'

_MOST_OF_FIRST_LINE = 1000
"""Bytes in which the first line of the lines of a namespace ends, of any version."""


def lines_version(path: Path) -> Any | None:
    """The version that the first line of a namespace says, which may be anything; None if the file holds none."""
    return version_of_lines(document_in(_beginning(path, _MOST_OF_FIRST_LINE).partition(b"\n")[0]))


def document_in(line: bytes) -> dict[str, Any]:
    """The object of a first line; empty if there is none.

    The line may have a byte order mark before it, and a carriage return at its end.
    """
    try:
        document = json.loads(line.removeprefix(codecs.BOM_UTF8))
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, Any]", document) if isinstance(document, dict) else {}


def version_of_lines(document: Mapping[str, Any]) -> Any | None:
    """The version that the first object of the lines of a namespace says; None for another object."""
    return document.get("version", 0) if document.get("format") == _FORMAT else None


def is_regular(path: Path) -> bool:
    """Whether a path leads to a regular file: what is read of a pipe or a device is gone, or has no end.

    Raises OSError if it leads nowhere.
    """
    return stat.S_ISREG(path.stat().st_mode)


def _beginning(path: Path, most: int) -> bytes:
    """The first bytes of a regular file, which are none if it cannot be read."""
    try:
        if not is_regular(path):
            return b""
        with path.open("rb") as file:
            return file.read(most)
    except OSError:
        return b""

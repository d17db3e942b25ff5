"""What `redis-mob import` is given: which kind of file it is, before a server is asked or a namespace created."""

from __future__ import annotations

import codecs
import shutil
import sys
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import IO

from redis_mob.errors import ValidationError, shortened
from redis_mob.meerkat.header import HEADER, document_in, is_regular, version_of_lines
from redis_mob.operations.run_copies import FORMAT as RUNS
from redis_mob.operations.run_copies import check_header

_STANDARD_INPUT = "-"
_OF_DATABASES = (".db", ".sqlite", ".sqlite3")
_MOST = 1024
"""Bytes of the line that says what a file is."""


def name_of(file: str) -> str:
    """What the argument of the command is called in messages."""
    return "standard input" if file == _STANDARD_INPUT else shortened(file)


@contextmanager
def source_of(file: str) -> Generator[Path | Iterator[str]]:
    """A file with a whole namespace, which is an SQLite database, is named like one, or has its lines; or the lines of
    exported runs. Standard input, `-`, has one of the two kinds of lines.

    Raises ValidationError for a file that cannot be read, or that is none of them.
    """
    if file == _STANDARD_INPUT:
        with _of_standard_input(sys.stdin.buffer) as source:
            yield source
        return
    path, name = Path(file), name_of(file)
    if path.suffix in _OF_DATABASES:  # what is wrong with it is said of a database
        yield path
        return
    try:
        if not is_regular(path):
            raise ValidationError(f"{name} is no regular file: what a pipe has is read as -")
        stream = path.open("rb")
    except OSError as error:
        raise ValidationError(f"{name} cannot be read: {error.strerror}") from None
    with stream:
        first = _first_line(name, stream)
        is_whole = first.startswith(HEADER) or _is_namespace(name, first)
        yield path if is_whole else _lines(first, stream)


@contextmanager
def _of_standard_input(stream: IO[bytes]) -> Generator[Path | Iterator[str]]:
    name = name_of(_STANDARD_INPUT)
    first = _first_line(name, stream)
    if first.startswith(HEADER):
        raise ValidationError(f"{name} is an SQLite database, which is read from a file: name that")
    if not _is_namespace(name, first):
        yield _lines(first, stream)
        return
    with tempfile.TemporaryDirectory(prefix="redis-mob-import-") as directory:
        kept = Path(directory) / name
        try:
            with kept.open("wb") as copy:
                copy.write(first)
                shutil.copyfileobj(stream, copy)
        except OSError as error:
            where = f"{tempfile.gettempdir()}: {error.strerror}. TMPDIR says which directory is used"
            raise ValidationError(f"{name} cannot be kept in {where}") from error
        yield kept


def _first_line(name: str, stream: IO[bytes]) -> bytes:
    try:
        while (line := stream.readline(_MOST)) and not line.strip():
            pass
    except OSError as error:
        raise ValidationError(f"{name} cannot be read: {error.strerror}") from None
    return line


def _is_namespace(name: str, first: bytes) -> bool:
    """Whether lines are those of a namespace; else they are those of runs. Raises ValidationError for other files."""
    document = document_in(first)
    if version_of_lines(document) is not None:
        return True
    if document.get("format") != RUNS:
        raise ValidationError(f"{name} is neither a mob.db nor what `redis-mob export` writes")
    check_header(first.decode(errors="replace"), document)
    return False


def _lines(first: bytes, stream: IO[bytes]) -> Iterator[str]:
    # what is no UTF-8 becomes lone surrogates, for which the import refuses the line by its number
    return (line.decode(errors="surrogateescape") for line in chain([first.removeprefix(codecs.BOM_UTF8)], stream))

"""A whole namespace as lines of JSON, each a row of a mob.db, and such lines as a database that can be imported."""

from __future__ import annotations

import json
import sqlite3
import tempfile
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, cast

from redis_mob.errors import ValidationError, shortened, shown
from redis_mob.meerkat.header import FIRST_LINE, LINES_VERSION, lines_version
from redis_mob.meerkat.reading import MobDatabase, opened
from redis_mob.meerkat.schemas import (
    COLUMNS,
    CREATE_RECORDS,
    CREATE_TABLES,
    GREATEST_INTEGER,
    SMALLEST_INTEGER,
    insertion,
)
from redis_mob.models.base import json_text
from redis_mob.models.outer_json import NoJsonError, read_json

_END = "rows"
"""What the last line has alone: how many rows there are."""


class LineWriter:
    """Writes rows as lines: the name of the table, and its values; what is JSON there is JSON here."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write, self._number = write, 0
        write(FIRST_LINE + "\n")

    def put(self, table: str, *values: object) -> None:
        """Write a row."""
        parts = (value.decode() if isinstance(value, bytes) else json_text(value) for value in values)
        kinds = "".join("j" if isinstance(value, bytes) else "v" for value in values)
        self._write(f'{{"table":{json_text(table)},"kinds":"{kinds}","row":[{",".join(parts)}]}}\n')
        self._number += 1

    def end(self) -> None:
        """Write the last line."""
        self._write(json_text({_END: self._number}) + "\n")


@contextmanager
def opened_source(path: Path) -> Generator[MobDatabase]:
    """What can be imported: a mob.db, or lines of a namespace, which become one beside other temporary files.

    Raises as `opened`, and ValidationError naming the line that is none, if the last one is missing, or for lines of a
    newer release of this library.
    """
    version = lines_version(path)
    if version is None:
        with opened(path) as database:
            yield database
        return
    if type(version) is not int or version != LINES_VERSION:
        raise ValidationError(
            f"{shortened(path)} has lines of version {shown(version)}, and this release of redis_mob reads version "
            f"{LINES_VERSION}: import it with the release that wrote it, or a later one"
        )
    with tempfile.TemporaryDirectory(prefix="redis-mob-import-") as directory:
        copy = Path(directory) / path.name
        try:
            _write_database(path, copy)
        except OSError as error:
            raise ValidationError(f"{shortened(path)} cannot be read: {error.strerror or error}") from None
        except sqlite3.Error as error:
            raise ValidationError(
                f"{shortened(path)} cannot be made into a database in {tempfile.gettempdir()}: {error}. TMPDIR says "
                "which directory is used"
            ) from error
        with opened(copy) as database:
            yield database


def _write_database(path: Path, copy: Path) -> None:
    with path.open("rb") as lines, closing(sqlite3.connect(copy)) as written:
        written.execute("PRAGMA journal_mode = OFF")  # it is deleted in any case
        written.executescript(CREATE_TABLES + CREATE_RECORDS)
        with written:
            for number, table, values in _rows(path, lines):
                try:
                    written.execute(insertion(table, len(values)), values)
                except sqlite3.IntegrityError:
                    raise ValidationError(
                        f"{shortened(path)}, line {number}: {table} has this name already, or a value is missing"
                    ) from None


def _rows(path: Path, lines: Iterable[bytes]) -> Iterator[tuple[int, str, list[Any]]]:
    """The number of each line, the table and the values of its row."""
    count, ended = 0, False
    for number, line in enumerate(lines, 1):
        if number == 1 or not line.strip():
            continue
        try:
            if ended:
                raise ValueError("it stands behind the line that says how many rows there are")
            document = read_json(line.decode(), _each_once)
            if document.keys() == {_END}:
                if type(document[_END]) is not int or document[_END] != count:
                    raise ValidationError(
                        f"{shortened(path)} has {count} rows, and should have {shown(document[_END])}: lines were lost"
                    )
                ended = True
                continue
            table, kinds, row = document["table"], document["kinds"], cast("list[Any]", document["row"])
            columns = COLUMNS[table]
            if len(row) != columns or len(kinds) != columns:
                raise ValueError(f"a row of {table} has {columns} values")
            values = [_value(kind, one) for kind, one in zip(kinds, row, strict=True)]
        except UnicodeDecodeError as error:
            raise ValidationError(
                f"{shortened(path)}, line {number}: this is no UTF-8 from byte {error.start} on"
            ) from None
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValidationError(f"{shortened(path)}, line {number}: this is no row of a namespace: {error}") from None
        count += 1
        yield number, table, values
    if not ended:
        raise ValidationError(f"{shortened(path)} was cut: it does not say how many rows there are. Export it again")


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys all differ, as they do in all that is exported."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NoJsonError("a key is given twice")
    return found


def _value(kind: str, one: Any) -> Any:
    """A value as SQLite has it. Raises ValueError for what it, or JSON, cannot hold."""
    if kind == "j":
        return _encoded(json.dumps(one, ensure_ascii=False, separators=(",", ":")))
    if one is None:
        return None
    if isinstance(one, str):
        return _encoded(one).decode()
    if type(one) is int and SMALLEST_INTEGER <= one <= GREATEST_INTEGER:
        return one
    raise ValueError(f"{shown(one)} is no value of a row")


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise ValueError("a lone surrogate cannot be stored as UTF-8") from None

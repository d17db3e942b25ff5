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
from redis_mob.meerkat.header import FIRST_LINE, is_lines
from redis_mob.meerkat.reading import MobDatabase, opened
from redis_mob.meerkat.schemas import COLUMNS, CREATE_RECORDS, CREATE_TABLES, insertion
from redis_mob.models.base import json_text

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

    Raises as `opened`, and ValidationError naming the line that is none, or if the last one is missing.
    """
    if not is_lines(path):
        with opened(path) as database:
            yield database
        return
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
    with path.open(encoding="utf-8", errors="replace") as lines, closing(sqlite3.connect(copy)) as written:
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


def _rows(path: Path, lines: Iterable[str]) -> Iterator[tuple[int, str, list[Any]]]:
    """The number of each line, the table and the values of its row."""
    count, ended = 0, False
    for number, line in enumerate(lines, 1):
        if number == 1 or not line.strip():
            continue
        try:
            document = json.loads(line)
            if document.keys() == {_END}:
                if document[_END] != count:
                    raise ValidationError(
                        f"{shortened(path)} has {count} rows, and should have {shown(document[_END])}: lines were lost"
                    )
                ended = True
                continue
            table, kinds, row = document["table"], document["kinds"], cast("list[Any]", document["row"])
            columns = COLUMNS[table]
            if len(row) != columns or len(kinds) != columns:
                raise ValueError(f"a row of {table} has {columns} values")
            count += 1
            yield number, table, [_value(kind, one) for kind, one in zip(kinds, row, strict=True)]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValidationError(f"{shortened(path)}, line {number}: this is no row of a namespace: {error}") from None
    if not ended:
        raise ValidationError(f"{shortened(path)} was cut: it does not say how many rows there are. Export it again")


def _value(kind: str, one: Any) -> Any:
    if kind == "j":
        return json.dumps(one, ensure_ascii=False, separators=(",", ":")).encode()
    if one is None or isinstance(one, str | int):
        return one
    raise ValueError(f"{shown(one)} is no value of a row")

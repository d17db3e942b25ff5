"""Opens a mob.db without writing to it, and reads its rows as they are at one moment."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeAlias

from redis_mob.errors import ValidationError, shortened, shown
from redis_mob.meerkat.header import HEADER, is_regular
from redis_mob.meerkat.schemas import EVENTS, LEDGER, LEDGER_COLUMNS, Schema, recognized

Row: TypeAlias = dict[str, Any]
"""A row: the values of SQLite by column; text that is no UTF-8 has its bytes as surrogates."""

_HIDDEN = 1
"""What `PRAGMA table_xinfo` says of columns of virtual tables that are no part of their rows."""

_NAMES_OF_ROWID = ("rowid", "_rowid_", "oid")
"""Names that SQLite has for the rowid, each unless a column has it; letters are alike in either case."""


class MobDatabase:
    """An open mob.db, within one read transaction."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
        tables = {
            _named(path, "table", name): self._columns(name) for (name,) in names if not name.startswith("sqlite_")
        }
        self.schema: Schema = recognized(shortened(path), tables, self._ledger(tables.get(LEDGER, ())))
        self.counts: dict[str, int] = {}
        self._without_rowid = {str(one[1]) for one in connection.execute("PRAGMA table_list") if one[4]}
        self.fingerprint = self._looked_through()

    def rows(self, table: str, *, after: int | None = None) -> Iterator[tuple[int, Row]]:
        """(rowid, row) of a table in the order of the rowids, those after one; an event has its cursor in that place.

        A table without rowids, or one whose columns have taken all names of them, is read in the order of SQLite, and
        as a whole; its rows are numbered.
        """
        columns = self.schema.tables[table]
        names = ", ".join(map(_quoted, columns))
        rowid = None if table in self._without_rowid else _name_of_rowid(columns)
        if table == EVENTS:
            rowid = "cursor"
        read, of = f"SELECT {rowid or 'NULL'}, {names}", f"FROM {_quoted(table)}"  # the names of the file, in quotes
        if rowid is None:
            found = self._connection.execute(f"{read} {of}")
        elif after is None:
            found = self._connection.execute(f"{read} {of} ORDER BY {rowid}")
        else:
            found = self._connection.execute(f"{read} {of} WHERE {rowid} > ? ORDER BY {rowid}", (after,))
        for number, (given, *values) in enumerate(found, 1):
            yield number if rowid is None else given, dict(zip(columns, values, strict=True))

    def _columns(self, table: str) -> tuple[str, ...]:
        """The columns that a SELECT can name; those that are computed from others are among them."""
        found = self._connection.execute(f"PRAGMA table_xinfo({_quoted(table)})")
        return tuple(_named(self.path, f"column of table {table}", one[1]) for one in found if one[6] != _HIDDEN)

    def keys(self, table: str) -> list[str]:
        """The columns of the primary key of a table, in its order."""
        found = self._connection.execute(f"PRAGMA table_info({_quoted(table)})").fetchall()
        return [str(name) for _, name in sorted((one[5], one[1]) for one in found if one[5])]

    def _ledger(self, columns: tuple[str, ...]) -> dict[Any, Any]:
        """What the ledger says; empty if there is none, or one of another form."""
        if not set(columns) >= LEDGER_COLUMNS:
            return {}
        return dict(self._connection.execute("SELECT domain, version FROM meerkat_schema").fetchall())

    def _looked_through(self) -> str:
        """A digest of every row of every table, which also finds pages that cannot be read, before any write."""
        digest = blake2b(digest_size=16)
        for table in self.schema.tables:
            digest.update(table.encode() + b"\0")
            count = 0
            for rowid, row in self.rows(table):
                count += 1
                digest.update(repr(rowid).encode())
                for value in row.values():
                    one = value if isinstance(value, bytes) else repr(value).encode()
                    digest.update(b"%d:" % len(one) + one)
            self.counts[table] = count
        return digest.hexdigest()


@contextmanager
def opened(path: Path) -> Generator[MobDatabase]:
    """A mob.db as it is at this moment, also while other programs write to it.

    Raises ValidationError saying what is wrong with the file, and what can be done.
    """
    _check(path)
    try:
        with closing(_connected(path)) as connection:
            yield MobDatabase(path, connection)
    except (sqlite3.Error, UnicodeDecodeError) as error:  # whose message may quote what is damaged
        raise _unreadable(path, error) from error


def _check(path: Path) -> None:
    try:
        if not is_regular(path):
            raise ValidationError(f"{shortened(path)} is no regular file: a database of SQLite cannot be read from it")
        with path.open("rb") as file:
            start = file.read(len(HEADER))
    except OSError as error:
        raise ValidationError(f"{shortened(path)} cannot be read: {error.strerror}") from None
    if not start:
        raise ValidationError(f"{shortened(path)} is empty: there is nothing to import")
    if start != HEADER:
        raise ValidationError(f"{shortened(path)} is no SQLite database")


def _connected(path: Path) -> sqlite3.Connection:
    """A connection that cannot write, in a transaction.

    A database in WAL mode needs its side files; on a medium where they cannot be made, and without any, no other
    program can be writing either, so that it is read as one that does not change. One with a rollback journal holds
    half a transaction, which only a connection that writes can undo.
    """
    file = path.resolve()  # beside which SQLite looks, and not beside a link to it
    connection = _begun(f"{file.as_uri()}?mode=ro")
    if connection is not None:
        return connection
    if _is_used(file, "-journal"):
        raise ValidationError(
            f"{shortened(path)} has a rollback journal beside it: a program ended in the middle of a transaction, of "
            "which a part is in the file. Undo that once with `sqlite3 FILE .schema`, "
            "where the file and its directory can be written, and import it then"
        )
    connection = None if _is_used(file, "-wal") else _begun(f"{file.as_uri()}?mode=ro&immutable=1")
    if connection is None:
        raise ValidationError(
            f"{shortened(path)} has a write-ahead log beside it, and its directory cannot be written: copy the "
            "database with its files -wal and -shm to a directory that can"
        )
    return connection


def _begun(uri: str) -> sqlite3.Connection | None:
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=10, check_same_thread=False)
    connection.text_factory = _text
    try:
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.OperationalError as error:
        connection.close()
        if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
            return None
        raise
    except BaseException:
        connection.close()
        raise
    return connection


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _is_used(file: Path, suffix: str) -> bool:
    """Whether a side file of a database holds something: one that is done with is empty, or begins with a zero."""
    try:
        with file.with_name(file.name + suffix).open("rb") as side:
            return side.read(1) not in (b"", b"\0")
    except FileNotFoundError:
        return False
    except OSError:
        return True


def _unreadable(path: Path, error: sqlite3.Error | UnicodeDecodeError) -> ValidationError:
    if getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return ValidationError(f"{shortened(path)} is locked by another program: try again when that is done")
    return ValidationError(
        f"{shortened(path)} cannot be read as a database: {error}. It is damaged, or only half of it was written: "
        "`sqlite3 FILE .recover` saves what can be read into a new one"
    )


def _named(path: Path, what: str, name: str) -> str:
    """The name of a table or column, which stands in statements. Raises ValidationError for one that cannot."""
    try:
        name.encode()
    except UnicodeEncodeError:
        raise ValidationError(
            f"{shortened(path)} has a {shortened(what)} whose name is no UTF-8, {shown(name)}: rename it with sqlite3"
        ) from None
    return name


def _name_of_rowid(columns: Iterable[str]) -> str | None:
    """A name that stands for the rowid in a table of these columns; None if the columns have all of them."""
    taken = {name.lower() for name in columns}
    return next((name for name in _NAMES_OF_ROWID if name not in taken), None)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'

"""Opens a mob.db without writing to it, and reads its rows as they are at one moment."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeAlias

from redis_mob.errors import ValidationError, shortened
from redis_mob.meerkat.header import HEADER
from redis_mob.meerkat.schemas import LEDGER, LEDGER_COLUMNS, Schema, recognized

Row: TypeAlias = dict[str, Any]
"""A row: the values of SQLite by column; text that is no UTF-8 has its bytes as surrogates."""


class MobDatabase:
    """An open mob.db, within one read transaction."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
        tables = {str(name): self._columns(name) for (name,) in names if not name.startswith("sqlite_")}
        self.schema: Schema = recognized(shortened(path), tables, self._ledger(tables.get(LEDGER, ())))
        self.counts: dict[str, int] = {}
        self._without_rowid = {str(one[1]) for one in connection.execute("PRAGMA table_list") if one[4]}
        self.fingerprint = self._looked_through()

    def rows(self, table: str, *, after: int | None = None) -> Iterator[tuple[int, Row]]:
        """(rowid, row) of a table in the order of the rowids, those after one."""
        columns = self.schema.tables[table]
        names = ", ".join(map(_quoted, columns))
        has_rowid = table not in self._without_rowid
        where = " WHERE rowid > ? ORDER BY rowid" if has_rowid else ""
        found = self._connection.execute(
            # the names are those of the file, in quotes
            f"SELECT {'rowid' if has_rowid else '0'}, {names} FROM {_quoted(table)}{where}",  # noqa: S608
            (-(2**63) if after is None else after,) if has_rowid else (),
        )
        for rowid, *values in found:
            yield rowid, dict(zip(columns, values, strict=True))

    def _columns(self, table: str) -> tuple[str, ...]:
        return tuple(str(column[1]) for column in self._connection.execute(f"PRAGMA table_info({_quoted(table)})"))

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
                digest.update(b"%d" % rowid)
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
    except sqlite3.Error as error:
        raise _unreadable(path, error) from error


def _check(path: Path) -> None:
    try:
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
    program can be writing either, so that it is read as one that does not change.
    """
    address = path.resolve().as_uri()
    connection = _begun(f"{address}?mode=ro")
    if connection is None and not _log_of(path):
        connection = _begun(f"{address}?mode=ro&immutable=1")
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


def _log_of(path: Path) -> bool:
    log = path.with_name(f"{path.name}-wal")
    return log.exists() and log.stat().st_size > 0


def _unreadable(path: Path, error: sqlite3.Error) -> ValidationError:
    if getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return ValidationError(f"{shortened(path)} is locked by another program: try again when that is done")
    return ValidationError(
        f"{shortened(path)} cannot be read as a database: {error}. It is damaged, or only half of it was written: "
        "`sqlite3 FILE .recover` saves what can be read into a new one"
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'

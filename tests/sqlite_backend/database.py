"""A database file: every call is one transaction."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeAlias, TypeVar

from redis_mob.errors import InternalError, MobStoreError, ReadFailedError, StorageUnavailableError, WriteFailedError

T = TypeVar("T")

Sql: TypeAlias = sqlite3.Connection
"""A connection in the middle of a transaction."""

BUSY_SECONDS = 60.0
"""How long a transaction waits for those of other connections."""

MAX_INTEGER = 2**63 - 1
"""The greatest integer that a column holds."""

TABLES = ("CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT",)


class Database:
    """One connection, used in the thread of the event loop: transactions are short, and nothing is awaited in them.

    So a cancelled call leaves no transaction open, and no two of one event loop meet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._closed = False
        try:
            self._connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
        except sqlite3.Error as error:
            raise StorageUnavailableError(f"{path} cannot be opened: {error}") from error

    async def create(self, *tables: str) -> None:
        """Create tables that are not there yet. Raises StorageUnavailableError."""
        try:
            await self.write(lambda sql: [sql.execute(table) for table in (*TABLES, *tables)])
        except WriteFailedError as error:
            raise StorageUnavailableError(f"{self._path} cannot be opened: {error}") from error

    async def read(self, work: Callable[[Sql], T]) -> T:
        """What `work` finds, all of it as of one moment. Raises ReadFailedError."""
        return await self._transact("BEGIN", ReadFailedError, work)

    async def write(self, work: Callable[[Sql], T]) -> T:
        """Do `work` alone, without other writers; when it raises, nothing happened. Raises WriteFailedError."""
        return await self._transact("BEGIN IMMEDIATE", WriteFailedError, work)

    def close(self) -> None:
        """Close the connection; later calls raise InternalError."""
        self._closed = True
        self._connection.close()

    async def _transact(self, begin: str, failed: type[MobStoreError], work: Callable[[Sql], T]) -> T:
        # A task that calls in a loop must yield to the other tasks: sqlite3 itself never awaits.
        await asyncio.sleep(0)
        if self._closed:
            raise InternalError("this storage was closed; open a new one")
        sql = self._connection
        try:
            sql.execute(begin)
            try:
                result = work(sql)
                sql.execute("COMMIT")
            except BaseException:
                sql.rollback()
                raise
        except sqlite3.Error as error:
            raise failed(f"the database refused: {error}") from error
        except UnicodeEncodeError as error:
            raise InternalError(f"{error.object!r} cannot be stored: {error.reason}") from None
        return result


@asynccontextmanager
async def open_database(path: Path, *tables: str) -> AsyncGenerator[Database]:
    """A connection to a database file, which is created with these tables if it is not there.

    Raises StorageUnavailableError.
    """
    database = Database(path)
    try:
        await database.create(*tables)
        yield database
    finally:
        database.close()


def newest(sql: Sql, counter: str) -> int:
    """The greatest number that a counter ever gave, also to a row that is deleted now; 0 if it gave none."""
    row = sql.execute("SELECT value FROM counters WHERE name = ?", (counter,)).fetchone()
    return row[0] if row else 0


def allocate(sql: Sql, counter: str, count: int) -> range:
    """The next `count` numbers of a counter, which gives none of them again."""
    first = newest(sql, counter) + 1
    sql.execute("INSERT OR REPLACE INTO counters VALUES (?, ?)", (counter, first + count - 1))
    return range(first, first + count)


def bounded(number: int) -> int:
    """The nearest number from 0 to the greatest one that fits: what lies outside is before or after everything."""
    return min(max(number, 0), MAX_INTEGER)

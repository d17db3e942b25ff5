"""A database file as a backend of the conformance suite."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import AbstractAsyncContextManager, closing, contextmanager
from pathlib import Path

from redis_mob.testing import (
    Backend,
    Record,
    StoredDocument,
    StoredEvent,
    StoredOverlay,
    StoredProfile,
    StoredRecord,
    StoredRun,
    StoredSpec,
    StoredSupervisor,
)
from tests.sqlite_backend import config_rows, event_log
from tests.sqlite_backend.database import BUSY_SECONDS, Sql, allocate, newest
from tests.sqlite_backend.runtime_metadata import sorting_bytes
from tests.sqlite_backend.stores import SqliteStores, open_sqlite

DAMAGED = b"{\xff"
"""Neither JSON nor UTF-8."""


class SqliteBackend(Backend):
    """A database file of its own. It has no connection that could be cut."""

    name = "sqlite3"

    def __init__(self, path: Path) -> None:
        self.path = path

    def open(self) -> AbstractAsyncContextManager[SqliteStores]:
        return open_sqlite(self.path)

    async def damage(self, record: Record) -> None:
        match record:
            case StoredEvent(cursor):
                query, key = "UPDATE events SET document = ? WHERE cursor = ?", (cursor,)
            case StoredRun(run_id):
                query, key = "UPDATE runs SET document = ? WHERE run_id = ?", (run_id,)
            case StoredSpec(mob_id):
                query, key = "UPDATE specs SET document = ? WHERE mob_id = ?", (mob_id,)
            case StoredSupervisor(mob_id):
                query, key = "UPDATE supervisors SET document = ? WHERE mob_id = ?", (mob_id,)
            case StoredOverlay(mob_id, agent_identity, generation):
                query = "UPDATE overlays SET document = ? WHERE mob_id = ? AND agent_identity = ? AND generation = ?"
                key = (mob_id, agent_identity, sorting_bytes(generation))
            case StoredProfile(name):
                query, key = "UPDATE realm_profiles SET document = ? WHERE name = ?", (name,)
            case StoredRecord():
                raise AssertionError("there is no store of records")
            case StoredDocument(namespace, id):
                query, key = "UPDATE config_documents SET document = ? WHERE namespace = ? AND id = ?", (namespace, id)
        with self._transaction() as sql:
            sql.execute(query, (DAMAGED, *key))

    async def add_event(self, kind: str, *, schema_version: str | None = "6") -> int:
        with self._transaction() as sql:
            [cursor] = allocate(sql, event_log.CURSORS, 1)
            document = f'{{"cursor":{cursor},"timestamp":"1970-01-01T00:00:00Z","mob_id":"mob","kind":{kind}}}'
            sql.execute("INSERT INTO events VALUES (?, 0, ?, ?)", (cursor, schema_version, document.encode()))
        return cursor

    async def forget_changes(self, *, keep: int) -> None:
        with self._transaction() as sql:
            oldest = newest(sql, config_rows.CURSORS) - keep
            sql.execute("DELETE FROM config_changes WHERE cursor <= ?", (oldest,))

    async def destroy(self) -> None:
        with self._transaction() as sql:
            for table in _tables(sql):
                sql.execute(f"DELETE FROM {table}")  # noqa: S608  the name is one of ours

    async def is_destroyed(self) -> bool:
        with self._transaction() as sql:
            counts = [f"SELECT count(*) FROM {table}" for table in _tables(sql)]  # noqa: S608  the names are ours
            return not any(sql.execute(count).fetchone()[0] for count in counts)

    @contextmanager
    def _transaction(self) -> Generator[Sql]:
        """A transaction past the stores."""
        with closing(sqlite3.connect(self.path, timeout=BUSY_SECONDS)) as sql, sql:
            sql.execute("BEGIN IMMEDIATE")
            yield sql


def _tables(sql: Sql) -> list[str]:
    return [name for (name,) in sql.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]

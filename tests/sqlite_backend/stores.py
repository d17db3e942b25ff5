"""The stores of one database file."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.sqlite_backend import config_rows, event_log, realm_profiles, runs, runtime_metadata, specs
from tests.sqlite_backend.config import SqliteConfigStore
from tests.sqlite_backend.database import Database, open_database
from tests.sqlite_backend.events import SqliteEventStore
from tests.sqlite_backend.realm_profiles import SqliteRealmProfileStore
from tests.sqlite_backend.runs import SqliteRunStore
from tests.sqlite_backend.runtime_metadata import SqliteRuntimeMetadataStore
from tests.sqlite_backend.specs import SqliteSpecStore

TABLES = (
    *event_log.TABLES,
    *runs.TABLES,
    *specs.TABLES,
    *runtime_metadata.TABLES,
    *realm_profiles.TABLES,
    *config_rows.TABLES,
)


class SqliteStores:
    """The stores of a database, over one connection; it has none of executions, nor of what these ask
    and keep, nor of conversations, budgets, hosts or generic records."""

    executions = None
    checkpoints = None
    asks = None
    conversations = None
    budgets = None
    host = None
    records = None

    def __init__(self, database: Database) -> None:
        self.events = SqliteEventStore(database)
        self.runs = SqliteRunStore(database)
        self.specs = SqliteSpecStore(database)
        self.runtime_metadata = SqliteRuntimeMetadataStore(database)
        self.realm_profiles = SqliteRealmProfileStore(database)
        self.config = SqliteConfigStore(database)


@asynccontextmanager
async def open_sqlite(path: Path) -> AsyncGenerator[SqliteStores]:
    """The stores of a database file, which is created if it is not there, over a connection of their own."""
    async with open_database(path, *TABLES) as database:
        yield SqliteStores(database)

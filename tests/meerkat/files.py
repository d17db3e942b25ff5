"""Databases as meerkat writes them: one of 0.6.34 that it has written, and others that are made here.

Those of later releases are made by us, of the tables that these releases create.
"""

from __future__ import annotations

import gzip
import json
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

DATA = Path(__file__).resolve().parent.parent / "data" / "meerkat"

TABLES = """
CREATE TABLE mob_events (cursor INTEGER PRIMARY KEY, {mob}event_json BLOB NOT NULL);
CREATE TABLE mob_event_meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL);
CREATE TABLE mob_runs (run_id TEXT PRIMARY KEY, run_json BLOB NOT NULL);
CREATE TABLE mob_specs (mob_id TEXT PRIMARY KEY, spec_json BLOB NOT NULL);
CREATE TABLE mob_runtime_supervisors (mob_id TEXT PRIMARY KEY, record_json BLOB NOT NULL);
CREATE TABLE mob_runtime_binding_overlays (
    mob_id TEXT NOT NULL, agent_identity TEXT NOT NULL, generation INTEGER NOT NULL, record_json BLOB NOT NULL,
    PRIMARY KEY (mob_id, agent_identity, generation)
);
CREATE TABLE realm_profiles (
    name TEXT PRIMARY KEY, profile_json BLOB NOT NULL, revision INTEGER NOT NULL DEFAULT 1,
    created_at TEXT NOT NULL, updated_at TEXT NOT NULL
);
"""
LATER = """
CREATE TABLE mob_runtime_placed_spawns (
    mob_id TEXT NOT NULL, agent_identity TEXT NOT NULL, record_json BLOB NOT NULL, PRIMARY KEY (mob_id, agent_identity)
);
INSERT INTO mob_runtime_placed_spawns VALUES ('m', 'a', CAST('{"x":1}' AS BLOB)), ('m', 'é', x'ff00');
CREATE TABLE mob_identity_store_meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
INSERT INTO mob_identity_store_meta VALUES ('store_instance_id', 'one');
"""
LEDGER = """
CREATE TABLE meerkat_schema (domain TEXT PRIMARY KEY, version INTEGER NOT NULL);
INSERT INTO meerkat_schema VALUES ('mob', {version});
"""


def golden(directory: Path) -> Path:
    """The database that meerkat 0.6.34 has written."""
    path = directory / "mob.db"
    path.write_bytes(gzip.decompress((DATA / "mob.db.gz").read_bytes()))
    return path


def expected() -> dict[str, Any]:
    """What the stores of meerkat 0.6.34 return for it."""
    return json.loads(gzip.decompress((DATA / "expected.json.gz").read_bytes()))


def event_row(cursor: int, kind: dict[str, Any] | None = None, *, schema: int = 6) -> tuple[int, bytes]:
    """A row of mob_events."""
    event = {
        "cursor": cursor,
        "kind": kind or {"type": "mob_completed"},
        "mob_id": "m",
        "timestamp": f"2026-01-01T00:00:00.{cursor % 1_000_000:06d}Z",
    }
    return cursor, json.dumps(
        {"event": event, "schema_version": schema}, separators=(",", ":"), sort_keys=True
    ).encode()


def made(path: Path, events: Iterable[tuple[int, bytes]] = (), *, version: int | None = None, more: str = "") -> Path:
    """A database of 0.6 to 0.7, or with the tables of a later release if it has a version."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(TABLES.format(mob="" if version is None else "mob_id TEXT, "))
        if version is not None:
            connection.executescript(LATER + LEDGER.format(version=version))
        connection.executemany("INSERT INTO mob_events (cursor, event_json) VALUES (?, ?)", events)
        connection.executescript(more)
    return path


def changed(path: Path, *statements: str) -> Path:
    """A database after some statements."""
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)
    return path


def content(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of the tables of 0.6, in order; runs in that of their creation."""
    with closing(sqlite3.connect(path)) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        order = {"mob_runs": "rowid"}
        return {
            name: connection.execute(f"SELECT * FROM {name} ORDER BY {order.get(name, '1, 2')}").fetchall()  # noqa: S608
            for name in names
        }

"""Writes a namespace as a mob.db that the stores of meerkat 0.6.34 read (contract: meerkat-20)."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Generator
from contextlib import contextmanager
from pathlib import Path

from redis_mob.codec.events import encode_stored_event
from redis_mob.errors import CasConflictError, ValidationError, shortened, shown
from redis_mob.meerkat import schemas
from redis_mob.models.base import format_timestamp
from redis_mob.models.events import MobEvent
from redis_mob.models.run_summary import RunFilter
from redis_mob.operations.run_list import every_run
from redis_mob.storage import MobStorage

_PAGE = 500
_GREATEST_INTEGER = 2**63 - 1
"""SQLite has no greater one."""

_TABLES = """
CREATE TABLE mob_events (
    cursor INTEGER PRIMARY KEY,
    event_json BLOB NOT NULL
);
CREATE TABLE mob_event_meta (
    key TEXT PRIMARY KEY,
    value INTEGER NOT NULL
);
CREATE TABLE mob_runs (
    run_id TEXT PRIMARY KEY,
    run_json BLOB NOT NULL
);
CREATE TABLE mob_specs (
    mob_id TEXT PRIMARY KEY,
    spec_json BLOB NOT NULL
);
CREATE TABLE mob_runtime_supervisors (
    mob_id TEXT PRIMARY KEY,
    record_json BLOB NOT NULL
);
CREATE TABLE mob_runtime_binding_overlays (
    mob_id TEXT NOT NULL,
    agent_identity TEXT NOT NULL,
    generation INTEGER NOT NULL,
    record_json BLOB NOT NULL,
    PRIMARY KEY (mob_id, agent_identity, generation)
);
CREATE TABLE realm_profiles (
    name TEXT PRIMARY KEY,
    profile_json BLOB NOT NULL,
    revision INTEGER NOT NULL DEFAULT 1,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
);
"""


async def export_database(storage: MobStorage, path: Path, *, with_secrets: bool) -> Counter[str]:
    """Write a new file; returns how much of each kind is in it, and how much was left out.

    Without `with_secrets` the authorities of supervisors and the bootstrap tokens of overlays are left out: such a file
    has them in clear. Raises CasConflictError for a file that is there, ValidationError for one that cannot be
    written; then none is left behind.
    """
    with _written(path) as connection:
        return await _Export(storage, connection, with_secrets=with_secrets).run()


@contextmanager
def _written(path: Path) -> Generator[sqlite3.Connection]:
    """A database beside the file, which takes its place when it is complete."""
    if path.exists():
        raise CasConflictError(f"{shortened(path)} is there already: name a new file")
    try:
        handle, name = tempfile.mkstemp(dir=path.resolve().parent, prefix=f".{path.name}.", suffix=".partial")
    except OSError as error:
        raise ValidationError(f"{shortened(path)} cannot be written: {error.strerror}") from None
    os.close(handle)
    partial = Path(name)
    try:
        connection = sqlite3.connect(partial, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode = WAL")  # as the crate does, which opens it in that mode
            connection.execute("PRAGMA synchronous = FULL")
            connection.executescript(_TABLES)
            connection.execute("BEGIN")
            yield connection
            connection.execute("COMMIT")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            connection.close()
        _publish(partial, path)
    except (sqlite3.Error, OSError) as error:
        raise ValidationError(f"{shortened(path)} cannot be written: {error}") from error
    finally:
        for one in (partial, Path(f"{name}-wal"), Path(f"{name}-shm")):
            with contextlib.suppress(OSError):
                one.unlink(missing_ok=True)


def _publish(partial: Path, path: Path) -> None:
    partial.chmod(0o600)
    try:
        path.hardlink_to(partial)  # fails for a file that has come to be there meanwhile
    except FileExistsError:
        raise CasConflictError(f"{shortened(path)} is there already: name a new file") from None
    except OSError:  # a file system without hard links
        partial.rename(path)


class _Export:
    def __init__(self, storage: MobStorage, connection: sqlite3.Connection, *, with_secrets: bool) -> None:
        self._storage, self._connection, self._with_secrets = storage, connection, with_secrets
        self._counts: Counter[str] = Counter()

    async def run(self) -> Counter[str]:
        newest = await self._storage.transfers.newest_cursor()
        await self._events(newest)
        self._put(schemas.EVENT_META, "next_cursor", newest + 1)
        await self._runs()
        for mob_id in await self._storage.specs.list_specs():
            if (found := await self._storage.specs.get_spec(mob_id)) is not None:
                definition, revision = found
                document = f'{{"definition":{definition.model_dump_json()},"revision":{revision}}}'
                self._put(schemas.SPECS, mob_id, document.encode())
                self._counts["specs"] += 1
        await self._metadata()
        for one in await self._storage.realm_profiles.list():
            times = (format_timestamp(time).replace("Z", "+00:00") for time in (one.created_at, one.updated_at))
            self._put(schemas.PROFILES, one.name, one.profile.model_dump_json().encode(), one.revision, *times)
            self._counts["realm profiles"] += 1
        return self._counts

    async def _events(self, newest: int) -> None:
        async for event in self._log(newest):
            if event.kind.type in schemas.KINDS_OF_0_6:
                self._put(schemas.EVENTS, event.cursor, encode_stored_event(event).encode())
                self._counts["events"] += 1
            else:
                self._counts["events left out, of kinds that 0.6 does not read"] += 1

    async def _log(self, newest: int) -> AsyncIterator[MobEvent]:
        after = 0
        while page := await self._storage.events.poll(after, _PAGE):
            for event in page:
                if event.cursor > newest:
                    return
                yield event
            after = page[-1].cursor

    async def _runs(self) -> None:
        ids = [one.run_id async for one in every_run(self._storage, RunFilter(), None)]
        for run_id in reversed(ids):
            run = await self._storage.runs.get_run(run_id)
            if run is not None:  # else it was deleted meanwhile
                self._put(schemas.RUNS, run_id, run.model_dump_json().encode())
                self._counts["runs"] += 1

    async def _metadata(self) -> None:
        for mob_id, record in (await self._storage.transfers.supervisors()).items():
            if self._with_secrets:
                self._put(schemas.SUPERVISORS, mob_id, record.model_dump_json().encode())
                self._counts["supervisors"] += 1
            else:
                self._counts["supervisors left out, which are secret"] += 1
        for mob_id, overlay in await self._storage.transfers.overlays():
            if overlay.generation > _GREATEST_INTEGER:
                self._counts["overlays left out, whose generation has more than 63 bits"] += 1
                continue
            document = json.loads(overlay.model_dump_json())
            if overlay.bootstrap_token is not None and not self._with_secrets:
                document["bootstrap_token"] = None
                self._counts["bootstrap tokens left out, which are secret"] += 1
            text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
            self._put(schemas.OVERLAYS, mob_id, overlay.agent_identity, overlay.generation, text.encode())
            self._counts["overlays"] += 1

    def _put(self, table: str, *values: object) -> None:
        try:
            # the name of a table is one of schemas.py
            self._connection.execute(f"INSERT INTO {table} VALUES ({','.join('?' * len(values))})", values)  # noqa: S608
        except sqlite3.IntegrityError as error:
            raise ValidationError(f"table {table}, {shown(values[0])}: {error}") from error

"""Writes a namespace as a mob.db that the stores of meerkat 0.6.34 read (contract: meerkat-20)."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from redis_mob.codec.events import encode_stored_event
from redis_mob.errors import ValidationError, shortened, shown
from redis_mob.meerkat import schemas
from redis_mob.meerkat.lines import LineWriter
from redis_mob.meerkat.storing import IMPORTS
from redis_mob.models.base import format_timestamp, json_text
from redis_mob.models.run_summary import RunFilter
from redis_mob.models.supervisor import BRIDGE_PROTOCOL_VERSION, SupervisorAuthorityRecord
from redis_mob.new_file import publish, require_new
from redis_mob.operations.run_list import every_run
from redis_mob.past.run_events import pages_after
from redis_mob.storage import MobStorage

_PAGE = 500

Put = Callable[..., None]
"""Takes the name of a table and the values of a row; JSON comes as bytes."""


async def export_database(storage: MobStorage, path: Path, *, with_secrets: bool) -> Counter[str]:
    """Write a new mob.db of 0.6; returns how much of each kind is in it, and how much was left out.

    Without `with_secrets` the authorities of supervisors and the bootstrap tokens of overlays are left out: such a file
    has them in clear. Raises CasConflictError for a file that is there, ValidationError for one that cannot be
    written; then none is left behind.
    """
    with _written(path) as partial, _database(partial) as put:
        return await _Export(storage, put, with_secrets=with_secrets, of_0_6=True).run()


async def export_lines(storage: MobStorage, path: Path, *, with_secrets: bool) -> Counter[str]:
    """Write all that a mob.db would have, events of all kinds, and records, as lines of JSON. As `export_database`."""
    with _written(path) as partial, partial.open("w", encoding="utf-8") as file:
        return await write_lines(storage, file.write, with_secrets=with_secrets)


async def write_lines(storage: MobStorage, write: Callable[[str], object], *, with_secrets: bool) -> Counter[str]:
    """Give the same lines, one after the other, to what writes them; the last one says that they are complete."""
    writer = LineWriter(write)
    counts = await _Export(storage, writer.put, with_secrets=with_secrets, of_0_6=False).run()
    writer.end()
    return counts


@contextmanager
def _written(path: Path) -> Generator[Path]:
    """A file beside the one that is wanted, which takes its place when it is complete."""
    require_new(path)
    try:
        handle, name = tempfile.mkstemp(dir=path.resolve().parent, prefix=f".{path.name}.", suffix=".partial")
    except OSError as error:
        raise ValidationError(f"{shortened(path)} cannot be written: {error.strerror}") from None
    os.close(handle)
    partial = Path(name)
    try:
        yield partial
        publish(partial, path)
    except (sqlite3.Error, OSError) as error:
        raise ValidationError(f"{shortened(path)} cannot be written: {error}") from error
    finally:
        for one in (partial, Path(f"{name}-wal"), Path(f"{name}-shm")):
            with contextlib.suppress(OSError):
                one.unlink(missing_ok=True)


@contextmanager
def _database(partial: Path) -> Generator[Put]:
    with contextlib.closing(sqlite3.connect(partial, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = OFF")  # a file that is not completed is deleted
        connection.executescript(schemas.CREATE_TABLES)
        connection.execute("BEGIN")

        def put(table: str, *values: object) -> None:
            try:
                connection.execute(schemas.insertion(table, len(values)), values)
            except sqlite3.IntegrityError as error:
                raise ValidationError(f"table {table}, {shown(values[0])}: {error}") from error

        yield put
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode = WAL")  # in which the crate has it


def _is_of_later_protocol(record: SupervisorAuthorityRecord) -> bool:
    authorities = (record, record.pending_rotation)
    return any(one is not None and one.protocol_version != BRIDGE_PROTOCOL_VERSION for one in authorities)


class _Export:
    def __init__(self, storage: MobStorage, put: Put, *, with_secrets: bool, of_0_6: bool) -> None:
        self._storage, self._put = storage, put
        self._with_secrets, self._of_0_6 = with_secrets, of_0_6
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
        if not self._of_0_6:
            await self._records()
        return self._counts

    async def _records(self) -> None:
        records = self._storage.records
        for collection in await records.collections():
            if collection == IMPORTS:
                continue
            after: str | None = None
            while page := await records.list(collection, after, _PAGE):
                for key, value in page:
                    self._put(schemas.RECORDS, collection, key, json_text(value).encode())
                    self._counts["records"] += 1
                after = page[-1][0]

    async def _events(self, newest: int) -> None:
        async for event in pages_after(self._storage.events, 0, newest):
            if not self._of_0_6 or event.kind.type in schemas.KINDS_OF_0_6:
                # 0.6 refuses the envelope of a later release
                written = event.model_copy(update={"envelope": None}) if self._of_0_6 else event
                self._put(schemas.EVENTS, event.cursor, encode_stored_event(written).encode())
                self._counts["events"] += 1
            else:
                self._counts["events left out, of kinds that 0.6 does not read"] += 1

    async def _runs(self) -> None:
        ids = [one.run_id async for one in every_run(self._storage, RunFilter(), None)]
        for run_id in reversed(ids):
            run = await self._storage.runs.get_run(run_id)
            if run is not None:  # else it was deleted meanwhile
                self._put(schemas.RUNS, run_id, run.model_dump_json().encode())
                self._counts["runs"] += 1

    async def _metadata(self) -> None:
        for mob_id, record in (await self._storage.transfers.supervisors()).items():
            if not self._with_secrets:
                self._counts["supervisors left out, which are secret"] += 1
            elif self._of_0_6 and _is_of_later_protocol(record):
                self._counts["supervisors left out, of a protocol that 0.6 does not speak"] += 1
            else:
                self._put(schemas.SUPERVISORS, mob_id, record.model_dump_json().encode())
                self._counts["supervisors"] += 1
        for mob_id, overlay in await self._storage.transfers.overlays():
            if overlay.generation > schemas.GREATEST_INTEGER:
                self._counts["overlays left out, whose generation has more than 63 bits"] += 1
                continue
            if self._of_0_6 and overlay.status in schemas.LATER_STATUSES:
                self._counts["overlays left out, of a status that 0.6 does not read"] += 1
                continue
            written = overlay
            if overlay.bootstrap_token is not None and not self._with_secrets:
                written = overlay.model_copy(update={"bootstrap_token": None})
                self._counts["bootstrap tokens left out, which are secret"] += 1
            document = written.model_dump_json().encode()
            self._put(schemas.OVERLAYS, mob_id, overlay.agent_identity, overlay.generation, document)
            self._counts["overlays"] += 1

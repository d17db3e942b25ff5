"""Stores what is in a mob.db, in an order that lets it be killed and started again (contract: meerkat-11)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from redis_mob.codec.transfers import GREATEST
from redis_mob.errors import (
    CasConflictError,
    InternalError,
    RunAlreadyExistsError,
    SerializationError,
    ValidationError,
    shortened,
    shown,
)
from redis_mob.meerkat import rows, schemas
from redis_mob.meerkat.reading import MobDatabase, Row
from redis_mob.meerkat.report import Failure, Report, unknown_fields
from redis_mob.models.events import EVENT_KINDS, MobEvent
from redis_mob.security.identity import check_peer_ids
from redis_mob.storage import MobStorage

IMPORTS = "meerkat:imports"
"""The collection of records that says which files were imported, by their fingerprint."""

TABLES = "meerkat:"
"""What the names of collections begin with that hold the rows of tables without a store of their own."""

BATCH = 250
BATCH_BYTES = 500_000
"""How many events, and of how many bytes, are stored at a time, unless a single one is larger."""

Progress = Callable[[int], None]
"""Is told after each row or batch how many rows are done since the last time."""

_OF_A_ROW = (ValidationError, InternalError, SerializationError, CasConflictError)
"""What is wrong with one row; all else ends the import, which goes on from there when it is started again."""


async def import_database(
    database: MobDatabase, storage: MobStorage | None, *, force: bool = False, progress: Progress = lambda _: None
) -> Report:
    """Store the content of a mob.db in a new namespace; without a storage only read it.

    Raises ValidationError for a file of a newer release, unless `force` says that it is read as far as it is known;
    CasConflictError for a namespace that holds anything else, or if its log is written meanwhile.
    """
    if database.schema.newer and not force:
        raise ValidationError(
            f"{shortened(database.path)} is of a newer release of meerkat than 0.9.8: {database.schema.newer}. With "
            "--force it is read as far as it is known, and the rest is kept verbatim"
        )
    report = Report(database.path.name, database.schema.release, storage is None)
    importer = _Importer(database, storage, report, progress)
    if storage is not None and not await _begin(database, storage):
        report.is_repeated = True
        return report
    await importer.run()
    if storage is not None:
        going, done = _marker(database, is_done=False), _marker(database, is_done=True)
        await storage.records.compare_and_put(IMPORTS, database.fingerprint, going, done)
    return report


def _marker(database: MobDatabase, *, is_done: bool) -> dict[str, Any]:
    return {"file": database.path.name, "release": database.schema.release, "is_done": is_done}


async def _begin(database: MobDatabase, storage: MobStorage) -> bool:
    """Mark the namespace with the import. False if this file came in as a whole before."""
    for fingerprint, marker in await storage.records.list(IMPORTS):
        if fingerprint == database.fingerprint:
            return not marker["is_done"]
        if not marker["is_done"]:
            raise CasConflictError(
                f"an import of {shown(marker['file'])} into namespace {shown(storage.namespace)} is not over, and "
                f"{shortened(database.path)} is another file, or has changed since: use a new namespace"
            )
    there = await _what_is_there(storage)
    if there:
        raise CasConflictError(
            f"namespace {shown(storage.namespace)} is not empty: it has {there}. Cursors and revisions are kept, so that "
            "a file needs a namespace of its own: name a new one"
        )
    await storage.records.insert(IMPORTS, database.fingerprint, _marker(database, is_done=False))
    return True


async def _what_is_there(storage: MobStorage) -> str:
    if await storage.transfers.newest_cursor():
        return "events"
    if specs := await storage.specs.list_specs():
        return f"a spec of mob {shown(specs[0])}"
    if profiles := await storage.realm_profiles.list():
        return f"realm profile {shown(profiles[0].name)}"
    if supervisors := await storage.transfers.supervisors():
        return f"the authority of mob {shown(next(iter(supervisors)))}"
    return "overlays" if await storage.transfers.overlays() else ""


class _Importer:
    """The import of one file: all that belongs to mobs first, and their specs, by which they are found, last."""

    def __init__(self, database: MobDatabase, storage: MobStorage | None, report: Report, progress: Progress) -> None:
        self._database, self._storage, self._report, self._progress = database, storage, report, progress

    async def run(self) -> None:
        await self._events()
        await self._each(schemas.RUNS, "runs", rows.run_of, self._run)
        await self._each(schemas.SUPERVISORS, "supervisors", rows.supervisor_of, self._supervisor)
        await self._each(schemas.OVERLAYS, "overlays", rows.overlay_of, self._overlay)
        await self._each(schemas.PROFILES, "realm profiles", rows.profile_of, self._profile)
        for table in self._database.schema.verbatim:
            await self._verbatim(table, "rows of table " + table)
        for table in schemas.KNOWN.keys() & self._database.schema.tables.keys():
            if self._database.schema.unknown_columns(table) and table != schemas.SUPERVISORS:
                await self._verbatim(table, f"rows of table {table} with unknown columns")
        await self._each(schemas.SPECS, "specs", rows.spec_of, self._spec)

    async def _each(self, table: str, kind: str, decode: rows.Decoder, store: Any) -> None:
        if table not in self._database.schema.tables:
            return
        for _, row in self._database.rows(table):
            try:
                one = decode(row)
                is_new = await store(one)
            except _OF_A_ROW as error:
                self._failed(table, row, error)
            else:
                (self._report.came if is_new else self._report.already)[kind] += 1
                self._count_unknown(kind, one.value if isinstance(one, rows.OfMob) else one)
            self._progress(1)

    def _failed(self, table: str, row: Row, error: Exception) -> None:
        self._report.failures.append(Failure(table, rows.row_name(rows.NAMED_BY[table], row), str(error)))

    def _count_unknown(self, kind: str, value: object) -> None:
        if number := unknown_fields(value):
            self._report.verbatim[f"unknown fields of {kind}"] += number

    async def _events(self) -> None:
        newest = 0 if self._storage is None else await self._storage.transfers.newest_cursor()
        if there := newest and sum(1 for _ in self._cursors(newest)):
            self._report.already["events"] += there
            self._progress(there)
        await self._check_log(newest)
        batch: list[MobEvent] = []
        size, last = 0, newest
        for cursor, row in self._database.rows(schemas.EVENTS, after=newest):
            last = cursor
            try:
                event = rows.event_of(row)
                if not 0 < cursor <= GREATEST:
                    raise SerializationError(f"its cursor is not within 1 to {GREATEST}")
            except _OF_A_ROW as error:
                self._failed(schemas.EVENTS, row, error)
                self._progress(1)
                continue
            batch.append(event)
            size += len(row["event_json"])
            if len(batch) >= BATCH or size >= BATCH_BYTES:
                newest = await self._append(batch, newest, cursor)
                batch, size = [], 0
        allocated = max(min(self._allocated(), GREATEST), newest if last > GREATEST else max(last, newest))
        if batch or allocated > newest:
            await self._append(batch, newest, allocated)

    async def _check_log(self, newest: int) -> None:
        """Raises CasConflictError if the newest event of the log is none of the file: another program has written it."""
        if self._storage is None or not newest:
            return
        stored = await self._storage.events.poll(newest - 1, 1)
        if not stored or stored[0].cursor != newest:
            return
        row = next(iter(self._database.rows(schemas.EVENTS, after=newest - 1)), (0, {}))[1]
        try:
            is_same = rows.event_of(row) == stored[0]
        except (KeyError, SerializationError):
            is_same = False
        if not is_same:
            raise self._written_by_another(newest)

    def _written_by_another(self, cursor: int) -> CasConflictError:
        assert self._storage is not None
        return CasConflictError(
            f"the log of namespace {shown(self._storage.namespace)} was written by another program at or behind cursor "
            f"{cursor}, and the import is not over: import into a new namespace that no program uses"
        )

    def _cursors(self, newest: int) -> Iterator[int]:
        for cursor, _ in self._database.rows(schemas.EVENTS):
            if cursor > newest:
                return
            yield cursor

    def _allocated(self) -> int:
        """The greatest cursor that the file has given."""
        if schemas.EVENT_META not in self._database.schema.tables:
            return 0
        for _, row in self._database.rows(schemas.EVENT_META):
            if row["key"] == "next_cursor":
                return row["value"] - 1 if isinstance(row["value"], int) else 0
            self._report.verbatim["rows of table mob_event_meta that are not known"] += 1
        return 0

    async def _append(self, batch: list[MobEvent], after: int, newest: int) -> int:
        """Store a batch; returns the newest cursor then. One that cannot be stored as a whole is stored one by one."""
        stored = len(batch)
        if self._storage is not None:
            try:
                await self._stored(batch, after, newest)
            except _OF_A_ROW as error:
                if isinstance(error, CasConflictError):
                    raise
                stored = await self._one_by_one(batch, after, newest)
        self._report.came["events"] += stored
        for event in batch:
            self._count_unknown("events", event)
            if event.kind.type not in EVENT_KINDS:
                self._report.verbatim["events of unknown kinds"] += 1
        self._progress(len(batch))
        return newest

    async def _one_by_one(self, batch: list[MobEvent], after: int, newest: int) -> int:
        stored = 0
        for event in batch:
            try:
                await self._stored([event], after, event.cursor)
            except (ValidationError, InternalError, SerializationError) as error:
                self._failed(schemas.EVENTS, {"cursor": event.cursor}, error)
            else:
                stored, after = stored + 1, event.cursor
        if after < newest:
            await self._stored([], after, newest)
        return stored

    async def _stored(self, batch: list[MobEvent], after: int, newest: int) -> None:
        assert self._storage is not None
        if not await self._storage.transfers.append_events(batch, after=after, newest=newest):
            raise self._written_by_another(after)

    async def _run(self, run: Any) -> bool:
        if self._storage is None:
            return True
        try:
            await self._storage.runs.create_run(run)
        except RunAlreadyExistsError:
            if await self._storage.runs.get_run(run.run_id) == run:
                return False
            raise
        return True

    async def _supervisor(self, one: rows.OfMob) -> bool:
        check_peer_ids(one.value)
        if self._storage is None:
            return True
        metadata = self._storage.runtime_metadata
        if await metadata.put_supervisor_authority_if_absent(one.mob_id, one.value):
            return True
        return self._same(await metadata.load_supervisor_authority(one.mob_id) == one.value)

    async def _overlay(self, one: rows.OfMob) -> bool:
        if self._storage is None:
            return True
        metadata = self._storage.runtime_metadata
        if await metadata.put_external_binding_overlay_if_absent(one.mob_id, one.value):
            return True
        return self._same(one.value in await metadata.list_external_binding_overlays(one.mob_id))

    def _same(self, is_same: bool) -> bool:
        if not is_same:
            raise CasConflictError("another one is there")
        return False

    async def _profile(self, profile: Any) -> bool:
        return self._storage is None or await self._storage.transfers.insert_profile(profile)

    async def _spec(self, one: rows.OfMob) -> bool:
        if self._storage is None:
            return True
        spec: rows.Spec = one.value
        return await self._storage.transfers.insert_spec(one.mob_id, spec.definition, spec.revision)

    async def _verbatim(self, table: str, what: str) -> None:
        keys = self._database.keys(table)
        for rowid, row in self._database.rows(table):
            try:
                if self._storage is not None:
                    key = rows.verbatim_key(keys, rowid, row)
                    await self._storage.records.insert(TABLES + table, key, rows.verbatim(row))
            except _OF_A_ROW as error:
                self._report.failures.append(Failure(table, f"rowid {rowid}", str(error)))
            else:
                self._report.verbatim[what] += 1
            self._progress(1)

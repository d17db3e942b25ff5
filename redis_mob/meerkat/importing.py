"""Stores what is in a mob.db, in an order that lets it be killed and started again (contract: meerkat-11).

Why in this order: decision 0058.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from redis_mob.errors import CasConflictError, InternalError, SerializationError, ValidationError, shortened
from redis_mob.meerkat import rows, schemas
from redis_mob.meerkat.reading import MobDatabase, Row
from redis_mob.meerkat.report import Failure, Report, unknown_fields
from redis_mob.meerkat.storing import DryRun, Namespace, Target
from redis_mob.models.base import MOST_COUNTED
from redis_mob.models.events import EVENT_KINDS, MobEvent
from redis_mob.storage import MobStorage

BATCH = 250
BATCH_BYTES = 500_000
"""How many events, and of how many bytes, are stored at a time, unless a single one is larger."""

Progress = Callable[[int], None]
"""Is told how many rows are done since the last time."""

_NOT_STORABLE = (ValidationError, InternalError, SerializationError)
_OF_A_ROW = (*_NOT_STORABLE, CasConflictError)
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
    target = DryRun() if storage is None else Namespace(storage)
    before = await target.begin(database)
    if before is not None:
        report.is_repeated = True
        report.failures, report.failures_left_out = before.failures, before.left_out
        return report
    await _Importer(database, target, report, progress).run()
    await target.end(database, report.failures)
    return report


class _Importer:
    """The import of one file: all that belongs to mobs first, and their specs, by which they are found, last."""

    def __init__(self, database: MobDatabase, target: Target, report: Report, progress: Progress) -> None:
        self._database, self._target, self._report, self._progress = database, target, report, progress

    async def run(self) -> None:
        target, schema = self._target, self._database.schema
        await self._events()
        await self._each(schemas.RUNS, "runs", rows.run_of, target.run)
        await self._each(schemas.SUPERVISORS, "supervisors", rows.supervisor_of, target.supervisor)
        await self._each(schemas.OVERLAYS, "overlays", rows.overlay_of, target.overlay)
        await self._each(schemas.PROFILES, "realm profiles", rows.profile_of, target.profile)
        for table in schema.verbatim:
            await self._verbatim(table, f"rows of table {table}")
        for table in sorted(schemas.KNOWN.keys() & schema.tables.keys()):
            if not schema.unknown_columns(table):
                continue
            what = f"rows of table {table} with unknown columns"
            if table in schemas.SECRET:
                self._report.left_out[f"{what}, which has secrets"] += self._database.counts[table]
            else:
                await self._verbatim(table, what)
        await self._each(schemas.RECORDS, "records", rows.record_of, target.record)
        await self._each(schemas.SPECS, "specs", rows.spec_of, target.spec)

    async def _each(
        self, table: str, kind: str, decode: Callable[[Row], Any], store: Callable[[Any], Awaitable[bool]]
    ) -> None:
        if table not in self._database.schema.tables:
            return
        for _, row in self._database.rows(table):
            try:
                one = rows.decoded(decode, row)
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
        newest = await self._target.newest_cursor()
        before = newest
        batch: list[MobEvent] = []
        size, last = 0, newest
        for _, row in self._database.rows(schemas.EVENTS):
            if (event := self._event(row)) is None:
                self._progress(1)
                continue
            cursor = event.cursor
            if cursor <= before:  # it was read again for its failures alone, which each report names
                self._report.already["events"] += 1
                self._progress(1)
                continue
            last = cursor
            batch.append(event)
            size += len(row["event_json"])
            if len(batch) >= BATCH or size >= BATCH_BYTES:
                await self._append(batch, newest, last)
                newest, batch, size = last, [], 0
        given = max(await self._given(), last)
        if batch or given > newest:
            await self._append(batch, newest, given)

    def _event(self, row: Row) -> MobEvent | None:
        try:
            event = rows.decoded(rows.event_of, row)
        except _OF_A_ROW as error:
            self._failed(schemas.EVENTS, row, error)
            return None
        if not 0 < event.cursor <= MOST_COUNTED:
            self._failed(schemas.EVENTS, row, ValidationError(f"its cursor is not within 1 to {MOST_COUNTED}"))
            return None
        return event

    async def _given(self) -> int:
        """The greatest cursor that the file has given, 0 if it does not say. Other rows beside it are kept verbatim."""
        table, given = schemas.EVENT_META, 0
        if table in self._database.schema.tables:
            for rowid, row in self._database.rows(table):
                if row["key"] != "next_cursor":
                    await self._keep(table, self._database.keys(table), rowid, row, f"rows of table {table}")
                elif isinstance(row["value"], int) and 0 < row["value"] <= MOST_COUNTED + 1:
                    given = row["value"] - 1
                else:
                    self._failed(table, row, ValidationError(f"its value is no cursor within 1 to {MOST_COUNTED + 1}"))
                self._progress(1)
        return given

    async def _append(self, batch: list[MobEvent], after: int, newest: int) -> None:
        """Store a batch; of one that cannot be stored as a whole each event by itself."""
        stored = len(batch)
        try:
            await self._target.events(batch, after, newest)
        except _NOT_STORABLE:
            stored = await self._one_by_one(batch, after, newest)
        self._report.came["events"] += stored
        for event in batch:
            if event.kind.type in EVENT_KINDS:
                self._count_unknown("events", event)
            else:
                self._report.verbatim["events of unknown kinds"] += 1
        self._progress(len(batch))

    async def _one_by_one(self, batch: list[MobEvent], after: int, newest: int) -> int:
        stored = 0
        for event in batch:
            try:
                await self._target.events([event], after, event.cursor)
            except _NOT_STORABLE as error:
                self._failed(schemas.EVENTS, {"cursor": event.cursor}, error)
            else:
                stored, after = stored + 1, event.cursor
        if after < newest:
            await self._target.events([], after, newest)
        return stored

    async def _verbatim(self, table: str, what: str) -> None:
        keys = self._database.keys(table)
        for rowid, row in self._database.rows(table):
            await self._keep(table, keys, rowid, row, what)
            self._progress(1)

    async def _keep(self, table: str, keys: Sequence[str], rowid: int, row: Row, what: str) -> None:
        """Keep a row as it is, under its primary key of these columns."""
        try:
            await self._target.verbatim(table, rows.verbatim_key(keys, rowid, row), rows.verbatim(row))
        except _OF_A_ROW as error:
            name = rows.row_name(keys, row) if keys else f"rowid {rowid}"
            self._report.failures.append(Failure(table, name, str(error)))
        else:
            self._report.verbatim[what] += 1

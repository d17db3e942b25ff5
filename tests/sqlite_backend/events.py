"""The event log on sqlite3."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from redis_mob.contracts import MobEventStore
from redis_mob.errors import CasConflictError, EpochChangedError, EventsTrimmedError, InternalError
from redis_mob.models import ForkJobTerminal, MobEvent, NewMobEvent, StepFailed
from tests.sqlite_backend import event_log as log
from tests.sqlite_backend.database import Database, Sql, bounded, newest
from tests.sqlite_backend.subscription import Row, Subscription


class SqliteEventStore(MobEventStore):
    """The contract's `MobEventStore` on sqlite3; its docstrings say what holds."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def append(self, event: NewMobEvent, /) -> MobEvent:
        [stored] = await self.append_batch([event])
        return stored

    async def append_batch(self, events: Sequence[NewMobEvent], /) -> list[MobEvent]:
        return await self._database.write(lambda sql: log.append(sql, events, datetime.now(UTC)))

    async def append_terminal_event_if_absent(self, event: NewMobEvent, /) -> MobEvent | None:
        log.check_ends_flow(event)

        def append_unless_ended(sql: Sql) -> MobEvent | None:
            return None if log.has_ended(sql, event) else log.append(sql, [event], datetime.now(UTC))[0]

        return await self._database.write(append_unless_ended)

    async def append_step_failed_event_if_absent(self, event: NewMobEvent, /) -> MobEvent | None:
        failure = event.kind
        if not isinstance(failure, StepFailed):
            raise InternalError(f"a step_failed event is needed, not {failure.type}")

        def append_unless_told(sql: Sql) -> MobEvent | None:
            told = log.failures_of(sql, event.mob_id, failure)
            if failure in told:
                return None
            if told:
                raise CasConflictError("the log has another step_failed event for the same run and step")
            return log.append(sql, [event], datetime.now(UTC))[0]

        return await self._database.write(append_unless_told)

    async def append_fork_job_terminal_if_absent(self, event: NewMobEvent, /) -> MobEvent | None:
        ended = event.kind
        if not isinstance(ended, ForkJobTerminal):
            raise InternalError(f"a fork_job_terminal event is needed, not {ended.type}")

        def append_unless_told(sql: Sql) -> MobEvent | None:
            told = log.outcomes_of(sql, event.mob_id, ended)
            if log.outcome_of(ended) in told:
                return None
            if told:
                raise CasConflictError(f"the log has another outcome of job {ended.job_id!r} of {ended.child!r}")
            return log.append(sql, [event], datetime.now(UTC))[0]

        return await self._database.write(append_unless_told)

    async def poll(self, after_cursor: int, limit: int) -> list[MobEvent]:
        query = "SELECT * FROM events WHERE cursor > ? ORDER BY cursor LIMIT ?"
        window = bounded(after_cursor), bounded(limit)
        rows = await self._database.read(lambda sql: sql.execute(query, window).fetchall())
        return list(map(log.decode_event, rows))

    async def replay_all(self) -> list[MobEvent]:
        rows = await self._database.read(lambda sql: sql.execute("SELECT * FROM events ORDER BY cursor").fetchall())
        return list(map(log.decode_event, rows))

    async def latest_cursor(self) -> int:
        query = "SELECT coalesce(max(cursor), 0) FROM events"
        return await self._database.read(lambda sql: sql.execute(query).fetchone()[0])

    async def prune(self, older_than: datetime, *, structural: bool = False) -> int:
        if older_than.tzinfo is None:
            raise InternalError(f"prune needs a time with a zone, not {older_than.isoformat()}")
        bound = (log.microseconds(older_than),)

        def delete(sql: Sql) -> int:
            rows = sql.execute("SELECT cursor, document FROM events WHERE microseconds < ?", bound).fetchall()
            gone = [(cursor,) for cursor, document in rows if structural or not log.is_structural(document)]
            sql.executemany("DELETE FROM events WHERE cursor = ?", gone)
            return len(gone)

        return await self._database.write(delete)

    async def clear(self) -> None:
        def clear(sql: Sql) -> None:
            sql.execute("DELETE FROM events")
            sql.execute("DELETE FROM ended_flows")
            sql.execute("DELETE FROM failed_steps")
            sql.execute("DELETE FROM ended_jobs")

        await self._database.write(clear)

    @asynccontextmanager
    async def subscribe(self, after: int | None = None) -> AsyncGenerator[AsyncIterator[MobEvent]]:
        start = await self._database.read(lambda sql: newest(sql, log.CURSORS)) if after is None else bounded(after)
        yield Subscription(
            self._read_after,
            start,
            decode=log.decode_event,
            lost=EventsTrimmedError,
            gone_back=EpochChangedError.of_events,
        )

    async def _read_after(self, cursor: int) -> tuple[int, Row | None]:
        query = "SELECT * FROM events WHERE cursor > ? ORDER BY cursor LIMIT 1"
        return await self._database.read(
            lambda sql: (newest(sql, log.CURSORS), sql.execute(query, (cursor,)).fetchone())
        )

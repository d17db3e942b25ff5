"""Runs and events of a namespace as they were behind an event of its log: `storage.at` (contract: past-1 to past-6)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from redis_mob.codec.arguments import integer
from redis_mob.errors import NotDrivenError, NotFoundError
from redis_mob.models.run_status import MobRunStatus
from redis_mob.past.log_side import LogSide, shorter_side
from redis_mob.past.run_events import EARLIER, events_missing, events_of, newest_up_to, pages_after, run_of
from redis_mob.past.run_fold import PastRun, RunFold

if TYPE_CHECKING:
    from redis_mob.contracts import ExecutionStore, MobEventStore, MobRunStore
    from redis_mob.models.definition import MobDefinition
    from redis_mob.models.events import MobEvent
    from redis_mob.models.run import MobRun


_MOST_NAMED = 3
"""How many runs that cannot be told one error names."""


class _OnlyRead:
    """What has the reading methods of a store, and none of the others."""

    def __init__(self, cursor: int) -> None:
        self._cursor = cursor

    if not TYPE_CHECKING:
        # a type checker that saw it would take any name for an attribute

        def __getattr__(self, name: str) -> Any:
            raise AttributeError(
                f"{type(self).__name__!r} object has no attribute {name!r}: what was at a cursor is only read, "
                "and has runs and events alone; all else is done with the storage itself"
            )


class PastEvents(_OnlyRead):
    """The event log up to a cursor. Events that were pruned or cleared since are not in it (contract: past-5)."""

    def __init__(self, cursor: int, events: MobEventStore) -> None:
        super().__init__(cursor)
        self._events = events

    async def poll(self, after_cursor: int, limit: int) -> list[MobEvent]:
        """At most `limit` events behind `after_cursor`, up to the cursor of the view. Raises as MobEventStore.poll."""
        return [event for event in await self._events.poll(after_cursor, limit) if event.cursor <= self._cursor]

    async def replay_all(self) -> list[MobEvent]:
        """All events up to the cursor, in ascending order. Raises as MobEventStore.poll."""
        return [event async for event in pages_after(self._events, 0, self._cursor)]

    async def latest_cursor(self) -> int:
        """The greatest cursor up to that of the view which is still present, 0 if there is none."""
        newest = await newest_up_to(self._events, self._cursor)
        return 0 if newest is None else newest.cursor


class PastsOfRuns(NamedTuple):
    """Runs as they were; and why others cannot be told, by their ids (contract: past-4)."""

    runs: tuple[PastRun, ...]
    untold: Mapping[str, str]


class PastRuns(_OnlyRead):
    """The runs as they were behind a cursor (contract: past-2)."""

    def __init__(self, cursor: int, events: MobEventStore, runs: MobRunStore, executions: ExecutionStore) -> None:
        super().__init__(cursor)
        self._events, self._runs, self._executions = events, runs, executions
        self._definitions: dict[str, MobDefinition] = {}

    async def get_run(self, run_id: str, /) -> MobRun | None:
        """A run as it was; None if it was not there, or is not any more.

        Outputs that were replaced since are missing, and `past_of` names them. Raises NotFoundError if what is stored
        does not tell how the run was, and why (contract: past-4); and as MobRunStore.get_run.
        """
        past = await self.past_of(run_id)
        return past and past.run

    async def list_runs(self, mob_id: str, flow_id: str | None = None) -> list[MobRun]:
        """The runs of a mob, or of one of its flows, that were there, in the order of their creation.

        Raises NotFoundError if one of them cannot be told, with all that cannot; and as MobRunStore.list_runs.
        """
        found = await self.pasts_of(mob_id, flow_id)
        if found.untold:
            named = "; ".join(list(found.untold.values())[:_MOST_NAMED])
            more = f"; and {len(found.untold) - _MOST_NAMED} more" if len(found.untold) > _MOST_NAMED else ""
            raise NotFoundError(f"{named}{more}. `pasts_of` gives the other {len(found.runs)} of these runs")
        return [past.run for past in found.runs]

    async def pasts_of(self, mob_id: str, flow_id: str | None = None) -> PastsOfRuns:
        """The runs of a mob, or of one of its flows, as they were, in the order of their creation, and those of them
        that cannot be told. Raises as MobRunStore.list_runs."""
        when = await self._time()
        runs, untold = list[PastRun](), dict[str, str]()
        found = await self._runs.list_runs(mob_id, flow_id)
        newest = await self._events.latest_cursor()
        side = await shorter_side(self._events, self._cursor, newest) if 0 < self._cursor < newest and found else None
        for run in found:
            try:
                past = await self._past(run, when, newest, side)
            except NotFoundError as error:
                untold[run.run_id] = str(error)
            else:
                runs += [] if past is None else [past]
        return PastsOfRuns(tuple(runs), untold)

    async def past_of(self, run_id: str) -> PastRun | None:
        """A run as it was, and what of it cannot be known any more. Raises as `get_run`."""
        when = await self._time()
        run = await self._runs.get_run(run_id)
        return run and await self._past(run, when, await self._events.latest_cursor())

    async def _time(self) -> datetime | None:
        """The time of the newest event up to the cursor; None if there is none."""
        newest = await newest_up_to(self._events, self._cursor)
        return newest and newest.timestamp

    async def _past(
        self, run: MobRun, when: datetime | None, newest: int, side: LogSide | None = None
    ) -> PastRun | None:
        """A run as it was. `when` is the time of the newest event up to the cursor.

        `newest`, the last cursor, and `side` were read after the run.
        """
        # above the newest cursor there may have been events that were pruned
        if newest == self._cursor or (newest < self._cursor and run.status is MobRunStatus.PENDING):
            return PastRun(run)
        is_later = when is not None and run.created_at > when + EARLIER
        if not self._cursor or (is_later and run.status is MobRunStatus.PENDING):
            return None
        was_over = when is not None and run.completed_at is not None and run.completed_at + EARLIER < when
        if side is not None and is_later and side.had_not_begun(run.run_id):
            return None
        if side is not None and was_over and side.had_ended(run.run_id):
            return PastRun(run)
        try:
            view = await self._executions.load(run.run_id)
        except NotDrivenError:  # no event tells when it was written to: what its times tell is all there is
            if is_later or was_over:
                return None if is_later else PastRun(run)
            raise
        if view is None:
            return None
        if side is not None and run.status.is_terminal and side.had_ended(run.run_id):
            return PastRun(run)
        events = await events_of(
            self._events, run.run_id, view.launched_at, run.completed_at, from_its_start=bool(run.frames)
        )
        if events is None:
            side = side or await shorter_side(self._events, self._cursor, newest)
            if run.status.is_terminal and side.had_ended(run.run_id):
                return PastRun(run)
            raise events_missing(run.run_id)
        if run.status.is_terminal and events and events[-1].cursor <= self._cursor:
            return PastRun(run)
        later: list[MobEvent] = []
        if not run.status.is_terminal:
            # read behind its events it knows of each of them, and what it knows beyond them is in later ones
            again = await self._runs.get_run(run.run_id)
            if again is None:
                return None
            run = again
            last = max(newest, events[-1].cursor if events else 0)
            later = [event async for event in pages_after(self._events, last) if run_of(event) == run.run_id]
        if all(event.cursor > self._cursor for event in events) and (when is None or run.created_at > when):
            return None
        definition = await self._definition(view.launch.definition)
        return RunFold(run, definition, events, later).at(self._cursor)

    async def _definition(self, digest: str) -> MobDefinition:
        if digest not in self._definitions:
            self._definitions[digest] = await self._executions.get_definition(digest)
        return self._definitions[digest]


class PastStorage(_OnlyRead):
    """`events` and `runs` as they were behind an event of the log, each with the reading methods of its store."""

    def __init__(self, cursor: int, events: MobEventStore, runs: MobRunStore, executions: ExecutionStore) -> None:
        at = integer("cursor", cursor, least=0)
        super().__init__(at)
        self.cursor = at
        self.events = PastEvents(at, events)
        self.runs = PastRuns(at, events, runs, executions)

    def __repr__(self) -> str:
        return f"PastStorage({self.cursor})"

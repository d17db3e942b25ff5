"""What a run is like, and what it tells."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from redis_mob.codec.arguments import flag, text
from redis_mob.fleet.watching import watch
from redis_mob.models.events import MobEvent
from redis_mob.models.progress import ProgressEntry
from redis_mob.operations.admin.base import AdminBase
from redis_mob.operations.run_description import RunDescription
from redis_mob.operations.tailing import EventFilter, tail
from redis_mob.operations.undriven_runs import describe_any

if TYPE_CHECKING:
    from datetime import datetime

    from redis_mob.operations.run_diff import RunDiff
    from redis_mob.past.time_travel import RunMoment


class RunViews(AdminBase):
    """What a run is like, and what it tells."""

    async def describe(self, run_id: str, *, outputs: bool = False, attempts: bool = False) -> RunDescription:
        """A run as it is now: its frames, loops, iterations, steps and members, with states, times and reasons
        (contract: operations-20).

        With `outputs` the outputs of its steps and its parameters are in it, however long; else short parameters alone
        (contract: operations-232). With `attempts` every attempt
        of its members is, as the event log tells of them: that is read from about where the run began, and 20,000
        events of other runs at most (contract: operations-21). A run that no fleet has started, as one that was
        imported, is told by its ledgers (contract: operations-24). Raises NotFoundError if the run does not exist.
        """
        return await describe_any(
            self._storage, run_id, outputs=flag("outputs", outputs), attempts=flag("attempts", attempts)
        )

    async def state_at(self, run_id: str, at: int | datetime) -> RunMoment:
        """A run as it was behind its last event up to a cursor: its status, its steps, members and loops
        (contract: operations-250).

        A time stands for the last event before it; what is behind its newest event is now. It is reconstructed from the
        events of the run, which are read as `describe` reads attempts. What no event tells is as the log proves
        (contract: operations-251).
        Raises NotFoundError if the run does not exist, was not there yet, no fleet has started it, or the log does not
        have all of its events any more; ValidationError for what is no cursor and no time, InternalError for a time
        without a zone.
        """
        from redis_mob.operations.past_reading import state_at  # with the models of events, which few ask for

        return await state_at(self._storage, text("run_id", run_id), at)

    async def diff(self, run_id: str, before: int | datetime, after: int | datetime) -> RunDiff:
        """What of a run differs between two cursors: status, steps, frames, nodes, loops, outputs and rows of ledgers
        (contract: past-7).

        A time stands for the last event before it. `before` may be the later one: then what came is what goes.
        Raises NotFoundError if the run was there at neither, or as `storage.at(cursor).runs.get_run` does;
        ValidationError for what is no cursor and no time, InternalError for a time without a zone.
        """
        from redis_mob.operations.run_diff import diff  # with the models of events, which few ask for

        return await diff(self._storage, text("run_id", run_id), before, after)

    def tail(
        self,
        run_id: str | None = None,
        *,
        mob: str | None = None,
        flow: str | None = None,
        kinds: Collection[str] | None = None,
        after: int | None = None,
        follow: bool = True,
        until_over: bool = True,
    ) -> AbstractAsyncContextManager[AsyncIterator[MobEvent]]:
        """Follow the event log, as an async iterator: of everything, or of one run, mob, flow, or of these kinds
        (contract: operations-22).

        It begins with the next event, or with the first one after a cursor: 0 is the beginning. Without `follow` it
        ends with the newest event that the log has now, and the tail of a run ends with that, unless `until_over` is
        False. Raises NotFoundError if the run does not exist, ValidationError for a kind that is not known;
        EventsTrimmedError and EpochChangedError, once, as a subscription does: then it goes on.
        """
        return tail(
            self._storage, EventFilter.of(run_id, mob, flow, kinds), after, follow=follow, until_over=until_over
        )

    def watch(
        self, run_id: str, topic: str | None = None, after: int | None = None
    ) -> AbstractAsyncContextManager[AsyncIterator[ProgressEntry]]:
        """Follow what the handlers of a run tell; as `Fleet.watch`, without a definition (contract: progress-6)."""
        return watch(self._storage.progress, run_id, topic, after)

"""The facade of operators over one namespace."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import AbstractAsyncContextManager

from redis_mob.codec.arguments import flag, instance
from redis_mob.fleet.watching import watch
from redis_mob.models.events import MobEvent
from redis_mob.models.progress import ProgressEntry
from redis_mob.models.worker import LiveWorker
from redis_mob.operations.inspection import describe
from redis_mob.operations.run_description import RunDescription
from redis_mob.operations.tailing import EventFilter, tail
from redis_mob.storage import MobStorage


class FleetAdmin:
    """Looks at the runs and workers of a namespace and steers them, without the code of the fleet."""

    def __init__(self, storage: MobStorage) -> None:
        self._storage = instance("storage", storage, MobStorage)

    def __repr__(self) -> str:
        return f"FleetAdmin({self._storage!r})"

    async def workers(self) -> tuple[LiveWorker, ...]:
        """The workers that hold a lease, the one whose lease ends first at the beginning."""
        return await self._storage.executions.workers()

    async def describe(self, run_id: str, *, outputs: bool = False, attempts: bool = False) -> RunDescription:
        """A run as it is now: its frames, loops, iterations, steps and members, with states, times and reasons
        (contract: operations-20).

        With `outputs` the outputs of its steps are in it, and not only how long they are. With `attempts` every attempt
        of its members is, as the event log tells of them: that is read from about where the run began, and 20,000
        events of other runs at most (contract: operations-21). Raises NotFoundError if the run does not exist, or no
        fleet has started it.
        """
        return await describe(
            self._storage, run_id, outputs=flag("outputs", outputs), attempts=flag("attempts", attempts)
        )

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

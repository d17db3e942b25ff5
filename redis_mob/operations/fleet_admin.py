"""The facade of operators over one namespace."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Any

from redis_mob.codec.arguments import duration, flag, instance, integer, text
from redis_mob.fleet.retention import Sweep
from redis_mob.fleet.watching import watch
from redis_mob.models.definition import MobDefinition
from redis_mob.models.events import MobEvent
from redis_mob.models.flow_schedule import ScheduleRecord
from redis_mob.models.progress import ProgressEntry
from redis_mob.models.retention import PruneReport, RetentionPolicies, RetentionPolicy
from redis_mob.models.run import MobRunStatus
from redis_mob.models.run_summary import RunPage, RunSummary
from redis_mob.models.worker import LiveWorker
from redis_mob.operations import deletion, ending, schedules
from redis_mob.operations.deletion import KEY_KEPT
from redis_mob.operations.forking import UNCHANGED, ForkOrder, Unchanged, fork
from redis_mob.operations.inspection import describe
from redis_mob.operations.queue_report import QueueReport, report_queues
from redis_mob.operations.run_description import RunDescription
from redis_mob.operations.run_list import every_run, run_filter
from redis_mob.operations.stats import NamespaceStats, read_stats
from redis_mob.operations.tailing import EventFilter, tail
from redis_mob.operations.worker_report import HeldExecution, executions_of
from redis_mob.storage import MobStorage


class FleetAdmin:
    """Looks at the runs and workers of a namespace and steers them, without the code of the fleet."""

    def __init__(self, storage: MobStorage) -> None:
        self._storage = instance("storage", storage, MobStorage)

    def __repr__(self) -> str:
        return f"FleetAdmin({self._storage!r})"

    async def cancel(self, run_id: str, *, wait: bool = False) -> bool:
        """Ask for the cancellation of a run; a worker carries it out, or this call if none is alive.

        False if the run is over already. With `wait` it is over when this returns: where a worker is alive and does not
        end it within five seconds, this call does (contract: operations-43). A run that no fleet has started is
        canceled at once. Raises NotFoundError if there is no such run, or no worker and no definition of it.
        """
        return await ending.cancel(self._storage, text("run_id", run_id), wait=flag("wait", wait))

    async def terminate(self, run_id: str) -> bool:
        """Cancel a run at once, by one transition: no handler is waited for, and no outcome counts that comes after it.

        Workers cancel the handlers that they have under way (contract: operations-44). False if the run is over, or was
        completed or failed meanwhile. Raises NotFoundError if there is no such run, or its definition is gone.
        """
        return await ending.terminate(self._storage, text("run_id", run_id))

    async def delete(
        self, run_id: str, *, cancel: bool = False, keep_key: bool = False, keep_for: timedelta = KEY_KEPT
    ) -> None:
        """Delete a run with everything that belongs to it; nothing of it is left (contract: operations-40).

        One that is not over is refused, or terminated before with `cancel`. Its idempotency key is free then, unless
        `keep_key` is given: then the key gives the id of the deleted run, and starts no other one, for the time of
        `keep_for`. If this was interrupted, calling it again goes on.
        Raises NotFoundError if there is no such run, CasConflictError for one that is not over.
        """
        kept = duration("keep_for", keep_for)
        await deletion.delete(
            self._storage,
            text("run_id", run_id),
            cancel=flag("cancel", cancel),
            keep_id_for=kept if flag("keep_key", keep_key) else None,
        )

    async def fork(
        self,
        run_id: str,
        from_step: str | None = None,
        *,
        params: Any = UNCHANGED,
        definition: MobDefinition | None = None,
        idempotency_key: str | None = None,
        priority: int | None = None,
        at: datetime | None = None,
        release: str | Unchanged | None = UNCHANGED,
    ) -> str:
        """Start a new run of the same flow that takes over what a run which is over has completed; return its id.

        A step or loop that is named runs anew with all that runs after it, in any case; without one, all that has not
        completed does (contract: operations-60). What else completed is carried over with its output, and asks no
        member. The run that it comes from stays as it is, and may be deleted.

        What is not given is as it was for that run: its parameters, its definition, its priority and its release. Steps
        that are carried over keep what they gave, also if they would give something else with other parameters or by
        another definition. The same idempotency key always gives the same run.

        Raises NotFoundError for an unknown run, or a step that the flow does not have; CasConflictError for a run that
        is not over; SerializationError if an output is gone that is to be carried over; DefinitionError as `Fleet`;
        ValidationError for a step in a loop, which runs anew as a whole, for a definition without a place for what is
        carried over, if nothing would run anew, for an idempotency key of another fork, and as `Fleet.start`.
        """
        order = ForkOrder.of(from_step, params, definition, idempotency_key, priority=priority, at=at, release=release)
        return await fork(self._storage, run_id, order)

    async def unfinished_deletions(self) -> tuple[str, ...]:
        """The runs whose deletion goes on or was interrupted: `delete` goes on with each of them."""
        return await self._storage.steering.deletions()

    async def set_retention(self, policy: RetentionPolicy, mob: str | None = None) -> None:
        """Say how long runs of a mob are kept, or those of all mobs without a policy of their own, and how many.

        Workers delete the others from then on (contract: operations-80). Raises ValidationError for the policy of a mob
        that bounds events.
        """
        await self._storage.retention.set_policy(policy, mob)

    async def clear_retention(self, mob: str | None = None) -> bool:
        """Take back the policy of a mob, or that of all others; False if there was none."""
        return await self._storage.retention.clear_policy(mob)

    async def get_retention(self, mob: str | None = None) -> RetentionPolicy | None:
        """The policy of a mob of its own, or that of all others; None if there is none."""
        return (await self._storage.retention.policies()).groups.get(mob)

    async def retention(self) -> RetentionPolicies:
        """All policies."""
        return await self._storage.retention.policies()

    async def prune(self, *, dry_run: bool = False, most: int | None = None) -> PruneReport:
        """Apply the policies once, here and now, to at most so many runs (contract: operations-82).

        With `dry_run` nothing is deleted, and the report says what would be. If this was interrupted, calling it again
        goes on.
        """
        most = None if most is None else integer("most", most, least=0)
        sweep = Sweep(self._storage.retention, self._storage.steering)
        policies = await self._storage.retention.policies()
        return await sweep.round(policies, dry_run=flag("dry_run", dry_run), most=most)

    async def stats(self) -> NamespaceStats:
        """How much there is in the namespace, what memory it takes, and what bounds it (contract: operations-85)."""
        return await read_stats(self._storage)

    async def workers(self) -> tuple[LiveWorker, ...]:
        """The workers that hold a lease, the one whose lease ends first at the beginning."""
        return await self._storage.executions.workers()

    async def runs(
        self,
        *,
        mob_id: str | None = None,
        flow_id: str | None = None,
        statuses: Collection[MobRunStatus] = (),
        since: datetime | None = None,
        until: datetime | None = None,
        text: str | None = None,
        limit: int = 50,
        after: str | None = None,
    ) -> RunPage:
        """A page of the runs to which all that is given applies, the newest first (contract: operations-1).

        They were created at or after `since`, and before `until`; `text` is in their parameters. What the `next` of a
        page is, the page behind it is `after`. Raises ValidationError.
        """
        which = run_filter(mob_id, flow_id, statuses, since, until, text)
        return await self._storage.operations.runs(which, limit=limit, after=after)

    def all_runs(
        self,
        *,
        mob_id: str | None = None,
        flow_id: str | None = None,
        statuses: Collection[MobRunStatus] = (),
        since: datetime | None = None,
        until: datetime | None = None,
        text: str | None = None,
        after: str | None = None,
    ) -> AsyncIterator[RunSummary]:
        """All of them, read page by page; takes what `runs` does, but for the length of a page."""
        which = run_filter(mob_id, flow_id, statuses, since, until, text)
        return every_run(self._storage.operations, which, after)

    async def count(
        self,
        *,
        mob_id: str | None = None,
        flow_id: str | None = None,
        statuses: Collection[MobRunStatus] = (),
        since: datetime | None = None,
        until: datetime | None = None,
        text: str | None = None,
    ) -> Mapping[MobRunStatus, int]:
        """How many runs there are of each status (contract: operations-3); takes what `runs` does."""
        return await self._storage.operations.count(run_filter(mob_id, flow_id, statuses, since, until, text))

    async def find(self, prefix: str) -> str:
        """The id of the one run whose id begins like this, in at least four digits (contract: operations-4).

        Raises NotFoundError if there is none, ValidationError naming some of them if there are several.
        """
        return await self._storage.operations.find(prefix)

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

    async def executions_of(self, worker_id: str) -> tuple[HeldExecution, ...]:
        """What a worker executes, by run; nothing if there is no such worker."""
        return await executions_of(self._storage, text("worker_id", worker_id))

    async def queues(self) -> tuple[QueueReport, ...]:
        """What waits and what is under way of each role, and whether workers serve it (contract: operations-45).

        The cost grows with the number of queues and of retries that wait, not with that of executions.
        """
        loads = await self._storage.steering.queues()
        return report_queues(loads, await self._storage.executions.workers())

    async def schedules(self) -> tuple[ScheduleRecord, ...]:
        """All schedules and how far they are, by name; `Fleet.schedule` makes one (contract: operations-100)."""
        return tuple(stored.record for stored in await self._storage.schedules.list())

    async def schedule(self, name: str) -> ScheduleRecord:
        """One of them. Raises NotFoundError, with the nearest name, if there is none."""
        return (await schedules.schedule(self._storage.schedules, text("name", name))).record

    async def unschedule(self, name: str) -> None:
        """Delete a schedule; its runs go on. Raises NotFoundError if there is none."""
        await schedules.unschedule(self._storage.schedules, text("name", name))

    async def pause_schedule(self, name: str) -> ScheduleRecord:
        """Let a schedule start nothing until it is resumed. Raises NotFoundError if there is none."""
        return await schedules.pause(self._storage.schedules, text("name", name))

    async def resume_schedule(self, name: str) -> ScheduleRecord:
        """Let a paused schedule go on with the next due time from now: what was due meanwhile was not missed.

        Raises NotFoundError if there is none.
        """
        return await schedules.resume(self._storage.schedules, text("name", name))

    async def next_times(self, name: str, count: int = 5) -> tuple[datetime, ...]:
        """The next due times of a schedule, in UTC, whether it is paused or not; fewer if it ends before.

        Raises NotFoundError if there is none, ValidationError for a count that is negative or above 1,000.
        """
        return await schedules.next_times(self._storage.schedules, text("name", name), integer("count", count))

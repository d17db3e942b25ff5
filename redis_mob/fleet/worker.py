"""A worker: takes what is due, commits what follows, and executes steps; any number of them share a namespace."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Coroutine, Iterable, Mapping
from datetime import timedelta
from functools import partial
from itertools import islice
from random import Random
from typing import Any

from redis_mob.codec.arguments import integer, optional_instance, optional_valid_text, texts
from redis_mob.contracts import CheckpointStore, ConversationStore, ExecutionStore, ProgressStore, WakeUp
from redis_mob.errors import HandlerError, MobStoreError, shown
from redis_mob.fleet.begun import Begun
from redis_mob.fleet.calls import MAX_ORPHANED_TURNS, Calls
from redis_mob.fleet.conversation import conversation_of
from redis_mob.fleet.definitions import Definitions
from redis_mob.fleet.driver_services import Services
from redis_mob.fleet.duties import Duty, done_beside
from redis_mob.fleet.engine import Report
from redis_mob.fleet.executor import execute
from redis_mob.fleet.isolation import isolated, require_importable
from redis_mob.fleet.known_runs import KnownRun, KnownRuns
from redis_mob.fleet.lease import DEFAULT_LEASE, LeaseLostError, checked_lease, unfinished
from redis_mob.fleet.loop_watch import loop_watched
from redis_mob.fleet.outage import OutageLimit
from redis_mob.fleet.presence import Presence, worker_name
from redis_mob.fleet.progress_writer import ProgressWriter
from redis_mob.fleet.slots import Slots
from redis_mob.fleet.spend_keeper import SpendServices
from redis_mob.fleet.step_context import Handler, handler_for
from redis_mob.fleet.storage_clock import StorageClock
from redis_mob.fleet.takeover import is_to_be_alone
from redis_mob.fleet.traced_attempts import end_attempt
from redis_mob.fleet.typed.binding import BoundHandler, bound_handlers, bound_to_context
from redis_mob.models.due_work import DueExecution, DueWork
from redis_mob.models.execution import Claim, ExecutionKey, HowLost, Left, Serves
from redis_mob.models.flow_spec import Isolation
from redis_mob.notifications.waiting import wait_for_news
from redis_mob.notifications.wake_up_flag import SWEEP_SECONDS
from redis_mob.telemetry import active
from redis_mob.telemetry.attempts import outside_of_spans

RUNS_AT_ONCE = 8
"""Runs that one worker takes in one go: few, so that what is due spreads over all workers."""

MOST_RUNS = 64
"""Runs that one worker decides at a time; with more it takes no further ones."""

LONGEST_PAUSE_SECONDS = 8.0
"""How long a worker that finds nothing relies on wake-ups in the end: a hundred of them must not keep a server busy."""

PATIENCE = timedelta(milliseconds=20)
"""How long reports on a run are left to the worker that leads it; then another one decides on them."""

SHARE_OF_OTHERS = 4
"""One slot in so many is kept for what the schedule gives out, while something waits there."""

_log = logging.getLogger(__name__)


class Worker:
    """Serves runs of a namespace: advances them, and executes the steps whose roles it has handlers for.

    It executes steps of these `mobs`, of all if it is None, in runs that ask for no release, and for its own `release`.
    `definitions` are the digests of those that it is made for: runs of another definition it leaves to the workers that
    are made for that, as long as there are any.
    `lease` is how long what it executes stays hidden from others when it is lost. A thread renews it, or, while a
    handler holds the interpreter, a process beside this one. A process that is stopped for longer loses what it
    executes to others.
    It has `concurrency` slots of its own, unless `slots` are given, which it may share with other workers.
    `max_orphaned_turns` is how many handlers that ignore their cancellation give their slots back.
    What handlers tell while they are at work goes to `progress`, and what they call once to `checkpoints`; what their
    calls use is counted by `spending`; runs of `conversations` wait for their turn there; if these are given. Beside
    that it has these `duties`.
    Raises ValidationError for a lease below 0.1 seconds, a concurrency below 1, or a negative `max_orphaned_turns`, and
    HandlerError for an isolated handler that its process could not import, or annotations that are wrong.
    """

    def __init__(
        self,
        executions: ExecutionStore,
        handlers: Mapping[str, Handler | BoundHandler],
        *,
        lease: timedelta = DEFAULT_LEASE,
        concurrency: int = 16,
        slots: Slots | None = None,
        max_orphaned_turns: int = MAX_ORPHANED_TURNS,
        name: str | None = None,
        mobs: Iterable[str] | None = None,
        release: str | None = None,
        definitions: Iterable[str] | None = None,
        random: Random | None = None,
        progress: ProgressStore | None = None,
        checkpoints: CheckpointStore | None = None,
        conversations: ConversationStore | None = None,
        spending: SpendServices | None = None,
        duties: Iterable[Duty] = (),
    ) -> None:
        self._duties = tuple(duties)
        self._progress = ProgressWriter(progress)
        self._checkpoints = checkpoints
        self._spending = spending
        self._executions = executions
        self._handlers = bound_handlers(handlers)
        require_importable({role: one.function for role, one in self._handlers.items()})
        concurrency = integer("concurrency", concurrency, least=1)
        self._name = optional_valid_text("name", name) or worker_name()
        self._serves = Serves(
            mobs=None if mobs is None else frozenset(texts("mobs", mobs)),
            roles=None if "*" in handlers else frozenset(handlers),
            release=optional_valid_text("release", release) or "",
            definitions=None if definitions is None else frozenset(texts("definitions", definitions)),
        )
        self._left: frozenset[Left] = frozenset()
        self._longest_pause = SWEEP_SECONDS
        self._lease = checked_lease(lease)
        self._presence = Presence(executions, self._name, self._serves, concurrency, self._lease)
        self._services = Services(
            store=executions,
            definitions=Definitions(executions),
            clock=StorageClock(),
            slots=slots or Slots(concurrency),
            presence=self._presence,
            serves=lambda queue: self._serves.includes(queue) and not Left.has(self._left, queue),
            random=random or Random(),  # noqa: S311  # spreads retries, guards nothing
            conversations=conversations,
        )
        self._runs = KnownRuns(self._services, self._begin)
        self._driving: set[asyncio.Task[None]] = set()
        self._waiting: deque[DueExecution] = deque()
        self._wants_slots = False
        """Whether something waits that this worker may take once a slot is free again."""
        self._suspect: tuple[str, ExecutionKey] | None = None
        """The suspect that was taken or is under way: beside it no other one is."""
        self._executing: set[asyncio.Task[None]] = set()
        most = integer("max_orphaned_turns", max_orphaned_turns, least=0)
        self._calls = Calls(self._name, self._services.slots, most)

    @property
    def id(self) -> str:
        """The id that the storage knows it by now; it has another one after it has lost its lease."""
        return self._presence.id

    @property
    def serves(self) -> Serves:
        """Which queues it takes executions from."""
        return self._serves

    async def run(self, stop: asyncio.Event | None = None, drain_timeout: timedelta | None = None) -> None:
        """Work until `stop` is set, then let the executions under way come to their end, and hand back the others.

        They have until `drain_timeout`, as long as they like if it is None. A worker that is cancelled hands back what
        it executes at once. What is handed back begins again on another worker, with the same attempt.
        Raises the storage's error when it has failed for 15 seconds on end.
        """
        stop = optional_instance("stop", stop, asyncio.Event) or asyncio.Event()
        outage = OutageLimit(self._name)
        active.activate()
        if active.instruments is not None:
            active.instruments.watch_slots(self._services.slots)
        try:
            with outside_of_spans(), loop_watched(self._name, self._calls):
                async with (
                    done_beside(self._duties, stop, self._name),
                    self._executions.listen(serves=self._serves) as wake_up,
                ):
                    while not stop.is_set():
                        try:
                            async with self._presence.known() as lost:
                                await self._live(wake_up, stop, lost, outage, drain_timeout)
                        except MobStoreError as error:
                            outage.bear(error)
                            await asyncio.sleep(SWEEP_SECONDS)
        finally:
            await self._give_up(self._executing | self._driving)
            await self._calls.close()
            await self._progress.aclose()

    async def _live(
        self,
        wake_up: WakeUp,
        stop: asyncio.Event,
        lost: asyncio.Event,
        outage: OutageLimit,
        drain_timeout: timedelta | None,
    ) -> None:
        """Work under one lease, until that is lost or `stop` is set."""
        try:
            await self._loop(wake_up, stop, lost, outage)
            if stop.is_set():
                await self._drain(drain_timeout)
        except BaseException:
            # before the lease ends: what still runs would be handed back, and run twice at a time
            await self._give_up(self._executing | self._driving)
            raise

    async def _drain(self, timeout: timedelta | None) -> None:
        self._services.slots.is_closed = True
        deadline = None if timeout is None else asyncio.get_running_loop().time() + timeout.total_seconds()
        while self._executing or self._driving:
            left = None if deadline is None else max(deadline - asyncio.get_running_loop().time(), 0.0)
            done, _ = await asyncio.wait(
                self._executing | self._driving, timeout=left, return_when=asyncio.FIRST_COMPLETED
            )
            if not done:
                if executing := self._presence.executing:
                    _log.warning("worker %s: %s", self._name, unfinished(executing))
                await self._give_up(set(self._executing))
                deadline = None  # only commits are under way now, and these are bounded

    async def _give_up(self, tasks: set[asyncio.Task[None]]) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _loop(self, wake_up: WakeUp, stop: asyncio.Event, lost: asyncio.Event, outage: OutageLimit) -> None:
        while not (stop.is_set() or lost.is_set()):
            try:
                pause = await self._take_and_start()
                outage.end()
            except MobStoreError as error:
                outage.bear(error)
                pause = SWEEP_SECONDS
            if pause > 0:
                freed = [self._services.slots.given_back] if self._wants_slots else []
                await wait_for_news(wake_up, (stop, lost, *freed), pause)

    async def _take_and_start(self) -> float:
        """Take what is due and start on it; returns for how many seconds there is nothing else to do."""
        services, slots = self._services, self._services.slots
        slots.given_back.clear()
        self._claim_waiting()
        work = await self._executions.take_due(
            # Runs are looked after also while all slots are taken: a cancellation or a deadline waits for no handler.
            max_runs=RUNS_AT_ONCE if len(self._driving) < MOST_RUNS else 0,
            leads=self._led(),
            patience=PATIENCE if self._presence.has_company else timedelta(),
            max_executions=0 if self._waiting else slots.unused,
            max_suspects=0 if self._suspect else 1,
            keep=self._lease,
            serves=self._serves,
        )
        services.clock.observe(work.now)
        # Drivers begin what their own runs dispatch, in slots that become free. While something else waits, a part of
        # the slots is kept for that, or a large run would keep all others waiting.
        slots.kept_for_others = max(slots.number // SHARE_OF_OTHERS, 1) if work.more else 0
        self._left = work.left
        self._presence.has_company = work.workers > 1
        # Taking hides an entry from other workers for the length of a lease. That spreads the work and protects
        # nothing: if an entry is taken twice, because this worker was slow, both try to commit, and one loses.
        for run_id in work.runs:
            run = self._runs.get(run_id)
            run.driver.look_again()
            self._drive(run)
        for due in work.executions:
            if due.loss is not None and due.loss.how is not HowLost.HANDED_BACK:
                self._suspect = (due.run_id, due.key)
        self._waiting.extend(work.executions)
        self._claim_waiting()
        self._wants_slots = work.more or bool(self._waiting) or self._suspect is not None
        if work.runs or work.executions:
            self._longest_pause = SWEEP_SECONDS
        if len(work.runs) == RUNS_AT_ONCE or (work.executions and work.more):
            return 0.0
        pause = _pause(work, self._longest_pause)
        if not (work.runs or work.executions):
            self._longest_pause = min(self._longest_pause * 2, LONGEST_PAUSE_SECONDS)
        return pause

    def _led(self) -> list[str]:
        """The latest runs that this worker leads; it need not say so while it is alone."""
        if not self._presence.has_company:
            return []
        led = (run.run_id for run in self._runs.latest_first() if run.driver.leads)
        return list(islice(led, MOST_RUNS))

    def _claim_waiting(self) -> None:
        """Claim what was taken, as far as there are slots.

        A driver may have begun something in these slots while the storage answered. Then the others wait for the next
        ones; if that takes longer than they are hidden, another worker has them.
        """
        slots = self._services.slots
        while self._waiting and slots.unused:
            due = self._waiting.popleft()
            slots.take(1)
            run = self._runs.get(due.run_id)
            run.driver.claim(Claim(due.key, due.loss))
            self._drive(run)

    def _drive(self, run: KnownRun) -> None:
        """Let the driver of a run decide on what it was told, unless it is at it already."""
        if run.driving is None:
            run.driving = self._start(run.driver.drive(), self._driving)
            run.driving.add_done_callback(partial(self._driven, run))

    def _driven(self, run: KnownRun, driving: asyncio.Task[None]) -> None:
        run.driving = None
        self._forget_suspect(run.run_id)
        # what a worker that drains could not tell in the time that a driver tries, it hands back
        is_given_up = driving.cancelled() or (driving.exception() is not None and self._services.slots.is_closed)
        if run.driver.has_news and not is_given_up:
            self._drive(run)
        elif run.is_idle and not run.driver.is_under_way:
            self._runs.forget(run)

    def _forget_suspect(self, run_id: str) -> None:
        """The suspect of this run is no longer under way, or was not claimed."""
        suspect = self._suspect
        if suspect is not None and suspect[0] == run_id and not self._presence.is_executing(*suspect):
            waits = any((due.run_id, due.key) == suspect for due in self._waiting)
            self._suspect = suspect if waits else None

    def _begin(self, run: KnownRun, begun: Begun) -> None:
        run.executing += 1
        self._presence.add(begun.held)
        self._start(self._execute(run, begun), self._executing)

    async def _execute(self, run: KnownRun, begun: Begun) -> None:
        held, slots = begun.held, self._services.slots
        if held.traced is not None:
            held.traced.begin()
        is_alone = is_to_be_alone(held.execution)
        try:
            handler = handler_for(self._handlers, held.execution.role)
            if handler is None:
                raise HandlerError(f"role {shown(held.execution.role)} has no handler")
            if begun.isolation is Isolation.PROCESS:
                handler = bound_to_context(isolated(handler.function))
            if is_alone:
                slots.is_one_alone = True
                await self._others_ended(held.seconds_left() / 2)
            outcome = await execute(
                *(held, begun.run, begun.visible, begun.profile, handler),
                *(self._calls, self._progress, self._checkpoints, self._spending),
                conversation_of(self._services.conversations, held, begun.conversation),
            )
            end_attempt(held.traced, outcome)
            report = Report(held.key, held.lease.fencing_token, outcome, used=held.tokens.total())
            run.driver.report(report, held.traced)
        except LeaseLostError as error:
            end_attempt(held.traced, error)
            _log.info("worker %s lost %s: it was taken over or canceled", self._name, held)
        finally:
            end_attempt(held.traced, None)
            if is_alone:
                slots.is_one_alone = False
            run.executing -= 1
            self._presence.remove(held)
            slots.give_back()
            self._drive(run)

    async def _others_ended(self, timeout: float) -> None:
        """Wait until nothing else is executed here, as long as that may take."""
        others = self._executing - {asyncio.current_task()}
        if others:
            await asyncio.wait(others, timeout=max(timeout, 0.0))

    def _start(self, work: Coroutine[Any, Any, None], among: set[asyncio.Task[None]]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        among.add(task)
        task.add_done_callback(lambda ended: self._ended(ended, among))
        return task

    def _ended(self, task: asyncio.Task[None], among: set[asyncio.Task[None]]) -> None:
        among.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            # The entry that the task was about becomes due again by itself, so that nothing is lost with the task. The
            # worker goes on: an error in one run must not stop the work on the others.
            unexpected = None if isinstance(error, MobStoreError) else error
            _log.warning("worker %s: %s", self._name, error, exc_info=unexpected)


def _pause(work: DueWork, longest: float) -> float:
    """Until something is due, as far as it is known, in seconds."""
    times = (work.next_run_at, work.next_execution_at, work.next_loss_at)
    due = [at for at in times if at is not None]
    if not due:
        return longest
    return min(max((min(due) - work.now).total_seconds(), 0.0), longest)

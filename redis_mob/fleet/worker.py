"""A worker: takes what is due, commits what follows, and executes steps; any number of them share a namespace."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections import deque
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from random import Random
from typing import Any
from uuid import uuid4

from redis_mob.codec.arguments import integer, optional_instance, optional_text
from redis_mob.contracts import ExecutionStore, WakeUp
from redis_mob.errors import HandlerError, MobStoreError, shown
from redis_mob.fleet.calls import MAX_ORPHANED_TURNS, Calls
from redis_mob.fleet.definitions import Definitions
from redis_mob.fleet.engine import Report
from redis_mob.fleet.executor import execute
from redis_mob.fleet.isolation import isolated, require_importable
from redis_mob.fleet.lease import DEFAULT_LEASE, LeaseLostError, checked_lease
from redis_mob.fleet.loop_watch import loop_watched
from redis_mob.fleet.outage import OutageLimit
from redis_mob.fleet.run_driver import Begun, RunDriver, Services
from redis_mob.fleet.slots import Slots
from redis_mob.fleet.step_context import Handler, handler_for
from redis_mob.fleet.storage_clock import StorageClock
from redis_mob.models.execution import ExecutionKey
from redis_mob.models.flow_spec import Isolation
from redis_mob.models.transition import DueWork
from redis_mob.notifications.wake_up_flag import SWEEP_SECONDS

RUNS_AT_ONCE = 8
"""Runs that one worker takes in one go: few, so that what is due spreads over all workers."""

MOST_RUNS = 64
"""Runs that one worker decides at a time; with more it takes no further ones."""

KNOWN_RUNS = 256
"""Runs that a worker remembers, so that it need not read them again."""

_log = logging.getLogger(__name__)


def worker_name() -> str:
    """A name that no other worker has, and that tells where it runs."""
    return f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:8]}"


@dataclass(slots=True)
class _Run:
    """A run that this worker is at: its driver, the task in which that decides, and how many handlers are at work."""

    run_id: str
    driver: RunDriver = field(init=False)
    driving: asyncio.Task[None] | None = None
    executing: int = 0

    @property
    def is_idle(self) -> bool:
        """Whether nothing in this process is at the run."""
        return self.driving is None and not self.executing


class Worker:
    """Serves all runs of a namespace: advances them, and executes the steps whose roles it has handlers for.

    `lease` is how long its executions stay hidden from others when it is lost; a pause of the process that is longer
    costs a takeover. `max_orphaned_turns` is how many handlers that ignore their cancellation give their slots back.
    Raises ValidationError for a lease below 0.1 seconds, a concurrency below 1, or a negative `max_orphaned_turns`, and
    HandlerError for an isolated handler that its process could not import.
    """

    def __init__(
        self,
        executions: ExecutionStore,
        handlers: Mapping[str, Handler],
        *,
        lease: timedelta = DEFAULT_LEASE,
        concurrency: int = 16,
        max_orphaned_turns: int = MAX_ORPHANED_TURNS,
        name: str | None = None,
        random: Random | None = None,
    ) -> None:
        self._executions = executions
        require_importable(handlers)
        self._handlers = handlers
        concurrency = integer("concurrency", concurrency, least=1)
        self._name = optional_text("name", name) or worker_name()
        self._services = Services(
            store=executions,
            definitions=Definitions(executions),
            clock=StorageClock(),
            slots=Slots(concurrency),
            name=self._name,
            lease=checked_lease(lease),
            serves=lambda role: handler_for(handlers, role) is not None,
            random=random or Random(),  # noqa: S311  # spreads retries, guards nothing
        )
        self._runs: dict[str, _Run] = {}
        self._driving: set[asyncio.Task[None]] = set()
        self._waiting: deque[tuple[str, ExecutionKey]] = deque()
        self._at_work: set[asyncio.Task[None]] = set()
        most = integer("max_orphaned_turns", max_orphaned_turns, least=0)
        self._calls = Calls(self._name, self._services.slots, most)

    async def run(self, stop: asyncio.Event | None = None) -> None:
        """Work until `stop` is set, then let the executions under way come to their end.

        Raises the storage's error when it has failed for 15 seconds on end.
        """
        stop = optional_instance("stop", stop, asyncio.Event) or asyncio.Event()
        try:
            with loop_watched(self._name, self._calls.running):
                async with self._executions.listen() as wake_up:
                    await self._loop(wake_up, stop)
                self._services.slots.close()
                # Leaving at once would be safe too, but would leave these executions to a takeover, a whole lease
                # later.
                while self._at_work:
                    await asyncio.wait(self._at_work)
        finally:
            for task in self._at_work:
                task.cancel()
            await asyncio.gather(*self._at_work, return_exceptions=True)
            self._calls.close()

    async def _loop(self, wake_up: WakeUp, stop: asyncio.Event) -> None:
        outage = OutageLimit(self._name)
        while not stop.is_set():
            try:
                pause = await self._take_and_start()
                outage.end()
            except MobStoreError as error:
                outage.bear(error)
                pause = SWEEP_SECONDS
            if pause > 0:
                await self._wait(wake_up, stop, pause)

    async def _wait(self, wake_up: WakeUp, stop: asyncio.Event, pause: float) -> None:
        """Until a wake-up comes, a slot is given back, or it is time to look again."""
        waiters: set[asyncio.Task[Any]] = {
            asyncio.create_task(wake_up.wait(pause)),
            asyncio.create_task(stop.wait()),
            asyncio.create_task(self._services.slots.given_back.wait()),
        }
        try:
            await asyncio.wait(waiters, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for waiter in waiters:
                waiter.cancel()
            await asyncio.gather(*waiters, return_exceptions=True)

    async def _take_and_start(self) -> float:
        """Take what is due and start on it; returns for how many seconds there is nothing else to do."""
        services = self._services
        services.slots.given_back.clear()
        self._claim_waiting()
        work = await self._executions.take_due(
            # Runs are looked after also while all slots are taken: a cancellation or a deadline waits for no handler.
            max_runs=RUNS_AT_ONCE if len(self._driving) < MOST_RUNS else 0,
            max_executions=0 if self._waiting else services.slots.free,
            keep=services.lease,
            roles=None if "*" in self._handlers else list(self._handlers),
        )
        services.clock.observe(work.now)
        # Taking hides an entry from other workers for the length of a lease. That spreads the work and protects
        # nothing: if an entry is taken twice, because this worker was slow, both try to commit, and one loses.
        for run_id in work.runs:
            run = self._run(run_id)
            run.driver.look_again()
            self._drive(run)
        self._waiting.extend(work.executions)
        self._claim_waiting()
        return 0.0 if work.runs or work.executions else _pause(work)

    def _claim_waiting(self) -> None:
        """Claim what was taken, as far as there are slots.

        A driver may have begun something in these slots while the storage answered. Then the others wait for the next
        ones; if that takes longer than they are hidden, another worker has them.
        """
        while self._waiting and self._services.slots.free:
            run_id, key = self._waiting.popleft()
            self._services.slots.take(1)
            run = self._run(run_id)
            run.driver.claim(key)
            self._drive(run)

    def _run(self, run_id: str) -> _Run:
        run = self._runs.pop(run_id, None)
        if run is None:
            run = _Run(run_id)
            run.driver = RunDriver(run_id, self._services, partial(self._begin, run))
            if len(self._runs) >= KNOWN_RUNS:
                oldest = next((known for known in self._runs.values() if known.is_idle), None)
                if oldest is not None:
                    del self._runs[oldest.run_id]
        self._runs[run_id] = run  # the latest comes last
        return run

    def _drive(self, run: _Run) -> None:
        """Let the driver of a run decide on what it was told, unless it is at it already."""
        if run.driving is None:
            run.driving = self._start(run.driver.drive())
            self._driving.add(run.driving)
            run.driving.add_done_callback(lambda task: self._driven(run, task))

    def _driven(self, run: _Run, task: asyncio.Task[None]) -> None:
        self._driving.discard(task)
        run.driving = None
        if run.driver.has_news:
            self._drive(run)
        elif run.is_idle and not run.driver.is_under_way:
            del self._runs[run.run_id]

    def _begin(self, run: _Run, begun: Begun) -> None:
        run.executing += 1
        self._start(self._execute(run, begun))

    async def _execute(self, run: _Run, begun: Begun) -> None:
        held = begun.held
        try:
            handler = handler_for(self._handlers, held.execution.role)
            if handler is None:
                raise HandlerError(f"role {shown(held.execution.role)} has no handler")
            if begun.isolation is Isolation.PROCESS:
                handler = isolated(handler)
            outcome = await execute(held, begun.run, begun.visible, handler, self._calls)
            run.driver.report(Report(held.key, held.lease.fencing_token, outcome))
        except LeaseLostError:
            _log.info("worker %s lost its lease on %s of run %s", self._name, held.key, run.run_id)
        finally:
            run.executing -= 1
            self._services.slots.give_back()
            self._drive(run)

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._at_work.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._at_work.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            # The entry that the task was about becomes due again by itself, so that nothing is lost with the task. The
            # worker goes on: an error in one run must not stop the work on the others.
            unexpected = None if isinstance(error, MobStoreError) else error
            _log.warning("worker %s: %s", self._name, error, exc_info=unexpected)


def _pause(work: DueWork) -> float:
    due = [at for at in (work.next_run_at, work.next_execution_at) if at is not None]
    if not due:
        return SWEEP_SECONDS
    return min(max((min(due) - work.now).total_seconds(), 0.0), SWEEP_SECONDS)

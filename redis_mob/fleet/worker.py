"""A worker: takes what is due, commits what follows, and executes steps; any number of them share a namespace."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from random import Random
from typing import Any
from uuid import uuid4

from redis_mob.codec.arguments import integer, optional_instance, optional_text
from redis_mob.contracts import ExecutionStore, WakeUp
from redis_mob.errors import HandlerError, MobStoreError, shown
from redis_mob.fleet.definitions import Definitions
from redis_mob.fleet.engine import Report
from redis_mob.fleet.executor import execute
from redis_mob.fleet.lease import DEFAULT_LEASE, LeaseLostError, checked_lease
from redis_mob.fleet.outage import OutageLimit
from redis_mob.fleet.run_driver import Begun, RunDriver, Services
from redis_mob.fleet.slots import Slots
from redis_mob.fleet.step_context import Handler, handler_for
from redis_mob.fleet.storage_clock import StorageClock
from redis_mob.models.transition import DueWork
from redis_mob.notifications.wake_up_flag import SWEEP_SECONDS

RUNS_AT_ONCE = 8
"""Runs that one worker takes in one go: few, so that what is due spreads over all workers."""

MOST_RUNS = 256
"""Runs that one worker is at; with more it takes no further ones."""

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


class Worker:
    """Serves all runs of a namespace: advances them, and executes the steps whose roles it has handlers for.

    `lease` is how long its executions stay hidden from others when it is lost; a pause of the process that is longer
    costs a takeover.
    Raises ValidationError for a lease below 0.1 seconds or a concurrency below 1.
    """

    def __init__(
        self,
        executions: ExecutionStore,
        handlers: Mapping[str, Handler],
        *,
        lease: timedelta = DEFAULT_LEASE,
        concurrency: int = 16,
        name: str | None = None,
        random: Random | None = None,
    ) -> None:
        self._executions = executions
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
        self._at_work: set[asyncio.Task[None]] = set()
        self._threads = ThreadPoolExecutor(max_workers=concurrency, thread_name_prefix="redis-mob-step")

    async def run(self, stop: asyncio.Event | None = None) -> None:
        """Work until `stop` is set, then let the executions under way come to their end.

        Raises the storage's error when it has failed for 15 seconds on end.
        """
        stop = optional_instance("stop", stop, asyncio.Event) or asyncio.Event()
        try:
            async with self._executions.listen() as wake_up:
                await self._loop(wake_up, stop)
            self._services.slots.close()
            # Leaving at once would be safe too, but would leave these executions to a takeover, a whole lease later.
            while self._at_work:
                await asyncio.wait(self._at_work)
        finally:
            for task in self._at_work:
                task.cancel()
            await asyncio.gather(*self._at_work, return_exceptions=True)
            # A thread cannot be stopped; waiting for a handler that ignores `cancelled` could last for ever.
            self._threads.shutdown(wait=False, cancel_futures=True)

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
        services, taken = self._services, 0
        reserved = services.slots.take_all()  # or drivers would begin something in them while the storage answers
        try:
            work = await self._executions.take_due(
                # Runs are looked after also while all slots are taken: a cancellation or a deadline must not wait.
                max_runs=RUNS_AT_ONCE if len(self._runs) < MOST_RUNS else 0,
                max_executions=reserved,
                keep=services.lease,
                roles=None if "*" in self._handlers else list(self._handlers),
            )
            taken = len(work.executions)
        finally:
            services.slots.leave(reserved - taken)
        services.clock.observe(work.now)
        # Taking hides an entry from other workers for the length of a lease. That spreads the work and protects
        # nothing: if an entry is taken twice, because this worker was slow, both try to commit, and one loses.
        for run_id in work.runs:
            self._run(run_id).driver.look_again()
        for run_id, key in work.executions:
            self._run(run_id).driver.claim(key)
        for run_id in {*work.runs, *(run_id for run_id, _ in work.executions)}:
            self._drive(self._run(run_id))
        return 0.0 if work.runs or work.executions else _pause(work)

    def _run(self, run_id: str) -> _Run:
        if run_id not in self._runs:
            run = _Run(run_id)
            run.driver = RunDriver(run_id, self._services, partial(self._begin, run))
            self._runs[run_id] = run
        return self._runs[run_id]

    def _drive(self, run: _Run) -> None:
        """Let the driver of a run decide on what it was told, unless it is at it already."""
        if run.driving is None:
            run.driving = self._start(run.driver.drive())
            run.driving.add_done_callback(lambda _task: self._driven(run))

    def _driven(self, run: _Run) -> None:
        run.driving = None
        if run.driver.has_news:
            self._drive(run)
        elif not run.executing:
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
            outcome = await execute(held, begun.run, begun.visible, handler, self._threads)
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

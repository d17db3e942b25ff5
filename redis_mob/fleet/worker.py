"""A worker: takes what is due, commits what follows, and executes steps; any number of them share a namespace."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from random import Random
from typing import Any
from uuid import uuid4

from redis_mob.codec.arguments import integer, optional_instance, optional_text
from redis_mob.contracts import ExecutionStore, WakeUp
from redis_mob.errors import (
    DurabilityError,
    EpochChangedError,
    HandlerError,
    MobStoreError,
    ReadFailedError,
    WriteFailedError,
    shown,
)
from redis_mob.fleet import engine
from redis_mob.fleet.executor import execute
from redis_mob.fleet.lease import DEFAULT_LEASE, LeasedExecution, LeaseLostError, checked_lease
from redis_mob.fleet.outage import OutageLimit
from redis_mob.fleet.outcome import Outcome
from redis_mob.fleet.step_context import Handler, handler_for
from redis_mob.models.definition import MobDefinition
from redis_mob.models.execution import ExecutionKey
from redis_mob.models.transition import DueWork, RunView, Transition
from redis_mob.notifications.wake_up_flag import SWEEP_SECONDS

RETRY_SECONDS = 0.2
"""How long a worker waits before it tries a failed transition again."""

RUNS_AT_ONCE = 8
"""Runs that one worker takes in one go: few, so that what is due spreads over all workers."""

_log = logging.getLogger(__name__)


def worker_name() -> str:
    """A name that no other worker has, and that tells where it runs."""
    return f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:8]}"


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
        name = optional_text("name", name)
        self._lease = checked_lease(lease)
        self._concurrency = concurrency
        self._name = name or worker_name()
        self._random = random or Random()  # noqa: S311  # spreads retries, guards nothing
        self._definitions: dict[str, MobDefinition] = {}
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
            # Leaving at once would be safe too, but would leave these executions to a takeover, a whole lease later.
            if self._at_work:
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
        """Until a wake-up comes, a task ends, or it is time to look again."""
        waiters: set[asyncio.Task[Any]] = {asyncio.create_task(wake_up.wait(pause)), asyncio.create_task(stop.wait())}
        try:
            await asyncio.wait(waiters | self._at_work, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for waiter in waiters:
                waiter.cancel()
            await asyncio.gather(*waiters, return_exceptions=True)

    async def _take_and_start(self) -> float:
        """Take what is due and start on it; returns for how many seconds there is nothing else to do."""
        free = self._concurrency - len(self._at_work)
        if free <= 0:
            return SWEEP_SECONDS
        work = await self._executions.take_due(
            max_runs=RUNS_AT_ONCE,
            max_executions=free,
            keep=self._lease,
            roles=None if "*" in self._handlers else list(self._handlers),
        )
        # Taking hides an entry from other workers for the length of a lease. That spreads the work and protects
        # nothing: if an entry is taken twice, because this worker was slow, both try to commit, and one loses.
        for run_id in work.runs:
            self._start(self._look_after(run_id))
        for run_id, key in work.executions:
            self._start(self._execute(run_id, key))
        return 0.0 if work.runs or work.executions else _pause(work)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._at_work.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._at_work.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            # The entry that the task was about becomes due again by itself, so that nothing is lost with the task. The
            # worker goes on: an error in one run must not stop the work on the others.
            unexpected = None if isinstance(error, MobStoreError) else error
            _log.warning("worker %s: %s", self._name, error, exc_info=unexpected)

    async def _look_after(self, run_id: str) -> None:
        await self._commit(run_id, engine.advance)

    async def _execute(self, run_id: str, key: ExecutionKey) -> None:
        # The claim is committed before the handler starts: from then on the deadline counts, the attempt is in the
        # ledger, and a handler never runs under a token that another worker could have too.
        claimed = await self._commit(run_id, partial(self._claim, key))
        execution = claimed.executions.get(key) if claimed else None
        if claimed is None or execution is None or execution.lease is None:
            return
        # The handler sees the run that the claim was decided on: a second read could show another moment.
        view, handler = claimed.before, handler_for(self._handlers, execution.role)
        if handler is None:
            raise HandlerError(f"role {shown(execution.role)} has no handler")
        held = LeasedExecution(self._executions, run_id, key, execution, execution.lease, self._lease, view.now)
        flow = (await self._definition(view)).flows[view.run.flow_id]
        try:
            outcome = await execute(held, view.run, flow, handler, self._threads)
        except LeaseLostError:
            _log.info("worker %s lost its lease on %s of run %s", self._name, key, run_id)
            return
        await self._commit(run_id, partial(self._settle, key, outcome, execution.lease.fencing_token))

    def _claim(self, key: ExecutionKey, view: RunView, definition: MobDefinition) -> Transition | None:
        return engine.claim(view, definition, key, owner=self._name, lease=self._lease, random=self._random)

    def _settle(
        self, key: ExecutionKey, outcome: Outcome, token: int, view: RunView, definition: MobDefinition
    ) -> Transition | None:
        return engine.settle(view, definition, key, outcome, token=token, random=self._random)

    async def _commit(
        self, run_id: str, decide: Callable[[RunView, MobDefinition], Transition | None]
    ) -> Transition | None:
        """Read, decide, commit; again after a lost compare. None when there is nothing to do (any more).

        A storage that fails is tried again for 15 seconds, so that the result of a long execution survives a failover.
        """
        outage = OutageLimit(self._name)
        while True:
            try:
                # A lost compare means that the decision was made on a run that has changed. It is never sent again as
                # it was: the run is read and decided anew, and often nothing is left to do.
                view = await self._executions.load(run_id)
                transition = view and decide(view, await self._definition(view))
                if transition is None or await self._executions.commit(transition):
                    return transition
                outage.end()
            except (ReadFailedError, WriteFailedError, DurabilityError, EpochChangedError) as error:
                # An OutcomeUnknownError is a WriteFailedError too, and needs no other treatment: if the commit did
                # happen, the next read shows it, and the decision finds nothing to do.
                outage.bear(error)
                await asyncio.sleep(RETRY_SECONDS)

    async def _definition(self, view: RunView) -> MobDefinition:
        digest = view.launch.definition
        # Kept for good: a definition is stored under its digest, so that it never changes.
        if digest not in self._definitions:
            self._definitions[digest] = await self._executions.get_definition(digest)
        return self._definitions[digest]


def _pause(work: DueWork) -> float:
    due = [at for at in (work.next_run_at, work.next_execution_at) if at is not None]
    if not due:
        return SWEEP_SECONDS
    return min(max((min(due) - work.now).total_seconds(), 0.0), SWEEP_SECONDS)

"""Runs a handler for one leased execution: keeps the lease, watches the time, and tells what came of it.

Leases and fencing tokens protect the result, not a lock (decision 0007).
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from redis_mob.contracts import ExecutionStore
from redis_mob.errors import MobStoreError
from redis_mob.fleet.outcome import MAX_OUTPUT_DEPTH, Failed, Outcome, Succeeded
from redis_mob.fleet.step_context import Handler, StepContext, StepFailed
from redis_mob.kernel.context import visible_context
from redis_mob.models.base import check_json
from redis_mob.models.execution import Execution, ExecutionKey, Lease
from redis_mob.models.flow import FrameScope
from redis_mob.models.flow_spec import FlowSpec
from redis_mob.models.run import MobRun

RENEWALS_PER_LEASE = 3

SHORTEST_PAUSE_SECONDS = 0.1
"""Between two renewals, however much is going on in the namespace."""

GRACE_SECONDS = 5.0
"""How long a cancelled handler may take to stop."""


class LeaseLost(Exception):  # noqa: N818
    """Somebody else owns the execution now, or nobody needs its result."""


@dataclass(slots=True)
class LeasedExecution:
    """An execution as this worker holds it, and the way to keep holding it."""

    store: ExecutionStore
    run_id: str
    key: ExecutionKey
    execution: Execution
    lease: Lease
    duration: timedelta
    claimed_at: datetime
    clock_offset: float = field(init=False)
    """The storage's time minus this event loop's, in seconds: so that no host's own clock matters."""

    def __post_init__(self) -> None:
        self.clock_offset = self.claimed_at.timestamp() - asyncio.get_running_loop().time()

    def seconds_left(self) -> float:
        """Until the deadline, by the storage's clock."""
        return self.lease.deadline.timestamp() - self._now()

    def timeout_ms(self) -> int:
        """How long the execution was allowed to take."""
        return round((self.lease.deadline - self.claimed_at) / timedelta(milliseconds=1))

    async def renew(self) -> bool:
        """Extend the lease; False if it is lost."""
        expires_at = datetime.fromtimestamp(self._now(), UTC) + self.duration
        lease = self.lease.model_copy(update={"expires_at": expires_at})
        renewed = self.execution.model_copy(update={"lease": lease})
        if not await self.store.renew_lease(self.run_id, self.key, expected=self.execution, next=renewed):
            return await self._is_still_held()
        self.execution, self.lease = renewed, lease
        return True

    async def _is_still_held(self) -> bool:
        """Whether it was a renewal of our own that changed the lease: at the same time, or with its reply lost."""
        view = await self.store.load(self.run_id)
        execution = view and view.executions.get(self.key)
        if not execution or not execution.lease or execution.lease.fencing_token != self.lease.fencing_token:
            return False
        self.execution, self.lease = execution, execution.lease
        return True

    def _now(self) -> float:
        return asyncio.get_running_loop().time() + self.clock_offset


async def execute(
    held: LeasedExecution, run: MobRun, flow: FlowSpec, handler: Handler, threads: ThreadPoolExecutor
) -> Outcome:
    """What came of the handler, which sees the run as it was when the execution was claimed.

    Raises LeaseLost when the lease went away meanwhile. A handler that is out of time, or whose lease is lost, is
    cancelled; one that does not stop within five seconds is left alone, as a plain function in its thread is from
    the start, and what it returns is dropped.
    """
    cancelled = asyncio.Event()
    context = _context(held, run, flow, cancelled)
    async with _kept(held) as lost:
        work = asyncio.create_task(_called(handler, context, threads))
        work.add_done_callback(_look_at)
        try:
            done, _ = await asyncio.wait({work, lost}, timeout=held.seconds_left(), return_when=asyncio.FIRST_COMPLETED)
            if work in done:
                return _outcome(work)
            if lost in done:
                raise LeaseLost
            return Failed(f"timeout after {held.timeout_ms()}ms")
        finally:
            cancelled.set()
            work.cancel()
            await asyncio.wait({work}, timeout=GRACE_SECONDS)


@asynccontextmanager
async def _kept(held: LeasedExecution) -> AsyncGenerator[asyncio.Task[None]]:
    """Renews the lease in the background; the task ends when the lease is lost.

    When something changed it renews early, for that is how it learns that nobody needs the result any more.
    """

    async def keep() -> None:
        pause = held.duration.total_seconds() / RENEWALS_PER_LEASE
        async with held.store.listen() as bell:
            while True:
                await asyncio.sleep(min(pause, SHORTEST_PAUSE_SECONDS))
                await bell.wait(max(pause - SHORTEST_PAUSE_SECONDS, 0.0))
                with suppress(MobStoreError):  # the next renewal may reach the storage again; the lease decides
                    if not await held.renew():
                        return

    task = asyncio.create_task(keep())
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _called(handler: Handler, context: StepContext, threads: ThreadPoolExecutor) -> Any:
    if inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(getattr(handler, "__call__", None)):  # noqa: B004
        return await handler(context)
    value = await asyncio.get_running_loop().run_in_executor(threads, handler, context)
    return await value if inspect.isawaitable(value) else value


def _look_at(work: asyncio.Task[Any]) -> None:
    """Nobody may ask a handler that was cancelled how it failed, and that is not worth a complaint."""
    if not work.cancelled():
        work.exception()


def _outcome(work: asyncio.Task[Any]) -> Outcome:
    if work.cancelled():
        return Failed("the handler was cancelled from within", error_class="CancelledError")
    match work.exception():
        case None:
            return Succeeded(work.result())
        case StepFailed() as failed:
            return Failed(_text(failed.reason), failed.retryable, "StepFailed", _json(failed.detail))
        case error:
            name, text = type(error).__name__, _text(error)
            return Failed(f"{name}: {text}" if text else name, error_class=name)


def _text(value: object) -> str:
    """What a handler says, as text that can be stored: it may hold lone surrogates, as names of files do."""
    try:
        return str(value).encode(errors="backslashreplace").decode()
    except Exception:  # noqa: BLE001 - this is the handler's own code
        return f"<a {type(value).__name__} that cannot be shown>"


def _json(detail: object) -> Any:
    """A detail as it is if it is JSON, else what it shows of itself."""
    try:
        return check_json(detail, MAX_OUTPUT_DEPTH)
    except ValueError:
        return _text(detail)


def _context(held: LeasedExecution, run: MobRun, flow: FlowSpec, cancelled: asyncio.Event) -> StepContext:
    key, execution = held.key, held.execution
    frame = run.frames[key.frame_id].kernel_state
    visible = visible_context(run, flow)
    return StepContext(
        mob_id=run.mob_id,
        flow_id=run.flow_id,
        run_id=run.run_id,
        step_id=execution.step_id,
        node_id=key.node_id,
        frame_id=key.frame_id,
        iteration=frame.iteration if frame.frame_scope is FrameScope.BODY else None,
        role=execution.role,
        member=key.target,
        attempt=execution.attempt,
        message=execution.message,
        params=visible.params,
        outputs=visible.steps,
        loops=visible.loops,
        idempotency_key=str(uuid5(UUID(run.run_id), "\0".join(key))),
        fencing_token=held.lease.fencing_token,
        deadline=held.lease.deadline,
        cancelled=cancelled,
        heartbeat=held.renew,
    )

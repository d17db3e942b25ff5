"""A worker for the length of a block, and one that ends when there is nothing left that it could do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, cast

from redis_mob.codec.schedule import queue_of
from redis_mob.errors import NotFoundError, ReadFailedError
from redis_mob.fleet.asks import has_answers
from redis_mob.fleet.conversation_start import release_if_over
from redis_mob.fleet.subflows import open_children
from redis_mob.models.execution import ExecutionStatus, Serves
from redis_mob.models.run_status import MobRunStatus
from redis_mob.models.transition import RunView
from redis_mob.notifications.wake_up_flag import SWEEP_SECONDS
from redis_mob.storage import MobStorage

OPEN = (ExecutionStatus.WAITING, ExecutionStatus.LEASED)
"""Executions whose handlers have not come to their end."""


Work = Callable[[asyncio.Event], Awaitable[None]]
"""Goes on until the event is set."""


@asynccontextmanager
async def at_work(work: Work) -> AsyncGenerator[None]:
    """Let `work` go on beside the block. Its event is set when the block ends, and it is awaited.

    What it raises ends the block, which is cancelled, and is raised there. When the block is cancelled from outside, so
    is the work.
    """
    stop, block = asyncio.Event(), cast("asyncio.Task[Any]", asyncio.current_task())
    is_over = interrupted = False

    def end_block(ended: asyncio.Future[None]) -> None:
        nonlocal interrupted
        if not ended.cancelled() and ended.exception() is not None and not is_over:
            interrupted = block.cancel()

    working = asyncio.ensure_future(work(stop))
    working.add_done_callback(end_block)
    try:
        yield
        if interrupted:
            await asyncio.sleep(0)  # here the cancellation comes that the block did not wait for
    except asyncio.CancelledError:
        is_over = True
        if not interrupted or block.uncancel():
            working.cancel()
            await asyncio.wait({working})
            raise
    except BaseException:
        is_over = True
        stop.set()
        await asyncio.gather(working, return_exceptions=True)  # the error of the block is the one to tell
        raise
    is_over = True
    stop.set()
    await working


async def work_until(idle: Coroutine[Any, Any, None], stop: asyncio.Event, work: Work) -> None:
    """Let `work` go on until `idle` has ended, or `stop` is set."""
    watching: set[asyncio.Task[Any]] = {asyncio.ensure_future(idle), asyncio.create_task(stop.wait())}
    try:
        async with at_work(work):
            done, _ = await asyncio.wait(watching, return_when=asyncio.FIRST_COMPLETED)
            for ended in done:
                ended.result()
    finally:
        for one in watching:
            one.cancel()
        await asyncio.gather(*watching, return_exceptions=True)


_AT_HAND = frozenset(OPEN)
"""What a worker could go on with: an answer is not in its hands."""


async def idle_at(storage: MobStorage, mob_id: str, serves: Serves) -> None:
    """Return when no run of the mob is under way that a worker which serves this could go on with.

    A run is under way from when it begins until it is over; see `Fleet.work` for what that means. The runs of the mob
    are read as a whole at first, and again when all that were under way have ended.
    """
    while True:
        try:
            under_way = await _under_way(storage, mob_id, serves)
            for run_id in under_way:
                async with storage.executions.listen(run_id, only_end=True) as wake_up:
                    while await _goes_on(storage, run_id, serves):
                        await wake_up.wait(SWEEP_SECONDS)
        except ReadFailedError:  # how long that is borne is for the worker to say
            await asyncio.sleep(SWEEP_SECONDS)
        else:
            if not under_way:
                return


async def _under_way(storage: MobStorage, mob_id: str, serves: Serves) -> list[str]:
    runs = [run.run_id for run in await storage.runs.list_runs(mob_id) if not run.status.is_terminal]
    return [run_id for run_id in runs if await _goes_on(storage, run_id, serves)]


async def _goes_on(storage: MobStorage, run_id: str, serves: Serves) -> bool:
    try:
        view = await storage.executions.load(run_id)
    except NotFoundError:  # no fleet started it, so that none goes on with it
        return False
    if view is None or view.run.status.is_terminal:
        return False
    if view.waits_for_turn:
        return await _turn_comes(storage, view, serves)
    return could_go_on(view, serves) or await _a_child_goes_on(storage, view, serves)


async def _turn_comes(storage: MobStorage, view: RunView, serves: Serves) -> bool:
    """Whether the run that is active in the conversation of one that waits goes on, or has ended a moment ago."""
    record = None if view.turn is None else await storage.conversations.find(view.turn.id)
    if record is None or record.active is None or record.active == view.run.run_id:
        return True
    return await release_if_over(storage, record.id, record.active) or await _goes_on(storage, record.active, serves)


async def _a_child_goes_on(storage: MobStorage, view: RunView, serves: Serves) -> bool:
    """Whether a child of a run is to be started, or goes on, or has ended a moment ago."""
    for execution in open_children(view).values():
        if execution.child is not None:
            status = await storage.executions.status(execution.child.run_id)
            if status is None or status.is_terminal or await _goes_on(storage, execution.child.run_id, serves):
                return True
    return False


def could_go_on(view: RunView, serves: Serves) -> bool:
    """Whether a run that is not over has begun, and has something open that is served."""
    if view.cancel_requested:
        return True
    if view.run.status is MobRunStatus.PENDING:
        # a run is decided on by any worker of its mob
        return view.launched_at <= view.now and (serves.mobs is None or view.run.mob_id in serves.mobs)
    if has_answers(view):
        return True  # which any worker of the mob decides on
    mob_id, launch = view.run.mob_id, view.launch
    # of a run that is paused nothing begins
    at_hand = {ExecutionStatus.LEASED} if view.pauses else _AT_HAND
    return any(
        one.status is ExecutionStatus.REPORTED  # which any worker of the mob decides on
        or (one.status in at_hand and serves.includes(queue_of(mob_id, one.role, launch)))
        for one in view.executions.values()
    )

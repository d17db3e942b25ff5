"""How long a caller waits for a run, and what to tell of one that is not over by then."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from itertools import islice

from redis_mob.errors import NotFoundError, ValidationError, WaitTimeoutError, shown
from redis_mob.fleet.limit_waits import limited_work, loads_of
from redis_mob.fleet.step_context import checked_pause
from redis_mob.fleet.subflows import open_children
from redis_mob.fleet.unserved import UnservedNews, named, unserved_work
from redis_mob.fleet.waiters import signal_of
from redis_mob.fleet.waiting_text import asked_text, why_paused
from redis_mob.models.execution import ExecutionStatus
from redis_mob.models.run import MobRun
from redis_mob.models.run_status import MobRunStatus
from redis_mob.models.transition import RunView
from redis_mob.models.worker import LiveWorker
from redis_mob.notifications.wake_up_flag import SWEEP_SECONDS
from redis_mob.storage import MobStorage

_log = logging.getLogger(__name__)

MOST_CHILDREN = 10
"""Of how many children of a run it is told what they wait for."""

MOST_ASKING = 10
"""Of how many executions of a run it is told what they ask people."""


def seconds_of(timeout: float | timedelta | None) -> float:
    """A timeout in seconds, infinite for None. Raises ValidationError for what is none."""
    try:
        pause = checked_pause(timeout)
    except TypeError:
        raise ValidationError(
            f"timeout must be a number of seconds, or a timedelta, up to a hundred years, not {shown(timeout)}"
        ) from None
    return math.inf if pause is None else pause.total_seconds()


async def wait_for_end(storage: MobStorage, run_id: str, timeout: float | timedelta | None) -> MobRun:
    """The run, once it is over; as `Fleet.wait`."""
    seconds = seconds_of(timeout)
    limit = asyncio.timeout(None if timeout is None else seconds)
    try:
        async with limit:
            return await _ended(storage, run_id)
    except TimeoutError:
        if not limit.expired():
            raise
    view = await _view(storage, run_id)
    loads = await loads_of(storage, view)
    reason = why_not_over(view, await storage.executions.workers(), limited_work(view, loads))
    raise WaitTimeoutError(f"run {run_id} is not over after {seconds:g} s: {reason}")


async def unserved_of(storage: MobStorage, run_id: str) -> list[str]:
    """What of a run waits for a worker that does not exist; as `Fleet.unserved`."""
    view = await _view(storage, run_id)
    if view.run.status.is_terminal:
        return []
    told = unserved_work(view, await storage.executions.workers())
    for child in _children_of(view):
        with suppress(NotFoundError):  # it is not started yet
            told += await unserved_of(storage, child)
    return told


def _children_of(view: RunView) -> list[str]:
    under_way = islice(open_children(view).values(), MOST_CHILDREN)
    return [execution.child.run_id for execution in under_way if execution.child is not None]


async def held_up(storage: MobStorage, run_id: str) -> list[str]:
    """Why a run that is under way does not go on by itself: it is paused, it asks people, or no worker serves it."""
    view = await _view(storage, run_id)
    if view.run.status.is_terminal:
        return []
    asking = [one for one in view.executions.values() if one.status is ExecutionStatus.ASKING]
    asked = (f"step {shown(one.step_id)} waits for {asked_text(one.asks)}" for one in asking[:MOST_ASKING])
    told = [f"run {run_id}: {line}" for line in (*why_paused(view.pauses), *asked)]
    return told + await _held_up_beside(storage, view)


async def held_up_beside(storage: MobStorage, run_id: str) -> list[str]:
    """The same without what a display of the run shows: its own pauses, and what its steps ask."""
    view = await _view(storage, run_id)
    return [] if view.run.status.is_terminal else await _held_up_beside(storage, view)


async def _held_up_beside(storage: MobStorage, view: RunView) -> list[str]:
    told = unserved_work(view, await storage.executions.workers())
    for child in _children_of(view):
        with suppress(NotFoundError):  # it is not started yet
            told += await held_up(storage, child)
    return told


async def _ended(storage: MobStorage, run_id: str) -> MobRun:
    unserved = UnservedNews(partial(held_up, storage, run_id))
    async with storage.executions.listen(run_id, only_end=True) as wake_up:
        asked = was_wrong = False
        while True:
            # Set at first, once changes are heard: what is read after that misses none. Later it mostly says that the
            # run is over, so that the run itself is read, which may be large, without a question for its status; but
            # not again after a message that was for all.
            is_told = await wake_up.wait(SWEEP_SECONDS) and asked and not was_wrong
            if not is_told:
                asked, status = True, await storage.executions.status(run_id)
                if status is None:
                    raise NotFoundError.of_run(run_id, storage.namespace)
                if not status.is_terminal:
                    for line in await unserved.since():
                        _log.warning(line)
                    continue
            run = await storage.runs.get_run(run_id)
            if run is not None and run.status.is_terminal:
                return run
            was_wrong = True


async def _view(storage: MobStorage, run_id: str) -> RunView:
    view = await storage.executions.load(run_id)
    if view is None:
        raise NotFoundError.of_run(run_id, storage.namespace)
    return view


def why_not_over(view: RunView, workers: Iterable[LiveWorker], limited: Iterable[str]) -> str:
    """What a run waits for: workers that do not exist, full limits, signals, answers, handlers that are at work."""
    reasons = [*why_paused(view.pauses), *unserved_work(view, workers), *limited]
    steps: dict[str, set[str]] = {}
    for key, execution in view.executions.items():
        if execution.status is ExecutionStatus.AWAITING:
            child = execution.child
            what = f"signal {shown(signal_of(key.target))}" if child is None else f"a run of flow {shown(child.flow)}"
            steps.setdefault(f"waits for {what}", set()).add(execution.step_id)
        elif execution.status is ExecutionStatus.ASKING:
            steps.setdefault(f"waits for {asked_text(execution.asks)}", set()).add(execution.step_id)
        elif execution.escalation is not None and not execution.is_over:
            steps.setdefault("has failed, and the supervisor is told of that", set()).add(execution.step_id)
        elif execution.status is ExecutionStatus.LEASED:
            steps.setdefault("is under way", set()).add(execution.step_id)
    reasons += (f"step {named(sorted(names))} {what}" for what, names in steps.items())
    if not reasons and view.run.status is MobRunStatus.PENDING:
        reasons.append(f"it begins at {view.launched_at.isoformat()}")
    return "; ".join(reasons) or "it is under way"

"""One run from its start to its end, with a worker in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from redis_mob.errors import InternalError, RunFailedError, shown
from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.said import joined
from redis_mob.models.ledger import FLOW_STEP
from redis_mob.models.run import MobRun
from redis_mob.models.run_status import MobRunStatus

DEFAULT_CONCURRENCY = 64
"""Handlers that run at a time: most of an agent's wait for a model."""

CANCEL_SECONDS = 10.0
"""How long the end of a run that was canceled is waited for: twice as long as a handler has that does not stop."""


async def run_to_its_end(fleet: Fleet, start: Callable[[Fleet], Coroutine[Any, Any, str]], concurrency: int) -> MobRun:
    """Let `start` start a run, work until it is over, and return it if it completed.

    Raises RunFailedError if it did not, and what ended the worker. If this is cancelled, the run is canceled.
    """
    run_id = await start(fleet)
    stop = asyncio.Event()
    working = asyncio.create_task(fleet.work(concurrency, stop))
    waiting = asyncio.create_task(fleet.wait(run_id))
    try:
        await asyncio.wait({working, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if not waiting.done():
            await working  # raises what ended it
            raise InternalError(f"the worker ended before run {run_id} was over")
        run = waiting.result()
    except asyncio.CancelledError:
        await fleet.cancel(run_id)
        # the worker ends the run and its handlers; one that is stopped before it has seen that waits for them instead
        await asyncio.wait({working, waiting}, timeout=CANCEL_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        raise
    finally:
        stop.set()
        waiting.cancel()
        await asyncio.gather(working, waiting, return_exceptions=True)
    if run.status is not MobRunStatus.COMPLETED:
        raise RunFailedError(run, _reasons(run))
    return run


def _reasons(run: MobRun) -> str:
    reasons = {entry.step_id: entry.reason for entry in run.failure_ledger}
    told = [reason if step == FLOW_STEP else f"step {shown(step)}: {reason}" for step, reason in reasons.items()]
    return f": {joined(told)}" if told else ""

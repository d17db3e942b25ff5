"""Follows a run for a while: until it is over, asks people something, or a client has waited long enough."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from redis_mob.errors import NotFoundError, ProgressTrimmedError
from redis_mob.fleet.said import bounded
from redis_mob.fleet.watching import watch
from redis_mob.mcp.run_handle import asks_of
from redis_mob.models.progress import REPORT, ProgressReport
from redis_mob.models.transition import RunView
from redis_mob.notifications.wake_up_flag import SWEEP_SECONDS
from redis_mob.storage import MobStorage

PAUSE_SECONDS = 0.1
"""How long a run is left alone after each look: one of many items changes all the time, and is read as a whole."""

EARLIER_REPORTS = 20
"""How many reports are told that were made before a client began to wait."""

MOST_REPORT_BYTES = 1024
"""How much is told of one report."""

Tell = Callable[[float, str], Awaitable[None]]
"""Tells a client how far a run is: a number that grows with each call, and a message."""


async def view_of(storage: MobStorage, run_id: str) -> RunView:
    """A run as it is now. Raises NotFoundError for one that does not exist, or that no fleet has started."""
    view = await storage.executions.load(run_id)
    if view is None:
        raise NotFoundError.of_run(run_id, storage.namespace)
    return view


async def follow(storage: MobStorage, run_id: str, seconds: float, tell: Tell) -> RunView:
    """The run, once it is over, or asks people something, or after so many seconds. Raises as `view_of`."""
    telling = asyncio.create_task(_tell_reports(storage, run_id, tell))
    try:
        return await _awaited(storage, run_id, seconds)
    finally:
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)


async def _awaited(storage: MobStorage, run_id: str, seconds: float) -> RunView:
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    async with storage.executions.listen(run_id) as wake_up:
        while True:
            view, left = await view_of(storage, run_id), end - loop.time()
            if view.run.status.is_terminal or left <= 0 or asks_of(view):
                return view
            await wake_up.wait(min(left, SWEEP_SECONDS))
            await asyncio.sleep(max(min(end - loop.time(), PAUSE_SECONDS), 0))


async def _tell_reports(storage: MobStorage, run_id: str, tell: Tell) -> None:
    newest = (await storage.progress.read_after(run_id, 0, 1)).newest
    number = 0
    async with watch(storage.progress, run_id, REPORT, max(newest - EARLIER_REPORTS, 0)) as entries:
        while True:
            with suppress(ProgressTrimmedError):  # raised once; the entries that are left come after it
                async for entry in entries:
                    if isinstance(entry, ProgressReport):
                        number += 1
                        await tell(number, bounded(_text(entry), MOST_REPORT_BYTES))
                return


def _text(report: ProgressReport) -> str:
    percent = "" if report.fraction is None else f" {report.fraction:.0%}"
    said = "" if report.message is None else f": {report.message}"
    return f"step {report.step_id}{percent}{said}"

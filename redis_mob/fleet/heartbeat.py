"""The heartbeat of an execution: renews its lease in the background while its handler runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

from redis_mob.errors import MobStoreError
from redis_mob.fleet.lease import LeasedExecution

RENEWALS_PER_LEASE = 3
"""A third of the lease between two renewals: one may fail, and the next still comes before the lease expires."""

SHORTEST_PAUSE_SECONDS = 0.1
"""Between two renewals: in a busy namespace wake-ups come all the time, and renewing must not become the main load."""


@asynccontextmanager
async def heartbeat(held: LeasedExecution) -> AsyncGenerator[asyncio.Task[None]]:
    """Renew the lease until the block ends; the task that the block gets ends when the lease is lost."""
    task = asyncio.create_task(_renew_until_lost(held))
    try:
        yield task
    finally:
        task.cancel()
        # Only the cancellation of this very task is swallowed here: it was asked for one line above.
        with suppress(asyncio.CancelledError):
            await task


async def _renew_until_lost(held: LeasedExecution) -> None:
    pause = held.duration.total_seconds() / RENEWALS_PER_LEASE
    async with held.store.listen(held.run_id) as wake_up:
        while True:
            # A wake-up means that something in this run has changed: renewing early is how a worker learns within
            # milliseconds that its execution was canceled, instead of after a third of the lease.
            await asyncio.sleep(min(pause, SHORTEST_PAUSE_SECONDS))
            await wake_up.wait(max(pause - SHORTEST_PAUSE_SECONDS, 0.0))
            # A storage that fails is no proof of a lost lease. The handler goes on, the next renewal may get through,
            # and if the lease expires meanwhile the result is refused by its fencing token.
            with suppress(MobStoreError):
                if not await held.renew():
                    return

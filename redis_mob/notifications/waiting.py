"""How a worker and its duties wait until there is something to do."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from redis_mob.contracts import WakeUp


async def wait_for_end(stop: asyncio.Event, seconds: float) -> None:
    """Until the event is set, or this time has passed."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()


async def wait_for_news(wake_up: WakeUp, events: Iterable[asyncio.Event], pause: float) -> None:
    """Until a wake-up comes, one of the events is set, or it is time to look again."""
    waiters: set[asyncio.Task[Any]] = {asyncio.create_task(event.wait()) for event in events}
    waiters.add(asyncio.create_task(wake_up.wait(pause)))
    try:
        await asyncio.wait(waiters, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for waiter in waiters:
            waiter.cancel()
        await asyncio.gather(*waiters, return_exceptions=True)

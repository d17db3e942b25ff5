"""Keeps the lease of a worker, in a thread with a connection of its own, which no handler can block.

A thread needs the interpreter from time to time: what holds that for longer than a lease costs the worker its lease.
Such a handler belongs into a process of its own.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress

from redis_mob.errors import MobStoreError

Renew = Callable[[], Awaitable[bool]]
"""Renews the lease; False when it is lost."""

Connect = Callable[[], AbstractAsyncContextManager[Renew]]
"""Opens a connection for the event loop that it is called in, to renew the lease by."""

_log = logging.getLogger(__name__)


@asynccontextmanager
async def renewed_in_a_thread(connect: Connect, pause: float, on_loss: Callable[[], None]) -> AsyncGenerator[None]:
    """Renew a lease until the block ends, `pause` seconds after each other.

    `on_loss` is called once, in this event loop, when the lease is lost.
    """
    loop, keeper = asyncio.get_running_loop(), _Keeper()

    def lost() -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(on_loss)

    def keep() -> None:
        asyncio.run(keeper.renew_until_stopped(connect, pause, lost))

    thread = threading.Thread(target=keep, name="redis-mob-lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        keeper.stop()
        await asyncio.to_thread(thread.join)


class _Keeper:
    """What runs in the thread, and how it is told to stop."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopped = False
        self._lock = threading.Lock()

    def stop(self) -> None:
        """End the renewals; called in another thread."""
        with self._lock:
            self._stopped = True
            if self._loop is not None and self._task is not None and not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self._task.cancel)

    async def renew_until_stopped(self, connect: Connect, pause: float, lost: Callable[[], None]) -> None:
        """Renew the lease from time to time; `lost` is called when there is none any more."""
        task = asyncio.create_task(_renew_until_lost(connect, pause))
        with self._lock:
            self._loop, self._task = asyncio.get_running_loop(), task
            if self._stopped:
                task.cancel()
        with suppress(asyncio.CancelledError):
            await task
            lost()


async def _renew_until_lost(connect: Connect, pause: float) -> None:
    renew: Renew | None = None
    async with AsyncExitStack() as resources:
        while True:
            # The connection is made for the first renewal: workers that live shorter than that need none.
            await asyncio.sleep(pause)
            # A storage that fails is no proof of a lost lease: the next renewal may get through.
            try:
                renew = renew or await resources.enter_async_context(connect())
                if not await renew():
                    return
            except MobStoreError as error:
                _log.debug("the lease of a worker cannot be renewed: %s", error)

"""Keeps the lease of a worker, in a thread with a connection of its own, which no handler can block.

A thread needs the interpreter from time to time. What holds that for long keeps the thread from renewing: then the
keeper, a process of its own, does (`keeper_process`, decision 0022).
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from time import monotonic

from redis_mob.stores.keeper_process import KeptLease
from redis_mob.stores.lease_renewal import WorkerLease, renew_until_lost, renewing


@asynccontextmanager
async def kept_alive(lease: WorkerLease, on_loss: Callable[[], None]) -> AsyncGenerator[None]:
    """Renew a lease that was just given, until the block ends.

    `on_loss` is called once, in this event loop, when the lease is lost.
    """
    loop, kept, renewals = asyncio.get_running_loop(), KeptLease(lease), _Renewals()

    def lost() -> None:
        kept.end()
        if not loop.is_closed():
            loop.call_soon_threadsafe(on_loss)

    def keep() -> None:
        asyncio.run(renewals.renew_until_stopped(lease, kept, lost))

    thread = threading.Thread(target=keep, name="redis-mob-lease", daemon=True)
    try:
        # Before anything is claimed, whose handler might hold the interpreter from its first moment on; in a thread,
        # since starting a process blocks.
        await asyncio.to_thread(kept.renewed, monotonic())
        thread.start()
        yield
    finally:
        kept.end()
        renewals.stop()
        if thread.ident is not None:
            await asyncio.to_thread(thread.join)


class _Renewals:
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

    async def renew_until_stopped(self, lease: WorkerLease, kept: KeptLease, lost: Callable[[], None]) -> None:
        """Renew the lease from time to time; `lost` is called when there is none any more."""
        task = asyncio.create_task(_renew_until_lost(lease, kept))
        with self._lock:
            self._loop, self._task = asyncio.get_running_loop(), task
            if self._stopped:
                task.cancel()
        with suppress(asyncio.CancelledError):
            await task
            lost()


async def _renew_until_lost(lease: WorkerLease, kept: KeptLease) -> None:
    # The connection is made for the first renewal: workers that live shorter than that need none.
    await asyncio.sleep(lease.pause)
    await renew_until_lost(partial(renewing, lease), lease.pause, kept.renewed)

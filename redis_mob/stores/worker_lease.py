"""Keeps the lease of a worker, in a thread with a connection of its own, which no handler can block.

A thread needs the interpreter from time to time: what holds that for longer than a lease costs the worker its lease.
Such a handler belongs into a process of its own.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

from redis_mob.codec.arguments import duration
from redis_mob.codec.schedule import encode_worker
from redis_mob.connection.calls.client import Client, connect
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.calls.replies import Reply
from redis_mob.errors import MobStoreError
from redis_mob.models.worker import RENEWALS_PER_LEASE, WorkerRecord

_log = logging.getLogger(__name__)


async def renew(client: Client, keys: Keys, worker: WorkerRecord, lease: timedelta, *, is_new: bool) -> bool:
    """Give a worker its lease, from now on; False if it is not new, and has none any more."""
    reply = await client.call(
        "executions/join_workers",
        [keys.meta, keys.workers],
        [encode_worker(worker), duration("lease", lease) // timedelta(milliseconds=1), int(is_new)],
    )
    return reply == Reply.WON


@asynccontextmanager
async def keep_alive(
    url: str, keys: Keys, worker: WorkerRecord, lease: timedelta, on_loss: Callable[[], None]
) -> AsyncGenerator[None]:
    """Renew the lease until the block ends; `on_loss` is called once, in this event loop, when it is lost."""
    loop, keeper = asyncio.get_running_loop(), _Keeper()

    def lost() -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(on_loss)

    def keep() -> None:
        asyncio.run(keeper.renew_until_stopped(url, keys, worker, lease, lost))

    thread = threading.Thread(target=keep, name="redis-mob-lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        keeper.stop()
        # the thread may hold the interpreter's last turn of a blocked call; it ends within one attempt of a renewal
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

    async def renew_until_stopped(
        self, url: str, keys: Keys, worker: WorkerRecord, lease: timedelta, lost: Callable[[], None]
    ) -> None:
        """Renew the lease from time to time; `lost` is called when it has none any more."""
        self._task = asyncio.create_task(_renew_until_lost(url, keys, worker, lease))
        with self._lock:
            self._loop = asyncio.get_running_loop()
            if self._stopped:
                self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
            lost()


async def _renew_until_lost(url: str, keys: Keys, worker: WorkerRecord, lease: timedelta) -> None:
    client: Client | None = None
    try:
        while True:
            # The connection is made for the first renewal: workers that live shorter than that need none.
            await asyncio.sleep(lease.total_seconds() / RENEWALS_PER_LEASE)
            # A storage that fails is no proof of a lost lease: the next renewal may get through.
            try:
                if client is None:
                    client = await connect(url, keys.namespace)
                    await client.open_namespace(keys.namespace)
                if not await renew(client, keys, worker, lease, is_new=False):
                    return
            except MobStoreError as error:
                _log.debug("worker %s cannot renew its lease: %s", worker.id, error)
    finally:
        if client is not None:
            await client.aclose()

"""Renews the lease of one worker, by a connection of its own: in a thread of the worker, or in its keeper."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from time import monotonic
from typing import NamedTuple

from redis_mob.connection.calls.client import Client, connect
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.calls.replies import Reply
from redis_mob.errors import MobStoreError

Renew = Callable[[], Awaitable[bool]]
"""Renews the lease; False when it is lost."""

_log = logging.getLogger(__name__)


class WorkerLease(NamedTuple):
    """All that a renewal has to know. `url` may hold a password: this must not be shown.

    `worker` is its record as it is stored; the lease lasts `milliseconds`, and is renewed `pause` seconds after each
    other.
    """

    url: str
    namespace: str
    worker: bytes
    milliseconds: int
    pause: float


async def renew_worker(client: Client, keys: Keys, worker: bytes, milliseconds: int) -> bool:
    """Renew a lease once; False when it is lost."""
    reply = await client.call("executions/renew_worker", [keys.meta, keys.workers], [worker, milliseconds])
    return reply == Reply.WON


@asynccontextmanager
async def renewing(lease: WorkerLease) -> AsyncGenerator[Renew]:
    """Open a connection for the running event loop to renew the lease by, and close it when the block ends."""
    client = await connect(lease.url, lease.namespace)
    try:
        keys = await client.open_namespace(lease.namespace)
        yield lambda: renew_worker(client, keys, lease.worker, lease.milliseconds)
    finally:
        await client.aclose()


async def renew_until_lost(
    connecting: Callable[[], AbstractAsyncContextManager[Renew]],
    pause: float,
    on_renewed: Callable[[float], None] = lambda _at: None,
) -> None:
    """Renew a lease at once and then from time to time; return when there is none any more.

    `on_renewed` is told by the clock `monotonic` when each renewal that succeeded was asked for.
    """
    renew: Renew | None = None
    async with AsyncExitStack() as resources:
        while True:
            # A storage that fails is no proof of a lost lease: the next renewal may get through.
            try:
                renew = renew or await resources.enter_async_context(connecting())
                asked = monotonic()
                if not await renew():
                    return
                on_renewed(asked)
            except MobStoreError as error:
                _log.debug("the lease of a worker cannot be renewed: %s", error)
            await asyncio.sleep(pause)

"""The way to a namespace that need not be fit to be opened: damaged, being restored, moved away, or not there."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from redis_mob.connection.calls.client import Client, connect
from redis_mob.connection.calls.keys import Keys


@asynccontextmanager
async def connected(url: str | None, namespace: str) -> AsyncGenerator[tuple[Client, Keys]]:
    """A connection to the server of a namespace, and the keys that it has there. Raises as `connect`."""
    keys = Keys(namespace)  # a bad name is refused before a server is started for it
    client = await connect(url, namespace)
    try:
        yield client, keys
    finally:
        await client.aclose()

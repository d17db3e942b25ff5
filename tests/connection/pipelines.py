"""Looks at the pipelines of a `Client`."""

# pyright: reportPrivateUsage=false
# Private attributes, because a client has no public way to its pipelines.

from __future__ import annotations

from redis_mob.connection.calls.client import Client
from redis_mob.connection.servers.pipeline import Pipeline
from redis_mob.testing.waiting import until


def pipelines(connection: Client) -> list[Pipeline]:
    """The pipelines to all servers that take requests."""
    return [pipeline for channel in connection.router._channels.values() if (pipeline := channel._pipeline) is not None]


async def until_lost(connection: Client) -> None:
    """Wait until this process has noticed that the server closed its only pipeline."""
    (only,) = pipelines(connection)
    await until(lambda: not only.is_open)

"""Looks at the connections that wait in the pools of a `Connection`."""

from __future__ import annotations

from redis.asyncio.connection import AbstractConnection

from redis_mob.connection.connection import Connection
from redis_mob.testing.waiting import until


def idle(connection: Connection) -> list[AbstractConnection]:
    """All that wait for a request, to whichever server."""
    return [one for transport in connection.transport._transports.values() for one in transport._idle]


async def until_lost(connection: Connection) -> None:
    """Return when this process has noticed that the server closed the only one that is idle."""
    (only,) = idle(connection)
    reader = only._reader
    assert reader is not None
    await until(reader.at_eof)

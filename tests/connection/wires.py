"""Looks at the wires of a `Connection`."""

from __future__ import annotations

from redis_mob.connection.connection import Connection
from redis_mob.connection.wire import Wire
from redis_mob.testing.waiting import until


def wires(connection: Connection) -> list[Wire]:
    """Those that take requests, to whichever server."""
    return [wire for transport in connection.transport._transports.values() if (wire := transport._wire) is not None]


async def until_lost(connection: Connection) -> None:
    """Return when this process has noticed that the server closed the only one."""
    (only,) = wires(connection)
    await until(lambda: not only.is_open)

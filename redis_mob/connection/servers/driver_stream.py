"""The stream below a connection of redis-py, which keeps it to itself: the only module that touches private attributes.

redis-py has no public way to hand over a connection that it has opened. We need its handshake, and not the way in which
it sends and reads afterwards. A test says so when a release keeps the stream elsewhere.
"""

from __future__ import annotations

from asyncio import StreamWriter

from redis.asyncio.connection import AbstractConnection


def stream_of(connection: AbstractConnection) -> StreamWriter | None:
    """The stream on which the driver writes, None while it has none open."""
    return connection._writer  # pyright: ignore[reportPrivateUsage]


def take_stream(connection: AbstractConnection) -> StreamWriter:
    """Take the stream of an open connection from the driver, for which the connection is closed from now on.

    The caller has to hold the stream as long as it uses its transport: a stream that is collected closes it.
    """
    writer = stream_of(connection)
    if writer is None:
        raise ValueError("the connection is not open")
    connection._reader = connection._writer = None  # pyright: ignore[reportPrivateUsage]
    return writer

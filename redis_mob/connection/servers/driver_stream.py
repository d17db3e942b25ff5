"""The stream below a connection of redis-py, which keeps it to itself: the only module that touches private attributes.

redis-py has no public way to hand over a connection that it has opened. We need its handshake, and not the way in which
it sends and reads afterwards. A test says so when a release keeps the stream elsewhere.
"""

from __future__ import annotations

from asyncio import StreamWriter
from typing import Any

from redis._parsers import _AsyncHiredisParser  # pyright: ignore[reportPrivateUsage]
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import InvalidResponse

from redis_mob.connection.servers.reply_reader import announces_a_long_list


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


class HandshakeParser(_AsyncHiredisParser):
    """The driver's parser, for what a server says until the connection is taken from it: bounded as our own is."""

    __slots__ = ()

    def on_connect(self, connection: Any) -> None:
        super().on_connect(connection)  # pyright: ignore[reportUnknownMemberType]
        self._reader: Any = _BoundedReader(self._reader)


class _BoundedReader:
    def __init__(self, reader: Any) -> None:
        self._reader = reader
        self.has_data = reader.has_data
        self._seen = b""

    def feed(self, data: bytes) -> None:
        # each answer of a handshake is a line, so that no text of it can look like the header of a list
        self._seen = self._seen[-64:] + data
        if announces_a_long_list(self._seen):
            raise InvalidResponse("a reply announces a list that is too long")
        self._reader.feed(data)

    def gets(self, *options: Any) -> Any:
        try:
            return self._reader.gets(*options)
        except (
            TypeError,
            ValueError,
            LookupError,
            MemoryError,
        ) as error:  # of the kinds of errors that the driver makes
            raise InvalidResponse(str(error)) from error

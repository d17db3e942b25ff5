"""A connection that one caller has to itself: for wake-ups, which come unasked, and for commands that block."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

import hiredis
from redis import exceptions as driver
from redis.asyncio.connection import AbstractConnection

from redis_mob.connection.failures import ReplyLostError
from redis_mob.connection.servers.driver_errors import refusal_of
from redis_mob.connection.servers.driver_stream import take_stream
from redis_mob.connection.servers.reply_reader import NoReplyError, ReplyReader
from redis_mob.connection.servers.requests import Part, packed


class DedicatedConnection(asyncio.Protocol):
    """A connection to the server that one caller has to itself, after the driver's handshake.

    What the server sends is kept until the caller takes it: messages come often, and to wait in the driver for each one
    costs more than to read it.
    """

    def __init__(self, connection: AbstractConnection) -> None:
        stream = take_stream(connection)
        self._keep = stream  # a stream that is collected closes its transport
        self._transport = stream.transport
        self._reader = ReplyReader()
        self._received: deque[Any] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._closed: str | None = None
        self._transport.set_protocol(self)

    async def send(self, *parts: Part) -> None:
        """Send a request without waiting for replies; raises ReplyLostError, after which the connection is closed."""
        if self._closed is not None or self._transport.is_closing():
            raise ReplyLostError(self._closed or "the connection is closed")
        self._transport.write(packed(parts))

    async def receive(self, timeout: float) -> Any:
        """The next reply, or None if none has come within `timeout` seconds.

        Raises ServerRefusalError, or ReplyLostError, after which the connection is closed.
        """
        if not self._received and self._closed is None:
            loop = asyncio.get_running_loop()
            self._waiter = waiter = loop.create_future()
            alarm = loop.call_later(timeout, _wake, waiter)
            try:
                await waiter
            finally:
                alarm.cancel()
                self._waiter = None
        if self._received:
            reply = self._received.popleft()
            if isinstance(reply, hiredis.ReplyError):
                raise refusal_of(str(reply), None) from driver.ResponseError(str(reply))
            return reply
        if self._closed is not None:
            raise ReplyLostError(self._closed) from driver.ConnectionError(self._closed)
        return None

    async def aclose(self) -> None:
        """Cut the connection."""
        self._end("the connection is closed")

    def data_received(self, data: bytes) -> None:
        try:
            self._reader.take(data, self._received.append)
        except NoReplyError as error:
            self._end(str(error))
        self._tell()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(str(exc) if exc else "the server closed the connection")

    def _end(self, reason: str) -> None:
        if self._closed is None:
            self._closed = reason
        self._transport.abort()
        self._tell()

    def _tell(self) -> None:
        if self._waiter is not None:
            _wake(self._waiter)


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)

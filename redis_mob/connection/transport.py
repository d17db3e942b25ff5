"""Moves requests to one server and their replies back; each request has one of four ends.

It is answered, refused by the server (ServerRefusal), never sent (NotSent), or sent with its reply lost (ReplyLost).
The last distinction is what exactly-once builds on, so nothing here ever sends a request twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

import hiredis
from redis import exceptions as driver
from redis.asyncio.connection import AbstractConnection

from redis_mob.connection.address import ServerAddress
from redis_mob.connection.circuit import Circuit
from redis_mob.connection.dialing import new_connection, silence
from redis_mob.connection.retry import RetryPolicy
from redis_mob.connection.tls import distrust
from redis_mob.connection.wire import Wire, WireClosed

Part = bytes | str | int

_pack_command = cast("Callable[[tuple[Part, ...]], bytes]", hiredis.pack_command)  # its stub knows one part only

_LOST = (OSError, EOFError, driver.RedisError)
_ASKING = _pack_command((b"ASKING",))
_CLOSED = "the storage was closed"
_USUAL = RetryPolicy()


class TransportError(Exception):
    """Why a request has no reply; the driver's exception is the cause."""


class NotSent(TransportError):  # noqa: N818
    """The request never left this process: it had no effect."""


class Unreachable(NotSent):
    """There is no connection to send the request on: nobody listens, or nobody answers in time."""


class ReplyLost(TransportError):  # noqa: N818
    """The request was sent, or may have been, and no reply came: its effect is unknown."""


class ServerRefusal(TransportError):  # noqa: N818
    """The server answered with an error; `code` is its first word, e.g. `NOSCRIPT`.

    `by` leads to the server that refused; it is None for a refusal on a line.
    """

    def __init__(self, code: str, text: str, by: Transport | None = None) -> None:
        super().__init__(f"{code} {text}")
        self.code = code
        self.text = text
        self.by = by


class Line:
    """A connection to the server that one caller has to itself."""

    def __init__(self, connection: AbstractConnection) -> None:
        self._connection = connection

    async def send(self, *parts: Part) -> None:
        """Send a request without waiting for replies; raises ReplyLost, after which the line is closed."""
        if not self._connection.is_connected:
            raise ReplyLost("the connection is closed")
        try:
            await self._connection.send_packed_command(_packed(parts), check_health=False)
        except _LOST as error:
            raise ReplyLost(_reason(error)) from error

    async def receive(self, timeout: float) -> Any:
        """The next reply, or None if none has come within `timeout` seconds.

        Raises ServerRefusal, or ReplyLost, after which the line is closed.
        """
        try:
            return await _reply(self._connection, timeout)
        except _LOST as error:
            raise _refusal(error) or ReplyLost(_reason(error)) from error

    async def aclose(self) -> None:
        await _hang_up(self._connection)


class Transport:
    """The way to one server, used by one event loop: one wire for all requests, made when it is needed.

    Connecting takes at most `connect_timeout` seconds, a request at most `reply_timeout` seconds with everything it
    waits for; as many requests as `max_requests` are under way at a time, further ones wait. A server that could not be
    reached is left alone for one of the pauses of `retry`, and what comes meanwhile is told so at once. A wire that was
    lost is made again after a random part of the first pause, so that clients which lost theirs together do not come
    back together.
    """

    def __init__(
        self,
        address: ServerAddress,
        *,
        connect_timeout: float,
        reply_timeout: float,
        max_requests: int,
        retry: RetryPolicy = _USUAL,
    ) -> None:
        self._address = address
        self._connect_timeout = connect_timeout
        self._reply_timeout = reply_timeout
        self._free = asyncio.Semaphore(max_requests)
        self._wire: Wire | None = None
        self._connecting: asyncio.Task[Wire] | None = None
        self._silent: set[Wire] = set()
        """Wires on which a reply is overdue: they serve those who still wait there, and get no further requests."""
        self._circuit = Circuit(retry)
        self._closed = False

    async def request(self, *parts: Part, asking: bool = False) -> Any:
        """Send one request and wait for its reply: bytes, int, None or a list of these.

        With `asking` it begins with ASKING: a node of a Cluster then also serves a slot that is being moved to it.
        Raises NotSent, ReplyLost or ServerRefusal. When it is cancelled the effect of the request is unknown; other
        requests are not disturbed.
        """
        request, replies = (_ASKING + _packed(parts), 2) if asking else (_packed(parts), 1)
        unanswered: type[TransportError] = NotSent
        wire: Wire | None = None
        try:
            async with asyncio.timeout(self._reply_timeout), self._free:
                while True:
                    unanswered = Unreachable
                    wire = await self._open_wire()
                    unanswered = ReplyLost
                    try:
                        reply = await wire.send(request, replies=replies)
                        break
                    except WireClosed as error:
                        if error.sent:
                            raise ReplyLost(str(error)) from driver.ConnectionError(str(error))
                        # it never left, so that the next wire may take it
        except TimeoutError as error:
            if wire is not None:
                self._set_aside(wire)
            raise unanswered(f"no answer within {self._reply_timeout:g} s") from error
        if isinstance(reply, hiredis.ReplyError):
            refusal = _refused(str(reply), self)
            if refusal.code == "READONLY":  # the name may belong to another server by now
                self._set_aside(wire)
            raise refusal from driver.ResponseError(str(reply))
        return reply

    def has_lost_its_wire(self) -> bool:
        """Whether the server has cut the wire since the last request; that is said once."""
        lost = self._wire is not None and not self._wire.is_open
        if lost:
            self._wire = None
        return lost

    async def line(self) -> Line:
        """A new connection of the caller's own, which must close it; raises NotSent or ServerRefusal."""
        return Line(await self._connect())

    async def aclose(self) -> None:
        """Cut the wire: who waits for a reply does not know the outcome, what waits to be sent is not sent."""
        self._closed = True
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait([self._connecting])
        for wire in (self._wire, *self._silent):
            if wire is not None:
                wire.close(_CLOSED)
        self._wire = None
        self._silent.clear()

    async def _open_wire(self) -> Wire:
        """A wire that takes a request now."""
        while True:
            if self._closed:
                raise NotSent(_CLOSED)
            wire = self._wire
            if wire is None or not wire.is_open:
                wire = await self._connected()
            if wire.is_writable:
                return wire
            await wire.writable()

    async def _connected(self) -> Wire:
        """A new wire, which all who need one at the moment wait for together."""
        if (failure := self._circuit.failure) is not None:
            raise Unreachable(str(failure)) from failure.__cause__
        if self._connecting is None:
            self._connecting = asyncio.create_task(self._make_wire(), name="redis_mob connects")
            self._connecting.add_done_callback(self._has_connected)
        try:
            return await asyncio.shield(self._connecting)
        except asyncio.CancelledError:
            if self._closed:
                raise NotSent(_CLOSED) from None
            raise

    async def _make_wire(self) -> Wire:
        await asyncio.sleep(self._circuit.pause)
        try:
            connection = await self._connect()
        except Unreachable as error:
            self._circuit.failed(error)
            raise
        self._circuit.connected()
        self._wire = Wire.take_over(connection)
        return self._wire

    def _has_connected(self, task: asyncio.Task[Wire]) -> None:
        self._connecting = None
        if not task.cancelled():
            task.exception()  # who waits for it is told; there may be nobody

    async def _connect(self) -> AbstractConnection:
        connection = new_connection(self._address, self._connect_timeout)
        try:
            async with asyncio.timeout(self._connect_timeout):
                await connection.connect()
        except BaseException as error:
            await _hang_up(connection)
            if isinstance(error, _LOST):
                raise _refusal(error, self) or self._no_connection(error) from error
            raise
        return connection

    def _no_connection(self, error: BaseException) -> NotSent:
        if (reason := distrust(error, self._address.place)) is not None:
            return NotSent(reason)
        if isinstance(error, TimeoutError | driver.TimeoutError):
            return Unreachable(silence(self._address, self._connect_timeout))
        return Unreachable(_reason(error))

    def _set_aside(self, wire: Wire) -> None:
        if wire is self._wire:
            self._wire = None
            self._silent.add(wire)
        for silent in [silent for silent in self._silent if silent.is_idle or not silent.is_open]:
            self._silent.remove(silent)
            silent.close("a reply was overdue")


def _packed(parts: tuple[Part, ...]) -> bytes:
    """A request as bytes, packed in C, which redis-py's asyncio connections do in Python."""
    try:
        return _pack_command(parts)
    except (TypeError, ValueError) as error:
        kinds = ", ".join(sorted({type(part).__name__ for part in parts}))
        raise NotSent(f"one of the arguments ({kinds}) cannot be sent: {error}") from error


async def _hang_up(connection: AbstractConnection) -> None:
    with suppress(*_LOST):
        await connection.disconnect(nowait=True)


async def _reply(connection: AbstractConnection, timeout: float | None = None) -> Any:
    return await connection.read_response(timeout=timeout)  # pyright: ignore[reportUnknownVariableType]


def _refusal(error: BaseException, by: Transport | None = None) -> ServerRefusal | None:
    """The server's error reply in a driver's exception, or None when the exception is about the connection.

    The driver wraps what the server says during the handshake, and makes connection errors of some replies.
    """
    seen: BaseException | None = error
    while seen is not None:
        code = getattr(seen, "status_code", None)
        if code:
            return ServerRefusal(code, str(seen), by)
        if isinstance(seen, driver.ResponseError):
            return _refused(str(seen), by)
        seen = seen.__cause__
    return None


def _refused(text: str, by: Transport | None) -> ServerRefusal:
    """The refusal in the text of an error reply, which begins with its code if it has one."""
    code, _, rest = text.partition(" ")
    return ServerRefusal(code, rest, by) if code.isupper() else ServerRefusal("ERR", text, by)


def _reason(error: BaseException) -> str:
    return str(error) or type(error).__name__

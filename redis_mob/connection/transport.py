"""Moves one request to the server and one reply back; each request has one of four ends.

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
from redis.asyncio.connection import AbstractConnection, UnixDomainSocketConnection
from redis.asyncio.connection import Connection as TcpConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from redis_mob.connection.address import ServerAddress, UnixAddress

Part = bytes | str | int

_pack_command = cast("Callable[[tuple[Part, ...]], bytes]", hiredis.pack_command)  # its stub knows one part only

_LOST = (OSError, EOFError, driver.RedisError)
_ASKING = _pack_command((b"ASKING",))


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
    """A pool of connections to one server, used by one event loop.

    Connecting takes at most `connect_timeout` seconds, a request at most `reply_timeout` seconds with everything it
    waits for; as many requests as `max_connections` are under way at a time, further ones wait.
    """

    def __init__(
        self, address: ServerAddress, *, connect_timeout: float, reply_timeout: float, max_connections: int
    ) -> None:
        self._address = address
        self._connect_timeout = connect_timeout
        self._reply_timeout = reply_timeout
        self._free = asyncio.Semaphore(max_connections)
        self._idle: list[AbstractConnection] = []
        self._busy: set[AbstractConnection] = set()
        self._closed = False

    async def request(self, *parts: Part, asking: bool = False) -> Any:
        """Send one request and wait for its reply: bytes, int, None or a list of these.

        With `asking` it begins with ASKING: a node of a Cluster then also serves a slot that is being moved to it.
        Raises NotSent, ReplyLost or ServerRefusal. When it is cancelled its connection is closed, and the effect of
        the request is unknown.
        """
        unanswered: type[TransportError] = NotSent
        try:
            async with asyncio.timeout(self._reply_timeout), self._free:
                if self._closed:
                    raise NotSent("the storage was closed")
                connection = self._idle.pop() if self._idle else _new_connection(self._address, self._connect_timeout)
                self._busy.add(connection)
                try:
                    unanswered = Unreachable
                    await _make_sure_of(connection)
                    if asking:
                        await connection.send_packed_command(_ASKING, check_health=False)
                        await _reply(connection)
                    command = _packed(parts)
                    unanswered = ReplyLost
                    await connection.send_packed_command(command, check_health=False)
                    return await _reply(connection)
                finally:
                    self._busy.discard(connection)
                    self._idle.append(connection)
                    if self._closed:
                        await _hang_up(connection)
        except TimeoutError as error:
            raise unanswered(f"no answer within {self._reply_timeout:g} s") from error
        except _LOST as error:
            raise _refusal(error, self) or unanswered(_reason(error)) from error

    async def line(self) -> Line:
        """A new connection of the caller's own, which must close it; raises Unreachable or ServerRefusal."""
        connection = _new_connection(self._address, self._connect_timeout)
        try:
            async with asyncio.timeout(self._connect_timeout):
                await connection.connect()
        except BaseException as error:
            await _hang_up(connection)
            if isinstance(error, _LOST):
                raise _refusal(error) or Unreachable(_reason(error)) from error
            raise
        return Line(connection)

    async def aclose(self) -> None:
        """Close every connection of the pool, also those in use; requests that still wait are not sent."""
        self._closed = True
        for connection in (*self._idle, *self._busy):
            await _hang_up(connection)


def _new_connection(address: ServerAddress, connect_timeout: float) -> AbstractConnection:
    options: dict[str, Any] = {
        "db": address.db,
        "username": address.credentials.user,
        "password": address.credentials.password,
        "protocol": 2,
        "socket_timeout": None,
        "socket_connect_timeout": connect_timeout,
        "retry": Retry(NoBackoff(), 0),
    }
    if isinstance(address, UnixAddress):
        return UnixDomainSocketConnection(path=address.path, **options)
    return TcpConnection(host=address.host, port=address.port, **options)


def _packed(parts: tuple[Part, ...]) -> bytes:
    """A request as bytes, packed in C, which redis-py's asyncio connections do in Python."""
    try:
        return _pack_command(parts)
    except (TypeError, ValueError) as error:
        kinds = ", ".join(sorted({type(part).__name__ for part in parts}))
        raise NotSent(f"one of the arguments ({kinds}) cannot be sent: {error}") from error


async def _make_sure_of(connection: AbstractConnection) -> None:
    """Connect unless connected; a connection that the server has closed meanwhile is made again."""
    if connection.is_connected and await connection.can_read():
        await _hang_up(connection)
    if not connection.is_connected:
        await connection.connect()


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
        if code or isinstance(seen, driver.ResponseError):
            text = str(seen)
            if not code and (first := text.partition(" "))[0].isupper():
                code, _, text = first
            return ServerRefusal(code or "ERR", text, by)
        seen = seen.__cause__
    return None


def _reason(error: BaseException) -> str:
    return str(error) or type(error).__name__

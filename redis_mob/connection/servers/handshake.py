"""Makes the driver's connection to a server, which does the handshake."""

from __future__ import annotations

import socket
from asyncio import open_connection, timeout, to_thread
from contextlib import suppress
from ssl import SSLContext, SSLError
from typing import Any

from redis.asyncio.connection import AbstractConnection, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.connection import Connection as TcpConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError, ResponseError

from redis_mob.connection.servers.address import ServerAddress, TcpAddress, UnixAddress
from redis_mob.connection.servers.driver_stream import HandshakeParser, stream_of
from redis_mob.connection.servers.tls import Tls
from redis_mob.errors import ValidationError

_KEEPALIVE = {
    getattr(socket, name): seconds_or_times
    for name, seconds_or_times in (("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))
    if hasattr(socket, name)
}
"""A peer that is gone without closing is noticed after half a minute, also when no reply is due."""

_CUT = (ConnectionResetError, BrokenPipeError)

_REFUSAL_TIMEOUT = 1.0
"""Seconds within which a server that does not like our certificate says so."""


def new_connection(address: ServerAddress, connect_timeout: float) -> AnsweredConnection:
    """A connection that is still to be opened, and never opens itself again."""
    options: dict[str, Any] = {
        "db": address.db,
        "username": address.credentials.user,
        "password": address.credentials.password,
        # RESP2, because receipts are spelled in bytes, int, None and lists, and hiredis reads nothing else from it
        "protocol": 2,
        "parser_class": HandshakeParser,
        # none, because the channel has timeouts of its own, after which it keeps the connection
        "socket_timeout": None,
        "socket_connect_timeout": connect_timeout,
        # the driver must not send anything twice, since it does not know which calls may happen only once
        "retry": Retry(NoBackoff(), 0),
        "driver_info": None,  # else it introduces itself with CLIENT SETINFO, which a user of few rights may not run
    }
    if isinstance(address, UnixAddress):
        return _UnixConnection(path=address.path, **options)
    options |= {"host": address.host, "port": address.port}
    options |= {"socket_keepalive": True, "socket_keepalive_options": _KEEPALIVE}
    if address.tls is None:
        return _TcpConnection(**options)
    return _TlsConnection(address.tls, **options)


def timeout_message(address: ServerAddress, seconds: float) -> str:
    """What to say when a connection did not come about within so many seconds."""
    encrypted = isinstance(address, TcpAddress) and address.tls is not None
    hint = ": does it speak TLS on this port?" if encrypted else ""
    return f"{address.endpoint} did not answer within {seconds:g} s{hint}"


class AnsweredConnection(AbstractConnection):
    """Counts as connected only when the server has answered a PING, if only with an error.

    A proxy in front of a dead server takes connections all the same, and a server that refuses our certificate says so
    only when something is read from it.
    """

    was_reached = False
    """Whether there was a connection on which something could be sent, even if it failed after that."""

    async def send_command(self, *args: Any, **kwargs: Any) -> None:
        self.was_reached = True
        await super().send_command(*args, **kwargs)  # pyright: ignore[reportUnknownMemberType]

    async def connect(self) -> None:
        await super().connect()
        # an error is an answer too: else a user without the right to PING would not get as far as the check of rights
        with suppress(ResponseError):
            await self.send_command("PING", check_health=False)
            await self.read_response()  # pyright: ignore[reportUnknownMemberType]


class _TcpConnection(AnsweredConnection, TcpConnection):
    pass


class _UnixConnection(AnsweredConnection, UnixDomainSocketConnection):
    pass


class _TlsConnection(AnsweredConnection, SSLConnection):
    """Reads its certificates when it is opened, so that renewed ones count, and trusts those of `ca` alone."""

    def __init__(self, tls: Tls, **options: Any) -> None:
        super().__init__(**options)  # pyright: ignore[reportUnknownMemberType]
        self._tls = tls

    async def connect(self) -> None:
        try:
            # in a thread, because reading the files may take 50 ms, for which the event loop would stand still
            context = self.ssl_context.context = await to_thread(self._tls.context)
        except ValidationError as error:
            raise ConnectionError(str(error)) from error
        try:
            await super().connect()
        except ConnectionError as error:
            if isinstance(error.__context__, _CUT) and (refusal := await self._refusal(context)):
                raise ConnectionError(str(refusal)) from refusal
            raise

    async def disconnect(
        self,
        nowait: bool = False,
        error: Exception | None = None,
        failure_count: int | None = None,
        health_check_failed: bool = False,
    ) -> None:
        if nowait and (stream := stream_of(self)) is not None:
            stream.transport.abort()  # else it stays open until the server has said goodbye too
        await super().disconnect(nowait, error, failure_count, health_check_failed)

    async def _refusal(self, context: SSLContext) -> SSLError | None:
        """What the server says to our certificate on a connection on which we say nothing.

        With TLS 1.3 it says so after the handshake. A client that has sent something until then gets a reset of the
        connection, in which these words are lost.
        """
        with suppress(OSError):
            reader, writer = await open_connection(self.host, self.port, ssl=context)
            try:
                async with timeout(_REFUSAL_TIMEOUT):
                    await reader.read(1)
            except SSLError as error:
                return error
            finally:
                writer.transport.abort()
        return None

"""What an exception of redis-py says: that the connection is lost, or what the server has refused."""

from __future__ import annotations

from asyncio import IncompleteReadError
from contextlib import suppress
from ssl import SSLEOFError

from redis import exceptions as driver
from redis.asyncio.connection import AbstractConnection

from redis_mob.connection.failures import Requestable, ServerRefusalError, chain

LOST = (OSError, EOFError, driver.RedisError)
"""What redis-py raises when a connection breaks; some of them carry a refusal of the server instead."""


_CUT = (ConnectionResetError, ConnectionAbortedError, BrokenPipeError, IncompleteReadError, SSLEOFError)
"""What ends a connection that existed; ConnectionRefusedError, for one, says that there never was one."""

_CLOSED_BY_SERVER = "Connection closed by server."
"""How redis-py reports the end of a connection in the middle of a reply: a text, and no cause."""


async def hang_up(connection: AbstractConnection) -> None:
    """Close a connection without waiting for the server to agree."""
    # suppressed, because a failure to close would hide the error for which the connection is closed
    with suppress(*LOST):
        await connection.disconnect(nowait=True)


def refusal_in(error: BaseException, by: Requestable | None = None) -> ServerRefusalError | None:
    """The server's error reply in a driver's exception, or None when the exception is about the connection.

    The driver wraps what the server says during the handshake, and makes connection errors of some replies.
    """
    seen: BaseException | None = error
    # the causes are searched too, because the driver wraps a refusal in exceptions of its own
    while seen is not None:
        code = getattr(seen, "status_code", None)
        if code:
            return ServerRefusalError(code, str(seen), by)
        if isinstance(seen, driver.ResponseError):
            return refusal_of(str(seen), by)
        seen = seen.__cause__
    return None


def was_cut(error: BaseException) -> bool:
    """Whether a connection that could not be made had reached the server, and was cut before it could be used."""
    return any(isinstance(one, _CUT) or str(one) == _CLOSED_BY_SERVER for one in chain(error))


def refusal_of(text: str, by: Requestable | None) -> ServerRefusalError:
    """The refusal in the text of an error reply, which begins with its code if it has one."""
    code, _, rest = text.partition(" ")
    # a code is in capitals: without the check, the first word of Lua's errors and of some modules would pass for one
    return ServerRefusalError(code, rest, by) if code.isupper() else ServerRefusalError("ERR", text, by)


def reason_of(error: BaseException) -> str:
    """What an exception says, or its name if it says nothing."""
    return str(error) or type(error).__name__

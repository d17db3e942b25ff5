"""A connection that one caller has to itself: for wake-ups, which come unasked, and for commands that block."""

from __future__ import annotations

from typing import Any

from redis.asyncio.connection import AbstractConnection

from redis_mob.connection.failures import ReplyLostError
from redis_mob.connection.servers.driver_errors import LOST, hang_up, reason_of, refusal_in
from redis_mob.connection.servers.requests import Part, packed


class DedicatedConnection:
    """A connection to the server that one caller has to itself."""

    def __init__(self, connection: AbstractConnection) -> None:
        self._connection = connection

    async def send(self, *parts: Part) -> None:
        """Send a request without waiting for replies; raises ReplyLostError, after which the connection is closed."""
        if not self._connection.is_connected:
            raise ReplyLostError("the connection is closed")
        try:
            # without the driver's health check, which would send a PING and take the next reply for its answer
            await self._connection.send_packed_command(packed(parts), check_health=False)
        except LOST as error:
            raise ReplyLostError(reason_of(error)) from error

    async def receive(self, timeout: float) -> Any:
        """The next reply, or None if none has come within `timeout` seconds.

        Raises ServerRefusalError, or ReplyLostError, after which the connection is closed.
        """
        try:
            return await self._connection.read_response(timeout=timeout)  # pyright: ignore[reportUnknownVariableType]
        except LOST as error:
            raise refusal_in(error) or ReplyLostError(reason_of(error)) from error

    async def aclose(self) -> None:
        await hang_up(self._connection)

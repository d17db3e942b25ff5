"""Takes a request to the server that holds a namespace, and follows it when it has just moved.

It follows a redirection at once; all else that is sent again is decided in one module (decision 0013).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from redis_mob.connection.failures import (
    NotSentError,
    ReplyLostError,
    TransportError,
    UnreachableError,
    UnsettledError,
)
from redis_mob.connection.servers.address import ServerAddress
from redis_mob.connection.servers.channel import Channel
from redis_mob.connection.servers.dedicated import DedicatedConnection
from redis_mob.connection.servers.locator import Locator
from redis_mob.connection.servers.requests import Part

_MOST_HOPS = 5
"""How many servers one request may be sent on to: with more, the nodes would be sending it in a circle."""


class Router:
    """The connections of one namespace: a channel for each server that has held it since this was made."""

    def __init__(self, locator: Locator, channel_to: Callable[[ServerAddress], Channel]) -> None:
        self._locator = locator
        self._channel_to = channel_to
        self._channels: dict[ServerAddress, Channel] = {}
        self._latest: tuple[ServerAddress, Channel] | None = None
        """Where the latest request went: an address is found here without comparing its parts."""
        self._closed = False

    async def request(self, *parts: Part, until: float | None = None) -> Any:
        """Send one request to the server that holds the namespace, and wait for its reply, as Channel.request does.

        A server that names another one is believed at once; nothing is sent again that may have had an effect.
        Raises what Channel.request raises, and UnsettledError where the locator expects the next request to do better.
        """
        asking: ServerAddress | None = None
        hops = 0
        while True:
            usual = None if asking is not None else self._usual()
            address, channel = usual or await self._found(asking, until)
            try:
                return await channel.request(*parts, asking=asking is not None, until=until)
            except TransportError as error:
                again = self._locator.again(error, address)
                # a lost reply may be that of a write that happened, so that only `Calls`, which numbers it, may go on
                if again is None or isinstance(error, ReplyLostError):
                    raise
                hops += 1
                # the pause before another attempt belongs to the call, since only the call knows its deadline
                if not again.at_once or hops > _MOST_HOPS:
                    raise UnsettledError(error) from error.__cause__
                asking = again.asking

    async def dedicated_connection(self) -> DedicatedConnection:
        """A new connection of the caller's own to the server that holds the namespace, which is found out anew.

        Raises what Channel.dedicated_connection and the locator raise.
        """
        # found out anew, because a dedicated connection gets no redirection that would tell that the holder has moved
        self._locator.forget()
        return await self._channel(await self._locator.locate()).dedicated_connection()

    async def aclose(self) -> None:
        """Close every channel; requests that still wait are not sent."""
        # first, so that a request that is still looking for its server opens no new channel
        self._closed = True
        for channel in self._channels.values():
            await channel.aclose()

    def _usual(self) -> tuple[ServerAddress, Channel] | None:
        """Where the latest request went, if the namespace is known to be there and the connection was not lost."""
        latest = self._latest
        if latest is None or latest[0] is not self._locator.known or self._closed or not latest[1].is_connected:
            return None
        return latest

    async def _found(self, asking: ServerAddress | None, until: float | None) -> tuple[ServerAddress, Channel]:
        if asking is not None:
            return asking, self._channel(asking)
        address = await self._locate_until(until)
        self._latest = address, self._channel(address)
        return self._latest

    async def _locate_until(self, until: float | None) -> ServerAddress:
        try:
            # bounded here too, because discovery may take longer than the call has left
            async with asyncio.timeout_at(until):
                return await self._locate()
        except TimeoutError as error:
            raise UnreachableError("the server was not found within the deadline of the call") from error

    async def _locate(self) -> ServerAddress:
        """Where the namespace is; found out anew when a connection to that server was lost, for it may be no more."""
        address = await self._locator.locate()
        if not self._channel(address).drop_lost_pipeline():
            return address
        # asked before anything is sent, since servers that are demoted or shut down cut their connections first
        self._locator.forget()
        return await self._locator.locate()

    def _channel(self, address: ServerAddress) -> Channel:
        if self._closed:
            raise NotSentError("the storage was closed")
        if (known := self._channels.get(address)) is None:
            known = self._channels[address] = self._channel_to(address)
        return known

"""Takes a request to the server that holds a namespace, and follows it when it has just moved."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from redis_mob.connection.address import ServerAddress
from redis_mob.connection.locator import Locator, Unsettled
from redis_mob.connection.transport import Line, NotSent, Part, ReplyLost, Transport, TransportError

_MOST_HOPS = 5
"""How many servers one request may be sent on to."""


class Router:
    """The connections of one namespace: a pool for each server that has held it since this was made."""

    def __init__(self, locator: Locator, transport_to: Callable[[ServerAddress], Transport]) -> None:
        self._locator = locator
        self._transport_to = transport_to
        self._transports: dict[ServerAddress, Transport] = {}
        self._closed = False

    async def request(self, *parts: Part) -> Any:
        """Send one request to the server that holds the namespace, and wait for its reply, as Transport.request does.

        A server that names another one is believed at once; nothing is sent again that may have had an effect.
        Raises what Transport.request raises, and Unsettled where the locator expects the next request to do better.
        """
        asking: ServerAddress | None = None
        hops = 0
        while True:
            address = asking or await self._locate()
            try:
                return await self._transport(address).request(*parts, asking=asking is not None)
            except TransportError as error:
                again = self._locator.again(error, address)
                if again is None or isinstance(error, ReplyLost):
                    raise
                hops += 1
                if not again.at_once or hops > _MOST_HOPS:
                    raise Unsettled(error) from error.__cause__
                asking = again.asking

    async def line(self) -> Line:
        """A new connection of the caller's own to the server that holds the namespace, which is found out anew.

        Raises what Transport.line raises, and NotSent.
        """
        self._locator.forget()
        return await self._transport(await self._locator.locate()).line()

    async def aclose(self) -> None:
        """Close every connection of every pool; requests that still wait are not sent."""
        self._closed = True
        for transport in self._transports.values():
            await transport.aclose()

    async def _locate(self) -> ServerAddress:
        """Where the namespace is; found out anew when a connection to that server was lost, for it may be no more."""
        address = await self._locator.locate()
        if not self._transport(address).has_lost_its_wire():
            return address
        self._locator.forget()
        return await self._locator.locate()

    def _transport(self, address: ServerAddress) -> Transport:
        if self._closed:
            raise NotSent("the storage was closed")
        if (known := self._transports.get(address)) is None:
            known = self._transports[address] = self._transport_to(address)
        return known

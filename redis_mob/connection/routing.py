"""Takes requests to the server that holds a namespace, also while the namespace moves to another one."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterator
from typing import Any

from redis_mob.connection.address import ServerAddress
from redis_mob.connection.locator import Locator
from redis_mob.connection.transport import Line, NotSent, Part, Transport, TransportError

PATIENCE = 5.0
"""Seconds, from its first failure on, for which a request that had no effect is sent again."""

_FIRST_PAUSE = 0.01
_LONGEST_PAUSE = 0.25


class GivenUp(TransportError):  # noqa: N818
    """The request was sent again for as long as is sensible, and never had an effect; `last` is how it ended last."""

    def __init__(self, last: TransportError) -> None:
        super().__init__(str(last))
        self.last = last


class Router:
    """The connections of one namespace: a pool for each server that has held it since this was made."""

    def __init__(self, locator: Locator, transport_to: Callable[[ServerAddress], Transport]) -> None:
        self._locator = locator
        self._transport_to = transport_to
        self._transports: dict[ServerAddress, Transport] = {}
        self._closed = False

    async def request(self, *parts: Part) -> Any:
        """Send one request to the server that holds the namespace, and wait for its reply, as Transport.request does.

        It is sent again, maybe to another server, only if it certainly had no effect and the locator knows better.
        Raises what Transport.request raises, and GivenUp.
        """
        pauses = _pauses()
        asking: ServerAddress | None = None
        while True:
            address = asking or await self._locator.locate()
            try:
                return await self._transport(address).request(*parts, asking=asking is not None)
            except TransportError as error:
                again = self._locator.again(error, address)
                if again is None:
                    raise
                pause = 0.0 if again.asking and not asking else next(pauses, None)
                if pause is None:
                    raise GivenUp(error) from error.__cause__
            await asyncio.sleep(pause)
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

    def _transport(self, address: ServerAddress) -> Transport:
        if self._closed:
            raise NotSent("the storage was closed")
        if (known := self._transports.get(address)) is None:
            known = self._transports[address] = self._transport_to(address)
        return known


def _pauses() -> Iterator[float]:
    """Seconds before each further attempt: the first is made at once, later ones after growing pauses."""
    deadline = time.monotonic() + PATIENCE
    yield 0.0
    pause = _FIRST_PAUSE
    while time.monotonic() < deadline:
        yield pause * random.uniform(0.5, 1.0)  # noqa: S311
        pause = min(pause * 2, _LONGEST_PAUSE)

"""Finds out which server holds a namespace by asking servers that know."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from redis_mob.connection.failures import CutShortError, ReplyLostError, TransportError, UnreachableError
from redis_mob.connection.servers.address import ServerAddress, TcpAddress
from redis_mob.connection.servers.channel import Channel
from redis_mob.connection.servers.requests import Part

ANSWER_TIMEOUT = 2.0
"""Seconds within which a server has to answer, before another one is asked."""

LOCATE_TIMEOUT = 5.0
"""Seconds within which one of them has to have said it."""

_MOST_TOLD = 5
"""Reasons that an error tells why no server answers; the others are counted."""


class DiscoveringLocator(ABC):
    """Asks until it knows the holder, once for all requests that need it, and again when it was told to forget."""

    def __init__(self, informants: Sequence[TcpAddress], kind: str) -> None:
        self._informants = list(informants)
        """In the order in which they are asked: those that did not answer come last."""
        self._kind = kind
        """What an informant is called in an error."""
        self._holder: TcpAddress | None = None
        self._asking = asyncio.Lock()

    @property
    def known(self) -> TcpAddress | None:
        return self._holder

    async def locate(self) -> TcpAddress:
        """The server that holds the namespace, as far as is known.

        Raises UnreachableError if no server answers, UnsettledError if none can tell for the moment, another
        TransportError if that is going to stay so.
        """
        if self._holder is not None:
            return self._holder
        try:
            # one request asks and the others wait, since a failover would otherwise bring the questions of all of them
            async with asyncio.timeout(LOCATE_TIMEOUT), self._asking:
                # looked at again, because another request may have found it while this one waited for the lock
                if self._holder is None:
                    self._holder = await self._ask_around()
                return self._holder
        except TimeoutError as error:
            raise UnreachableError(f"no {self._kind} answered within {LOCATE_TIMEOUT:g} s") from error

    def forget(self) -> None:
        self._holder = None

    @abstractmethod
    async def _ask_around(self) -> TcpAddress: ...

    def _ask_last(self, informant: object) -> None:
        self._informants.sort(key=lambda known: known == informant)


def none_answered(kind: str, failures: Sequence[TransportError]) -> TransportError:
    """What to raise when none of this kind answers: a failure that is going to stay, if there is one."""
    # told first, because a wrong password helps the reader more than "no answer", and does not pass by waiting
    for failure in failures:
        if not isinstance(failure, UnreachableError | ReplyLostError):
            return failure
    reasons = list(dict.fromkeys(map(str, failures)))
    told = [*reasons[:_MOST_TOLD], *([f"and {len(reasons) - _MOST_TOLD} more"] if len(reasons) > _MOST_TOLD else [])]
    was_reached = any(isinstance(failure, CutShortError | ReplyLostError) for failure in failures)
    # told apart, because opening a storage waits only for servers that were reached
    error = (CutShortError if was_reached else UnreachableError)(f"no {kind} answers: {'; '.join(told)}")
    error.__cause__ = failures[0].__cause__
    return error


async def ask_server(server: ServerAddress, *parts: Part, seconds: float = ANSWER_TIMEOUT) -> Any:
    """The reply of a server to one request, on a connection made for it; raises as Channel.request does.

    Connecting and answering may take so many seconds each.
    """
    # a connection of its own, because the answer decides to which server the shared connection is made
    channel = Channel(server, connect_timeout=seconds, reply_timeout=seconds, max_requests=1)
    try:
        return await channel.request(*parts)
    finally:
        await channel.aclose()

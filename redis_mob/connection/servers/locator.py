"""Which server holds a namespace: the question, and its answer where there is only one server.

A storage talks to one node, wherever its namespace is (decision 0013).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from redis_mob.connection.failures import TransportError
from redis_mob.connection.servers.address import ServerAddress


@dataclass(frozen=True, slots=True)
class Again:
    """A request that had no effect is worth sending again: once to `asking` with ASKING, or to where the holder is.

    `at_once` says that a server has named the holder, so that there is nothing to wait for.
    """

    asking: ServerAddress | None = None
    at_once: bool = False


class Locator(Protocol):
    """Knows which server holds one namespace now, and what a failure says about that."""

    @property
    def known(self) -> ServerAddress | None:
        """The server that `locate` would give at once; None if it would have to ask."""
        ...

    async def locate(self) -> ServerAddress:
        """The server that holds the namespace, as far as is known. Raises a TransportError if it cannot be told."""
        ...

    def forget(self) -> None:
        """Find the server out anew next time."""
        ...

    def again(self, error: TransportError, at: ServerAddress) -> Again | None:
        """How a request that ended so at this server goes on; None if another server would do no better."""
        ...


class FixedLocator:
    """The one server that a URL names, which holds every namespace."""

    def __init__(self, address: ServerAddress) -> None:
        self._address = address

    @property
    def known(self) -> ServerAddress:
        return self._address

    async def locate(self) -> ServerAddress:
        return self._address

    def forget(self) -> None:
        pass

    def again(self, error: TransportError, at: ServerAddress) -> Again | None:
        return None  # since there is no other server that the request could go to

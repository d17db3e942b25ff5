"""What breaks servers and networks under the traffic of clients, one kind of trouble each.

`begin` breaks something, `end` stops that, and `heal` brings the servers back to where they were, so that the next
trouble finds them well. A nemesis decides with the `Random` that it is given, and remembers nothing else from one
trouble to the next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random
from typing import ClassVar

from redis_mob.testing.robustness.deployment import Deployment
from redis_mob.testing.servers.node import Node


class Nemesis:
    """One kind of trouble. `name` is what the command calls it, `about` says what it does.

    `topologies` are those that it can break, `needs` what of a deployment it breaks them with, and `may_lose` says that
    a server that is not told to be safe loses by it what was acknowledged.
    """

    name: ClassVar[str] = "none"
    about: ClassVar[str] = "nothing is broken"
    topologies: ClassVar[tuple[str, ...]] = ("single", "cluster", "sentinel")
    needs: ClassVar[str] = ""
    may_lose: ClassVar[bool] = False
    is_of_fleets: ClassVar[bool] = False
    """It breaks workers, which only a fleet has."""

    def __init__(self, deployment: Deployment, random: Random) -> None:
        self.deployment = deployment
        self.random = random
        self.cutting: Callable[[], None] = lambda: None
        """Called when that happens by which a server loses what is only in its memory; from any thread."""

    @classmethod
    def missing(cls) -> str:
        """Why it cannot be used on this machine; empty if it can."""
        return ""

    @property
    def seconds(self) -> float:
        """For how long the trouble is to last, from `begin` to `end`; a random time."""
        return self.random.uniform(0.1, 0.6)

    @property
    def primary(self) -> Node:
        """The server that has the namespace."""
        return self.deployment.service.primary

    async def begin(self) -> None:
        """Break something."""

    async def end(self) -> None:
        """Stop breaking it."""

    async def heal(self) -> None:
        """Bring the servers back to where they were, and wait for that."""
        await asyncio.to_thread(self.deployment.service.wait_until_ready)

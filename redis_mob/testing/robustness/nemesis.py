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

from redis_mob.testing.robustness.deployment import Deployment, is_replicated
from redis_mob.testing.servers.node import Node


class Trouble:
    """One kind of trouble, for any storage: what a test of another implementation derives its own from.

    `may_lose` says that a storage which is not told to be safe loses by it what was acknowledged. It calls `cutting`
    when that happens; from any thread.
    """

    name: ClassVar[str] = "none"
    about: ClassVar[str] = "nothing is broken"
    may_lose: ClassVar[bool] = False

    def __init__(self, random: Random) -> None:
        self.random = random
        self.cutting: Callable[[], None] = lambda: None

    @property
    def seconds(self) -> float:
        """For how long the trouble is to last, from `begin` to `end`; a random time."""
        return self.random.uniform(0.1, 0.6)

    async def prepare(self) -> None:
        """Before the clients go on, if the storage may lose something: what it has now it comes back with."""

    async def begin(self) -> None:
        """Break something."""

    async def end(self) -> None:
        """Stop breaking it."""

    async def heal(self) -> None:
        """Bring the storage back to where it was, and wait for that."""


class Nemesis(Trouble):
    """One kind of trouble of the servers of this library. `name` is what the command calls it.

    `topologies` are those that it can break, `needs` what of a deployment it breaks them with.
    """

    topologies: ClassVar[tuple[str, ...]] = ("single", "cluster", "sentinel")
    needs: ClassVar[str] = ""
    is_of_fleets: ClassVar[bool] = False
    """It breaks workers, which only a fleet has."""

    def __init__(self, deployment: Deployment, random: Random) -> None:
        super().__init__(random)
        self.deployment = deployment

    @classmethod
    def missing(cls) -> str:
        """Why it cannot be used on this machine; empty if it can."""
        return ""

    @property
    def primary(self) -> Node:
        """The server that has the namespace."""
        return self.deployment.service.primary

    async def prepare(self) -> None:
        """Store what there is on a server that is alone; a replica has it anyway."""
        if not is_replicated(self.deployment.service):
            await asyncio.to_thread(self.primary.do, "SAVE")

    async def heal(self) -> None:
        """Wait until the servers are where they were."""
        await asyncio.to_thread(self.deployment.service.wait_until_ready)

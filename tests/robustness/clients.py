"""Many clients at once, which call what they like until it is enough, and what must be true afterwards."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterable, Mapping
from contextlib import AsyncExitStack, aclosing
from random import Random
from typing import Any, Self

from redis_mob.storage import MobStorage
from tests.robustness.limited_fleet import LimitedFleet
from tests.robustness.open_namespace import OpenNamespace
from tests.robustness.report import BrokenError
from tests.robustness.shared import Shared
from tests.robustness.traffic import CONTENT, WRITES, Track
from tests.robustness.twins import Twins


class Clients:
    """All clients of some namespaces. `counted` are their calls by method, `broken` is what they found."""

    def __init__(self, seed: int, enough: Callable[[Clients], bool]) -> None:
        self.counted: Counter[str] = Counter()
        self.broken: list[str] = []
        self._seed = seed
        self._enough = enough
        self._namespaces: list[OpenNamespace] = []
        self._work: list[Coroutine[Any, Any, None]] = []
        self._checks: list[Coroutine[Any, Any, None]] = []
        self._limited: list[LimitedFleet] = []
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        for never_begun in (*self._work, *self._checks):
            never_begun.close()
        await self._stack.aclose()

    async def add_tracks(self, namespace: OpenNamespace, tracks: Mapping[str, Track]) -> None:
        """A client for each of these tracks, compared with a namespace in memory."""
        self._namespaces.append(namespace)
        name = namespace.storage.namespace
        memory = await self._stack.enter_async_context(MobStorage.open("memory:", namespace=name))
        for kind, track in tracks.items():
            twins = Twins(namespace.caller(), memory, self.counted)
            self._add_work(f"{name}, {kind}", track(twins, Random(f"{self._seed}/{name}/{kind}")))
        self._checks.append(self._noted(name, _same_content(Twins(namespace.caller(), memory, Counter()))))

    async def add_sharing(
        self, connections: Iterable[OpenNamespace], clients: int, *, syncs_first: bool = True
    ) -> None:
        """So many clients on each of these connections to one namespace; a subscriber on the last follows them.

        `syncs_first` is what `Shared` has to know of the server.
        """
        shared = Shared(self.counted, syncs_first=syncs_first)
        for number, connection in enumerate(connections):
            self._namespaces.append(connection)
            for client in range(clients):
                self._add_work("shared", shared.work(connection.caller(), Random(f"{self._seed}/{number}/{client}")))
        last = self._namespaces[-1]
        await self._stack.enter_async_context(shared.followed(last.storage))
        self._checks.append(self._noted("shared", shared.check(last.caller())))

    def add_limited(self, namespace: OpenNamespace) -> None:
        """The workers, operators and starters of a fleet with limits, all of them one client."""
        self._namespaces.append(namespace)
        name = namespace.storage.namespace
        fleet = LimitedFleet(namespace.caller(), Random(f"{self._seed}/{name}"), self.counted)
        self._limited.append(fleet)
        self._add_work(name, fleet.work())
        self._checks.append(self._noted(name, fleet.finish()))

    @property
    def writes(self) -> int:
        """How many calls were made of methods that may change something."""
        return sum(count for name, count in self.counted.items() if name in WRITES)

    @property
    def limited_figures(self) -> dict[str, int]:
        """What the fleets with limits have done."""
        return dict(sum((fleet.figures for fleet in self._limited), Counter[str]()))

    @property
    def learned(self) -> dict[str, int]:
        """How often the clients did not know at once what had happened, and what they learned."""
        learned = sum((caller.learned for opened in self._namespaces for caller in opened.callers), Counter[str]())
        return {name: learned[name] for name in sorted(learned)}

    async def work(self) -> None:
        """Let all clients call until it is enough, or something is broken."""
        work, self._work = self._work, []
        await asyncio.gather(*work)

    async def check(self) -> None:
        """Compare what is there with what must be there."""
        checks, self._checks = self._checks, []
        await asyncio.gather(*checks)

    def _add_work(self, name: str, calls: AsyncGenerator[None]) -> None:
        self._work.append(self._noted(name, self._until_enough(calls)))

    async def _until_enough(self, calls: AsyncGenerator[None]) -> None:
        async with aclosing(calls):
            async for _ in calls:
                if self.broken or self._enough(self):
                    return

    async def _noted(self, name: str, work: Awaitable[None]) -> None:
        """Do this; what breaks is noted."""
        try:
            await work
        except BrokenError as error:
            self.broken.append(f"{name}: {error}")


async def _same_content(twins: Twins) -> None:
    for read in CONTENT:
        await twins.both(read)

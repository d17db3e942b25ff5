"""Config documents and lists of runs: reading and writing one, watching, and pages of many."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

from redis_mob.bench.scenario import Scenario
from redis_mob.bench.scenarios.runs import flow_of
from redis_mob.bench.target import Target
from redis_mob.models import MobRun, Put

_DOCUMENT: dict[str, Any] = {
    "meta": {"revision": 1},
    "model": "none",
    "tools": ["read", "write", "search"],
    "limits": {"turns": 40, "tokens": 200_000},
    "prompt": "Look at the change, and say what is wrong with it. " * 8,
}
_PAGE = 100
_AT_ONCE = 64


class _Documents(Scenario):
    """A namespace of config that has so many documents before anything is measured."""

    unit = "documents"

    async def set_up(self, target: Target) -> None:
        self._config = target.storage.config
        for first in range(0, self.size, _PAGE):
            numbers = range(first, min(first + _PAGE, self.size))
            await self._config.apply([Put("bench", f"document-{n:07}", _DOCUMENT) for n in numbers])
        await self._config.put("bench", "one", _DOCUMENT)


class PutDocument(_Documents):
    """A document is written over itself."""

    name = "config.put"
    operation = "a config document is written"

    async def operate(self, agent: int) -> None:
        await self._config.put("bench", "one", _DOCUMENT)


class GetDocument(_Documents):
    """A document is read."""

    name = "config.get"
    operation = "a config document is read"

    async def operate(self, agent: int) -> None:
        await self._config.get("bench", "one")


class WatchDocument(_Documents):
    """From a write to the change that a subscriber of the same process gets."""

    name = "config.watch"
    operation = "from the write of a config document to the change that a subscriber gets"

    def __init__(self, size: int = 0) -> None:
        super().__init__(size)
        self._resources = AsyncExitStack()

    async def set_up(self, target: Target) -> None:
        await super().set_up(target)
        self._changes = await self._resources.enter_async_context(self._config.subscribe())

    async def operate(self, agent: int) -> None:
        await asyncio.gather(self._config.put("bench", "one", _DOCUMENT), self._changes.next())

    async def clean_up(self) -> None:
        await self._resources.aclose()


class ListDocuments(_Documents):
    """A page of documents, from their middle."""

    name = "config.list"
    operation = f"a page of {_PAGE} config documents is read"

    async def operate(self, agent: int) -> None:
        await self._config.list("bench", self.size // 2, _PAGE)


class ListRuns(Scenario):
    """The runs of one mob, among those of others."""

    name = "list_runs"
    operation = "ten runs of one mob are listed"
    unit = "runs"

    async def set_up(self, target: Target) -> None:
        self._runs = target.storage.runs
        flow = flow_of(1)
        waiting = [
            MobRun.pending("bench" if number < 10 else f"mob-{number}", "flow", flow, {}) for number in range(self.size)
        ]
        for first in range(0, self.size, _AT_ONCE):
            await asyncio.gather(*map(self._runs.create_run, waiting[first : first + _AT_ONCE]))

    async def operate(self, agent: int) -> None:
        await self._runs.list_runs("bench")

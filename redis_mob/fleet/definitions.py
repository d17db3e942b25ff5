"""The definitions that runs were started with, read once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from redis_mob.models.definition import MobDefinition
from redis_mob.models.transition import RunView

if TYPE_CHECKING:
    from redis_mob.contracts import ExecutionStore


class Definitions:
    """Reads definitions and keeps them for good: one is stored under its digest, so that it never changes."""

    def __init__(self, store: ExecutionStore) -> None:
        self._store = store
        self._known: dict[str, MobDefinition] = {}
        self._reading = asyncio.Lock()

    async def of(self, view: RunView) -> MobDefinition:
        """The definition that a run was started with. Raises NotFoundError."""
        digest = view.launch.definition
        if digest not in self._known:
            async with self._reading:  # many runs of one definition may be met at the same time: the first one reads it
                if digest not in self._known:
                    self._known[digest] = await self._store.get_definition(digest)
        return self._known[digest]

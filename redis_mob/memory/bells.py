"""Tells waiting readers that something changed; what it was they read themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager

from redis_mob.contracts import Bell


class MemoryBell(Bell):
    """Rings when something changed; any number of changes before the next wait are one ring."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        self._rung.set()

    async def wait(self, timeout: float | None = None) -> bool:
        try:
            async with asyncio.timeout(timeout):
                await self._rung.wait()
        except TimeoutError:
            return False
        self._rung.clear()
        return True


class Bells:
    """All bells for one kind of change."""

    def __init__(self) -> None:
        self._bells: set[MemoryBell] = set()

    def ring(self) -> None:
        for bell in self._bells:
            bell.ring()

    @contextmanager
    def listen(self) -> Generator[MemoryBell]:
        """A bell until the block ends. It rings once at first: a reader that reads after each ring misses nothing."""
        bell = MemoryBell()
        bell.ring()
        self._bells.add(bell)
        try:
            yield bell
        finally:
            self._bells.discard(bell)

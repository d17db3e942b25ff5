"""The slots of a worker: how many handlers it may run at a time."""

from __future__ import annotations

import asyncio


class Slots:
    """Counts free slots. One is taken before an execution is claimed, and given back when its handler has ended."""

    def __init__(self, number: int) -> None:
        self._free = number
        self._closed = False
        self._given_back = asyncio.Event()

    @property
    def free(self) -> int:
        """How many slots may be taken; none once the worker begins nothing more."""
        return 0 if self._closed else max(self._free, 0)

    def take(self, number: int = 1) -> None:
        """Take slots."""
        self._free -= number

    def give_back(self, number: int = 1) -> None:
        """Give slots back."""
        self._free += number
        if number:
            self._given_back.set()

    def close(self) -> None:
        """Let nothing more begin."""
        self._closed = True

    async def wait(self) -> None:
        """Until slots are given back that were not when this began."""
        self._given_back.clear()
        await self._given_back.wait()

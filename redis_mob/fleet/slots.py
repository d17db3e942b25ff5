"""The slots of a worker: how many handlers it may run at a time."""

from __future__ import annotations

import asyncio


class Slots:
    """Counts free slots. One is taken before an execution is claimed, and given back when its handler has ended."""

    def __init__(self, number: int) -> None:
        self._free = number
        self._closed = False
        self.given_back = asyncio.Event()
        """Set when a slot is free again; who waits for it clears it before."""

    @property
    def free(self) -> int:
        """How many slots may be taken; none once the worker begins nothing more."""
        return 0 if self._closed else max(self._free, 0)

    def take(self, number: int) -> None:
        """Take slots."""
        self._free -= number

    def give_back(self, number: int = 1) -> None:
        """Give slots back, and say so."""
        if number:
            self._free += number
            self.given_back.set()

    def close(self) -> None:
        """Let nothing more begin."""
        self._closed = True

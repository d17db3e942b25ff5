"""The slots of a worker: how many handlers it may run at a time."""

from __future__ import annotations

import asyncio


class Slots:
    """Counts free slots. One is taken before an execution is claimed, and given back when its handler has ended."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.kept_for_others = 0
        """How many slots drivers leave to what the schedule gives out."""
        self.is_closed = False
        """Whether nothing more begins, for the worker leaves."""
        self.is_one_alone = False
        """Whether nothing more begins for now, for what is under way is to be alone."""
        self._free = number
        self.given_back = asyncio.Event()
        """Set when a slot is free again; who waits for it clears it before."""

    @property
    def free(self) -> int:
        """How many slots a driver may take for what its run dispatches."""
        return max(self.unused - self.kept_for_others, 0)

    @property
    def unused(self) -> int:
        """How many slots may be taken."""
        return 0 if self.is_closed or self.is_one_alone else max(self._free, 0)

    @property
    def used(self) -> int:
        """How many slots are taken."""
        return self.number - self._free

    def take(self, number: int) -> None:
        """Take slots."""
        self._free -= number

    def give_back(self, number: int = 1) -> None:
        """Give slots back, and say so."""
        if number:
            self._free += number
            self.given_back.set()

"""Turns that requests take: so many are under way at a time, and further ones wait in their order."""

from __future__ import annotations

import asyncio
from collections import deque


class Turns:
    """As asyncio.Semaphore, of which an acquisition and a release take six calls where nothing has to be waited for."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._waiting: deque[asyncio.Future[None]] = deque()

    def take_free(self) -> bool:
        """Take a turn if one is free, and say so."""
        if not self._free:
            return False
        self._free -= 1
        return True

    async def take(self) -> None:
        """Wait for a turn behind those who wait already."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self.give_back()  # it was handed over at the moment in which its caller was cancelled
            raise

    def give_back(self) -> None:
        """End a turn: the first who waits gets it."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

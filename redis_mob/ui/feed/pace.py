"""Bounds how much the server is asked for the sake of open tabs, however many there are."""

from __future__ import annotations

import asyncio
import time

COMMANDS_PER_SECOND = 60
"""Calls that all readers of this process make together; what a person asks for is not among them."""

_BURST_SECONDS = 0.5
"""For how long nothing may have been asked that counts for what is asked at once."""


class Pace:
    """Turns are given in the order in which they are asked for. What one has cost is said when that is known.

    Those who only say what they have spent are bounded by themselves, and go before those who wait for a turn.
    """

    def __init__(self) -> None:
        self._free_at = 0.0
        self._line = asyncio.Lock()

    async def turn(self) -> None:
        """Wait until something may be asked."""
        async with self._line:
            wait = self._free_at - time.monotonic()
            if wait > 0:
                await asyncio.sleep(wait)

    def spent(self, commands: int) -> None:
        """Say what a turn has cost."""
        earliest = time.monotonic() - _BURST_SECONDS
        self._free_at = max(self._free_at, earliest) + commands / COMMANDS_PER_SECOND

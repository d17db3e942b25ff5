"""Tells a waiting reader that something changed; what it was it reads itself."""

from __future__ import annotations

import asyncio


class Bell:
    """Rings when something changed; any number of changes before the next wait are one ring."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        self._rung.set()

    async def wait(self, timeout: float | None = None) -> bool:
        """Wait for the next ring, at most `timeout` seconds; returns whether it rang."""
        try:
            async with asyncio.timeout(timeout):
                await self._rung.wait()
        except TimeoutError:
            return False
        self._rung.clear()
        return True

"""What tells of changes: a store says that there was one, and its caller looks."""

from __future__ import annotations

from typing import Protocol


class WakeUp(Protocol):
    """What a worker waits for while nothing is due."""

    async def wait(self, timeout: float) -> bool:
        """Wait for a wake-up since the last wait, at most `timeout` seconds; returns whether there was one."""
        ...

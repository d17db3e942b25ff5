"""What waits to be sent to one tab: bounded, so that a slow one costs no more than a fast one (contract: ui-11)."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress

MOST_BYTES = 2_000_000
"""Bytes that wait for a tab; one for which more do reads all anew instead."""


class Tab:
    """A browser that listens, and the run that it shows, if it shows one."""

    def __init__(self, run_id: str | None = None) -> None:
        self.run_id = run_id
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._changed = asyncio.Event()
        self._ended = False

    @property
    def has_ended(self) -> bool:
        """Whether nothing more comes."""
        return self._ended and not self._waiting

    def put(self, one: bytes, resync: bytes) -> None:
        """Send a message; or, if too much waits, nothing of that, and `resync` before it."""
        if self._bytes + len(one) > MOST_BYTES:
            self._waiting.clear()
            self._bytes = 0
            self._append(resync)
        self._append(one)

    def end(self) -> None:
        """Send what waits, and then nothing more."""
        self._ended = True
        self._changed.set()

    async def take(self, seconds: float) -> bytes:
        """All that waits, as soon as something does; nothing after this time, or at the end."""
        if not self._waiting and not self._ended:
            self._changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._changed.wait()
        taken = b"".join(self._waiting)
        self._waiting.clear()
        self._bytes = 0
        return taken

    def _append(self, one: bytes) -> None:
        self._waiting.append(one)
        self._bytes += len(one)
        self._changed.set()

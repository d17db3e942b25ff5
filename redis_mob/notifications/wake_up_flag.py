"""A flag that tells a waiting reader that something changed; the reader reads what it was."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

SWEEP_SECONDS = 1.0
"""How long a reader relies on wake-ups before it looks by itself. A wake-up can be lost, with the connection that
carries it or in a failover; this is how long that can delay anything."""


Concern = Callable[[bytes], bool]
"""Whether a message is about what a reader waits for."""


class WakeUpFlag:
    """Set when something changed; any number of changes before the next wait are one wake-up.

    With `concerns`, only messages that it accepts set the flag.
    """

    def __init__(self, concerns: Concern | None = None) -> None:
        self._changed = asyncio.Event()
        self._concerns = concerns
        self._waiting = 0

    def set(self) -> None:
        self._changed.set()

    def hear(self, message: bytes) -> None:
        """Set the flag if this message is about what its reader waits for, or does not say what it is about."""
        if self._concerns is None or not message or self._concerns(message):
            self._changed.set()

    @property
    def is_waited_for(self) -> bool:
        """Whether its reader waits for it now."""
        return self._waiting > 0 and not self._changed.is_set()

    def begins_to_read(self) -> None:
        """The reader is about to read all that is new."""

    def entries_after(self, cursor: int) -> list[tuple[int, Mapping[bytes, bytes]]] | None:
        """All entries of a log after a cursor, as far as messages brought them; None if the log has to be read."""
        del cursor
        return None

    async def wait(self, timeout: float | None = None) -> bool:
        """Wait until the flag is set, at most `timeout` seconds, and clear it; returns whether it was set."""
        self._waiting += 1
        try:
            async with asyncio.timeout(timeout):
                await self._changed.wait()
        except TimeoutError:
            return False
        finally:
            self._waiting -= 1
        self._changed.clear()
        return True

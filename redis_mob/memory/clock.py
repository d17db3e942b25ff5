"""The clock of a namespace, the only one its stores read."""

from __future__ import annotations

from datetime import UTC, datetime


class Clock:
    """Never goes back, even if the clock of the machine does."""

    def __init__(self) -> None:
        self._latest = datetime.min.replace(tzinfo=UTC)

    def now(self) -> datetime:
        """The present moment in UTC."""
        self._latest = max(self._latest, datetime.now(UTC))
        return self._latest

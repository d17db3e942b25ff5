"""The account of a limit that counts units, in memory; lua/lib/units does the same on a server (decision 0044)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar

T = TypeVar("T")

_MILLISECOND = timedelta(milliseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PARTS = 100


class Account(Generic[T]):
    """What is reserved for each entry, and what was used: when it counts no longer, and how much it is."""

    def __init__(self) -> None:
        self.reserved: dict[T, int] = {}
        self._used: list[tuple[datetime, int]] = []

    def settle(self, now: datetime, per_ms: int, used: int) -> None:
        """Count what an attempt has used that is over."""
        if used > 0:
            width = max(per_ms // _PARTS, 1) * _MILLISECOND
            until = now + width - (now - _EPOCH) % width + per_ms * _MILLISECOND
            self._used = [*self.counting(now), (until, used)]

    def counting(self, now: datetime) -> list[tuple[datetime, int]]:
        """What counts still, in the order of time."""
        return [(until, units) for until, units in self._used if until > now]

    def room(self, now: datetime, units: int, limit: int) -> tuple[bool, datetime | None]:
        """Whether `units` have no room, and when they will, as far as that is known."""
        counting = self.counting(now)
        too_many = sum(self.reserved.values()) + sum(used for _, used in counting) + units - limit
        if too_many <= 0:
            return False, None
        for until, used in counting:
            too_many -= used
            if too_many <= 0:
                return True, until
        return True, None

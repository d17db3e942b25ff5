"""The progress of one run in memory: its newest entries, encoded."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import islice

from redis_mob.codec.ledgers import microseconds
from redis_mob.models.progress import MOST_ENTRIES


class RunProgress:
    """Entries with offsets from 1 on; the newest ones are kept."""

    def __init__(self) -> None:
        self.newest = 0
        self._kept: deque[Mapping[bytes, bytes]] = deque(maxlen=MOST_ENTRIES)

    def append(self, entries: Iterable[bytes], now: datetime) -> int:
        """Add entries at its end, and return the offset of the last one."""
        for entry in entries:
            self._kept.append({b"at": b"%d" % microseconds(now), b"entry": entry})
            self.newest += 1
        return self.newest

    def after(self, offset: int, limit: int) -> list[tuple[int, Mapping[bytes, bytes]]]:
        """At most so many entries after an offset, with their offsets."""
        first = self.newest - len(self._kept) + 1
        begin = min(max(offset + 1 - first, 0), len(self._kept))
        end = min(begin + limit, len(self._kept))
        return [(first + begin + n, one) for n, one in enumerate(islice(self._kept, begin, end))]

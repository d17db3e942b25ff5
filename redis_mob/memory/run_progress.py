"""The progress of one run in memory: its newest entries, encoded."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import islice

from redis_mob.codec.ledgers import microseconds
from redis_mob.models.progress import MOST_BYTES_OF_RUN, MOST_ENTRIES


class RunProgress:
    """Entries with offsets from 1 on; the newest ones are kept."""

    def __init__(self) -> None:
        self.newest = 0
        self._kept: deque[Mapping[bytes, bytes]] = deque()
        self._bytes = 0

    def append(self, entries: Iterable[bytes], now: datetime) -> int:
        """Add entries at its end, and return the offset of the last one."""
        for entry in entries:
            self._kept.append({b"at": b"%d" % microseconds(now), b"entry": entry})
            self._bytes += len(entry)
            self.newest += 1
        while len(self._kept) > MOST_ENTRIES or self._bytes - self._length_of_oldest() >= MOST_BYTES_OF_RUN:
            self._bytes -= self._length_of_oldest()
            self._kept.popleft()
        return self.newest

    def _length_of_oldest(self) -> int:
        return len(self._kept[0][b"entry"])

    def after(self, offset: int, limit: int) -> list[tuple[int, Mapping[bytes, bytes]]]:
        """At most so many entries after an offset, with their offsets."""
        first = self.newest - len(self._kept) + 1
        begin = min(max(offset + 1 - first, 0), len(self._kept))
        end = min(begin + limit, len(self._kept))
        return [(first + begin + n, one) for n, one in enumerate(islice(self._kept, begin, end))]

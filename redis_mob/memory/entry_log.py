"""What every log in memory has. Entries lie in it as bytes, so that no reader shares an object with a writer."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from operator import itemgetter

from redis_mob.memory.wake_ups import MemoryWakeUps
from redis_mob.notifications.pushed_entries import Entry

_CURSOR = itemgetter(0)


class EntryLog:
    """Entries by cursor. Every method happens as a whole: none of them waits."""

    def __init__(self) -> None:
        self.wake_ups = MemoryWakeUps()
        self.newest = 0
        """The greatest cursor ever given, also if its entry was deleted since."""
        self._entries: list[Entry] = []

    def read_after(self, cursor: int, limit: int | None) -> list[Entry]:
        """At most `limit` entries after a cursor."""
        first = bisect_right(self._entries, cursor, key=_CURSOR)
        return self._entries[first : None if limit is None else first + max(limit, 0)]

    def _append(self, fields: Mapping[bytes, bytes]) -> Entry:
        """Store an entry with the next cursor, and wake the readers."""
        self.newest += 1
        entry = (self.newest, fields)
        self._entries.append(entry)
        self.wake_ups.send()
        return entry

"""A flag whose messages bring new entries of a log with them, so that a reader who is up to date need not read them.

The log is the truth (decision 0004). A message is believed only while nothing can have been missed: it came on the
connection on which the reader has been told of everything since it last read, and its cursor is the next one. In every
other case the reader reads.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping

from redis_mob.notifications.wake_up_flag import WakeUpFlag

Entry = tuple[int, Mapping[bytes, bytes]]
"""(cursor, fields) of one entry."""

MOST_PUSHED = 1000
"""Entries that are kept for a reader who does not take them; with more it reads the log instead."""


class PushedEntries(WakeUpFlag):
    """Set when something changed, with the entries that messages brought; `entry_in` reads one, None if it has none."""

    def __init__(self, entry_in: Callable[[bytes], Entry | None]) -> None:
        super().__init__()
        self._entry_in = entry_in
        self._pushed: deque[Entry] = deque()
        self._must_read = True

    def set(self) -> None:
        self._must_read = True
        self._pushed.clear()
        super().set()

    def hear(self, message: bytes) -> None:
        entry = self._entry_in(message)
        if entry is None or len(self._pushed) >= MOST_PUSHED:
            self.set()
        else:
            self._pushed.append(entry)
            super().set()

    def begins_to_read(self) -> None:
        # before the log is read, so that what is pushed meanwhile is kept
        self._must_read = False

    def entries_after(self, cursor: int) -> list[Entry] | None:
        if self._must_read:
            return None
        entries = list(self._pushed)
        self._pushed.clear()
        # also an entry that should be known already: a log that has gone back gives the same cursors again
        if any(entry[0] != expected for expected, entry in enumerate(entries, cursor + 1)):
            self._must_read = True
            return None
        return entries

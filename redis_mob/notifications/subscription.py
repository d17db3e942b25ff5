"""Follows a log whose entries have cursors: first 1, growing by 1, never used again.

The log is the truth, a wake-up only says when to look (decision 0004). A log that went back in time is found out by
what is missing (decision 0017).
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Generic, Protocol, TypeVar

from redis_mob.notifications.pushed_entries import Entry
from redis_mob.notifications.wake_up_flag import SWEEP_SECONDS, WakeUpFlag

T = TypeVar("T")

PAGE = 500
"""Entries read at a time, so that no reply grows with the log."""

REMEMBERED = 1000
"""The newest entries of which a subscriber keeps fingerprints, to find where a log that has gone back differs. Of older
entries it keeps fewer and fewer, as many again in all."""


class FollowedLog(Protocol):
    """What can be followed."""

    async def read_after(self, after: int, limit: int, /) -> tuple[int, list[Entry]]:
        """(greatest cursor ever given, at most `limit` entries after a cursor)."""
        ...


class Subscription(AsyncIterator[T], Generic[T]):
    """Reads on from a cursor. An error is raised once, then it goes on; a cancelled wait loses nothing.

    `decode` gives None for what this reader is not meant to see, `lost` makes the error for (cursor, first available
    cursor) where entries are gone. `gone_back` makes the one for (cursor, greatest cursor that is still the same) where
    the log has forgotten entries, or has others under their cursors, because its server has gone back in time; without
    it, those are lost entries too.
    """

    def __init__(
        self,
        log: FollowedLog,
        flag: WakeUpFlag,
        after: int,
        *,
        decode: Callable[[int, Mapping[bytes, bytes]], T | None],
        lost: Callable[[int, int], Exception],
        gone_back: Callable[[int, int], Exception] | None = None,
    ) -> None:
        self._log = log
        self._flag = flag
        self._after = after
        self._decode = decode
        self._lost = lost
        self._gone_back = gone_back or _as_lost(lost)
        self._unread: deque[Entry] = deque()
        self._is_to_read = True
        """The log is read next, also if messages bring entries: at first, after an error, and after a silence."""
        self._seen: list[tuple[int, int]] = []
        """(cursor, fingerprint) of entries that were handed over or passed: the first, the last ones, some between."""

    @property
    def cursor(self) -> int:
        """The cursor of the last entry that was handed over or passed."""
        return self._after

    async def next(self) -> T:
        """Wait for the next entry."""
        return await anext(self)

    async def __anext__(self) -> T:
        while True:
            while not self._unread:
                await self._look()
            cursor, fields = self._unread[0]
            if cursor != self._after + 1:
                self._skip_to(cursor)
            self._unread.popleft()
            self._after = cursor
            self._remember(cursor, fields)
            if (decoded := self._decode(cursor, fields)) is not None:
                return decoded

    async def _look(self) -> None:
        """Take what messages brought, or read on, or wait.

        The last entry is read once more: a log that has gone back may have another one under its cursor.
        """
        pushed = None if self._is_to_read else self._flag.entries_after(self._after)
        if pushed is not None:
            self._unread.extend(pushed)
            if not pushed:
                self._is_to_read = not await self._flag.wait(SWEEP_SECONDS)
            return
        self._is_to_read = True
        self._flag.begins_to_read()
        newest, page = await self._log.read_after(max(self._after - 1, 0), PAGE + 1)
        # what is behind a full page was announced before, so that no message brings it
        self._is_to_read = bool(page) and page[-1][0] < newest
        if newest < self._after or (page and not self._is_as_seen(page[0])):
            await self._go_back(newest)
        page = [entry for entry in page if entry[0] > self._after]
        if page:
            self._unread.extend(page)
        elif newest > self._after:
            self._skip_to(newest + 1)
        else:
            self._is_to_read = not await self._flag.wait(SWEEP_SECONDS)

    def _is_as_seen(self, entry: Entry) -> bool:
        cursor, fields = entry
        if cursor != self._after:
            return True
        if not self._seen:
            self._remember(cursor, fields)
        return self._seen[-1] == (cursor, _fingerprint(fields))

    async def _go_back(self, newest: int) -> None:
        """Go on after the last entry that is still the one that was seen."""
        self._is_to_read = True
        same, others = 0, len(self._seen)
        while same < others:
            middle = (same + others) // 2
            if await self._is_still_there(*self._seen[middle], newest):
                same = middle + 1
            else:
                others = middle
        after, before = self._after, self._seen[0][0] - 1 if self._seen else self._after
        self._after = self._seen[same - 1][0] if same else min(newest, before)
        del self._seen[same:]
        raise self._gone_back(after, self._after)

    async def _is_still_there(self, cursor: int, fingerprint: int, newest: int) -> bool:
        """Whether the log has this entry, or has pruned what was there."""
        _, page = await self._log.read_after(cursor - 1, 1)
        others = any(found == cursor and _fingerprint(fields) != fingerprint for found, fields in page)
        return cursor <= newest and not others

    def _remember(self, cursor: int, fields: Mapping[bytes, bytes]) -> None:
        self._seen.append((cursor, _fingerprint(fields)))
        if len(self._seen) > 2 * REMEMBERED:
            del self._seen[1:REMEMBERED:2]

    def _skip_to(self, cursor: int) -> None:
        after, self._after = self._after, cursor - 1
        self._is_to_read = True
        self._seen.clear()
        raise self._lost(after, cursor)


def _as_lost(lost: Callable[[int, int], Exception]) -> Callable[[int, int], Exception]:
    return lambda after, kept: lost(after, kept + 1)


def _fingerprint(fields: Mapping[bytes, bytes]) -> int:
    return hash(tuple(fields.values()))

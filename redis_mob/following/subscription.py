"""Follows a log whose entries have cursors: first 1, growing by 1, never used again."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Generic, Protocol, TypeVar

from redis_mob.following.bell import Bell

T = TypeVar("T")

PAGE = 500
"""Entries read at a time, so that no reply grows with the log."""

SWEEP_SECONDS = 1.0
"""How long a subscriber relies on wake-ups before it looks at the log by itself."""

Entry = tuple[int, Mapping[bytes, bytes]]
"""(cursor, fields) of one entry."""


class Log(Protocol):
    """What can be followed."""

    async def read_after(self, after: int, limit: int, /) -> tuple[int, list[Entry]]:
        """(greatest cursor ever given, at most `limit` entries after a cursor)."""
        ...


class Subscription(AsyncIterator[T], Generic[T]):
    """Reads on from a cursor. An error is raised once, then it goes on; a cancelled wait loses nothing.

    `decode` gives None for what this reader is not meant to see, `lost` makes the error for (cursor, first available
    cursor) where entries are gone. `restarts` says that a log which ends before the cursor has lost entries too.
    """

    def __init__(
        self,
        log: Log,
        bell: Bell,
        after: int,
        *,
        decode: Callable[[int, Mapping[bytes, bytes]], T | None],
        lost: Callable[[int, int], Exception],
        restarts: bool = False,
    ) -> None:
        self._log = log
        self._bell = bell
        self._after = after
        self._decode = decode
        self._lost = lost
        self._restarts = restarts
        self._unread: deque[Entry] = deque()

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
            if (decoded := self._decode(cursor, fields)) is not None:
                return decoded

    async def _look(self) -> None:
        newest, page = await self._log.read_after(self._after, PAGE)
        if page:
            self._unread.extend(page)
        elif newest > self._after or (self._restarts and newest < self._after):
            self._skip_to(newest + 1)
        else:
            await self._bell.wait(SWEEP_SECONDS)

    def _skip_to(self, cursor: int) -> None:
        after, self._after = self._after, cursor - 1
        raise self._lost(after, cursor)

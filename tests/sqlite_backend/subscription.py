"""Follows a log by looking at it again and again: so it sees the writes of all connections and processes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Generic, TypeAlias, TypeVar

T = TypeVar("T")

POLL_SECONDS = 0.01

Row: TypeAlias = tuple[Any, ...]
"""A row of a log; its cursor comes first."""


class Subscription(AsyncIterator[T], Generic[T]):
    """Reads on from a cursor. An error is raised once, then it goes on; a cancelled wait loses nothing.

    `read_after` gives the greatest cursor ever given and the first row after a cursor, `decode` None for what this
    reader is not meant to see, `lost` the error for (cursor, first available cursor) where rows are gone.
    `gone_back` makes the one for (cursor, greatest cursor) of a log that has not come to the cursor; without it, those
    are lost rows too.
    """

    def __init__(
        self,
        read_after: Callable[[int], Awaitable[tuple[int, Row | None]]],
        after: int,
        *,
        decode: Callable[[Row], T | None],
        lost: Callable[[int, int], Exception],
        gone_back: Callable[[int, int], Exception] | None = None,
    ) -> None:
        self._read_after = read_after
        self._after = after
        self._decode = decode
        self._lost = lost
        self._gone_back = gone_back

    @property
    def cursor(self) -> int:
        """The cursor of the last row that was handed over or passed."""
        return self._after

    async def next(self) -> T:
        """Wait for the next row."""
        return await anext(self)

    async def __anext__(self) -> T:
        while True:
            newest, row = await self._read_after(self._after)
            if row is None and newest == self._after:
                await asyncio.sleep(POLL_SECONDS)
                continue
            if newest < self._after and self._gone_back is not None:
                after, self._after = self._after, newest
                raise self._gone_back(after, newest)
            following = newest + 1 if row is None else row[0]
            if row is None or following != self._after + 1:
                after, self._after = self._after, following - 1
                raise self._lost(after, following)
            self._after = following
            if (decoded := self._decode(row)) is not None:
                return decoded

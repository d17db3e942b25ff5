"""A log as all its readers in one process share it: they read and decode each entry once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from redis_mob.notifications.pushed_entries import Entry
from redis_mob.notifications.subscription import PAGE, FollowedLog

T = TypeVar("T")

MOST_DECODED = 2 * PAGE
"""Entries that are kept as they were decoded, for readers that come to them a little later."""


class SharedLog(FollowedLog, Generic[T]):
    """Reads of several readers at a time are one read, and what one of them has decoded the others get.

    Values have to be frozen, since all readers get the same ones.
    """

    def __init__(self, log: FollowedLog, decode: Callable[[int, Mapping[bytes, bytes]], T]) -> None:
        self._log = log
        self._decode = decode
        self._reads: dict[tuple[int, int], asyncio.Task[tuple[int, list[Entry]]]] = {}
        self._decoded: dict[int, tuple[Mapping[bytes, bytes], T]] = {}

    async def read_after(self, after: int, limit: int, /) -> tuple[int, list[Entry]]:
        """As the log's; the page is shared, and must not be changed."""
        key = (after, limit)
        reading = self._reads.get(key)
        if reading is None:
            reading = self._reads[key] = asyncio.ensure_future(self._log.read_after(after, limit))
            reading.add_done_callback(_take_exception)
            # Only until the request is on its way: a reader that is woken up later may have been told of something that
            # this read did not see.
            asyncio.get_running_loop().call_soon(self._reads.pop, key, None)
        return await asyncio.shield(reading)

    def decoded(self, cursor: int, fields: Mapping[bytes, bytes]) -> T:
        """The value of an entry. Raises what `decode` raises."""
        known = self._decoded.get(cursor)
        if known is not None and known[0] is fields:
            return known[1]
        value = self._decode(cursor, fields)
        self._decoded[cursor] = fields, value
        if len(self._decoded) > MOST_DECODED:
            del self._decoded[next(iter(self._decoded))]
        return value


def _take_exception(read: asyncio.Task[Any]) -> None:
    """Read it here too, because asyncio complains of exceptions that are not, and every reader may have been
    cancelled."""
    if not read.cancelled():
        read.exception()

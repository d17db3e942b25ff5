"""The storage's clock as a worker estimates it between two answers."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from redis_mob.host_environment import environment

SET_BACK_SECONDS = 1.0
"""A storage whose clock is that much behind its estimate was set back: answers are never that long under way."""


class StorageClock:
    """Tells what time it is for the storage, from the times in its answers and a clock that never jumps.

    Hosts disagree about the time of day, so that a worker only measures how much has passed since an answer. An answer
    takes a while to arrive: the estimate is a little late, and the latest answer does not put it back.
    """

    def __init__(self) -> None:
        self._offset = float("-inf")

    def observe(self, now: datetime) -> None:
        """Take a time that an answer has just brought."""
        offset = now.timestamp() - asyncio.get_running_loop().time()
        if not self._offset - SET_BACK_SECONDS < offset < self._offset:
            self._offset = offset

    def now(self) -> datetime:
        """The estimated time; something must have been observed."""
        return datetime.fromtimestamp(asyncio.get_running_loop().time() + self._offset, UTC)


def utc_now() -> datetime:
    """The time of this host, which is for people to read: nothing is decided by it."""
    return environment().now()

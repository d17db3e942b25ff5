"""Opening with little patience on a machine that may be busy."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import TypeVar

from redis_mob.errors import StorageUnavailableError
from redis_mob.testing.waiting import LONG

T = TypeVar("T")


async def entered(stack: AsyncExitStack, opening: Callable[[], AbstractAsyncContextManager[T]]) -> T:
    """Open what has a deadline that a busy machine may not keep, and again until it is open; the stack closes it."""
    end = time.monotonic() + LONG
    while True:
        try:
            return await stack.enter_async_context(opening())
        except StorageUnavailableError:
            if time.monotonic() > end:
                raise

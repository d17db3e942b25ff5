"""Waiting in tests for what happens elsewhere, without guessing how long it takes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

T = TypeVar("T")

LONG = 60.0
"""Seconds after which what a test waits for is not going to happen."""


async def until(condition: Callable[[], object], seconds: float = LONG) -> None:
    """Return as soon as the condition holds; fail the test if it does not for a long time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{condition} did not come true"
        await asyncio.sleep(0.001)


async def take(following: AsyncIterator[T], count: int) -> list[T]:
    """The next ones of a subscription; fail the test if they do not come for a long time."""
    async with asyncio.timeout(LONG):
        return [await anext(following) for _ in range(count)]


@asynccontextmanager
async def under_way(work: Coroutine[Any, Any, T]) -> AsyncGenerator[asyncio.Task[T]]:
    """A task beside the block, which ends with it: also where a test is left out in the midst of the block."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

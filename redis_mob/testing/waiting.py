"""Waiting in tests for what happens elsewhere, without guessing how long it takes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

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

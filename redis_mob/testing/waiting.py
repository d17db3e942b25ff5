"""Waiting in tests for what happens elsewhere, without guessing how long it takes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

LONG = 20.0
"""Seconds after which what a test waits for is not going to happen."""


async def until(condition: Callable[[], object]) -> None:
    """Return as soon as the condition holds; fail the test if it does not for a long time."""
    deadline = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < deadline, f"{condition} did not come true"
        await asyncio.sleep(0.001)

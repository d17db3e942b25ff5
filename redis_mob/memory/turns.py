"""Turns of the event loop, which calls of a server give and those of memory would not."""

from __future__ import annotations

import asyncio


async def let_others_run() -> None:
    """Give other tasks a turn, as waiting for a server does: workers and handlers call these methods in loops."""
    await asyncio.sleep(0)

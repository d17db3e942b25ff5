"""What plain functions call, which run in threads: there a coroutine is run to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def run_in_thread(doing: Coroutine[Any, Any, T], instead: str) -> T:
    """What the coroutine gives, in a thread where no event loop runs.

    Raises RuntimeError that says what to write `instead`, where one runs: it would stand still meanwhile.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(doing)
    doing.close()
    raise RuntimeError(f"this is for plain functions, which run in threads; where an event loop runs write {instead}")

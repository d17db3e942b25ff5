"""What a command has read, as the result of a coroutine that runs in a loop of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def result_of(work: Coroutine[Any, Any, T]) -> T:
    """Run the coroutine, and give what it returns.

    It may return much. `asyncio.run` writes the result of its task down, in the text of an error that it then drops,
    when it restores the handler of Ctrl-C: a description of a thousand steps takes 0.1 s. So its task has none here.
    """
    results: list[T] = []

    async def kept() -> None:
        results.append(await work)

    asyncio.run(kept())
    return results[0]

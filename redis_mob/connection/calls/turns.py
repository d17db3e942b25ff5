"""Small calls of many tasks that come in the same turn of the event loop, made as one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from copy import copy
from typing import Any, Generic, TypeVar

A = TypeVar("A")
R = TypeVar("R")

MOST_TOGETHER = 256
"""Calls that are made as one: a script that appends more events would keep others from the server for too long."""


class CallsOfOneTurn(Generic[A, R]):
    """`call_all` gets the arguments of many calls in their order, and gives the results in this order.

    The first call of a turn is made at once, alone: one that has no others beside it never waits for any. Those that
    follow in the same turn are made together at its end. What the call raises, all of them raise: either all of it
    has happened or nothing.
    """

    def __init__(self, call_all: Callable[[Sequence[A]], Awaitable[Sequence[R]]]) -> None:
        self._call_all = call_all
        self._is_first = True
        self._together: list[tuple[A, asyncio.Future[R]]] = []
        self._under_way: set[asyncio.Task[None]] = set()

    async def add(self, argument: A) -> R:
        """The result of one call."""
        loop = asyncio.get_running_loop()
        if self._is_first:
            self._is_first = False
            loop.call_soon(self._end_turn)
            return (await self._call_all([argument]))[0]
        result: asyncio.Future[R] = loop.create_future()
        self._together.append((argument, result))
        return await result

    def _end_turn(self) -> None:
        self._is_first = True
        while self._together:
            batch, self._together = self._together[:MOST_TOGETHER], self._together[MOST_TOGETHER:]
            task = asyncio.ensure_future(self._make(batch))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def _make(self, batch: Sequence[tuple[A, asyncio.Future[R]]]) -> None:
        # a call whose caller was cancelled is made all the same, as one that is under way
        try:
            results: Sequence[Any] = await self._call_all([argument for argument, _ in batch])
        except asyncio.CancelledError:
            for _, result in batch:
                result.cancel()
            raise
        except Exception as error:  # noqa: BLE001
            for _, result in batch:
                if not result.done():
                    # a copy for each caller, because raising an exception changes it
                    result.set_exception(one := copy(error))
                    one.__cause__ = error.__cause__
        else:
            for (_, result), value in zip(batch, results, strict=True):
                if not result.done():
                    result.set_result(value)

"""A process that dies at one of its calls of the storage: nothing of it goes on, and what it holds it never gives back.

Several such processes live in one event loop. Each sees the storage through a double, which counts its calls.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from functools import partial
from typing import Any, cast

from redis_mob.models.worker import WorkerRecord
from redis_mob.storage import MobStorage


class Side(Enum):
    """On which side of a call a process dies."""

    BEFORE = "before the call reaches the storage"
    AFTER = "after the call has happened, its reply lost"


@dataclass(frozen=True)
class Death:
    """The call at which a process dies: the one of this number, from 1, of all its calls or of those of a method."""

    number: int
    side: Side
    method: str | None = None

    def __str__(self) -> str:
        return f"call {self.number} of {self.method or 'any method'}, {self.side.value}"


RENEWED_AFTER = 6
"""After how many calls a process renews its lease. The thread that does so goes by time, of which too little passes."""

NEVER = Death(0, Side.BEFORE)
"""That of a process that is treated like those that die, and does not."""


class Process:
    """A process as the storage and its own handlers see it."""

    def __init__(self, storage: MobStorage, death: Death | None = None) -> None:
        self.storage = cast("MobStorage", _Double(self, storage))
        self.death = death
        self.calls: list[str] = []
        self.ids: set[str] = set()
        """Under which ids it was known as a worker."""
        self.died = asyncio.Event()
        self.died_of: str | None = None
        """The method of the call that it died of."""
        self.shall_renew = asyncio.Event()
        """It has made some calls since it renewed its lease."""

    def go_on(self) -> None:
        """Raises CancelledError in a process that is dead: the task that asks goes no further."""
        if self.died.is_set():
            raise asyncio.CancelledError("its process is dead")

    async def call(self, method: str, happen: Callable[[], Awaitable[Any]]) -> Any:
        """Let a call happen, unless the process dies of it."""
        self.go_on()
        self.calls.append(method)
        if len(self.calls) % RENEWED_AFTER == 0:
            self.shall_renew.set()
        sides = self._dies_at(method)
        if Side.BEFORE in sides:
            self._die(method)
        reply = await happen()
        if Side.AFTER in sides:
            self._die(method)
        self.go_on()  # it may have died of another call meanwhile
        return reply

    def _dies_at(self, method: str) -> set[Side]:
        if self.death is None:
            return set()
        number = len(self.calls) if self.death.method is None else self.calls.count(method)
        is_here = number == self.death.number and self.death.method in (None, method)
        return {self.death.side} if is_here else set()

    def _die(self, method: str) -> None:
        self.died_of = method
        self.died.set()
        self.go_on()


class _Double:
    """What has methods that a process calls, or has stores that do: every asynchronous one of them is a call."""

    def __init__(self, process: Process, subject: Any) -> None:
        self._process = process
        self._subject = subject

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._subject, name)
        if inspect.iscoroutinefunction(value):
            return partial(self._call, name, value)
        if callable(value):
            return partial(self._enter, name, cast("Callable[..., AbstractAsyncContextManager[Any]]", value))
        return value if isinstance(value, str) else _Double(self._process, value)

    async def _call(self, name: str, method: Callable[..., Awaitable[Any]], *args: Any, **more: Any) -> Any:
        if name == "join_workers":
            self._process.ids.add(args[0].id)
        return await self._process.call(name, partial(method, *args, **more))

    @asynccontextmanager
    async def _enter(
        self, name: str, method: Callable[..., AbstractAsyncContextManager[Any]], *args: Any, **more: Any
    ) -> AsyncGenerator[Any]:
        async with AsyncExitStack() as stack:
            # A dead process leaves it too: all that goes then would have gone with the process. So ends the thread that
            # renews its lease.
            entered = await self._process.call(name, partial(stack.enter_async_context, method(*args, **more)))
            if name == "keep_alive":
                await stack.enter_async_context(self._renewing(*args))
            yield entered

    @asynccontextmanager
    async def _renewing(
        self, worker: WorkerRecord, lease: timedelta, on_loss: Callable[[], None]
    ) -> AsyncGenerator[None]:
        renewing = asyncio.create_task(self._renew(worker, lease, on_loss))
        try:
            yield
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)

    async def _renew(self, worker: WorkerRecord, lease: timedelta, on_loss: Callable[[], None]) -> None:
        is_held = True
        while is_held:
            await self._process.shall_renew.wait()
            self._process.shall_renew.clear()
            is_held = await self._call("renew_worker", self._subject.renew_worker, worker, lease)
        on_loss()

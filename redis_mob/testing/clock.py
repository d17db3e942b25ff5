"""Time that does not have to be waited for: where an event loop would only wait, its clock is put forward instead."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Generator
from concurrent.futures import Executor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeVar, cast

from redis_mob.errors import ValidationError
from redis_mob.fleet.handler_threads import threads_at_work
from redis_mob.memory.namespace import move_clocks

T = TypeVar("T")

OWN_FILES = 1
"""What a loop listens to that has no connections: the socket by which threads wake it."""


class Selector(Protocol):
    """What of the selector of an event loop is used here."""

    def select(self, timeout: float | None = None) -> list[Any]: ...

    def get_map(self) -> Any: ...


class VirtualClock:
    """The clock of the running event loop, and of the namespaces in memory that are open in it.

    `virtual_time` makes it.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, selector: Selector) -> None:
        self._loop = loop
        self._selector = selector
        self._time, self._select, self._run_in_executor = loop.time, selector.select, loop.run_in_executor
        self._ahead = 0.0
        self._in_executors = 0

    @property
    def skipped(self) -> timedelta:
        """How much time was not waited for, so far."""
        return timedelta(seconds=self._ahead)

    def now(self) -> datetime:
        """The time by this clock, in UTC: `fleet.start(flow, at=clock.now() + timedelta(days=1))`."""
        return datetime.now(UTC) + self.skipped

    async def move(self, by: timedelta | float) -> None:
        """Let so much time pass, a timedelta or seconds, with all that happens in it; the same as `asyncio.sleep`."""
        await asyncio.sleep(by.total_seconds() if isinstance(by, timedelta) else by)

    async def leap(self, by: timedelta | float) -> None:
        """Put the clock forward at once; what would have happened meanwhile happens after that, all together.

        As if the machine had been suspended, but that workers keep their leases. For hours and days, in which workers
        look for work many thousand times: `move` takes some seconds for a day.
        """
        self._put_forward(by.total_seconds() if isinstance(by, timedelta) else by)
        await asyncio.sleep(0)

    @contextmanager
    def governing(self) -> Generator[None]:
        """Put the loop under this clock until the block ends. The clock is not put back then: time goes on from it."""
        loop, selector = cast("Any", self._loop), cast("Any", self._selector)
        loop.time, selector.select, loop.run_in_executor = self._now_of_loop, self._skip, self._counted
        try:
            yield
        finally:
            del selector.select, loop.run_in_executor

    def _now_of_loop(self) -> float:
        return self._time() + self._ahead

    def _skip(self, timeout: float | None = None) -> list[Any]:
        """What the loop calls to wait for the next event, at most until its next timer is due."""
        events = self._select(0)
        if events or timeout is None or timeout <= 0 or self._works_elsewhere():
            return events or self._select(timeout)
        self._put_forward(timeout)
        return self._select(0)

    def _put_forward(self, seconds: float) -> None:
        self._ahead += seconds
        move_clocks(self._loop, timedelta(seconds=seconds))

    def _works_elsewhere(self) -> bool:
        """Whether something is under way whose time cannot be skipped: in a thread, a process, or on a connection."""
        return len(self._selector.get_map()) > OWN_FILES or self._in_executors > 0 or threads_at_work(self._loop)

    def _counted(self, executor: Executor | None, function: Callable[..., T], *args: Any) -> asyncio.Future[T]:
        future = self._run_in_executor(executor, functools.partial(function, *args))
        self._in_executors += 1
        future.add_done_callback(self._ended_in_executor)
        return future

    def _ended_in_executor(self, _future: asyncio.Future[Any]) -> None:
        self._in_executors -= 1


@contextmanager
def virtual_time() -> Generator[VirtualClock]:
    """Skip all waiting of the running event loop until the block ends: `with virtual_time() as clock: ...`.

    When nothing is left to do but to wait for a timer, the clock is put forward to it: the loop's own clock, so that
    `asyncio.sleep`, timeouts and pauses of workers are over at once, and that of each namespace that is open in this
    loop on `memory:`, so that retries, leases, deadlines and runs that begin later come about. Workers that are at work
    keep their leases. While a plain function runs in a thread, a process is at work or a connection is open, time
    passes as it does for these; so it does for a storage on a server. Time that is skipped stays skipped when the block
    ends.

    Raises ValidationError for a loop that is none of asyncio's own with a selector, or whose time is skipped already.
    """
    loop = asyncio.get_running_loop()
    selector = getattr(loop, "_selector", None)  # private, and there is no other way to see that a loop would wait
    if selector is None:
        raise ValidationError(f"virtual_time needs the event loop of asyncio, not {type(loop).__module__}'s")
    if "select" in vars(selector):
        raise ValidationError("virtual_time is in use in this event loop already: one block is enough")
    clock = VirtualClock(loop, selector)
    with clock.governing():
        yield clock

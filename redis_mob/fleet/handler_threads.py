"""The threads in which plain functions run: daemons, so that one that hangs does not keep the program from ending."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

from redis_mob.host_environment import environment

MOST_IDLE = 16
"""Threads that are kept for the next calls; what runs at a time is for the slots of the worker to bound."""

_at_work: set[asyncio.Future[Any]] = set()
"""The calls in threads that have not ended, of all event loops of this process; they are added and removed there."""

_Job = tuple[Callable[[], Any], Callable[[Any], None]]


class HandlerThreads:
    """Calls functions in threads, each in one that has nothing else to do; used from one event loop.

    A thread cannot be stopped. One that hangs is never waited for: another one serves the next call, and the
    interpreter ends without it. `concurrent.futures` would join all of its threads at the exit.
    """

    def __init__(self) -> None:
        self._idle: list[SimpleQueue[_Job | None]] = []
        self._is_closed = False

    def call(self, function: Callable[[], Any]) -> asyncio.Future[Any]:
        """A future that ends when the thread has done with the function, which must not raise."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        if not environment().has_threads:
            future.set_result(function())
            return future
        # the one that was used last: the others are needed at peaks only
        jobs = self._idle.pop() if self._idle else _started_thread()

        def end(value: Any) -> None:
            _at_work.discard(future)
            self._keep(jobs)
            if not future.done():
                future.set_result(value)

        def report(value: Any) -> None:
            try:
                loop.call_soon_threadsafe(end, value)
            except RuntimeError:  # the loop was closed meanwhile
                _at_work.discard(future)
                jobs.put(None)
                drop(value)

        _at_work.add(future)
        jobs.put((function, report))
        return future

    def close(self) -> None:
        """Let the threads end: the idle ones now, each other one with its function."""
        self._is_closed = True
        for jobs in self._idle:
            jobs.put(None)
        self._idle.clear()

    def _keep(self, jobs: SimpleQueue[_Job | None]) -> None:
        if self._is_closed or len(self._idle) >= MOST_IDLE:
            jobs.put(None)
        else:
            self._idle.append(jobs)


def threads_at_work(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether a function that an event loop has called in a thread has not ended, also one that was given up."""
    return any(call.get_loop() is loop for call in _at_work)


def drop(value: Any) -> None:
    """Forget what came too late; Python warns of a coroutine that was neither awaited nor closed."""
    if inspect.iscoroutine(value):
        value.close()


def _started_thread() -> SimpleQueue[_Job | None]:
    jobs: SimpleQueue[_Job | None] = SimpleQueue()
    threading.Thread(target=_work, args=(jobs,), name="redis-mob-step", daemon=True).start()
    return jobs


def _work(jobs: SimpleQueue[_Job | None]) -> None:
    while (job := jobs.get()) is not None:
        function, report = job
        report(function())
        del job, function, report  # what belongs to a call must not live until the next one

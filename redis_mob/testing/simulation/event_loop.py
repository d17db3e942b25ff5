"""An event loop without a clock and without sockets: a seed chooses which process goes on, and time is skipped.

Each process of a simulation has its own queue in it. Within one process callbacks are called in the order in which they
were registered, as asyncio promises; which process has the next turn is random. When none has anything to do, the time
of the loop is put forward to the next timer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context
from heapq import heappop, heappush
from itertools import count
from random import Random
from typing import Any, NoReturn, cast

from redis_mob.errors import ValidationError
from redis_mob.host_environment import ENVIRONMENT
from redis_mob.testing.simulation.processes import NEVER, SimulatedProcess


class StalledError(Exception):
    """Nothing can happen any more: all processes wait for something that never comes."""


class EndlessError(Exception):
    """A simulation goes on beyond all bounds."""


class SimulatedTask(asyncio.Task[Any]):
    """A task whose place in a set does not depend on its address: sets of tasks have the same order each time."""

    number = 0

    def __hash__(self) -> int:
        return self.number


class SimulatedLoop(asyncio.BaseEventLoop):
    """The loop of one simulation. `random` chooses the process that has the next turn.

    It is for what a simulated process does alone: there are no threads, sockets or child processes.
    """

    def __init__(self, random: Random, most_turns: int) -> None:
        super().__init__()
        self.random = random
        self.turns = 0
        self.most_turns = most_turns
        self._processes: list[SimulatedProcess] = []
        self._seconds = 0.0
        self._order = count()
        self._tasks = count(1)
        self.set_task_factory(self._new_task)
        self.set_debug(enabled=False)

    def add(self, process: SimulatedProcess) -> None:
        """A new process."""
        self._processes.append(process)

    def time(self) -> float:
        """The time of the simulation, in seconds since it began."""
        return self._seconds

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Context | None = None) -> asyncio.Handle:
        """See `asyncio.AbstractEventLoop`."""
        process = self._process_in(context)
        handle = asyncio.Handle(callback, args, self, context)
        process.ready.append(handle)
        return handle

    call_soon_threadsafe = call_soon

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """See `asyncio.AbstractEventLoop`."""
        process = self._process_in(context)
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        heappush(process.timers, (when, next(self._order), handle))
        return handle

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """See `asyncio.AbstractEventLoop`."""
        return self.call_at(self._seconds + delay, callback, *args, context=context)

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> NoReturn:
        """Raises ValidationError: what a thread does cannot be repeated."""
        raise ValidationError(f"a simulation has no threads, and {func!r} is to run in one: make it a coroutine")

    @staticmethod
    def _process_in(context: Context | None) -> SimulatedProcess:
        found = ENVIRONMENT.get() if context is None else context[ENVIRONMENT]
        return cast("SimulatedProcess", found)

    def _new_task(self, _loop: asyncio.AbstractEventLoop, coroutine: Any, **more: Any) -> asyncio.Task[Any]:
        task = SimulatedTask(coroutine, loop=self, **more)
        task.number = next(self._tasks)
        return task

    # What BaseEventLoop calls: it is not documented, and the same in all releases since 3.11.

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        pass

    def _run_once(self) -> None:
        self.turns += 1
        if self.turns > self.most_turns:
            raise EndlessError(f"after {self.most_turns:,} turns it goes on; {self._seconds:.1f} s were simulated")
        process = self._next_process()
        while process is None:
            self._skip()
            process = self._next_process()
        process.turns += 1
        happens = process.at_turn.pop(process.turns, None)
        if happens is not None:
            happens(process)
            if process.sleeps_until > self._seconds:
                return
        handle: Any = process.ready.popleft()
        if not handle.cancelled():
            handle._run()

    def _next_process(self) -> SimulatedProcess | None:
        now, able = self._seconds, list[SimulatedProcess]()
        for process in self._processes:
            if process.sleeps_until > now:
                continue
            timers = process.timers
            while timers and timers[0][0] <= now:
                handle = heappop(timers)[2]
                if not handle.cancelled():
                    process.ready.append(handle)
            if process.ready:
                able.append(process)
        if len(able) > 1:
            return able[int(self.random.random() * len(able))]
        return able[0] if able else None

    def _skip(self) -> None:
        """Put the clock forward to when something happens next."""
        following = NEVER
        for process in self._processes:
            timers = process.timers
            while timers and timers[0][2].cancelled():
                heappop(timers)
            if process.ready:
                following = min(following, process.sleeps_until)
            elif timers:
                following = min(following, max(timers[0][0], process.sleeps_until))
        if following == NEVER:
            raise StalledError("nothing can happen any more, and it is not over")
        self._seconds = max(self._seconds, following)

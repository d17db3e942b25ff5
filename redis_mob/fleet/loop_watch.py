"""Notices that a handler blocks the event loop of its worker, and says which one, where, and for how long.

While the loop is blocked all other handlers of the worker stand still, and so do its commits (contract: engine-40).
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import traceback
from collections.abc import Callable, Collection, Generator, Mapping
from contextlib import contextmanager
from operator import attrgetter
from time import monotonic
from types import FrameType

from redis_mob.fleet import handler_call
from redis_mob.fleet.handler_call import HandlerCall, listed

BLOCKED_SECONDS = 1.0
"""How long the loop may take to come to its next turn before that is told."""

CHECK_SECONDS = 0.25
"""Between two looks at a loop."""

LATE_SECONDS = 1.0
"""How much too late the watching thread must be to say that the whole process stood still, and not the loop alone."""

_frames_of_threads: Callable[[], Mapping[int, FrameType]] = attrgetter("_current_frames")(sys)
"""What each thread executes. It is public by its documentation, in spite of its name."""

_log = logging.getLogger(__name__)


@contextmanager
def loop_watched(worker: str, calls: Callable[[], Collection[HandlerCall]]) -> Generator[None]:
    """Watch the running event loop from a thread until the block ends; `calls` gives those that go on at the moment."""
    watch = _Watch(worker, calls)
    threading.Thread(target=watch.run, name="redis-mob-loop-watch", daemon=True).start()
    try:
        yield
    finally:
        watch.stopped.set()


class _Watch:
    def __init__(self, worker: str, calls: Callable[[], Collection[HandlerCall]]) -> None:
        self.stopped = threading.Event()
        self._worker = worker
        self._calls = calls
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._turned = threading.Event()

    def run(self) -> None:
        """Ask the loop for a turn, again and again, and tell when it does not come."""
        began = monotonic()
        while not self.stopped.wait(CHECK_SECONDS):
            asked = monotonic()
            self._turned.clear()
            try:
                self._loop.call_soon_threadsafe(self._turned.set)
            except RuntimeError:  # the loop is closed
                return
            self._turned.wait(BLOCKED_SECONDS)
            waited = monotonic() - asked
            late = max(asked - began - CHECK_SECONDS, waited - BLOCKED_SECONDS)
            if late > LATE_SECONDS:
                self._tell(
                    f"the process stood still for about {max(late, waited):.1f} s: it was suspended, or a function "
                    f"held the interpreter; under way are {listed(self._calls())}"
                )
            elif not self._turned.is_set():
                self._tell_block(asked)
            began = monotonic()

    def _tell_block(self, asked: float) -> None:
        self._tell(
            f"its event loop has been blocked for {monotonic() - asked:.1f} s by {self._blocker()}, {self._where()}. "
            'Use an asynchronous client there, a plain function, which runs in a thread, or isolation = "process"'
        )
        while not self._turned.wait(CHECK_SECONDS):
            if self.stopped.is_set() or self._loop.is_closed():
                return
        self._tell(f"its event loop goes on; it was blocked for {monotonic() - asked:.1f} s")

    def _tell(self, text: str) -> None:
        _log.warning("worker %s: %s", self._worker, text)

    def _blocker(self) -> str:
        task, calls = asyncio.current_task(self._loop), self._calls()
        call = next((call for call in calls if call.outcome is task), None)
        # a handler may have started tasks of its own, which cannot be told apart
        return str(call) if call is not None else f"a task or callback of one of {listed(calls)}"

    def _where(self) -> str:
        """Where in the handler the loop is, and where in what that calls."""
        frame = _frames_of_threads().get(self._thread)
        stack = traceback.StackSummary.extract(traceback.walk_stack(frame), lookup_lines=False)
        within = [f"{one.filename}:{one.lineno} in {one.name}" for one in _of_handler(stack[::-1])]
        if not within:
            return "at an unknown place"
        return f"at {within[0]}" + (f" ({within[-1]})" if len(within) > 1 else "")


def _of_handler(stack: list[traceback.FrameSummary]) -> list[traceback.FrameSummary]:
    """The part of a stack, outermost frame first, that is below our call of the handler, or below the event loop."""
    for file in (handler_call.__file__, asyncio.events.__file__):
        if below := [number + 1 for number, frame in enumerate(stack) if frame.filename == file]:
            return stack[below[-1] :]
    return stack

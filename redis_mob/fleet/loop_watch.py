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
from pathlib import Path
from time import monotonic
from types import FrameType

from redis_mob.fleet import handler_call
from redis_mob.fleet.calls import Calls
from redis_mob.fleet.handler_call import HandlerCall, listed
from redis_mob.host_environment import environment

BLOCKED_SECONDS = 1.0
"""How long the loop may take to come to its next turn before that is told."""

CHECK_SECONDS = 0.25
"""Between two looks at a loop."""

LATE_SECONDS = 1.0
"""How much too late the watching thread must be to say that the whole process stood still, and not the loop alone."""

_frames_of_threads: Callable[[], Mapping[int, FrameType]] = attrgetter("_current_frames")(sys)
"""What each thread executes. It is public by its documentation, in spite of its name."""

_PACKAGE = Path(handler_call.__file__).parent.parent

_log = logging.getLogger(__name__)


@contextmanager
def loop_watched(worker: str, calls: Calls) -> Generator[None]:
    """Watch the running event loop, which makes these calls, from a thread until the block ends."""
    if not environment().has_threads:
        yield
        return
    watch = _Watch(worker, calls)
    threading.Thread(target=watch.run, name="redis-mob-loop-watch", daemon=True).start()
    try:
        yield
    finally:
        watch.stopped.set()


class _Watch:
    def __init__(self, worker: str, calls: Calls) -> None:
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
                    f"the process stood still for about {max(late, waited):.1f} s: it was suspended, or "
                    f"{self._holder(monotonic() - late)}"
                )
            # when this thread had to wait too, the loop had no chance to turn
            elif not (self._turned.is_set() or (late > CHECK_SECONDS and self._turned.wait(CHECK_SECONDS))):
                self._tell_block(asked)
            self._calls.take_ended()  # these cannot be the cause of what comes
            began = monotonic()

    def _tell_block(self, asked: float) -> None:
        self._tell(f"its event loop has been blocked for {monotonic() - asked:.1f} s by {self._blocker()}")
        while not self._turned.wait(CHECK_SECONDS):
            if self.stopped.is_set() or self._loop.is_closed():
                return
        self._tell(f"its event loop goes on; it was blocked for {monotonic() - asked:.1f} s")

    def _tell(self, text: str) -> None:
        _log.warning("worker %s: %s", self._worker, text)

    def _blocker(self) -> str:
        """What the event loop is at, where, and what helps."""
        within, calls = self._stack(self._thread), self._calls.running()
        call = self._call_in_loop(calls)
        ours = [number for number, one in enumerate(within) if Path(one.filename).is_relative_to(_PACKAGE)]
        if call is None and ours:
            return f"the worker itself, {_where(within[ours[0] :])}"
        if call is not None:
            name = str(call)
        elif calls:
            # a handler may have started tasks of its own, which cannot be told apart
            name = f"a task or callback of one of {listed(calls)}"
        else:
            name = "a task or callback that is of no handler under way"
        return (
            f"{name}, {_where(within)}. Use an asynchronous client there, a plain function, which runs in a thread, "
            'or isolation = "process"'
        )

    def _holder(self, since: float) -> str:
        """What may have held the interpreter since then: a function in a thread, or what the event loop was at.

        This thread goes on only when the interpreter is free again. The call that held it may have ended before that,
        and the loop may be at another one.
        """
        running = self._calls.running()  # asked for first: a call that ends now is among these or the others, or both
        ended = [call for call in self._calls.take_ended() if call not in running]
        running, ended = ([call for call in calls if call.began <= since] for calls in (running, ended))
        here = self._call_in_loop(running)
        may_hold = [call for call in running if call is here or call.is_in_thread] + ended
        if len(may_hold) == 1 and ((call := may_hold[0]) is here or call.is_in_thread):
            thread = self._thread if call is here else call.thread_id
            place = "" if thread is None else f", {_where(self._stack(thread))}"
            return (
                f"the interpreter was held, most likely by {call}{place}. "
                'isolation = "process" keeps such a handler apart'
            )
        if may_hold:
            return f"the interpreter was held, perhaps by one of {listed(may_hold)}"
        if running:  # coroutines, none of which the loop is at: each may have held it in its last turn
            return f"the interpreter was held, perhaps by one of {listed(running)}, or by what these have started"
        return "the interpreter was held, while no handler was under way"

    def _call_in_loop(self, calls: Collection[HandlerCall]) -> HandlerCall | None:
        """The call whose own task the event loop is at."""
        task = asyncio.current_task(self._loop)
        return next((call for call in calls if call.outcome is task), None)

    def _stack(self, thread: int) -> list[traceback.FrameSummary]:
        """What a thread executes, outermost frame first, without what is ours or of the event loop above a handler."""
        walked = traceback.walk_stack(_frames_of_threads().get(thread))
        return _of_handler(traceback.StackSummary.extract(walked, lookup_lines=False)[::-1])


def _where(within: list[traceback.FrameSummary]) -> str:
    """Where in the handler a thread is, and where in what that calls."""
    places = [f"{one.filename}:{one.lineno} in {one.name}" for one in within]
    if not places:
        return "at an unknown place"
    return f"at {places[0]}" + (f" ({places[-1]})" if len(places) > 1 else "")


def _of_handler(stack: list[traceback.FrameSummary]) -> list[traceback.FrameSummary]:
    """The part of a stack, outermost frame first, that is below our call of the handler, or below the event loop."""
    for file in (handler_call.__file__, asyncio.events.__file__):
        if below := [number + 1 for number, frame in enumerate(stack) if frame.filename == file]:
            return stack[below[-1] :]
    return stack

"""The calls of handlers in one worker, and the bound on those that go on although they were given up."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import Any

from redis_mob.fleet.handler_call import HandlerCall, listed
from redis_mob.fleet.handler_threads import HandlerThreads
from redis_mob.fleet.slots import Slots
from redis_mob.fleet.step_context import StepContext
from redis_mob.fleet.typed.binding import BoundHandler
from redis_mob.fleet.typed.dependencies import Dependencies
from redis_mob.models.definition import MobDefinition

MAX_ORPHANED_TURNS = 8
"""How many abandoned calls give their slots back, unless the definition says otherwise (contract: engine-37)."""

_log = logging.getLogger(__name__)


def max_orphaned_turns(definition: MobDefinition) -> int:
    """The bound that the limits of a definition set, or the default."""
    limits = definition.limits
    return MAX_ORPHANED_TURNS if limits is None or limits.max_orphaned_turns is None else limits.max_orphaned_turns


class Calls:
    """Starts the calls of a worker, and counts the abandoned ones: those that ignore their cancellation.

    A call that is abandoned gives its slot back, so that healthy work goes on beside it, but only `most` do so at a
    time: a thread or a coroutine that never ends costs memory, and perhaps a connection. Each further one keeps its
    slot until one of them ends.
    """

    def __init__(self, worker: str, slots: Slots, most: int) -> None:
        self._worker = worker
        self._slots = slots
        self._most = most
        self._threads = HandlerThreads()
        self._dependencies = Dependencies()
        self._abandoned: dict[asyncio.Future[Any], HandlerCall] = {}
        self._kept_slots = 0
        self._under_way: set[HandlerCall] = set()
        self._ended_calls: deque[HandlerCall] = deque()

    def running(self) -> list[HandlerCall]:
        """The calls that go on, abandoned ones among them; other threads may ask too."""
        return [*self._under_way.copy(), *self._abandoned.copy().values()]

    def take_ended(self) -> list[HandlerCall]:
        """The calls that have ended since this was asked before; other threads may ask.

        The worker's watch asks several times per second, so that few of them are kept.
        """
        return [self._ended_calls.popleft() for _ in range(len(self._ended_calls))]

    def start(self, handler: BoundHandler, context: StepContext) -> HandlerCall:
        """Call a handler."""
        call = HandlerCall(handler, context, self._threads, self._dependencies)
        self._under_way.add(call)
        return call

    def leave(self, call: HandlerCall) -> None:
        """Have done with a call, which has ended or was given up; its slot is given back after this."""
        self._under_way.discard(call)
        if (rest := call.rest) is not None:
            self._abandoned[rest] = call
            rest.add_done_callback(self._ended)
            self._settle()
        else:
            self._ended_calls.append(call)

    async def close(self) -> None:
        """End idle threads and abandoned coroutines, and what was made for handlers; the worker is over.

        Abandoned threads end with the program.
        """
        self._threads.close()
        for call in list(self._abandoned.values()):
            call.close()
        await self._dependencies.close()

    def _ended(self, rest: asyncio.Future[Any]) -> None:
        self._ended_calls.append(self._abandoned[rest])
        del self._abandoned[rest]
        if not rest.cancelled():
            rest.exception()  # taken, so that asyncio does not complain; what comes too late counts for nothing
        self._settle()

    def _settle(self) -> None:
        """Take as many slots as there are abandoned calls above the bound, and warn once when that begins."""
        above = max(len(self._abandoned) - self._most, 0)
        if above and not self._kept_slots:
            self._warn()
        if above > self._kept_slots:
            self._slots.take(above - self._kept_slots)
        else:
            self._slots.give_back(self._kept_slots - above)
        self._kept_slots = above

    def _warn(self) -> None:
        _log.warning(
            "worker %s: %d handlers go on although their time is over or they were cancelled; max_orphaned_turns=%d of "
            "them may do so, each further one keeps its slot until one ends. They are: %s. Give the libraries that "
            'they call a timeout, or run them with isolation = "process", which is killed.',
            self._worker,
            len(self._abandoned),
            self._most,
            listed(self._abandoned.values()),
        )

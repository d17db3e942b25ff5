"""What a worker holds: its own lease, which keeps all its executions, and single executions under that."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice
from typing import Any, TypeVar

from redis_mob.codec.arguments import duration as checked_duration
from redis_mob.errors import ValidationError, shown
from redis_mob.fleet.outcome import MAX_OUTPUT_BYTES
from redis_mob.fleet.telling import Ready
from redis_mob.fleet.token_use import TokenCount
from redis_mob.models.execution import Execution, ExecutionKey, Lease
from redis_mob.models.labels import LabelChange
from redis_mob.telemetry.attempts import Attempt

T = TypeVar("T")

DEFAULT_LEASE = timedelta(seconds=10)
"""How long the executions of a worker that was lost stay hidden from the others."""

SHORTEST_LEASE = timedelta(milliseconds=100)

MOST_NAMED = 10
"""Executions that one message names."""


class LeaseLostError(Exception):
    """The execution is not this worker's any more: it was taken over, or canceled."""


def checked_lease(lease: timedelta) -> timedelta:
    """The same lease, if it is one that a worker can keep renewing. Raises ValidationError."""
    lease = checked_duration("lease", lease)
    if lease < SHORTEST_LEASE:
        raise ValidationError(f"a lease of {lease.total_seconds():g} s is too short; give 0.1 s at least")
    return lease


@dataclass(slots=True, eq=False)
class LeasedExecution:
    """An execution that this worker holds.

    That the worker has a lease hides it from others for a while; it does not protect anything. A worker that was paused
    goes on after its lease has expired, and it cannot know. What protects is the fencing token: its result is compared
    with the stored execution in the commit, and refused.
    """

    run_id: str
    key: ExecutionKey
    execution: Execution
    lease: Lease
    claimed_at: float
    """The storage's time of the claim, in seconds."""
    ask: Callable[[], Awaitable[bool]]
    """Asks the storage whether the worker still holds it."""
    put: Callable[[str, Any], Coroutine[Any, Any, bool]]
    """Publishes a value in the storage; False if the worker does not hold it any more."""
    change_labels: Callable[[LabelChange], Coroutine[Any, Any, bool]]
    """Changes attributes and summary in the storage; False if the worker does not hold it any more."""
    most_bytes: int = MAX_OUTPUT_BYTES
    """How long what its handler gives may be, as JSON."""
    tokens: TokenCount = field(default_factory=TokenCount)
    """What its handler has used so far."""
    traced: Attempt | None = None
    """What telemetry tells of it, if that is on."""
    lost: asyncio.Future[None] = field(init=False)
    """Done when the execution was taken from this worker. A future, because waiting for one takes no task."""
    loop: asyncio.AbstractEventLoop = field(init=False)
    """That of the worker, to which its storage belongs."""
    clock_offset: float = field(init=False)
    """The storage's time minus this event loop's, in seconds. Deadlines are times of the storage; hosts disagree about
    the time of day, so that a worker only measures, with a clock that never jumps, how much has passed since the
    claim."""

    def __post_init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.lost = self.loop.create_future()
        self.clock_offset = self.claimed_at - self.loop.time()

    def __str__(self) -> str:
        return f"member {self.key.target} at step {self.execution.step_id} of run {self.run_id}"

    def seconds_left(self) -> float:
        """Until the deadline, by the storage's clock."""
        return self.lease.deadline.timestamp() - asyncio.get_running_loop().time() - self.clock_offset

    def timeout_ms(self) -> int:
        """How long the execution was allowed to take."""
        return round((self.lease.deadline.timestamp() - self.claimed_at) * 1000)

    def tell_lost(self) -> None:
        """The execution was taken from this worker."""
        if not self.lost.done():
            self.lost.set_result(None)

    async def is_held(self) -> bool:
        """Whether it is still this worker's, by the storage. Raises ReadFailedError if that cannot be learned.

        A handler in a thread may ask in an event loop of its own: the storage answers in that of the worker only.
        """
        return bool(await self.in_loop_of_worker(self._is_held()))

    async def publish(self, key: str, value: Any) -> None:
        """Publish a value of the run, from any event loop; see `StepContext.publish`."""
        if not await self.in_loop_of_worker(self.put(key, value)):
            raise LeaseLostError(f"{self} is not this worker's any more: {shown(key)} was not published")

    def label(self, change: LabelChange) -> Awaitable[None]:
        """Change attributes and summary of the run; see `StepContext.set_attributes`. Where no event loop runs, as in a
        plain function, it is done when this returns."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            labelling = self._label(change)
            try:
                done = asyncio.run_coroutine_threadsafe(labelling, self.loop)
            except RuntimeError:  # the worker's loop is closed: the worker has handed back what it held
                labelling.close()
                raise self._not_set() from None
            done.result()
            return Ready()
        return self._label(change)

    async def _label(self, change: LabelChange) -> None:
        if not await self.in_loop_of_worker(self.change_labels(change)):
            raise self._not_set()

    def _not_set(self) -> LeaseLostError:
        return LeaseLostError(f"{self} is not this worker's any more: nothing was set")

    async def in_loop_of_worker(self, asking: Coroutine[Any, Any, T]) -> T | None:
        """What the storage answers, from any event loop; None if the worker has ended."""
        if asyncio.get_running_loop() is self.loop:
            return await asking
        try:
            asked = asyncio.run_coroutine_threadsafe(asking, self.loop)
        except RuntimeError:  # the worker's loop is closed: the worker has handed back what it held
            asking.close()
            return None
        return await asyncio.wrap_future(asked)

    async def _is_held(self) -> bool:
        if not self.lost.done() and not await self.ask():
            self.tell_lost()
        return not self.lost.done()


def unfinished(executing: Collection[LeasedExecution]) -> str:
    """What to tell of executions that are under way when a worker has to end."""
    named = ", ".join(map(str, islice(executing, MOST_NAMED)))
    more = f" and {len(executing) - MOST_NAMED} more" if len(executing) > MOST_NAMED else ""
    if len(executing) == 1:
        return f"1 execution has not ended in time; it is handed back: {named}"
    return f"{len(executing)} executions have not ended in time; they are handed back: {named}{more}"

"""The lease of an execution: its bounds, and how the worker that holds it renews it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from redis_mob.codec.arguments import duration as checked_duration
from redis_mob.contracts import ExecutionStore
from redis_mob.errors import ValidationError
from redis_mob.models.execution import Execution, ExecutionKey, Lease

DEFAULT_LEASE = timedelta(seconds=10)
"""How long the executions of a worker that was lost stay hidden from the others."""

SHORTEST_LEASE = timedelta(milliseconds=100)


class LeaseLostError(Exception):
    """The lease is not this worker's any more: it was taken over, or its execution was canceled."""


def checked_lease(lease: timedelta) -> timedelta:
    """The same lease, if it is one that a worker can keep renewing. Raises ValidationError."""
    lease = checked_duration("lease", lease)
    if lease < SHORTEST_LEASE:
        raise ValidationError(f"a lease of {lease.total_seconds():g} s is too short; give 0.1 s at least")
    return lease


@dataclass(slots=True)
class LeasedExecution:
    """An execution that this worker holds a lease on, and the means to renew the lease.

    A lease hides the execution from other workers for a while; it does not protect anything. A worker that was paused
    goes on after its lease has expired and been taken over, and it cannot know. What protects is the fencing token:
    its result is compared with the stored execution in the commit, and refused.
    """

    store: ExecutionStore
    run_id: str
    key: ExecutionKey
    execution: Execution
    lease: Lease
    duration: timedelta
    claimed_at: datetime
    deciding: asyncio.Lock
    """Held while this process changes the run: a renewal at the same time would make that lose its compare."""
    renewed: Callable[[Execution | None], None]
    """Called with the execution as it is stored after a renewal, with None if that is not known."""
    clock_offset: float = field(init=False)
    """The storage's time minus this event loop's, in seconds. Leases and deadlines are times of the storage; hosts
    disagree about the time of day, so that a worker only measures, with a clock that never jumps, how much has passed
    since the claim."""

    def __post_init__(self) -> None:
        self.clock_offset = self.claimed_at.timestamp() - asyncio.get_running_loop().time()

    def seconds_left(self) -> float:
        """Until the deadline, by the storage's clock."""
        return self.lease.deadline.timestamp() - self._now()

    def timeout_ms(self) -> int:
        """How long the execution was allowed to take."""
        return round((self.lease.deadline - self.claimed_at) / timedelta(milliseconds=1))

    async def renew(self) -> bool:
        """Extend the lease; False if it is lost."""
        is_held = False
        async with self.deciding:
            try:
                is_held = await self._renew()
            finally:
                # one that was cancelled or lost its reply may have happened
                self.renewed(self.execution if is_held else None)
        return is_held

    async def _renew(self) -> bool:
        expires_at = datetime.fromtimestamp(self._now(), UTC) + self.duration
        lease = self.lease.model_copy(update={"expires_at": expires_at})
        renewed = self.execution.model_copy(update={"lease": lease})
        # A renewal must not bring back what another worker has changed: it replaces the record it knows, and no other.
        if not await self.store.renew_lease(self.run_id, self.key, expected=self.execution, next=renewed):
            return await self._is_still_held()
        self.execution, self.lease = renewed, lease
        return True

    async def _is_still_held(self) -> bool:
        """Whether the lease is still this worker's after a lost compare, which is read again to find out.

        The compare is of the whole record, so that a renewal loses it to another renewal of this same worker: one by
        `StepContext.heartbeat` at the same time, or one whose reply was lost. The fencing token tells these from a
        takeover, because every new owner gets a greater one.
        """
        view = await self.store.load(self.run_id)
        execution = view and view.executions.get(self.key)
        if not execution or not execution.lease or execution.lease.fencing_token != self.lease.fencing_token:
            return False
        self.execution, self.lease = execution, execution.lease
        return True

    def _now(self) -> float:
        return asyncio.get_running_loop().time() + self.clock_offset

"""What the fleet keeps beside a run: how it was started, and the executions of its steps with their leases.

All of it is stored, since a decision looks at nothing else (contract: engine-1, executions-6).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from pydantic import Field

from redis_mob.models.base import U32, U64, Items, JsonValue, Model, SortedDict, SortedSet, Timestamp, WireEnum, is_none
from redis_mob.models.flow_spec import Message

END_OF_TIME = datetime(9999, 12, 31, tzinfo=UTC)


def later(moment: datetime, milliseconds: int) -> datetime:
    """The moment that many milliseconds after another, the end of time if it is beyond that."""
    if milliseconds >= (END_OF_TIME - moment) // timedelta(milliseconds=1):
        return END_OF_TIME
    return moment + timedelta(milliseconds=milliseconds)


class ExecutionStatus(WireEnum):
    """Where the execution of a step by one member stands."""

    WAITING = "waiting"
    LEASED = "leased"
    REPORTED = "reported"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"


class ExecutionKey(NamedTuple):
    """Which execution: the node of a frame, and the member that executes it."""

    frame_id: str
    node_id: str
    target: str


class Lease(Model):
    """The right of one worker to execute, until it expires by the server's clock.

    `fencing_token` is greater than that of every earlier owner: a result is taken only from the latest.
    """

    owner: str
    fencing_token: U64
    expires_at: Timestamp
    deadline: Timestamp


class ReportedFailure(Model):
    """How an execution failed, as its worker reported it; the run has not been decided since.

    `error_class` names the exception, `detail` is any JSON value that the handler added. The next attempt comes after
    `retry_after_ms` milliseconds, at the earliest.
    """

    reason: str
    retryable: bool = True
    error_class: str | None = Field(default=None, exclude_if=is_none)
    detail: JsonValue | None = Field(default=None, exclude_if=is_none)
    traceback: str | None = Field(default=None, exclude_if=is_none)
    retry_after_ms: U64 | None = Field(default=None, exclude_if=is_none)


class Execution(Model):
    """The execution of a step by one member: attempts, lease, and in the end its result.

    `attempt` counts from 1. A waiting execution may start at `due_at`. `lost` counts the leases that expired
    because their owners vanished. One that is reported has its `output` or its `failure`, and waits for a decision.
    `reason`, `error_class` and `detail` are those of its latest failed attempt that was decided on; the last two are
    kept for the next attempt alone.
    """

    step_id: str
    role: str
    message: Message
    status: ExecutionStatus = ExecutionStatus.WAITING
    attempt: U32 = 1
    lost: U32 = 0
    due_at: Timestamp
    fencing_token: U64 = 0
    lease: Lease | None = Field(default=None, exclude_if=is_none)
    output: JsonValue | None = None
    failure: ReportedFailure | None = Field(default=None, exclude_if=is_none)
    reason: str | None = Field(default=None, exclude_if=is_none)
    error_class: str | None = Field(default=None, exclude_if=is_none)
    detail: JsonValue | None = Field(default=None, exclude_if=is_none)

    @property
    def claimable_at(self) -> datetime | None:
        """When a worker may claim it: when it is due, or when its lease expires; None when it is over."""
        match self.status:
            case ExecutionStatus.WAITING:
                return self.due_at
            case ExecutionStatus.LEASED if self.lease is not None:
                return self.lease.expires_at
            case _:
                return None

    def is_claimable(self, now: datetime) -> bool:
        """Whether a worker may claim it now: it is due, or its lease has expired."""
        at = self.claimable_at
        return at is not None and at <= now


class RunLaunch(Model):
    """What a run was started with; it never changes.

    `definition` is the digest under which the store keeps the whole definition. `members` names the members of each
    role, `schemas` the JSON schema of each step that has one, and `parsed_steps` are those whose members' texts are
    read as JSON. `max_duration_ms` is how long the flow may take, None if as long as it likes.
    """

    definition: str
    members: SortedDict[Items[str]]
    schemas: SortedDict[JsonValue] = SortedDict()
    parsed_steps: SortedSet[str] = ()
    max_duration_ms: U64 | None = None

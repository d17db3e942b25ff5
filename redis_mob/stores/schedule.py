"""How a transition moves executions in the schedule."""

from __future__ import annotations

from collections.abc import Iterator

from redis_mob.codec.executions import milliseconds
from redis_mob.codec.packing import Argument
from redis_mob.codec.schedule import encode_entry, holder, queue_of
from redis_mob.models.execution import END_OF_TIME, OVERDUE, Execution, ExecutionStatus
from redis_mob.models.transition import Transition


def moves_of(transition: Transition) -> Iterator[list[Argument]]:
    """Where each execution stood, and where it stands, as lua/lib/schedule reads it."""
    before, run, launch = transition.before.executions, transition.run, transition.before.launch
    for key, execution in transition.executions.items():
        earlier = before.get(key)
        left, joined = _place(earlier), _place(execution)
        if left or joined:
            entry = encode_entry(queue_of(run.mob_id, execution.role, launch), launch.priority, run.run_id, key)
            yield [entry, left, joined, _at(execution), int(execution.role in launch.max_concurrency)]


def _place(execution: Execution | None) -> bytes:
    match execution:
        case Execution(status=ExecutionStatus.WAITING):
            return b"w"
        case Execution(status=ExecutionStatus.LEASED, lease=lease) if lease is not None:
            return holder(lease.owner, suspect=execution.suspect)
        case _:
            return b""


def _at(execution: Execution) -> Argument:
    match execution.status:
        case ExecutionStatus.WAITING:
            return milliseconds(execution.due_at)
        case ExecutionStatus.LEASED if execution.lease is not None:
            deadline = execution.lease.deadline
            return milliseconds(deadline if deadline > END_OF_TIME - OVERDUE else deadline + OVERDUE)
        case _:
            return b""

"""The engine: decides what happens next in a run, from what is stored alone. Pure functions that make transitions.

Each takes a run as it was read and gives the transition to commit, or None when there is nothing to do. A transition
goes as far as it can: a result, what follows from it, and the grants that this makes possible are one commit. That
keeps a run consistent at every moment another worker can see, and saves a round trip for each of the parts.
"""

from __future__ import annotations

from datetime import timedelta
from random import Random

from redis_mob.fleet.advance import advance_fully
from redis_mob.fleet.deadline import execution_deadline, is_out_of_time
from redis_mob.fleet.outcome import Outcome
from redis_mob.fleet.settlement import settle_execution
from redis_mob.fleet.takeover import take_over
from redis_mob.fleet.transition_builder import TransitionBuilder, target
from redis_mob.models.definition import MobDefinition
from redis_mob.models.execution import ExecutionKey, ExecutionStatus, Lease
from redis_mob.models.flow_events import StepDispatched
from redis_mob.models.run import MobRunStatus, StepRunStatus
from redis_mob.models.transition import RunView, Transition


def advance(view: RunView, definition: MobDefinition) -> Transition | None:
    """Everything that can happen in a run without a result from a member."""
    builder = TransitionBuilder(view, definition)
    advance_fully(builder)
    return builder.transition()


def claim(
    view: RunView, definition: MobDefinition, key: ExecutionKey, *, owner: str, lease: timedelta, random: Random
) -> Transition | None:
    """Give an execution that waits, or whose lease has expired, to a worker for the time of `lease`.

    A takeover counts as a new attempt. In a run that must end nothing is given any more: it ends. None if there is
    nothing to claim.
    """
    execution = view.executions.get(key)
    # The schedule only hints. Between taking an entry from it and reading the run, another worker may have claimed the
    # execution or ended the run, so that the run itself is asked.
    if execution is None or view.run.status is not MobRunStatus.RUNNING or not execution.is_claimable(view.now):
        return None
    builder = TransitionBuilder(view, definition)
    if view.cancel_requested or is_out_of_time(view):
        advance_fully(builder)
        return builder.transition()
    if execution.lease is not None:
        execution = take_over(builder, key, execution, random)
        if execution is None:
            advance_fully(builder)
            return builder.transition()
    # The token grows with every owner, also when the same worker claims again: its earlier attempt may still be at work
    # in a thread, and its result must not count for this one.
    token = execution.fencing_token + 1
    deadline = execution_deadline(view, builder.flow.steps[execution.step_id])
    taken = Lease(owner=owner, fencing_token=token, expires_at=view.now + lease, deadline=deadline)
    builder.put(
        key,
        execution.model_copy(update={"status": ExecutionStatus.LEASED, "fencing_token": token, "lease": taken}),
    )
    # A further attempt appends no second row: the ledger says that the member was asked, the events say how often.
    builder.row(execution.step_id, key.target, StepRunStatus.DISPATCHED, once=True)
    builder.tell(StepDispatched(run_id=view.run.run_id, step_id=execution.step_id, target=target(key.target)))
    return builder.transition()


def settle(
    view: RunView, definition: MobDefinition, key: ExecutionKey, outcome: Outcome, *, token: int, random: Random
) -> Transition | None:
    """Take the outcome of an execution from the worker that holds its lease, and go on from there.

    None if the lease is no longer the worker's: it was taken over, or the execution was canceled.
    """
    execution = view.executions.get(key)
    # The token is compared and not the expiry: a result that comes late, but before a takeover, is as good as any.
    if execution is None or execution.lease is None or execution.lease.fencing_token != token:
        return None
    builder = TransitionBuilder(view, definition)
    settle_execution(builder, key, execution, outcome, random)
    advance_fully(builder)
    return builder.transition()

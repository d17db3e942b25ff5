"""Takes over what another worker lost or handed back, and judges whether it was the cause (decision 0012)."""

from __future__ import annotations

from random import Random

from redis_mob.errors import shown
from redis_mob.fleet.outcome import Failed
from redis_mob.fleet.settlement import settle_execution
from redis_mob.fleet.transition_builder import TransitionBuilder
from redis_mob.models.execution import OVERDUE, Execution, ExecutionKey, ExecutionStatus, HowLost, Loss

MOST_LOST = 3
"""How many workers may be lost over one execution, as their one suspect, before it is tried on a worker that does
nothing else. If that one is lost too, the execution fails."""


def is_convicted(execution: Execution, loss: Loss) -> bool:
    """Whether this loss shows that the execution ends its workers: this one did nothing else, after enough others."""
    return loss.how is HowLost.ALONE and execution.lost >= MOST_LOST


def is_to_be_alone(execution: Execution) -> bool:
    """Whether its worker must do nothing else meanwhile, so that nothing else can be the cause if that is lost."""
    return execution.suspect and execution.lost >= MOST_LOST


def was_lost(execution: Execution, loss: Loss) -> bool:
    """Whether the worker that holds an execution is the one that has lost it."""
    lease = execution.lease
    return execution.status is ExecutionStatus.LEASED and lease is not None and lease.owner == loss.worker


def take_over(builder: TransitionBuilder, key: ExecutionKey, execution: Execution, loss: Loss, random: Random) -> bool:
    """Count a loss, so that the execution may be given to another worker; False if it has failed for good.

    What a worker handed back goes on with the same attempt. What was lost with a worker is suspect, and guilty only if
    nothing else can have been the cause.
    """
    if loss.how.is_orderly:
        return True
    if is_convicted(execution, loss):
        settle_execution(builder, key, execution, Failed(_verdict(execution, loss), retryable=False), random)
        return False
    # Beside others that were not suspect it may still be innocent: that is never what convicts it.
    counts = loss.how in (HowLost.ALONE, HowLost.ONLY_SUSPECT) and execution.lost < MOST_LOST
    changes = {
        "lost": execution.lost + counts,
        "lost_with_others": execution.lost_with_others + (not counts),
        "attempt": execution.attempt + 1,
        "suspect": True,
    }
    builder.put(key, execution.model_copy(update=changes))
    return True


def is_overdue(builder: TransitionBuilder, execution: Execution) -> bool:
    """Whether a worker that still has its lease has not ended an execution long after its deadline."""
    lease = execution.lease
    is_held = execution.status is ExecutionStatus.LEASED
    return is_held and lease is not None and builder.now >= lease.deadline + OVERDUE


def end_overdue(builder: TransitionBuilder, key: ExecutionKey, execution: Execution, random: Random) -> None:
    """Fail the attempt of an execution that its worker did not end at its deadline."""
    lease = execution.lease
    owner = lease.owner if lease is not None else ""
    reason = f"timeout: worker {shown(owner)} had not ended it {OVERDUE.total_seconds():g} s after its deadline"
    settle_execution(builder, key, execution, Failed(reason), random)


def _verdict(execution: Execution, loss: Loss) -> str:
    return (
        f"its worker stopped renewing its lease while it executed this and nothing else: {shown(loss.worker)} on host "
        f"{shown(loss.host)}, at {loss.at.isoformat(timespec='milliseconds')}; {execution.lost} workers before it were "
        "lost with it as their one suspect"
    )

"""Takes over the execution of a worker that was lost: its lease has expired without a result."""

from __future__ import annotations

from random import Random

from redis_mob.fleet.outcome import Failed
from redis_mob.fleet.settlement import settle_execution
from redis_mob.fleet.transition_builder import TransitionBuilder
from redis_mob.models.execution import Execution, ExecutionKey

MAX_LOST = 5
"""How many workers may be lost over one execution before it counts as the cause, and fails (decision 0012)."""


def take_over(builder: TransitionBuilder, key: ExecutionKey, execution: Execution, random: Random) -> Execution | None:
    """The execution with the lost attempt counted, to be given to another worker; None if it has failed for good."""
    lost = execution.lost + 1
    execution = execution.model_copy(update={"lost": lost, "attempt": execution.attempt + 1})
    builder.put(key, execution)
    # A step that kills its worker (out of memory, a crash of the interpreter) would kill one after the other. That is
    # why takeovers are bounded, and why such a failure is not retryable.
    if lost > MAX_LOST:
        reason = f"{lost} workers vanished while they executed it"
        settle_execution(builder, key, execution, Failed(reason, retryable=False), random)
        return None
    return execution

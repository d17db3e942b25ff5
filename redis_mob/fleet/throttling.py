"""Executions whose service asks to be left alone for a while: they use up no attempt (contract: engine-94)."""

from __future__ import annotations

from datetime import timedelta

from redis_mob.fleet.outcome import Failed, Throttled
from redis_mob.fleet.retry import begins_in_time
from redis_mob.fleet.said import bounded
from redis_mob.fleet.transition_builder import TransitionBuilder
from redis_mob.models.execution import Execution, ExecutionKey, ExecutionStatus

FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=1), timedelta(seconds=60)
"""How long it waits if its service says nothing: twice as long each time in turn."""

LONGEST_CLOSED = timedelta(days=1)
"""A service that asks for more is asked again after that."""

MOST_IN_TURN = 100
"""After so many times in turn the attempt has failed."""


def pause_of(execution: Execution, throttled: Throttled) -> timedelta:
    """How long an execution waits that is throttled once more."""
    if throttled.retry_after is None:
        return min(FIRST_PAUSE * 2 ** min(execution.throttled, 16), LONGEST_PAUSE)
    return min(throttled.retry_after, LONGEST_CLOSED)


def settled_throttle(builder: TransitionBuilder, execution: Execution, throttled: Throttled) -> Throttled | Failed:
    """The outcome with its pause; a failed attempt where it would begin too late, or was throttled too often."""
    pause = pause_of(execution, throttled)
    reason = throttled.reason
    if execution.throttled + 1 >= MOST_IN_TURN:
        reason = f"it was throttled {MOST_IN_TURN} times in turn, the last time so: {reason}"
    elif begins_in_time(builder, execution, pause):
        return Throttled(reason, pause)
    return Failed(bounded(reason), error_class="StepThrottled", retry_after=pause)


def throttle(builder: TransitionBuilder, key: ExecutionKey, execution: Execution, throttled: Throttled) -> None:
    """Let an execution wait until its service takes it again. To go on then is no dispatch of its own."""
    builder.close(
        key,
        status=ExecutionStatus.WAITING,
        suspect=False,
        due_at=builder.now + pause_of(execution, throttled),
        throttled=execution.throttled + 1,
        resumes=True,
    )

"""Whether a failed execution is tried again, and after which pause."""

from __future__ import annotations

from datetime import timedelta
from random import Random

from redis_mob.fleet.outcome import Failed
from redis_mob.fleet.transition_builder import TransitionBuilder
from redis_mob.models.backoff import backoff
from redis_mob.models.execution import Execution, ExecutionKey, ExecutionStatus
from redis_mob.models.flow_spec import RetrySpec

DEFAULT_RETRY = RetrySpec()
"""Retries of a step that says nothing of them (contract: engine-17)."""


def retry_pause(builder: TransitionBuilder, execution: Execution, failed: Failed, random: Random) -> timedelta:
    """How long to wait before the next attempt of an execution that has just failed: as long as its handler asked."""
    retry = _spec(builder, execution)
    seconds = backoff(
        max(execution.attempts_of_step, 1),
        first=retry.first,
        factor=retry.factor,
        longest=retry.most,
        jitter=retry.jitter,
        uniform=random.uniform,
    )
    # What the handler was told, by a provider that is overloaded, say, is better knowledge than any formula.
    return max(timedelta(seconds=seconds), failed.retry_after or timedelta())


def begins_in_time(builder: TransitionBuilder, execution: Execution, pause: timedelta) -> bool:
    """Whether an attempt would start before the flow's deadline, and its own."""
    deadline = builder.view.deadline
    # A retry that is due only after the deadline can never start. The failure is final now, so that the step and with
    # it the run end with the reason of this attempt, and not with "max flow duration exceeded".
    in_time = deadline is None or builder.now + pause < deadline
    # the end of an escalation is for all its attempts, that of a child for one
    if execution.wait_until is not None and execution.child is None:
        in_time = in_time and builder.now + pause < execution.wait_until
    return in_time


def may_retry(builder: TransitionBuilder, execution: Execution, pause: timedelta) -> bool:
    """Whether an attempt is left, and would start before the flow's deadline (contract: engine-16)."""
    attempts = _spec(builder, execution).attempts or builder.machine.flow_state.max_step_retries + 1
    # An attempt that was lost with its worker says nothing about the step. What bounds these is takeover.MOST_LOST.
    return execution.attempts_of_step < attempts and begins_in_time(builder, execution, pause)


def try_again(
    builder: TransitionBuilder, key: ExecutionKey, execution: Execution, failed: Failed, pause: timedelta
) -> None:
    """Let an execution that has just failed wait for its next attempt, which is told why."""
    builder.close(
        key,
        status=ExecutionStatus.WAITING,
        suspect=False,
        attempt=execution.attempt + 1,
        failure=None,
        due_at=builder.now + pause,
        throttled=0,
        reason=failed.reason,
        error_class=failed.error_class,
        detail=failed.detail,
    )


def _spec(builder: TransitionBuilder, execution: Execution) -> RetrySpec:
    if execution.escalation is not None:
        return DEFAULT_RETRY
    return builder.flow.steps[execution.step_id].retry or DEFAULT_RETRY

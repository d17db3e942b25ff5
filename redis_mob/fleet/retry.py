"""Whether a failed execution is tried again, and after which pause."""

from __future__ import annotations

from datetime import timedelta
from random import Random

from redis_mob.fleet.transition_builder import TransitionBuilder
from redis_mob.models.backoff import backoff
from redis_mob.models.execution import Execution

FIRST_RETRY_SECONDS = 0.1
LONGEST_RETRY_SECONDS = 30.0
"""Bounds of the pause before a retry (contract: engine-17)."""


def retry_pause(execution: Execution, random: Random) -> timedelta:
    """How long to wait before the next attempt of an execution that has just failed."""
    seconds = backoff(
        execution.attempt, first=FIRST_RETRY_SECONDS, longest=LONGEST_RETRY_SECONDS, uniform=random.uniform
    )
    return timedelta(seconds=seconds)


def may_retry(builder: TransitionBuilder, execution: Execution, pause: timedelta) -> bool:
    """Whether an attempt is left, and would start before the flow's deadline (contract: engine-16)."""
    deadline = builder.view.deadline
    # An attempt that was lost with its worker says nothing about the step, so it does not use up a retry of the step.
    # What bounds these is takeover.MAX_LOST.
    used = execution.attempt - execution.lost
    # A retry that is due only after the deadline can never start. The failure is final now, so that the step and with
    # it the run end with the reason of this attempt, and not with "max flow duration exceeded".
    in_time = deadline is None or builder.now + pause < deadline
    return used <= builder.machine.flow_state.max_step_retries and in_time

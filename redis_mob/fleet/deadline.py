"""Deadlines: when an execution and a flow are out of time, and how a handler is cancelled at its deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from redis_mob.fleet.lease import LeaseLostError
from redis_mob.models.execution import OVERDUE, Execution, ExecutionStatus, later
from redis_mob.models.flow_spec import FlowStepSpec
from redis_mob.models.transition import RunView

DEFAULT_STEP_TIMEOUT_MS = 30_000
"""How long an execution may take when its step does not say (contract: engine-10)."""

GRACE_SECONDS = 5.0
"""How long a cancelled handler may take to stop."""


def execution_deadline(view: RunView, execution: Execution, step: FlowStepSpec) -> datetime:
    """When an execution that starts now is out of time: after the timeout of its step, or with its flow.

    That of an escalation was set when its step failed.
    """
    timeout = DEFAULT_STEP_TIMEOUT_MS if step.timeout_ms is None else step.timeout_ms
    deadline = later(view.now, timeout) if execution.wait_until is None else execution.wait_until
    return deadline if view.deadline is None else min(deadline, view.deadline)


def is_out_of_time(view: RunView) -> bool:
    """Whether the deadline of the flow has passed, by the clock of the storage."""
    return view.deadline is not None and view.deadline <= view.now


CHILD_CHECK = timedelta(seconds=30)
"""How often a run looks after its children: what it is told of them makes it due before."""


def must_end(view: RunView) -> bool:
    """Whether a run has to end before its steps have: it is to be canceled, or its time is over."""
    return view.cancel_requested or is_out_of_time(view)


def next_deadline(view: RunView, executions: Iterable[Execution]) -> datetime | None:
    """When a run must be looked at although nothing has come: the end of its flow, of a wait, or of an escalation; or
    to look after its children.

    `executions` are those of the run, or of them those that may have such an end, or a child.
    """
    known = list(executions)
    ends = [view.deadline, *map(end_of_wait, known)]
    if any(one.child is not None and one.status is ExecutionStatus.AWAITING for one in known):
        ends.append(view.now + CHILD_CHECK)
    return min((end for end in ends if end is not None), default=None)


def end_of_wait(execution: Execution) -> datetime | None:
    """When an execution goes on although nothing has come of it, None if never: a wait for a signal or an answer, or
    an escalation.

    A worker that executes an escalation may end it itself, as it does with other executions.
    """
    if execution.is_over:
        return None
    ends: list[datetime] = []
    if execution.wait_until is not None:
        ends.append(execution.wait_until + (OVERDUE if execution.status is ExecutionStatus.LEASED else timedelta()))
    if execution.status is ExecutionStatus.ASKING:
        ends += (ask.until for ask in execution.asks if ask.until is not None)
    return min(ends, default=None)


async def ended_before_deadline(
    work: asyncio.Task[Any], lease_lost: asyncio.Future[None], seconds: float, cancelled: asyncio.Event
) -> bool:
    """Let a handler run until it ends, at most this many seconds; False if it did not end in this time.

    Raises LeaseLostError when the lease was lost before. On every way out the handler is told by `cancelled`, and its
    task is cancelled and awaited for five seconds.
    """
    try:
        done, _ = await asyncio.wait({work, lease_lost}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        # If both ended in the same turn the result is taken: whether it still counts is not decided here but by the
        # commit, which compares the fencing token.
        if work in done:
            return True
        if lease_lost in done:
            raise LeaseLostError
        return False
    finally:
        # The event comes first: a handler in a thread cannot be cancelled and can only look at the event. The wait is
        # bounded, because a handler that swallows its cancellation must not keep the worker from settling the timeout.
        cancelled.set()
        if not work.done():
            work.cancel()
            await asyncio.wait({work}, timeout=GRACE_SECONDS)

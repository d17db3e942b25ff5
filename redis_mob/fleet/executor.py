"""Executes one leased execution: its handler runs until its deadline at most, and gives an outcome.

Leases and fencing tokens protect the result, not a lock (decision 0007).
"""

from __future__ import annotations

import asyncio
from copy import deepcopy
from uuid import UUID, uuid5

from redis_mob.contracts import CheckpointStore
from redis_mob.errors import shortened
from redis_mob.fleet.calls import Calls
from redis_mob.fleet.checkpoint_keeper import keeper_for
from redis_mob.fleet.conversation import HandlerConversation
from redis_mob.fleet.deadline import ended_before_deadline
from redis_mob.fleet.lease import LeasedExecution
from redis_mob.fleet.once import Once
from redis_mob.fleet.outcome import Failed, Outcome, Succeeded, Suspended, Throttled
from redis_mob.fleet.progress_writer import AttemptTeller, ProgressWriter
from redis_mob.fleet.spend_keeper import SpendServices, spending_for
from redis_mob.fleet.spending import Spending
from redis_mob.fleet.step_context import PreviousFailure, StepContext
from redis_mob.fleet.step_profile import StepProfile
from redis_mob.fleet.telling import report_of
from redis_mob.fleet.token_use import CountedSpending
from redis_mob.fleet.typed.binding import BoundHandler
from redis_mob.kernel.context import ConditionContext
from redis_mob.models.execution import Execution, member_of
from redis_mob.models.limits import TokenUse
from redis_mob.models.progress import ProgressSource
from redis_mob.models.run import MobRun


async def execute(
    held: LeasedExecution,
    run: MobRun,
    visible: ConditionContext,
    profile: StepProfile,
    handler: BoundHandler,
    calls: Calls,
    progress: ProgressWriter,
    checkpoints: CheckpointStore | None,
    spending: SpendServices | None,
    talk: HandlerConversation | None = None,
) -> Outcome:
    """The outcome of the handler, which sees what was visible of the run when the execution was claimed.

    Raises LeaseLostError when the lease went away meanwhile. A handler that is out of time, or whose lease is lost, is
    cancelled; one that does not stop within five seconds is abandoned, as a plain function in its thread is at once,
    and what it returns is dropped. What it has told is sent before the outcome is known.
    """
    cancelled = asyncio.Event()
    source = _source(held, run)
    teller = progress.attempt(held.run_id, source)
    once = Once(keeper_for(checkpoints, held))
    keeper = CountedSpending(spending_for(spending, held, held.execution.role), held.tokens)
    spent = Spending(keeper, once.under_way)
    call = calls.start(handler, _context(held, run, visible, profile, source, cancelled, teller, once, spent, talk))
    try:
        if await ended_before_deadline(call.outcome, held.lost, held.seconds_left(), cancelled):
            outcome = call.result()
        else:
            outcome = Failed(f"timeout after {held.timeout_ms()}ms")
        if isinstance(outcome, Throttled):
            if held.tokens.total() is None:
                held.tokens.add(TokenUse())  # its service has refused the call
            await teller.report(report_of(None, f"throttled: {shortened(outcome.reason)}", None))
        await teller.end(succeeded=None if isinstance(outcome, Suspended) else isinstance(outcome, Succeeded))
        return outcome
    finally:
        teller.leave()
        calls.leave(call)


def _source(held: LeasedExecution, run: MobRun) -> ProgressSource:
    key, execution = held.key, held.execution
    return ProgressSource(
        execution.step_id,
        key.node_id,
        key.frame_id,
        None if execution.escalation is not None else run.frames[key.frame_id].kernel_state.body_iteration,
        key.target,
        execution.attempt,
        held.lease.fencing_token,
    )


def _context(
    held: LeasedExecution,
    run: MobRun,
    visible: ConditionContext,
    profile: StepProfile,
    source: ProgressSource,
    cancelled: asyncio.Event,
    teller: AttemptTeller,
    once: Once,
    spending: Spending,
    talk: HandlerConversation | None,
) -> StepContext:
    key, execution, item = held.key, held.execution, held.execution.item
    return StepContext(
        mob_id=run.mob_id,
        flow_id=run.flow_id,
        run_id=run.run_id,
        step_id=execution.step_id,
        node_id=key.node_id,
        frame_id=key.frame_id,
        iteration=source.iteration,
        role=execution.role,
        member=member_of(key, execution),
        attempt=execution.attempt,
        message=execution.message,
        params=visible.params,
        outputs=dict(visible.steps),
        loops=dict(visible.loops),
        # Neither the attempt nor the token is in it: a retry and a takeover repeat the same effect on the outside, and
        # must be recognized there by the same key.
        idempotency_key=str(uuid5(UUID(run.run_id), "\0".join(key))),
        fencing_token=held.lease.fencing_token,
        deadline=held.lease.deadline,
        cancelled=cancelled,
        heartbeat=held.is_held,
        previous_failure=previous_failure(execution),
        teller=teller,
        checkpoints=once,
        talk=talk,
        spending=spending,
        # A copy: the next attempt, and items that share a part with it, must not see what a handler changes in it.
        item=None if item is None else deepcopy(item.value),
        index=None if item is None else item.index,
        items=None if item is None else item.items,
        escalation=execution.escalation,
        publish=held.publish,
        label=held.label,
        profile=profile,
    )


def previous_failure(execution: Execution) -> PreviousFailure | None:
    """Why its latest attempt failed that came to its end; None if none did."""
    if execution.reason is None:
        return None
    return PreviousFailure(execution.reason, execution.error_class, execution.detail)

"""Takes the outcome of one execution: it completes, is tried again later, or fails; then its step may be decided."""

from __future__ import annotations

from datetime import datetime
from random import Random

from redis_mob.fleet.asks import suspend
from redis_mob.fleet.child_ids import child_id_of
from redis_mob.fleet.escalation import settle_escalation
from redis_mob.fleet.outcome import Failed, Outcome, Succeeded, Suspended, Throttled
from redis_mob.fleet.quorum import decide_step
from redis_mob.fleet.retry import may_retry, retry_pause, try_again
from redis_mob.fleet.said import MOST_REPEATED, bounded
from redis_mob.fleet.throttling import throttle
from redis_mob.fleet.transition_builder import TransitionBuilder, target
from redis_mob.models.base import json_text
from redis_mob.models.execution import Execution, ExecutionKey, ExecutionStatus
from redis_mob.models.failure import AgentErrorReport, TurnError
from redis_mob.models.flow_events import StepDispatched, StepTargetCompleted, StepTargetFailed
from redis_mob.models.ledger import StepRunStatus
from redis_mob.models.subflow import ChildRun


def settle_execution(
    builder: TransitionBuilder, key: ExecutionKey, execution: Execution, outcome: Outcome, random: Random
) -> None:
    """Take the accepted outcome of an execution, and decide its step if that makes the step's outcome certain."""
    if isinstance(outcome, Suspended):
        suspend(builder, key, execution, outcome.asks)
        return
    if isinstance(outcome, Throttled):
        throttle(builder, key, execution, outcome)
        return
    if execution.escalation is not None:
        settle_escalation(builder, key, execution, outcome, random)
        return
    run_id, step_id = builder.view.run.run_id, execution.step_id
    match outcome:
        case Succeeded(output):
            builder.close(
                key,
                status=ExecutionStatus.COMPLETED,
                suspect=False,
                output=output,
                failure=None,
                error_class=None,
                detail=None,
            )
            builder.row(step_id, key.target, StepRunStatus.COMPLETED, output)
            builder.tell(StepTargetCompleted.unchecked(run_id=run_id, step_id=step_id, target=target(key.target)))
        case Failed() as failed:
            _fail(builder, key, execution, failed, random)
    decide_step(builder, key.frame_id, key.node_id, step_id)


def _fail(builder: TransitionBuilder, key: ExecutionKey, execution: Execution, failed: Failed, random: Random) -> None:
    pause = retry_pause(builder, execution, failed, random)
    again = failed.retryable and may_retry(builder, execution, pause)
    report, error = _described(failed, final=not again)
    # Every failed attempt is told as an event, but only the final one gets ledger rows: the failure ledger is what the
    # terminal event of the run takes its reasons from, and an attempt that was made good is none.
    builder.tell(
        StepTargetFailed(
            run_id=builder.view.run.run_id,
            step_id=execution.step_id,
            target=target(key.target),
            reason=failed.reason,
            error_report=report,
            error=error,
        )
    )
    if again:
        try_again(builder, key, execution, failed, pause)
        if execution.child is not None:
            _await_next_child(builder, key, execution.child, builder.now + pause)
        return
    builder.close(key, status=ExecutionStatus.FAILED, failure=None, reason=failed.reason, error_class=None, detail=None)
    builder.row(execution.step_id, key.target, StepRunStatus.FAILED)
    builder.failure(execution.step_id, failed.reason, report, error)


def _await_next_child(builder: TransitionBuilder, key: ExecutionKey, child: ChildRun, begins: datetime) -> None:
    """Let an execution of a step with a sub-flow wait for the run of its next attempt, which begins at a time."""
    waiting = builder.execution(key)
    if waiting is None:
        return
    next_child = child.model_copy(update={"run_id": child_id_of(builder.view.run.run_id, key, waiting.attempt)})
    until = builder.wait_end(waiting.step_id, begins)
    changes = {"status": ExecutionStatus.AWAITING, "child": next_child, "wait_until": until}
    builder.put(key, waiting.model_copy(update=changes))
    run_id = builder.view.run.run_id
    builder.tell(StepDispatched.unchecked(run_id=run_id, step_id=waiting.step_id, target=target(key.target)))


def _described(failed: Failed, *, final: bool) -> tuple[AgentErrorReport | None, TurnError | None]:
    if failed.error_class is None:
        return None, None
    told = {"exception": failed.error_class, "detail": failed.detail, "traceback": failed.traceback}
    reason = {name: value for name, value in told.items() if value is not None}
    # The reason stands beside the report, and the detail in it: what repeats them is kept short.
    message = bounded(failed.reason, MOST_REPEATED)
    report = AgentErrorReport.model_validate({"class": "tool", "reason": reason, "message": message})
    text = failed.detail if isinstance(failed.detail, str | None) else json_text(failed.detail)
    detail = None if text is None else bounded(text, MOST_REPEATED)
    error = TurnError(kind="tool_failure", terminal=final, detail=detail, retryable=failed.retryable)
    return report, error

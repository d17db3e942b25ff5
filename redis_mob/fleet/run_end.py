"""Ends a run as a whole: completed, canceled or aborted, with the one event that says so."""

from __future__ import annotations

from collections.abc import Iterable

from redis_mob.errors import InternalError, shown
from redis_mob.fleet.said import joined
from redis_mob.fleet.step_end import cancel_open
from redis_mob.fleet.transition_builder import TransitionBuilder
from redis_mob.kernel.context import visible_context
from redis_mob.kernel.termination import abort_run, cancel_run
from redis_mob.models.flow_events import FlowCanceled, FlowCompleted, FlowFailed
from redis_mob.models.flow_spec import FlowSpec
from redis_mob.models.ledger import FLOW_STEP, FailureLedgerEntry
from redis_mob.models.run import MobRun
from redis_mob.models.run_status import MobRunStatus


def cancel(builder: TransitionBuilder) -> None:
    """Cancel the run. Single steps get no event: the event of the run stands for all of them (contract: engine-29)."""
    cancel_open(builder)
    cancel_run(builder.draft, builder.flow)
    tell_end(builder, MobRunStatus.CANCELED)


def abort(builder: TransitionBuilder, reason: str, *, failing: tuple[str, str] | None = None) -> None:
    """Fail the run for a reason of its own; `failing` is the ready node (frame id, node id) that made it fail."""
    run = builder.view.run
    cancel_open(builder)
    builder.failure(FLOW_STEP, reason)
    abort_run(builder.draft, builder.flow, failing=failing)
    # The reason is that of the run alone: failures that steps recorded before did not end it.
    builder.tell_end(FlowFailed(run_id=run.run_id, flow_id=run.flow_id, reason=reason))


def tell_end(builder: TransitionBuilder, status: MobRunStatus) -> None:
    """Add the event that ends the flow with this status."""
    failures = (*builder.view.run.failure_ledger, *builder.failures)
    builder.tell_end(terminal_event(builder.run, builder.flow, status, failures))


def terminal_event(
    run: MobRun, flow: FlowSpec, status: MobRunStatus, failures: Iterable[FailureLedgerEntry]
) -> FlowCompleted | FlowFailed | FlowCanceled:
    """The event that tells the end of a run with this status: its outputs, or why it failed.

    `failures` is the run's whole failure ledger. Raises InternalError for a status that is no end.
    """
    match status:
        case MobRunStatus.COMPLETED:
            steps = visible_context(run, flow).steps
            structured = {"steps": steps} if steps else None
            return FlowCompleted(run_id=run.run_id, flow_id=run.flow_id, structured_output=structured)
        case MobRunStatus.FAILED:
            return FlowFailed(run_id=run.run_id, flow_id=run.flow_id, reason=why_failed(failures))
        case MobRunStatus.CANCELED:
            return FlowCanceled(run_id=run.run_id, flow_id=run.flow_id)
        case _:
            raise InternalError(f"run {run.run_id} is {status}: that is no end")


def why_failed(failures: Iterable[FailureLedgerEntry]) -> str:
    """The failures of the run in one line: of each step the last, in the order in which they came."""
    reasons = {entry.step_id: entry.reason for entry in failures}
    told = [reason if step == FLOW_STEP else f"step {shown(step)}: {reason}" for step, reason in reasons.items()]
    return joined(told) or "root frame sealed failed"

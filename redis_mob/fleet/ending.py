"""How a run ends, in one event."""

from __future__ import annotations

from collections.abc import Iterable

from redis_mob.errors import InternalError
from redis_mob.fleet.progress import FLOW_STEP
from redis_mob.kernel.context import visible_context
from redis_mob.models.events import FlowCanceled, FlowCompleted, FlowFailed
from redis_mob.models.flow_spec import FlowSpec
from redis_mob.models.run import FailureLedgerEntry, MobRun, MobRunStatus


def ending(
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
            return FlowFailed(run_id=run.run_id, flow_id=run.flow_id, reason=_why_failed(failures))
        case MobRunStatus.CANCELED:
            return FlowCanceled(run_id=run.run_id, flow_id=run.flow_id)
        case _:
            raise InternalError(f"run {run.run_id} is {status}: that is no end")


def _why_failed(failures: Iterable[FailureLedgerEntry]) -> str:
    """The failures of the run in one line: of each step the last, in the order in which they came."""
    reasons = {entry.step_id: entry.reason for entry in failures}
    told = [reason if step == FLOW_STEP else f"step {step!r}: {reason}" for step, reason in reasons.items()]
    return "; ".join(told) or "root frame sealed failed"

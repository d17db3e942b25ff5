"""Ends a step: completed, failed or skipped, with its output, its event, and an end to its open executions."""

from __future__ import annotations

from typing import Any

from redis_mob.fleet.aggregate import aggregate, aggregate_of_items
from redis_mob.fleet.escalation import escalate
from redis_mob.fleet.execution_index import OPEN
from redis_mob.fleet.items import completed_outputs, results_of
from redis_mob.fleet.transition_builder import TransitionBuilder
from redis_mob.kernel.commands import Frame
from redis_mob.models.execution import ExecutionKey, ExecutionStatus
from redis_mob.models.flow_events import StepCompleted, StepFailed, StepSkipped
from redis_mob.models.flow_spec import FlowStepSpec
from redis_mob.models.ledger import StepRunStatus
from redis_mob.models.transition import NodeKey


def complete_step(builder: TransitionBuilder, frame_id: str, node_id: str, step_id: str) -> None:
    """The step succeeded: its aggregate is recorded, and executions that are still open are canceled."""
    output = _output(builder, (frame_id, node_id), builder.flow.steps[step_id])
    cancel_open(builder, (frame_id, node_id))
    complete_with(builder, frame_id, node_id, step_id, output)


def complete_with(builder: TransitionBuilder, frame_id: str, node_id: str, step_id: str, output: Any) -> None:
    """The step succeeded with this output, and has no open executions."""
    builder.record_output(frame_id, step_id, output)
    builder.tell(StepCompleted.unchecked(run_id=builder.view.run.run_id, step_id=step_id))
    builder.end_node(frame_id, Frame.COMPLETE_NODE, node_id)


def _output(builder: TransitionBuilder, node: NodeKey, spec: FlowStepSpec) -> Any:
    progress = builder.progress_of(node)
    if progress is None:
        return aggregate(spec, builder.executions_of(*node))
    return aggregate_of_items(spec, progress.items, completed_outputs(results_of(builder, node, spec, progress)))


def fail_step(builder: TransitionBuilder, frame_id: str, node_id: str, step_id: str, reason: str) -> None:
    """The step failed; executions that are still open are canceled."""
    cancel_open(builder, (frame_id, node_id))
    executions = builder.executions_of(frame_id, node_id).values()
    progress = builder.progress_of((frame_id, node_id))
    has_failed = progress is not None and progress.failed > 0
    # A member that failed has its own row in the failure ledger. Only a step that failed without one (no members, a
    # message that cannot be rendered) gets a row here, so that no failure is recorded twice.
    if not has_failed and not any(execution.status is ExecutionStatus.FAILED for execution in executions):
        builder.failure(step_id, reason)
    builder.tell(StepFailed(run_id=builder.view.run.run_id, step_id=step_id, reason=reason))
    builder.end_node(frame_id, Frame.FAIL_NODE, node_id)
    escalate(builder, step_id, reason)


def skip_step(builder: TransitionBuilder, frame_id: str, node_id: str, step_id: str, reason: str) -> None:
    """The step is not to be done."""
    builder.tell(StepSkipped(run_id=builder.view.run.run_id, step_id=step_id, reason=reason))
    builder.end_node(frame_id, Frame.SKIP_NODE, node_id)


def cancel_open(builder: TransitionBuilder, node: tuple[str, str] | None = None) -> None:
    """Cancel the open executions of one node (frame id, node id), or all of the run.

    Their leases end in this commit. The workers that hold them are told, and cancel their handlers; a result that comes
    before is refused by its fencing token.
    """
    if node is None:
        executions = list(builder.executions())
    else:
        members = builder.executions_of(*node)
        executions = [(ExecutionKey(*node, member), execution) for member, execution in members.items()]
    for key, execution in executions:
        if execution.status in OPEN:
            builder.close(key, status=ExecutionStatus.CANCELED)
            if execution.escalation is None:
                builder.row(execution.step_id, key.target, StepRunStatus.CANCELED)

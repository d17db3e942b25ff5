"""How the nodes of all frames become the final statuses of a run's steps."""

from __future__ import annotations

from collections.abc import Iterator

from redis_mob.kernel.actions import ProjectStep
from redis_mob.kernel.machine import FlowMachine, frame_specs
from redis_mob.kernel.run import PROJECTED
from redis_mob.models.flow import FlowStepStatus, NodeKind, NodeStatus
from redis_mob.models.flow_spec import FlowSpec, FrameSpec, FrameStepSpec, RepeatUntilSpec
from redis_mob.models.run_status import MobRunStatus

UNREACHED_STEPS = {
    MobRunStatus.COMPLETED: FlowStepStatus.SKIPPED,
    MobRunStatus.FAILED: FlowStepStatus.FAILED,
    MobRunStatus.CANCELED: FlowStepStatus.CANCELED,
}
"""What becomes of a step that no node decided, by the run's own end."""

_RANK = {NodeStatus.SKIPPED: 1, NodeStatus.CANCELED: 2, NodeStatus.COMPLETED: 3, NodeStatus.FAILED: 4}

_Verdict = tuple[NodeStatus, str | None, str | None]


def unprojected_steps(
    machine: FlowMachine, flow: FlowSpec, end: MobRunStatus, *, before: FlowMachine | None = None
) -> tuple[ProjectStep, ...]:
    """The final status of every step that has none yet, for a run whose nodes are all over and that ends as `end`.

    A step that ran in several frames is Failed over Completed over Skipped; the body steps of a skipped loop are
    Skipped; completed steps stay Completed however the run ends; the rest goes with the run. Steps come in the
    order of the run, but in a run that does not complete those that completed come first, so that a row of failures
    counts all failed steps. Nodes that were skipped only since `before`, because the run was ended early, decide
    nothing (contract: kernel-39, kernel-40).
    """
    verdicts = _verdicts(machine, flow, before or machine)
    state = machine.flow_state
    steps = [
        _projection(step, verdicts.get(step), end)
        for step in state.ordered_steps
        if state.step_status.get(step) in (None, FlowStepStatus.DISPATCHED)
    ]
    if end is not MobRunStatus.COMPLETED:
        steps.sort(key=lambda step: step.status is not FlowStepStatus.COMPLETED)
    return tuple(steps)


def _projection(step: str, verdict: _Verdict | None, end: MobRunStatus) -> ProjectStep:
    if verdict is None or verdict[0] is NodeStatus.CANCELED:
        return ProjectStep(step, UNREACHED_STEPS[end], None, None)
    status, frame_id, node_id = verdict
    return ProjectStep(step, PROJECTED[status], frame_id, node_id)


def _verdicts(machine: FlowMachine, flow: FlowSpec, before: FlowMachine) -> dict[str, _Verdict]:
    best: dict[str, _Verdict] = {}
    for step, verdict in _candidates(machine, flow, before):
        known = best.get(step)
        if known is None or _RANK[verdict[0]] >= _RANK[known[0]]:
            best[step] = verdict
    return best


def _candidates(machine: FlowMachine, flow: FlowSpec, before: FlowMachine) -> Iterator[tuple[str, _Verdict]]:
    specs = frame_specs(machine, flow)
    for frame_id, snapshot in machine.frames.items():
        state = snapshot.kernel_state
        earlier = before.frames.get(frame_id, snapshot).kernel_state.node_status
        for node in state.ordered_nodes:
            status = state.node_status[node]
            if status not in _RANK or (status is NodeStatus.SKIPPED and earlier[node] is not status):
                continue
            if state.node_kind[node] is NodeKind.STEP:
                step = machine.step_of(frame_id, node)
                if step is not None:
                    yield step, (status, frame_id, node)
            elif status is NodeStatus.SKIPPED:
                for step in _steps_under(specs[frame_id], node):
                    yield step, (status, None, None)


def _steps_under(frame: FrameSpec, node_id: str) -> Iterator[str]:
    node = frame.nodes.get(node_id)
    if isinstance(node, FrameStepSpec):
        yield node.step_id
    elif isinstance(node, RepeatUntilSpec):
        for inner in node.body.nodes:
            yield from _steps_under(node.body, inner)

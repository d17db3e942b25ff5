"""Ending runs: finish, cancel and abort, so that nothing is left running and every step has its final status."""

from __future__ import annotations

from redis_mob.errors import KernelError
from redis_mob.kernel import commands as tell
from redis_mob.kernel import frame as frames
from redis_mob.kernel import seeds
from redis_mob.kernel.actions import ProjectStep
from redis_mob.kernel.commands import Frame, Loop, Run
from redis_mob.kernel.draft import Draft, Move
from redis_mob.kernel.machine import FlowMachine
from redis_mob.kernel.projection import unprojected_steps
from redis_mob.models.authority import LoopIterationRecord, RecordLoopBodyFrameCompleted
from redis_mob.models.flow import FlowStepStatus, FramePhase, LoopPhase, NodeKind, NodeStatus
from redis_mob.models.flow_spec import FlowSpec
from redis_mob.models.run import MobRunStatus

TERMINAL_STATUS = {
    FramePhase.COMPLETED: MobRunStatus.COMPLETED,
    FramePhase.FAILED: MobRunStatus.FAILED,
    FramePhase.CANCELED: MobRunStatus.CANCELED,
}
"""How a run ends, by its sealed root frame."""

_TERMINALIZE = {
    MobRunStatus.COMPLETED: Run.TERMINALIZE_COMPLETED,
    MobRunStatus.FAILED: Run.TERMINALIZE_FAILED,
    MobRunStatus.CANCELED: Run.TERMINALIZE_CANCELED,
}
_STEP_COMMAND = {
    FlowStepStatus.COMPLETED: Run.COMPLETE_STEP,
    FlowStepStatus.FAILED: Run.FAIL_STEP,
    FlowStepStatus.SKIPPED: Run.SKIP_STEP,
    FlowStepStatus.CANCELED: Run.CANCEL_STEP,
}
_NODE_COMMAND = {
    LoopPhase.COMPLETED: Frame.COMPLETE_NODE,
    LoopPhase.EXHAUSTED: Frame.FAIL_NODE,
    LoopPhase.FAILED: Frame.FAIL_NODE,
    LoopPhase.CANCELED: Frame.CANCEL_NODE,
}
_BODY_COMMAND = {FramePhase.FAILED: Loop.BODY_FRAME_FAILED, FramePhase.CANCELED: Loop.BODY_FRAME_CANCELED}


def finish_run(machine: FlowMachine, flow: FlowSpec) -> Move:
    """Ends a run whose root frame is sealed: all steps that are left are projected, then the run is terminal.

    One move for what `plan` gives as ProjectStep for each step and then Terminate. Raises KernelError when the run
    is not Running, or the root frame is absent or not sealed.
    """
    root = machine.frame(seeds.root_frame_id(machine.run_id))
    if root.phase not in TERMINAL_STATUS:
        raise KernelError(f"run {machine.run_id} cannot end: its root frame is {root.phase}, not sealed")
    draft = Draft(machine)
    _end(draft, flow, TERMINAL_STATUS[root.phase], machine)
    return draft.done()


def cancel_run(machine: FlowMachine, flow: FlowSpec) -> Move:
    """Cancels a run that is Pending or Running.

    Running nodes and loops are Canceled, ready nodes too, frames are sealed, completed steps stay Completed, all
    slots come back, and the run is Canceled. Raises KernelError when the run is over (contract: kernel-39, kernel-41).
    """
    draft = Draft(machine)
    _settle_run(draft, Frame.CANCEL_NODE)
    _end(draft, flow, MobRunStatus.CANCELED, machine)
    return draft.done()


def abort_run(machine: FlowMachine, flow: FlowSpec, *, failing: tuple[str, str] | None = None) -> Move:
    """Fails a run that must not go on: its deadline has passed, or it nests too deeply.

    Running steps are Failed, and so is the ready node `failing` (frame id, node id) when given; what was not begun is
    Canceled, frames are sealed, and the run is Failed, with its completed steps Completed and all others that no node
    decided Failed. Raises KernelError when the run is over, or `failing` is not ready (contract: kernel-42).
    """
    draft = Draft(machine)
    if machine.status is MobRunStatus.PENDING:
        draft.run(Run.START_RUN)
    if failing is not None:
        frame_id, node_id = failing
        draft.node(frame_id, Frame.ADMIT_NEXT_READY_NODE, node_id)
        draft.node(frame_id, Frame.FAIL_NODE, node_id)
    _settle_run(draft, Frame.FAIL_NODE)
    _end(draft, flow, MobRunStatus.FAILED, machine)
    return draft.done()


def project(draft: Draft, step: ProjectStep) -> None:
    """Gives a step its final status."""
    run_id = draft.machine.run_id
    if step.frame_id is None or step.node_id is None:
        draft.add(tell.on_step(run_id, _STEP_COMMAND[step.status], step.step_id))
    else:
        draft.add(
            tell.on_step(
                run_id, Run.PROJECT_FRAME_STEP_STATUS, step.step_id, frame_id=step.frame_id, node_id=step.node_id
            )
        )


def terminalize(draft: Draft, status: MobRunStatus) -> None:
    """Gives the run its terminal status."""
    draft.run(_TERMINALIZE[status])


def finish_loop_node(draft: Draft, loop_instance_id: str) -> None:
    """Ends the node of a loop that is over, and lists its frame when that made nodes ready."""
    loop = draft.machine.loop(loop_instance_id)
    draft.node(loop.parent_frame_id, _NODE_COMMAND[loop.phase], loop.parent_node_id)
    draft.sync_registration(loop.parent_frame_id)


def _end(draft: Draft, flow: FlowSpec, status: MobRunStatus, before: FlowMachine) -> None:
    for step in unprojected_steps(draft.machine, flow, status, before=before):
        project(draft, step)
    terminalize(draft, status)


def _settle_run(draft: Draft, ending: Frame) -> None:
    if draft.machine.status is MobRunStatus.PENDING:
        draft.run(Run.START_RUN)
    ready = draft.machine.flow_state.ready_frame_membership
    if ready:
        draft.unregister_through(ready[-1])
    root = seeds.root_frame_id(draft.machine.run_id)
    if root in draft.machine.frames:
        _settle_frame(draft, root, ending)


def _settle_frame(draft: Draft, frame_id: str, ending: Frame) -> None:
    """Ends every node of a frame and seals it; bodies of its loops first."""
    if draft.frame(frame_id).phase is not FramePhase.RUNNING:
        return
    for node in _nodes(draft, frame_id, NodeStatus.RUNNING):
        if draft.frame(frame_id).node_kind[node] is NodeKind.STEP:
            draft.node(frame_id, ending, node)
            draft.scheduler(Run.NODE_EXECUTION_RELEASED, frame_id=frame_id)
        else:
            _settle_loop_node(draft, frame_id, node, ending)
    while queue := draft.frame(frame_id).ready_queue:
        draft.node(frame_id, Frame.ADMIT_NEXT_READY_NODE, queue[0])
        draft.node(frame_id, Frame.CANCEL_NODE, queue[0])
    draft.add(tell.seal(frame_id, frames.outcome(draft.frame(frame_id))))


def _nodes(draft: Draft, frame_id: str, status: NodeStatus) -> list[str]:
    state = draft.frame(frame_id)
    return [node for node in state.ordered_nodes if state.node_status[node] is status]


def _settle_loop_node(draft: Draft, frame_id: str, node_id: str, ending: Frame) -> None:
    loop_id = seeds.loop_instance_id(frame_id, node_id)
    if loop_id not in draft.machine.loops:
        draft.node(frame_id, Frame.CANCEL_NODE, node_id)
        return
    _settle_body(draft, loop_id, ending)
    if draft.machine.loop(loop_id).phase is LoopPhase.RUNNING:
        draft.add(tell.on_loop(loop_id, Loop.CANCEL_LOOP))
    draft.node(frame_id, _NODE_COMMAND[draft.machine.loop(loop_id).phase], node_id)


def _settle_body(draft: Draft, loop_id: str, ending: Frame) -> None:
    loop = draft.machine.loop(loop_id)
    body = loop.active_body_frame_id
    if loop.phase is not LoopPhase.RUNNING or body is None:
        return
    _settle_frame(draft, body, ending)
    draft.scheduler(Run.FRAME_TERMINATED, frame_id=body)
    phase = draft.frame(body).phase
    if phase is FramePhase.COMPLETED:
        record = LoopIterationRecord(loop_instance_id=loop_id, iteration=loop.current_iteration)
        draft.add(RecordLoopBodyFrameCompleted(payload=record))
    else:
        command = _BODY_COMMAND[phase]
        draft.add(tell.on_loop(loop_id, command, body_frame_id=body, iteration=loop.current_iteration))

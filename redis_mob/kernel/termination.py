"""Ends runs before their time: cancel and abort, so that nothing is left running and every step has a final status."""

from __future__ import annotations

from redis_mob.kernel import frame as frames
from redis_mob.kernel import seeds
from redis_mob.kernel.actions import LOOP_NODE_COMMAND, CompleteBodyFrame, Terminate, end_unfinished_body
from redis_mob.kernel.commands import Frame, Loop, Run
from redis_mob.kernel.draft import Draft
from redis_mob.kernel.machine import FlowMachine
from redis_mob.kernel.projection import unprojected_steps
from redis_mob.models.flow import FramePhase, LoopPhase, NodeKind, NodeStatus
from redis_mob.models.flow_spec import FlowSpec
from redis_mob.models.run_status import MobRunStatus


def cancel_run(draft: Draft, flow: FlowSpec) -> None:
    """Cancel a run that is Pending or Running.

    Running nodes and loops are Canceled, ready nodes too, frames are sealed, completed steps stay Completed, all
    slots come back, and the run is Canceled. Raises KernelError when the run is over (contract: kernel-39, kernel-41).
    """
    before = draft.machine
    _settle_run(draft, flow, Frame.CANCEL_NODE)
    _end(draft, flow, MobRunStatus.CANCELED, before)


def abort_run(draft: Draft, flow: FlowSpec, *, failing: tuple[str, str] | None = None) -> None:
    """Fail a run that must not go on: its deadline has passed, or it nests too deeply.

    Running steps are Failed, and so is the ready node `failing` (frame id, node id) when given; what was not begun is
    Canceled, frames are sealed, and the run is Failed, with its completed steps Completed and all others that no node
    decided Failed. Raises KernelError when the run is over, or `failing` is not ready (contract: kernel-42).
    """
    before = draft.machine
    _start_pending(draft)
    if failing is not None:
        frame_id, node_id = failing
        draft.node(frame_id, Frame.ADMIT_NEXT_READY_NODE, node_id)
        draft.node(frame_id, Frame.FAIL_NODE, node_id)
    _settle_run(draft, flow, Frame.FAIL_NODE)
    _end(draft, flow, MobRunStatus.FAILED, before)


def _end(draft: Draft, flow: FlowSpec, status: MobRunStatus, before: FlowMachine) -> None:
    for step in unprojected_steps(draft.machine, flow, status, before=before):
        step.apply(draft, flow)
    Terminate(status).apply(draft, flow)


def _start_pending(draft: Draft) -> None:
    # The machine ends only runs that it has started.
    if draft.machine.status is MobRunStatus.PENDING:
        draft.run(Run.START_RUN)


def _settle_run(draft: Draft, flow: FlowSpec, ending: Frame) -> None:
    _start_pending(draft)
    root = seeds.root_frame_id(draft.machine.run_id)
    if root not in draft.machine.frames:
        # It has none yet, or has lost it. The scheduler may still count and list what is lost, and the end of the run
        # makes that void; a command about a frame that is gone would be refused.
        return
    ready = draft.machine.flow_state.ready_frame_membership
    if ready:
        draft.unregister_through(ready[-1])
    _settle_frame(draft, flow, root, ending)


def _settle_frame(draft: Draft, flow: FlowSpec, frame_id: str, ending: Frame) -> None:
    """End every node of a frame and seal it; bodies of its loops first."""
    if draft.frame(frame_id).phase is not FramePhase.RUNNING:
        return
    for node in _nodes(draft, frame_id, NodeStatus.RUNNING):
        if draft.frame(frame_id).node_kind[node] is NodeKind.STEP:
            draft.node(frame_id, ending, node)
            if draft.machine.step_of(frame_id, node) not in flow.without_members:
                draft.scheduler(Run.NODE_EXECUTION_RELEASED, frame_id=frame_id)
        else:
            _settle_loop_node(draft, flow, frame_id, node, ending)
    while queue := draft.frame(frame_id).ready_queue:
        draft.node(frame_id, Frame.ADMIT_NEXT_READY_NODE, queue[0])
        draft.node(frame_id, Frame.CANCEL_NODE, queue[0])
    draft.seal(frame_id, frames.outcome(draft.frame(frame_id)))


def _nodes(draft: Draft, frame_id: str, status: NodeStatus) -> list[str]:
    state = draft.frame(frame_id)
    return [node for node in state.ordered_nodes if state.node_status[node] is status]


def _settle_loop_node(draft: Draft, flow: FlowSpec, frame_id: str, node_id: str, ending: Frame) -> None:
    loop_id = seeds.loop_instance_id(frame_id, node_id)
    if loop_id not in draft.machine.loops:
        draft.node(frame_id, Frame.CANCEL_NODE, node_id)
        return
    _settle_body(draft, flow, loop_id, ending)
    if draft.machine.loop(loop_id).phase is LoopPhase.RUNNING:
        draft.loop(loop_id, Loop.CANCEL_LOOP)
    draft.node(frame_id, LOOP_NODE_COMMAND[draft.machine.loop(loop_id).phase], node_id)


def _settle_body(draft: Draft, flow: FlowSpec, loop_id: str, ending: Frame) -> None:
    loop = draft.machine.loop(loop_id)
    body = loop.active_body_frame_id
    if loop.phase is not LoopPhase.RUNNING or body is None:
        return
    _settle_frame(draft, flow, body, ending)
    phase = draft.frame(body).phase
    if phase is FramePhase.COMPLETED:
        CompleteBodyFrame(loop_id).apply(draft, flow)
    else:
        end_unfinished_body(draft, loop_id, failed=phase is FramePhase.FAILED)

"""What may happen next in a run, decided from its stored state alone (contract: kernel-38)."""

from __future__ import annotations

from collections.abc import Iterator

from redis_mob.errors import shown
from redis_mob.kernel import frame as frames
from redis_mob.kernel import seeds
from redis_mob.kernel.actions import (
    AbortRun,
    Action,
    CompleteBodyFrame,
    CreateRootFrame,
    EvaluateUntil,
    FinishLoop,
    RegisterReadyFrame,
    RunNode,
    SealFrame,
    StartBodyFrame,
    StartLoop,
    StartRun,
    Terminate,
)
from redis_mob.kernel.machine import FlowMachine, loop_spec, startable_loop
from redis_mob.kernel.projection import unprojected_steps
from redis_mob.kernel.run import node_slot_free
from redis_mob.models.flow import FramePhase, LoopPhase, LoopStage, NodeStatus
from redis_mob.models.flow_spec import FlowSpec
from redis_mob.models.run_status import MobRunStatus

_TERMINAL_STATUS = {
    FramePhase.COMPLETED: MobRunStatus.COMPLETED,
    FramePhase.FAILED: MobRunStatus.FAILED,
    FramePhase.CANCELED: MobRunStatus.CANCELED,
}
"""How a run ends, by its sealed root frame."""

_LOOP_OUTCOME = {FramePhase.FAILED: LoopPhase.FAILED, FramePhase.CANCELED: LoopPhase.CANCELED}


def next_actions(machine: FlowMachine, flow: FlowSpec) -> tuple[Action, ...]:
    """Everything that may happen next, the preferred first; each one stays possible after any of the others.

    At most one grant of a node and one start of a body frame are among them, since the machine gives these in turn:
    after either, plan again. Grants come before starts of body frames (contract: kernel-38). The tuple is empty when
    the run is over, or when only results of running steps can move it on.
    """
    match machine.status:
        case MobRunStatus.PENDING:
            return (StartRun(),)
        case MobRunStatus.RUNNING:
            pass
        case _:
            return ()
    root = machine.frames.get(seeds.root_frame_id(machine.run_id))
    if root is None:
        return (CreateRootFrame(),)
    end = _TERMINAL_STATUS.get(root.kernel_state.phase)
    if end is not None:
        return unprojected_steps(machine, flow, end) or (Terminate(end),)
    return (*_registrations(machine), *_grant(machine, flow), *_seals(machine), *_loops(machine), *_body_start(machine))


def _registrations(machine: FlowMachine) -> Iterator[Action]:
    registered = machine.flow_state.ready_frame_membership
    for frame_id in machine.running:
        if frame_id not in registered and machine.frame(frame_id).ready_queue:
            yield RegisterReadyFrame(frame_id)


def _grant(machine: FlowMachine, flow: FlowSpec) -> Iterator[Action]:
    """The first ready node of the first ready frame, if there is a slot for it."""
    ready = machine.flow_state.ready_frame_membership
    if not ready or not node_slot_free(machine.flow_state):
        return
    frame_id = ready[0]
    queue = machine.frame(frame_id).ready_queue
    if not queue:
        return
    node_id = queue[0]
    step_id = machine.step_of(frame_id, node_id)
    if step_id is not None:
        yield RunNode(frame_id, node_id, step_id)
        return
    depth, limit = machine.depth_of(frame_id) + 1, machine.flow_state.max_frame_depth
    if 0 < limit < depth:
        reason = f"the loop at node {shown(node_id)} would nest {depth} deep; the limit max_frame_depth is {limit}"
        yield AbortRun(frame_id, node_id, reason)
    else:
        yield StartLoop(frame_id, node_id, loop_spec(machine, flow, frame_id, node_id).loop_id)


def _seals(machine: FlowMachine) -> Iterator[Action]:
    for frame_id in machine.running:
        state = machine.frame(frame_id)
        if frames.all_ended(state):
            yield SealFrame(frame_id, frames.outcome(state))


def _loops(machine: FlowMachine) -> Iterator[Action]:
    for snapshot in machine.loops.values():
        loop = snapshot.kernel_state
        if loop.phase is not LoopPhase.RUNNING:
            parent = machine.frame(loop.parent_frame_id)
            if parent.node_status.get(loop.parent_node_id) is NodeStatus.RUNNING:
                yield FinishLoop(loop.loop_instance_id, loop.phase)
        elif loop.stage is LoopStage.AWAITING_UNTIL_EVALUATION:
            yield EvaluateUntil(loop.loop_instance_id, loop.last_completed_iteration)
        elif loop.active_body_frame_id is not None:
            yield from _after_body(loop.loop_instance_id, machine.frame(loop.active_body_frame_id).phase)


def _after_body(loop: str, phase: FramePhase) -> Iterator[Action]:
    if phase is FramePhase.COMPLETED:
        yield CompleteBodyFrame(loop)
    elif phase in _LOOP_OUTCOME:
        yield FinishLoop(loop, _LOOP_OUTCOME[phase])


def _body_start(machine: FlowMachine) -> Iterator[Action]:
    loop = startable_loop(machine)
    if loop is not None:
        yield StartBodyFrame(loop)

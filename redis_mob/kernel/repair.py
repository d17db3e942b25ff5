"""Mending a stored run that a crash left between two writes, so that it can go on (contract: kernel-46)."""

from __future__ import annotations

from dataclasses import replace

from redis_mob.errors import KernelError
from redis_mob.kernel.commands import Run
from redis_mob.kernel.draft import Draft
from redis_mob.kernel.machine import FlowMachine, startable_loop
from redis_mob.kernel.reconcile import (
    active_bodies,
    ready_frames,
    reconcile,
    running_steps,
    waiting_loops,
    waiting_nodes,
)
from redis_mob.kernel.seeds import root_frame_id
from redis_mob.models.base import presorted
from redis_mob.models.flow import FrameSnapshot, NodeStatus
from redis_mob.models.flow_spec import FlowSpec
from redis_mob.models.run import MobRun


def repair(run: MobRun, flow: FlowSpec) -> Draft:
    """The inputs that make a run consistent, and the machine with which it goes on; no inputs when it is.

    Mended are: frames missing from or stale in the list of ready ones, likewise waiting loops, node and frame slots
    that are counted but not held (or the reverse), and branch winners that were never filled in. A run without a log
    is mended by state alone, since its log must not begin in the middle.

    Raises KernelError, naming what is left, for everything else: a log that leads elsewhere, a ready queue unlike
    its nodes, a schema that is too old (contract: kernel-46).
    """
    machine = FlowMachine.from_run(run, flow)
    if not reconcile(run, flow):
        return Draft(machine)
    machine = _with_branch_winners(machine)
    if run.status.is_terminal:
        draft = Draft(machine)
    elif run.flow_authority_inputs:
        draft = _by_inputs(machine, flow)
    else:
        draft = Draft(_by_state(machine, flow))

    left = reconcile(repaired_run(run, draft), flow)
    if left:
        raise KernelError(f"run {run.run_id} cannot be repaired: {left[0].message}")
    return draft


def repaired_run(run: MobRun, draft: Draft) -> MobRun:
    """The stored run after the inputs of a draft, with these at the end of its log."""
    log = (*run.flow_authority_inputs, *draft.inputs)
    return draft.machine.stored_in(run).model_copy(update={"flow_authority_inputs": log})


def _with_branch_winners(machine: FlowMachine) -> FlowMachine:
    return replace(machine, frames=presorted((name, _winners(frame)) for name, frame in machine.frames.items()))


def _winners(frame: FrameSnapshot) -> FrameSnapshot:
    state = frame.kernel_state
    completed = [node for node, status in state.node_status.items() if status is NodeStatus.COMPLETED]
    branches = (state.node_branches.get(node) for node in completed)
    winners = tuple(sorted({branch for branch in branches if branch is not None}))
    if winners == state.branch_winners:
        return frame
    return frame.model_copy(update={"kernel_state": state.model_copy(update={"branch_winners": winners})})


def _by_state(machine: FlowMachine, flow: FlowSpec) -> FlowMachine:
    ready, waiting = ready_frames(machine.frames), waiting_loops(machine.loops)
    update = {
        "ready_frames": ready,
        "ready_frame_membership": ready,
        "pending_body_frame_loops": waiting,
        "pending_body_frame_loop_membership": waiting,
        "active_node_count": running_steps(machine.frames, waiting_nodes(machine, flow)),
        "active_frame_count": active_bodies(machine.frames, machine.loops),
    }
    return replace(machine, flow_state=machine.flow_state.model_copy(update=update))


def _by_inputs(machine: FlowMachine, flow: FlowSpec) -> Draft:
    draft = Draft(machine)
    _mend_nodes(draft, flow)
    _mend_bodies(draft)
    return draft


def _mend_nodes(draft: Draft, flow: FlowSpec) -> None:
    running = running_steps(draft.machine.frames, waiting_nodes(draft.machine, flow))
    ready = ready_frames(draft.machine.frames)
    root = root_frame_id(draft.machine.run_id)
    while draft.machine.flow_state.active_node_count > running:
        draft.scheduler(Run.NODE_EXECUTION_RELEASED, frame_id=root)
    state = draft.machine.flow_state
    if (state.ready_frames, state.ready_frame_membership, state.active_node_count) == (ready, ready, running):
        return
    if state.ready_frame_membership:
        draft.unregister_through(state.ready_frame_membership[-1])
    while draft.machine.flow_state.active_node_count < running:
        draft.scheduler(Run.REGISTER_READY_FRAME, frame_id=root)
        draft.scheduler(Run.PUMP_NODE_SCHEDULER, frame_id=root)
    for frame_id in ready:
        draft.scheduler(Run.REGISTER_READY_FRAME, frame_id=frame_id)


def _mend_bodies(draft: Draft) -> None:
    active = active_bodies(draft.machine.frames, draft.machine.loops)
    waiting = waiting_loops(draft.machine.loops)
    root = root_frame_id(draft.machine.run_id)
    while draft.machine.flow_state.active_frame_count > active:
        draft.scheduler(Run.FRAME_TERMINATED, frame_id=root)
    state = draft.machine.flow_state
    lists = (state.pending_body_frame_loops, state.pending_body_frame_loop_membership)
    if (*lists, state.active_frame_count) == (waiting, waiting, active):
        return
    while draft.machine.flow_state.pending_body_frame_loop_membership:
        _drop_first_waiting(draft, root)
    while draft.machine.flow_state.active_frame_count < active:
        first = next(iter(draft.machine.loops))
        draft.scheduler(Run.REGISTER_PENDING_BODY_FRAME, loop=first)
        draft.scheduler(Run.PUMP_FRAME_SCHEDULER, loop=first)
    for loop_id in waiting:
        draft.scheduler(Run.REGISTER_PENDING_BODY_FRAME, loop=loop_id)


def _drop_first_waiting(draft: Draft, root: str) -> None:
    """A grant and its return, the return first when every slot is taken."""
    at_cap = startable_loop(draft.machine) is None
    if at_cap:
        draft.scheduler(Run.FRAME_TERMINATED, frame_id=root)
    draft.scheduler(Run.PUMP_FRAME_SCHEDULER, loop=startable_loop(draft.machine))
    if not at_cap:
        draft.scheduler(Run.FRAME_TERMINATED, frame_id=root)

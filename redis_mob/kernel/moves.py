"""Carrying out what was planned, and taking in results: each move is a list of inputs and the machine after them."""

from __future__ import annotations

from redis_mob.errors import KernelError
from redis_mob.kernel import commands as tell
from redis_mob.kernel import seeds
from redis_mob.kernel.actions import (
    AbortRun,
    CompleteBodyFrame,
    CreateRootFrame,
    FinishLoop,
    ProjectStep,
    RegisterReadyFrame,
    RunNode,
    SealFrame,
    StartBodyFrame,
    StartLoop,
    StartRun,
    Terminate,
    Transition,
)
from redis_mob.kernel.commands import Frame, Loop, Run
from redis_mob.kernel.draft import Draft, Move
from redis_mob.kernel.machine import FlowMachine, loop_spec
from redis_mob.kernel.settle import abort_run, finish_loop_node, project, terminalize
from redis_mob.models.authority import (
    CreateFrameSeed,
    CreateLoopSeed,
    FlowAuthorityInput,
    LoopIterationRecord,
    RecordLoopBodyFrameCompleted,
    RecordLoopUntilConditionFailed,
    RecordLoopUntilConditionMet,
)
from redis_mob.models.flow import LoopPhase
from redis_mob.models.flow_spec import FlowSpec


def inputs_for(action: Transition, machine: FlowMachine, flow: FlowSpec) -> tuple[FlowAuthorityInput, ...]:
    """The inputs of `move_for`, alone."""
    return move_for(action, machine, flow).inputs


def move_for(action: Transition, machine: FlowMachine, flow: FlowSpec) -> Move:
    """Carries out a planned action.

    Raises KernelError when the machine is not where the action was planned (plan again), among them
    FrameDepthLimitExceededError for a loop that nests too deeply (contract: kernel-24).
    """
    draft = Draft(machine)
    match action:
        case StartRun():
            draft.run(Run.START_RUN)
        case CreateRootFrame():
            draft.add(CreateFrameSeed(payload=seeds.root_frame_seed(machine.run_id, flow.root_frame)))
        case RegisterReadyFrame(frame_id):
            draft.scheduler(Run.REGISTER_READY_FRAME, frame_id=frame_id)
        case RunNode(frame_id, node_id):
            _grant(draft, frame_id, node_id)
        case StartLoop(frame_id, node_id):
            _start_loop(draft, frame_id, node_id, flow)
        case StartBodyFrame(loop):
            _start_body_frame(draft, loop, flow)
        case SealFrame(frame_id, phase):
            draft.add(tell.seal(frame_id, phase))
        case CompleteBodyFrame(loop):
            _complete_body_frame(draft, loop)
        case FinishLoop(loop, outcome):
            _finish_loop(draft, loop, outcome)
        case ProjectStep():
            project(draft, action)
        case Terminate(status):
            terminalize(draft, status)
        case AbortRun(frame_id, node_id):
            return abort_run(machine, flow, failing=(frame_id, node_id))
    return draft.done()


def complete_node(machine: FlowMachine, frame_id: str, node_id: str) -> Move:
    """A running step node succeeded: it is Completed, gives its slot back, and its frame's ready nodes are listed."""
    return _end_node(machine, frame_id, Frame.COMPLETE_NODE, node_id)


def fail_node(machine: FlowMachine, frame_id: str, node_id: str) -> Move:
    """A running step node failed; otherwise as `complete_node`."""
    return _end_node(machine, frame_id, Frame.FAIL_NODE, node_id)


def skip_node(machine: FlowMachine, frame_id: str, node_id: str) -> Move:
    """The condition of a running step node did not hold: it is Skipped; otherwise as `complete_node`."""
    return _end_node(machine, frame_id, Frame.SKIP_NODE, node_id)


def until_decided(machine: FlowMachine, loop_instance_id: str, *, met: bool) -> Move:
    """Takes the answer to EvaluateUntil.

    The loop completes when the condition is met, else asks for another body, else is Exhausted and fails its node
    (contract: kernel-25, kernel-26, kernel-27).
    """
    draft = Draft(machine)
    record = LoopIterationRecord(
        loop_instance_id=loop_instance_id, iteration=machine.loop(loop_instance_id).last_completed_iteration
    )
    draft.add(RecordLoopUntilConditionMet(payload=record) if met else RecordLoopUntilConditionFailed(payload=record))
    if draft.machine.loop(loop_instance_id).phase is LoopPhase.RUNNING:
        draft.scheduler(Run.REGISTER_PENDING_BODY_FRAME, loop=loop_instance_id)
    else:
        finish_loop_node(draft, loop_instance_id)
    return draft.done()


def _end_node(machine: FlowMachine, frame_id: str, command: Frame, node_id: str) -> Move:
    if machine.step_of(frame_id, node_id) is None:
        raise KernelError(f"node {node_id!r} of frame {frame_id!r} runs no step; only its loop can end it")
    draft = Draft(machine)
    draft.node(frame_id, command, node_id)
    draft.scheduler(Run.NODE_EXECUTION_RELEASED, frame_id=frame_id)
    draft.sync_registration(frame_id)
    return draft.done()


def _grant(draft: Draft, frame_id: str, node_id: str) -> None:
    draft.scheduler(Run.PUMP_NODE_SCHEDULER, frame_id=frame_id)
    draft.node(frame_id, Frame.ADMIT_NEXT_READY_NODE, node_id)
    draft.sync_registration(frame_id)


def _start_loop(draft: Draft, frame_id: str, node_id: str, flow: FlowSpec) -> None:
    _grant(draft, frame_id, node_id)
    spec = loop_spec(draft.machine, flow, frame_id, node_id)
    seed = seeds.loop_seed(frame_id, node_id, spec, draft.machine.depth_of(frame_id) + 1)
    draft.add(CreateLoopSeed(payload=seed))
    # The slot returns by an input of its own, so that logs of the original engine, which never returns it,
    # still replay to the state that was stored with them.
    draft.scheduler(Run.NODE_EXECUTION_RELEASED, frame_id=frame_id)
    draft.scheduler(Run.REGISTER_PENDING_BODY_FRAME, loop=seed.loop_instance_id)


def _start_body_frame(draft: Draft, loop_instance_id: str, flow: FlowSpec) -> None:
    draft.scheduler(Run.PUMP_FRAME_SCHEDULER, loop=loop_instance_id)
    loop = draft.machine.loop(loop_instance_id)
    body = loop_spec(draft.machine, flow, loop.parent_frame_id, loop.parent_node_id).body
    seed = seeds.body_frame_seed(draft.machine.run_id, loop, body)
    draft.add(CreateFrameSeed(payload=seed))
    draft.sync_registration(seed.frame_id)


def _complete_body_frame(draft: Draft, loop_instance_id: str) -> None:
    loop = draft.machine.loop(loop_instance_id)
    draft.scheduler(Run.FRAME_TERMINATED, frame_id=loop.active_body_frame_id)
    record = LoopIterationRecord(loop_instance_id=loop_instance_id, iteration=loop.current_iteration)
    draft.add(RecordLoopBodyFrameCompleted(payload=record))


def _finish_loop(draft: Draft, loop_instance_id: str, outcome: LoopPhase) -> None:
    loop = draft.machine.loop(loop_instance_id)
    if loop.phase is LoopPhase.RUNNING:
        draft.scheduler(Run.FRAME_TERMINATED, frame_id=loop.active_body_frame_id)
        command = Loop.BODY_FRAME_FAILED if outcome is LoopPhase.FAILED else Loop.BODY_FRAME_CANCELED
        draft.add(
            tell.on_loop(
                loop_instance_id,
                command,
                body_frame_id=loop.active_body_frame_id,
                iteration=loop.current_iteration,
            )
        )
    finish_loop_node(draft, loop_instance_id)

"""The flow machine: one run with its frames and loops, as the fold of its inputs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from redis_mob.errors import FrameDepthLimitExceededError, KernelError, shown
from redis_mob.kernel import frame as frames
from redis_mob.kernel import loop as loops
from redis_mob.kernel import run as runs
from redis_mob.kernel.commands import Loop, Run
from redis_mob.models.authority import (
    AuthorizeFlowFrameReducerCommand,
    AuthorizeFlowRunReducerCommand,
    AuthorizeLoopIterationReducerCommand,
    CreateFrameSeed,
    CreateLoopSeed,
    CreateRunSeed,
    FlowAuthorityInput,
    FrameSeed,
    LoopCommand,
    LoopSeed,
    RecordLoopBodyFrameCompleted,
    RecordLoopUntilConditionFailed,
    RecordLoopUntilConditionMet,
    RunCommand,
    RunFlow,
    RunSeed,
)
from redis_mob.models.base import SortedDict, presorted
from redis_mob.models.flow import (
    FlowFrameState,
    FlowRunState,
    FramePhase,
    FrameScope,
    FrameSnapshot,
    LoopIterationState,
    LoopSnapshot,
    NodeKind,
    NodeStatus,
)
from redis_mob.models.flow_spec import FlowSpec, FrameSpec, FrameStepSpec, RepeatUntilSpec
from redis_mob.models.run import MobRun
from redis_mob.models.run_status import MobRunStatus
from redis_mob.models.seed import pending_flow_state

FrameDefinition: TypeAlias = FrameSpec | FrameSeed
"""What says which step each node of a frame runs: its definition, or the seed it was made from."""

_STATUS_AFTER = {
    Run.START_RUN: MobRunStatus.RUNNING,
    Run.TERMINALIZE_COMPLETED: MobRunStatus.COMPLETED,
    Run.TERMINALIZE_FAILED: MobRunStatus.FAILED,
    Run.TERMINALIZE_CANCELED: MobRunStatus.CANCELED,
}


@dataclass(frozen=True, slots=True)
class FlowMachine:
    """A run as the kernel sees it; `frames` and `loops` are those of the stored run, by id.

    `definitions` tells the step of each node, per frame; `running` are the frames that run, in text order of their ids:
    of a long loop these are few among many. Neither counts when machines are compared.
    """

    run_id: str
    status: MobRunStatus
    flow_state: FlowRunState
    frames: SortedDict[FrameSnapshot]
    loops: SortedDict[LoopSnapshot]
    definitions: SortedDict[FrameDefinition] = field(compare=False)
    running: tuple[str, ...] = field(compare=False)

    @classmethod
    def from_run(cls, run: MobRun, flow: FlowSpec) -> FlowMachine:
        """The machine of a stored run of this flow, without replaying its log.

        Raises KernelError, naming the frame or loop, when the run does not fit the flow.
        """
        definitions: SortedDict[FrameDefinition] = presorted(frame_specs(run, flow))
        running = tuple(
            frame_id for frame_id, frame in run.frames.items() if frame.kernel_state.phase is FramePhase.RUNNING
        )
        return cls(run.run_id, run.status, run.flow_state, run.frames, run.loops, definitions, running)

    @classmethod
    def from_seed(cls, seed: RunSeed) -> FlowMachine:
        """The machine of a run that was just created."""
        state = pending_flow_state(seed)
        return cls(seed.run_id, MobRunStatus.PENDING, state, SortedDict(), SortedDict(), SortedDict(), ())

    def with_parts(
        self,
        status: MobRunStatus | None = None,
        flow_state: FlowRunState | None = None,
        frames: SortedDict[FrameSnapshot] | None = None,
        loops: SortedDict[LoopSnapshot] | None = None,
        running: tuple[str, ...] | None = None,
    ) -> FlowMachine:
        """The same machine with other parts. Each input makes one: `dataclasses.replace` takes five times as long."""
        return FlowMachine(
            self.run_id,
            status or self.status,
            flow_state or self.flow_state,
            self.frames if frames is None else frames,
            self.loops if loops is None else loops,
            self.definitions,
            self.running if running is None else running,
        )

    def stored_in(self, run: MobRun) -> MobRun:
        """The run with the states of this machine; its outputs, ledgers and log stay as they are."""
        return run.model_copy(
            update={
                "status": self.status,
                "flow_state": self.flow_state,
                "frames": self.frames,
                "loops": self.loops,
            }
        )

    def frame(self, frame_id: str) -> FlowFrameState:
        """The state of a frame of this run. Raises KernelError when there is none of this id."""
        snapshot = self.frames.get(frame_id)
        if snapshot is None:
            raise KernelError(f"run {self.run_id} has no frame {shown(frame_id)}")
        return snapshot.kernel_state

    def loop(self, loop_instance_id: str) -> LoopIterationState:
        """The state of a loop instance of this run. Raises KernelError when there is none of this id."""
        snapshot = self.loops.get(loop_instance_id)
        if snapshot is None:
            raise KernelError(f"run {self.run_id} has no loop {shown(loop_instance_id)}")
        return snapshot.kernel_state

    def step_of(self, frame_id: str, node_id: str) -> str | None:
        """The step that a node runs; None for a loop node and for an unknown node."""
        definition = self.definitions.get(frame_id)
        if isinstance(definition, FrameSeed):
            return definition.node_step_ids.get(node_id)
        node = None if definition is None else definition.nodes.get(node_id)
        return node.step_id if isinstance(node, FrameStepSpec) else None

    def depth_of(self, frame_id: str) -> int:
        """How many loops a frame is nested in; 0 for the root frame."""
        state = self.frame(frame_id)
        return 0 if state.frame_scope is FrameScope.ROOT else self.loop(state.loop_instance_id).depth


def frame_specs(run: MobRun | FlowMachine, flow: FlowSpec) -> SortedDict[FrameSpec]:
    """The definition of each frame that a run has. Raises KernelError as `frame_spec` does."""
    return presorted((frame_id, frame_spec(run, flow, frame_id)) for frame_id in run.frames)


def frame_spec(run: MobRun | FlowMachine, flow: FlowSpec, frame_id: str) -> FrameSpec:
    """The definition of one frame of a run: the flow's root frame, or the body of the loop it belongs to.

    Raises KernelError, naming frame and node, when the flow has no such loop, or a frame or loop is missing.
    """
    frame = run.frames.get(frame_id)
    if frame is not None and frame.kernel_state.frame_scope is FrameScope.ROOT:
        return flow.root_frame
    loop = None if frame is None else run.loops.get(frame.kernel_state.loop_instance_id)
    if loop is None:
        raise KernelError(f"run {run.run_id}: frame {shown(frame_id)}, or the loop it belongs to, is missing")
    parent = loop.kernel_state
    return loop_spec(run, flow, parent.parent_frame_id, parent.parent_node_id).body


def loop_spec(run: MobRun | FlowMachine, flow: FlowSpec, frame_id: str, node_id: str) -> RepeatUntilSpec:
    """The definition of the loop at a node of a frame. Raises KernelError as `frame_spec` does."""
    spec = frame_spec(run, flow, frame_id).nodes.get(node_id)
    if not isinstance(spec, RepeatUntilSpec):
        raise KernelError(
            f"run {run.run_id}: the flow has no loop at node {shown(node_id)} of frame {shown(frame_id)}; "
            "the run belongs to another definition"
        )
    return spec


def apply(machine: FlowMachine, *inputs: FlowAuthorityInput) -> FlowMachine:
    """The machine after these inputs, in order.

    Raises KernelError (FrameDepthLimitExceededError for a loop that nests too deeply) when one is refused; since a
    machine never changes, nothing has happened then (contract: kernel-1, kernel-5).
    """
    for told in inputs:
        machine = _after(machine, told)
    return machine


def replay(inputs: Iterable[FlowAuthorityInput]) -> FlowMachine:
    """The machine that a run's log leads to. Raises KernelError when the log does not begin with the run's creation,
    or holds an input that the machine refuses."""
    remaining = iter(inputs)
    match next(remaining, None):
        case RunFlow(payload=seed) | CreateRunSeed(payload=seed):
            return apply(FlowMachine.from_seed(seed), *remaining)
        case None:
            raise KernelError("an empty log cannot be replayed")
        case first:
            raise KernelError(f"a log begins with the creation of its run, not with {first.input}")


def _after(machine: FlowMachine, told: FlowAuthorityInput) -> FlowMachine:
    match told:
        case AuthorizeFlowRunReducerCommand(payload=command):
            return _on_run(machine, command)
        case AuthorizeFlowFrameReducerCommand(payload=command):
            return _with_frame(machine, frames.transition(machine.frame(command.frame_id), command))
        case AuthorizeLoopIterationReducerCommand(payload=command):
            return _on_loop(machine, command)
        case CreateFrameSeed(payload=seed):
            return _create_frame(machine, seed)
        case CreateLoopSeed(payload=seed):
            return _create_loop(machine, seed)
        case RecordLoopBodyFrameCompleted(payload=record):
            state = loops.body_frame_completed(machine.loop(record.loop_instance_id), record.iteration)
        case RecordLoopUntilConditionMet(payload=record):
            state = loops.until_condition_met(machine.loop(record.loop_instance_id), record.iteration)
        case RecordLoopUntilConditionFailed(payload=record):
            state = loops.until_condition_failed(machine.loop(record.loop_instance_id), record.iteration)
        case RunFlow() | CreateRunSeed():
            raise KernelError(f"run {machine.run_id} exists already; it cannot be created again")
    return _with_loop(machine, state)


def _with_frame(machine: FlowMachine, state: FlowFrameState) -> FlowMachine:
    running, frame_id = machine.running, state.frame_id
    if (state.phase is FramePhase.RUNNING) != (frame_id in running):
        running = tuple(sorted({*running, frame_id} if frame_id not in running else {*running} - {frame_id}))
    # what is there goes on with the fields that stand beside its state
    before = machine.frames.get(frame_id)
    changed = {"kernel_state": state}
    frame = FrameSnapshot.unchecked(**changed) if before is None else before.model_copy(update=changed)
    frames = machine.frames.set((frame_id, frame))
    return machine.with_parts(frames=frames, running=running)


def _with_loop(machine: FlowMachine, state: LoopIterationState) -> FlowMachine:
    before = machine.loops.get(state.loop_instance_id)
    changed = {"kernel_state": state}
    loop = LoopSnapshot.unchecked(**changed) if before is None else before.model_copy(update=changed)
    return machine.with_parts(loops=machine.loops.set((state.loop_instance_id, loop)))


def _on_run(machine: FlowMachine, command: RunCommand) -> FlowMachine:
    required = MobRunStatus.PENDING if command.command == Run.START_RUN else MobRunStatus.RUNNING
    if command.run_id != machine.run_id:
        raise KernelError(f"{command.command} is about run {command.run_id}, not about run {machine.run_id}")
    if machine.status is not required:
        raise KernelError(f"run {machine.run_id} is {machine.status}; {command.command} needs it {required}")
    if command.frame_id is not None:
        machine.frame(command.frame_id)
    if command.loop_instance_id is not None:
        machine.loop(command.loop_instance_id)

    if command.command == Run.PROJECT_FRAME_STEP_STATUS:
        state = runs.project_step(machine.flow_state, command, _projected_node(machine, command))
    else:
        if command.command == Run.PUMP_FRAME_SCHEDULER:
            _check_body_frame_start(machine, command.loop_instance_id)
        state = runs.transition(machine.flow_state, command)
    status = _STATUS_AFTER.get(Run(command.command), machine.status)
    return machine.with_parts(status=status, flow_state=state)


def _projected_node(machine: FlowMachine, command: RunCommand) -> NodeStatus:
    if command.frame_id is None or command.node_id is None:
        raise KernelError(f"step {shown(command.step_id)}: {command.command} needs a frame id and a node id")
    node_status = machine.frame(command.frame_id).node_status.get(command.node_id)
    if node_status is None or machine.step_of(command.frame_id, command.node_id) != command.step_id:
        raise KernelError(
            f"node {shown(command.node_id)} of frame {shown(command.frame_id)} does not run step "
            f"{shown(command.step_id)}"
        )
    return node_status


def startable_loop(machine: FlowMachine) -> str | None:
    """The waiting loop whose body frame may start next, in text order of the ids; None when there is none.

    `max_active_frames` bounds the bodies of loops in the root frame; a nested loop never waits for it, since the
    loop around it holds a slot (contract: kernel-11, kernel-12).
    """
    pending = machine.flow_state.pending_body_frame_loop_membership
    if not pending or _outermost_frame_free(machine):
        return pending[0] if pending else None
    return next((loop for loop in pending if loop in machine.loops and machine.loop(loop).depth > 1), None)


def _outermost_frame_free(machine: FlowMachine) -> bool:
    state = machine.flow_state
    if state.max_active_frames == 0 or state.active_frame_count < state.max_active_frames:
        return True
    nested = sum(
        loop.kernel_state.depth > 1 and loop.kernel_state.active_body_frame_id is not None
        for loop in machine.loops.values()
    )
    return state.active_frame_count - nested < state.max_active_frames


def _check_body_frame_start(machine: FlowMachine, loop: str | None) -> None:
    startable = startable_loop(machine)
    if loop in machine.flow_state.pending_body_frame_loop_membership and loop != startable:
        reason = (
            f"all {machine.flow_state.max_active_frames} frame slots are taken"
            if startable is None
            else f"the waiting loop {shown(startable)} comes first"
        )
        raise KernelError(f"loop {shown(loop)} must wait: {reason}")


def _on_loop(machine: FlowMachine, command: LoopCommand) -> FlowMachine:
    state = loops.transition(machine.loop(command.loop_instance_id), command)
    after = _with_loop(machine, state)
    if command.command == Loop.CANCEL_LOOP:
        # A canceled loop asks for no body any more; nothing else would take it off the list.
        after = replace(after, flow_state=runs.without_pending(after.flow_state, state.loop_instance_id))
    return after


def _create_frame(machine: FlowMachine, seed: FrameSeed) -> FlowMachine:
    if seed.run_id != machine.run_id:
        raise KernelError(f"frame {shown(seed.frame_id)} is of run {seed.run_id}, not of run {machine.run_id}")
    if seed.frame_id in machine.frames:
        raise KernelError(f"frame {shown(seed.frame_id)} exists already")
    if seed.frame_scope is FrameScope.BODY:
        if seed.loop_instance_id is None:
            raise KernelError(f"the body frame {shown(seed.frame_id)} needs the id of its loop")
        loop = machine.loop(seed.loop_instance_id)
        machine = _with_loop(machine, loops.body_frame_started(loop, seed.frame_id, seed.iteration))
    after = _with_frame(machine, frames.seeded(seed))
    return replace(after, definitions=after.definitions.set((seed.frame_id, seed)))


def _create_loop(machine: FlowMachine, seed: LoopSeed) -> FlowMachine:
    if seed.loop_instance_id in machine.loops:
        raise KernelError(f"loop {shown(seed.loop_instance_id)} exists already")
    parent = machine.frame(seed.parent_frame_id)
    node = seed.parent_node_id
    if parent.node_kind.get(node) is not NodeKind.LOOP or parent.node_status.get(node) is not NodeStatus.RUNNING:
        raise KernelError(f"node {shown(node)} of frame {shown(seed.parent_frame_id)} is no running loop node")
    check_depth(machine, seed.loop_instance_id, seed.depth)
    return _with_loop(machine, loops.seeded(seed))


def check_depth(machine: FlowMachine, loop_instance_id: str, depth: int) -> None:
    """Raises FrameDepthLimitExceededError, naming the limit, for a loop that nests too deeply (contract: kernel-24)."""
    limit = machine.flow_state.max_frame_depth
    if 0 < limit < depth:
        raise FrameDepthLimitExceededError(
            f"loop {shown(loop_instance_id)} would nest {depth} deep; the limit is {limit}"
        )

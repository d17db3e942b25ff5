"""What may happen next in a run: a closed set of small values that `plan` gives, each with the inputs it stands for.

`apply` adds these inputs to a draft. It raises KernelError when the machine has moved on since the action was planned
(plan again), among them FrameDepthLimitExceededError for a loop that nests too deeply (contract: kernel-24). Two
actions need more than the machine: EvaluateUntil takes the answer of its condition, and AbortRun is carried out by
`termination.abort_run`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from redis_mob.kernel import seeds
from redis_mob.kernel.commands import Frame, Loop, Run
from redis_mob.kernel.draft import Draft
from redis_mob.kernel.machine import loop_spec
from redis_mob.models.authority import (
    CreateFrameSeed,
    CreateLoopSeed,
    LoopIterationRecord,
    RecordLoopBodyFrameCompleted,
    RecordLoopUntilConditionFailed,
    RecordLoopUntilConditionMet,
)
from redis_mob.models.flow import FlowStepStatus, FramePhase, LoopPhase
from redis_mob.models.flow_spec import FlowSpec
from redis_mob.models.run_status import MobRunStatus

MOST_ACTIONS = 500
"""How many of these one decision carries out: neither the worker nor the server stands still for long, however many
steps become ready at once, or are recorded at the end of a run."""

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
LOOP_NODE_COMMAND = {
    LoopPhase.COMPLETED: Frame.COMPLETE_NODE,
    LoopPhase.EXHAUSTED: Frame.FAIL_NODE,
    LoopPhase.FAILED: Frame.FAIL_NODE,
    LoopPhase.CANCELED: Frame.CANCEL_NODE,
}
"""How the node of a loop ends, by the phase of the loop."""


@dataclass(frozen=True, slots=True)
class StartRun:
    """The run goes from Pending to Running."""

    def apply(self, draft: Draft, _flow: FlowSpec) -> None:
        draft.run(Run.START_RUN)


@dataclass(frozen=True, slots=True)
class CreateRootFrame:
    """The frame a run starts with is created."""

    def apply(self, draft: Draft, flow: FlowSpec) -> None:
        draft.add(CreateFrameSeed(payload=seeds.root_frame_seed(draft.machine.run_id, flow.root_frame)))


@dataclass(frozen=True, slots=True)
class RegisterReadyFrame:
    """A frame with ready nodes is put on the run's list of such frames."""

    frame_id: str

    def apply(self, draft: Draft, _flow: FlowSpec) -> None:
        draft.scheduler(Run.REGISTER_READY_FRAME, frame_id=self.frame_id)


@dataclass(frozen=True, slots=True)
class RunNode:
    """A ready step node gets a node slot; from then on its step may be executed.

    A step that waits for a signal, or for the run of another flow, gives its slot back at once, as a loop does: it
    may wait for days (contract: engine-56, engine-71).
    """

    frame_id: str
    node_id: str
    step_id: str

    def apply(self, draft: Draft, flow: FlowSpec) -> None:
        _grant(draft, self.frame_id, self.node_id)
        if self.step_id in flow.without_members:
            draft.scheduler(Run.NODE_EXECUTION_RELEASED, frame_id=self.frame_id)


@dataclass(frozen=True, slots=True)
class StartLoop:
    """A ready loop node starts its loop instance; it holds no node slot afterwards (contract: kernel-14)."""

    frame_id: str
    node_id: str
    loop_id: str

    def apply(self, draft: Draft, flow: FlowSpec) -> None:
        _grant(draft, self.frame_id, self.node_id)
        spec = loop_spec(draft.machine, flow, self.frame_id, self.node_id)
        seed = seeds.loop_seed(self.frame_id, self.node_id, spec, draft.machine.depth_of(self.frame_id) + 1)
        draft.add(CreateLoopSeed(payload=seed))
        # The slot returns by an input of its own, so that logs of the original engine, which never returns it,
        # still replay to the state that was stored with them.
        draft.scheduler(Run.NODE_EXECUTION_RELEASED, frame_id=self.frame_id)
        draft.scheduler(Run.REGISTER_PENDING_BODY_FRAME, loop=seed.loop_instance_id)


@dataclass(frozen=True, slots=True)
class StartBodyFrame:
    """A waiting loop gets a frame slot, and the body frame of its current iteration is created."""

    loop_instance_id: str

    def apply(self, draft: Draft, flow: FlowSpec) -> None:
        draft.scheduler(Run.PUMP_FRAME_SCHEDULER, loop=self.loop_instance_id)
        loop = draft.machine.loop(self.loop_instance_id)
        body = loop_spec(draft.machine, flow, loop.parent_frame_id, loop.parent_node_id).body
        seed = seeds.body_frame_seed(draft.machine.run_id, loop, body)
        draft.add(CreateFrameSeed(payload=seed))
        draft.sync_registration(seed.frame_id)


@dataclass(frozen=True, slots=True)
class SealFrame:
    """A frame whose nodes are all over is closed."""

    frame_id: str
    phase: FramePhase

    def apply(self, draft: Draft, _flow: FlowSpec) -> None:
        draft.seal(self.frame_id, self.phase)


@dataclass(frozen=True, slots=True)
class CompleteBodyFrame:
    """The body of a loop's current iteration was sealed Completed: its slot comes back, and until is due."""

    loop_instance_id: str

    def apply(self, draft: Draft, _flow: FlowSpec) -> None:
        loop = draft.machine.loop(self.loop_instance_id)
        draft.scheduler(Run.FRAME_TERMINATED, frame_id=loop.active_body_frame_id)
        record = LoopIterationRecord(loop_instance_id=self.loop_instance_id, iteration=loop.current_iteration)
        draft.add(RecordLoopBodyFrameCompleted(payload=record))


@dataclass(frozen=True, slots=True)
class EvaluateUntil:
    """The until condition of a loop is to be evaluated after this iteration."""

    loop_instance_id: str
    iteration: int

    def decide(self, draft: Draft, *, met: bool) -> None:
        """Take the answer of the condition.

        The loop completes when the condition is met, else asks for another body, else is Exhausted and fails its node
        (contract: kernel-25, kernel-26, kernel-27).
        """
        record = LoopIterationRecord(loop_instance_id=self.loop_instance_id, iteration=self.iteration)
        answer = RecordLoopUntilConditionMet if met else RecordLoopUntilConditionFailed
        draft.add(answer(payload=record))
        if draft.machine.loop(self.loop_instance_id).phase is LoopPhase.RUNNING:
            draft.scheduler(Run.REGISTER_PENDING_BODY_FRAME, loop=self.loop_instance_id)
        else:
            _end_loop_node(draft, self.loop_instance_id)


@dataclass(frozen=True, slots=True)
class FinishLoop:
    """A loop ends because its body failed or was canceled; its node ends alike."""

    loop_instance_id: str
    outcome: LoopPhase

    def apply(self, draft: Draft, _flow: FlowSpec) -> None:
        if draft.machine.loop(self.loop_instance_id).phase is LoopPhase.RUNNING:
            end_unfinished_body(draft, self.loop_instance_id, failed=self.outcome is LoopPhase.FAILED)
        _end_loop_node(draft, self.loop_instance_id)


@dataclass(frozen=True, slots=True)
class ProjectStep:
    """A step of a finished root frame takes its final status, from a node where there is one."""

    step_id: str
    status: FlowStepStatus
    frame_id: str | None
    node_id: str | None

    def apply(self, draft: Draft, _flow: FlowSpec) -> None:
        if self.frame_id is None or self.node_id is None:
            draft.step(_STEP_COMMAND[self.status], self.step_id)
        else:
            draft.step(Run.PROJECT_FRAME_STEP_STATUS, self.step_id, frame_id=self.frame_id, node_id=self.node_id)


@dataclass(frozen=True, slots=True)
class Terminate:
    """The run gets its terminal status; every step has its final status already."""

    status: MobRunStatus

    def apply(self, draft: Draft, _flow: FlowSpec) -> None:
        draft.run(_TERMINALIZE[self.status])


@dataclass(frozen=True, slots=True)
class AbortRun:
    """The run cannot go on and must fail: a loop node would nest deeper than `max_frame_depth` allows."""

    frame_id: str
    node_id: str
    reason: str


MachineAction: TypeAlias = (
    StartRun
    | CreateRootFrame
    | RegisterReadyFrame
    | RunNode
    | StartLoop
    | StartBodyFrame
    | SealFrame
    | CompleteBodyFrame
    | FinishLoop
    | ProjectStep
    | Terminate
)
"""Actions that need nothing but the machine and the flow."""

Action: TypeAlias = MachineAction | EvaluateUntil | AbortRun
"""Everything that `plan` may give."""


def end_unfinished_body(draft: Draft, loop_instance_id: str, *, failed: bool) -> None:
    """End a loop whose body was sealed Failed or Canceled; the frame slot of the body comes back."""
    loop = draft.machine.loop(loop_instance_id)
    draft.scheduler(Run.FRAME_TERMINATED, frame_id=loop.active_body_frame_id)
    command = Loop.BODY_FRAME_FAILED if failed else Loop.BODY_FRAME_CANCELED
    draft.loop(loop_instance_id, command, body_frame_id=loop.active_body_frame_id, iteration=loop.current_iteration)


def _grant(draft: Draft, frame_id: str, node_id: str) -> None:
    draft.scheduler(Run.PUMP_NODE_SCHEDULER, frame_id=frame_id)
    draft.node(frame_id, Frame.ADMIT_NEXT_READY_NODE, node_id)
    draft.sync_registration(frame_id)


def _end_loop_node(draft: Draft, loop_instance_id: str) -> None:
    """End the node of a loop that is over, and list its frame when that made nodes ready."""
    loop = draft.machine.loop(loop_instance_id)
    draft.node(loop.parent_frame_id, LOOP_NODE_COMMAND[loop.phase], loop.parent_node_id)
    draft.sync_registration(loop.parent_frame_id)

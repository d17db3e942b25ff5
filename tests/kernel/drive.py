"""Drives a run by the kernel alone, checking after every move what must hold always."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from redis_mob.kernel.actions import AbortRun, Action, CreateRootFrame, EvaluateUntil, RegisterReadyFrame, RunNode
from redis_mob.kernel.commands import Frame
from redis_mob.kernel.draft import Draft
from redis_mob.kernel.machine import FlowMachine, apply, replay
from redis_mob.kernel.plan import next_actions
from redis_mob.kernel.reconcile import reconcile
from redis_mob.kernel.termination import abort_run
from redis_mob.models.authority import FlowAuthorityInput
from redis_mob.models.definition import LimitsSpec
from redis_mob.models.flow import NodeKind, NodeStatus
from redis_mob.models.flow_spec import FlowSpec
from redis_mob.models.run import MobRun

RESULTS = {"complete": Frame.COMPLETE_NODE, "fail": Frame.FAIL_NODE, "skip": Frame.SKIP_NODE}


@dataclass
class Drive:
    """A run of a flow under way. `log` holds every input; `machine` is where they lead."""

    flow: FlowSpec
    limits: LimitsSpec | None = None
    run: MobRun = field(init=False)
    machine: FlowMachine = field(init=False)
    log: list[FlowAuthorityInput] = field(init=False)

    def __post_init__(self) -> None:
        self.run = MobRun.pending("mob", "flow", self.flow, {}, self.limits)
        self.machine = FlowMachine.from_run(self.run, self.flow)
        self.log = list(self.run.flow_authority_inputs)
        self._told = replay(self.log)
        self._logged = True

    def resume(self, run: MobRun) -> None:
        """Goes on with this stored run; one without a log goes on without one."""
        self.run = run
        self.machine = self._told = FlowMachine.from_run(run, self.flow)
        self.log = list(run.flow_authority_inputs)
        self._logged = bool(self.log)

    def take(self, change: Callable[[Draft], None]) -> None:
        """Goes on to where a change leads, once its inputs were checked to lead there."""
        draft = Draft(self.machine)
        change(draft)
        self._told = apply(self._told, *draft.inputs)
        assert self._told == draft.machine
        if self._logged:
            self.log.extend(draft.inputs)
        self.machine = draft.machine
        self.check()

    def check(self) -> None:
        """What holds after every change: no cap is exceeded, and the stored run agrees with itself."""
        state = self.machine.flow_state
        assert state.max_active_nodes == 0 or state.active_node_count <= state.max_active_nodes
        bodies = [
            loop.kernel_state
            for loop in self.machine.loops.values()
            if loop.kernel_state.depth == 1 and loop.kernel_state.active_body_frame_id is not None
        ]
        assert state.max_active_frames == 0 or len(bodies) <= state.max_active_frames
        odd = {difference.field for difference in reconcile(self.stored(log=()))}
        assert odd == ({"ready_frames", "ready_frame_membership"} if self.waits_for_registration() else set())

    def waits_for_registration(self) -> bool:
        """Whether the root frame was created and not listed yet, which are two changes."""
        return any(isinstance(action, RegisterReadyFrame) for action in self.actions())

    def stored(self, log: Iterable[FlowAuthorityInput] | None = None) -> MobRun:
        """The run as a store would hold it."""
        inputs = tuple(self.log if log is None else log)
        return self.machine.stored_in(self.run).model_copy(update={"flow_authority_inputs": inputs})

    def actions(self) -> tuple[Action, ...]:
        """What is planned now."""
        return next_actions(self.machine, self.flow)

    def actions_of_stored(self) -> tuple[Action, ...]:
        """What is planned from the stored run alone."""
        return next_actions(FlowMachine.from_run(self.stored(), self.flow), self.flow)

    def act(self, action: Action, *, met: bool = True) -> None:
        """Carries out one planned action; `met` answers an until condition."""
        match action:
            case EvaluateUntil():
                self.take(lambda draft: action.decide(draft, met=met))
            case AbortRun(frame_id, node_id):
                self.take(lambda draft: abort_run(draft, self.flow, failing=(frame_id, node_id)))
            case _:
                self.take(lambda draft: action.apply(draft, self.flow))

    def running(self) -> list[tuple[str, str]]:
        """The step nodes that run, as (frame id, node id)."""
        return [
            (frame_id, node)
            for frame_id, frame in self.machine.frames.items()
            for node, status in frame.kernel_state.node_status.items()
            if status is NodeStatus.RUNNING and frame.kernel_state.node_kind[node] is NodeKind.STEP
        ]

    def result(self, frame_id: str, node_id: str, result: str) -> None:
        """Takes in what became of a running step: complete, fail or skip."""
        self.take(lambda draft: draft.end_step_node(frame_id, RESULTS[result], node_id))

    def until(self, kind: type[Action]) -> Action:
        """Carries out planned actions, the preferred first, until one of this kind is planned; the answer is that."""
        while True:
            actions = self.actions()
            found = next((action for action in actions if isinstance(action, kind)), None)
            if found is not None:
                return found
            self.act(actions[0])

    def to_end(
        self, results: Callable[[str], str] = lambda _step: "complete", *, met: Callable[[int], bool] = lambda _n: True
    ) -> FlowMachine:
        """Drives to the end: `results` by step id, `met` by iteration. The answer is the terminal machine."""
        while not self.machine.status.is_terminal:
            assert self.actions_of_stored() == self.actions()
            running = self.running()
            if actions := self.actions():
                action = actions[0]
                self.act(action, met=met(action.iteration) if isinstance(action, EvaluateUntil) else True)
            else:
                frame_id, node = running[0]
                self.result(frame_id, node, results(self.machine.step_of(frame_id, node) or ""))
        assert reconcile(self.stored()) == ()
        return self.machine


def started(flow: FlowSpec, limits: LimitsSpec | None = None) -> Drive:
    """A run whose root frame exists and is listed."""
    drive = Drive(flow, limits)
    drive.act(drive.until(CreateRootFrame))
    for action in drive.actions():
        if isinstance(action, RegisterReadyFrame):
            drive.act(action)
    return drive


def grant_all(drive: Drive) -> None:
    """Grants node slots to steps while any is planned."""
    while grant := next((action for action in drive.actions() if isinstance(action, RunNode)), None):
        drive.act(grant)

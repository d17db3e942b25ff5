"""Transitions of runs: each compound operation, reads, and many agents at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

from redis_mob.bench.scenario import Scenario
from redis_mob.bench.target import Target, without_namespace
from redis_mob.connection.calls.keys import Keys
from redis_mob.contracts import MobRunStore
from redis_mob.errors import InternalError
from redis_mob.kernel.commands import Frame, Run
from redis_mob.kernel.frame import seeded as seeded_frame
from redis_mob.kernel.loop import seeded as seeded_loop
from redis_mob.kernel.seeds import root_frame_seed
from redis_mob.models import (
    FlowSpec,
    FlowStepSpec,
    FrameSnapshot,
    FrameSpec,
    FrameStepSpec,
    LoopIterationLedgerEntry,
    LoopSnapshot,
    MobRun,
    SortedDict,
)
from redis_mob.models.authority import (
    AuthorizeFlowFrameReducerCommand,
    AuthorizeFlowRunReducerCommand,
    FlowAuthorityInput,
    FrameCommand,
    LoopSeed,
    RunCommand,
)
from redis_mob.models.base import FrozenDict
from redis_mob.models.flow import NodeStatus
from redis_mob.models.flow_spec import DependsOnMode
from redis_mob.stores.runs import RedisRunStore

AGENTS = 64
FEW_AGENTS = 8
"""Where all of them compete, so that of n attempts n - 1 are lost."""

OPERATIONS = {
    "cas_flow_state": "the state of the run changes",
    "cas_frame_state": "the state of a frame changes",
    "cas_grant_node_slot": "a node of a frame gets a slot of the run",
    "cas_complete_step_and_record_output": "a step is completed, and its output recorded",
    "cas_start_loop": "a loop begins",
    "cas_loop_request_body_frame": "a loop asks for its next iteration",
    "cas_grant_body_frame_start": "an iteration begins, with a body of five steps",
    "cas_complete_body_frame": "an iteration ends",
    "cas_complete_loop": "a loop ends",
}
"""The compare-and-swap operations on a run, with two authority inputs each."""


def flow_of(steps: int) -> FlowSpec:
    """A chain of steps, each after the one before."""
    names = [f"step-{number:05}" for number in range(steps)]
    nodes = {
        name: FrameStepSpec(step_id=name, depends_on=before, depends_on_mode=DependsOnMode.ALL)
        for name, before in zip(names, ((), *((name,) for name in names)), strict=False)
    }
    return FlowSpec(
        steps=FrozenDict({name: FlowStepSpec(role="worker", message="work") for name in names}),
        root=FrameSpec(nodes=FrozenDict(nodes)),
    )


def run_of(steps: int, frames: int = 1) -> MobRun:
    """A run of so many steps, with one loop, and so many frames of all its steps."""
    flow = flow_of(steps)
    run = MobRun.pending("bench", "flow", flow, {})
    frame = FrameSnapshot(kernel_state=seeded_frame(root_frame_seed(run.run_id, flow.root_frame)))
    seed = LoopSeed(
        loop_instance_id="loop", parent_frame_id="frame-0", parent_node_id="n", loop_id="l", depth=1, max_iterations=9
    )
    parts = {
        "frames": SortedDict({f"frame-{number}": frame for number in range(frames)}),
        "loops": SortedDict({"loop": LoopSnapshot(kernel_state=seeded_loop(seed))}),
    }
    return run.model_copy(update=parts)


class Swing:
    """A run whose parts swing between two states, so that each operation on it can be repeated for ever."""

    def __init__(self, runs: MobRunStore, run: MobRun, frame_id: str = "frame-0") -> None:
        self._runs = runs
        self._frame_id = frame_id
        self._run_id = run.run_id
        self._state = run.flow_state
        self._frame = run.frames[frame_id]
        self._loop = run.loops["loop"]
        steps = run.flow_state.ordered_steps
        self._middle = steps[len(steps) // 2]
        body = flow_of(5).root_frame
        self._body = FrameSnapshot(kernel_state=seeded_frame(root_frame_seed(run.run_id, body)))
        self._inputs = _inputs(run.run_id, frame_id, self._middle)
        self._turn = 0

    def _next_state(self) -> Any:
        self._turn += 1
        odd = self._turn % 2
        return self._state.model_copy(
            update={"active_node_count": odd, "last_granted_frame": self._frame_id if odd else ""}
        )

    def _next_frame(self) -> FrameSnapshot:
        frame = self._frame.kernel_state
        status = NodeStatus.PENDING if frame.node_status[self._middle] is NodeStatus.RUNNING else NodeStatus.RUNNING
        changed = frame.model_copy(update={"node_status": frame.node_status.set((self._middle, status))})
        return FrameSnapshot(kernel_state=changed)

    def _next_loop(self) -> LoopSnapshot:
        loop = self._loop.kernel_state
        return LoopSnapshot(kernel_state=loop.model_copy(update={"current_iteration": loop.current_iteration + 1}))

    def _keep(self, won: bool, **parts: Any) -> None:
        if not won:
            raise InternalError(f"run {self._run_id} was changed by another client: this benchmark is alone with it")
        for name, value in parts.items():
            setattr(self, f"_{name}", value)

    async def cas_flow_state(self) -> None:
        state = self._next_state()
        won = await self._runs.cas_flow_state(
            self._run_id, expected=self._state, next=state, authority_inputs=self._inputs
        )
        self._keep(won, state=state)

    async def cas_frame_state(self) -> None:
        frame = self._next_frame()
        won = await self._runs.cas_frame_state(
            self._run_id,
            frame_id=self._frame_id,
            expected=self._frame,
            next=frame,
            authority_inputs=self._inputs,
        )
        self._keep(won, frame=frame)

    async def cas_grant_node_slot(self) -> None:
        state, frame = self._next_state(), self._next_frame()
        won = await self._runs.cas_grant_node_slot(
            self._run_id,
            expected_run_state=self._state,
            next_run_state=state,
            frame_id=self._frame_id,
            expected_frame=self._frame,
            next_frame=frame,
            authority_inputs=self._inputs,
        )
        self._keep(won, state=state, frame=frame)

    async def cas_complete_step_and_record_output(self) -> None:
        frame = self._next_frame()
        won = await self._runs.cas_complete_step_and_record_output(
            self._run_id,
            frame_id=self._frame_id,
            expected_frame=self._frame,
            next_frame=frame,
            step_output_key=self._middle,
            step_output={"answer": 42},
            authority_inputs=self._inputs,
        )
        self._keep(won, frame=frame)

    async def cas_start_loop(self) -> None:
        state, frame = self._next_state(), self._next_frame()
        won = await self._runs.cas_start_loop(
            self._run_id,
            loop_instance_id=f"loop-{self._turn}",
            expected_run_state=self._state,
            next_run_state=state,
            frame_id=self._frame_id,
            expected_frame=self._frame,
            next_frame=frame,
            initial_loop=self._loop,
            authority_inputs=self._inputs,
        )
        self._keep(won, state=state, frame=frame)

    async def cas_loop_request_body_frame(self) -> None:
        state, loop = self._next_state(), self._next_loop()
        won = await self._runs.cas_loop_request_body_frame(
            self._run_id,
            loop_instance_id="loop",
            expected_loop=self._loop,
            next_loop=loop,
            expected_run_state=self._state,
            next_run_state=state,
            authority_inputs=self._inputs,
        )
        self._keep(won, state=state, loop=loop)

    async def cas_grant_body_frame_start(self) -> None:
        state, loop = self._next_state(), self._next_loop()
        frame_id = f"body-{self._turn}"
        entry = LoopIterationLedgerEntry(loop_instance_id="loop", iteration=self._turn, frame_id=frame_id)
        won = await self._runs.cas_grant_body_frame_start(
            self._run_id,
            loop_instance_id="loop",
            expected_loop=self._loop,
            next_loop=loop,
            frame_id=frame_id,
            initial_frame=self._body,
            ledger_entry=entry,
            expected_run_state=self._state,
            next_run_state=state,
            authority_inputs=self._inputs,
        )
        self._keep(won, state=state, loop=loop)

    async def cas_complete_body_frame(self) -> None:
        await self._change_all(self._runs.cas_complete_body_frame)

    async def cas_complete_loop(self) -> None:
        await self._change_all(self._runs.cas_complete_loop)

    async def _change_all(self, operation: Callable[..., Awaitable[bool]]) -> None:
        state, frame, loop = self._next_state(), self._next_frame(), self._next_loop()
        won = await operation(
            self._run_id,
            loop_instance_id="loop",
            expected_loop=self._loop,
            next_loop=loop,
            frame_id=self._frame_id,
            expected_frame=self._frame,
            next_frame=frame,
            expected_run_state=self._state,
            next_run_state=state,
            authority_inputs=self._inputs,
        )
        self._keep(won, state=state, frame=frame, loop=loop)

    async def grant_after_reading(self) -> None:
        """Grant a slot as an agent does that knows nothing: read the run, compare and swap, again until it wins."""
        won = False
        while not won:
            run = await _existing(self._runs, self._run_id)
            self._state, self._frame = run.flow_state, run.frames[self._frame_id]
            state, frame = self._next_state(), self._next_frame()
            won = await self._runs.cas_grant_node_slot(
                self._run_id,
                expected_run_state=self._state,
                next_run_state=state,
                frame_id=self._frame_id,
                expected_frame=self._frame,
                next_frame=frame,
                authority_inputs=self._inputs,
            )


class Compound(Scenario):
    """One compare-and-swap operation, by an agent that knows the run as its last operation left it."""

    unit = "steps"

    def __init__(self, name: str, size: int) -> None:
        super().__init__(size)
        self.name = name
        self.operation = OPERATIONS[name]

    async def set_up(self, target: Target) -> None:
        run = run_of(self.size)
        await target.storage.runs.create_run(run)
        self._operate: Callable[[], Awaitable[None]] = getattr(Swing(target.storage.runs, run), self.name)

    async def operate(self, agent: int) -> None:
        await self._operate()


class WithoutSession(Compound):
    """The same on a connection that numbers no calls, so that one whose reply is lost cannot be sent again."""

    def __init__(self, size: int) -> None:
        super().__init__("cas_grant_node_slot", size)
        self.name = "grant-without-session"
        self._resources = AsyncExitStack()

    async def set_up(self, target: Target) -> None:
        connection = await self._resources.enter_async_context(without_namespace(target.url))
        run = run_of(self.size)
        await target.storage.runs.create_run(run)
        swing = Swing(RedisRunStore(connection, Keys(target.namespace)), run)
        self._operate = swing.cas_grant_node_slot

    async def clean_up(self) -> None:
        await self._resources.aclose()


class GetRun(Scenario):
    """A run is read, and what its agent decides by: the states of the run and of its frame."""

    name = "get_run"
    operation = "a run is read, with the states of the run and of its frame"
    unit = "steps"

    async def set_up(self, target: Target) -> None:
        run = run_of(self.size)
        self._runs, self._run_id = target.storage.runs, run.run_id
        await self._runs.create_run(run)

    async def operate(self, agent: int) -> None:
        run = await _existing(self._runs, self._run_id)
        # looked at, because what a run holds may be decoded only then
        self.seen = run.flow_state.step_status, run.frames["frame-0"].kernel_state.node_status


class OwnRuns(Scenario):
    """Many agents in one process, each with a run of its own."""

    name = "own-runs"
    operation = "an agent grants a node of its own run a slot"
    unit = "steps"
    agents = AGENTS

    async def set_up(self, target: Target) -> None:
        self._swings: list[Swing] = []
        for _ in range(self.agents):
            run = run_of(self.size)
            await target.storage.runs.create_run(run)
            self._swings.append(Swing(target.storage.runs, run))

    async def operate(self, agent: int) -> None:
        await self._swings[agent].cas_grant_node_slot()


class OneRun(Scenario):
    """Many agents in one process on one run, each with a frame of its own, as bodies of loops are."""

    name = "one-run"
    operation = "an agent completes a step of its own frame of the run that all share"
    unit = "steps"
    agents = AGENTS

    async def set_up(self, target: Target) -> None:
        run = run_of(self.size, self.agents)
        await target.storage.runs.create_run(run)
        self._swings = [Swing(target.storage.runs, run, f"frame-{agent}") for agent in range(self.agents)]

    async def operate(self, agent: int) -> None:
        await self._swings[agent].cas_complete_step_and_record_output()


class OneFrame(Scenario):
    """Many agents in one process compete for one frame of one run."""

    name = "one-frame"
    operation = "an agent reads the run that all share and grants a slot, again until it wins"
    unit = "steps"
    agents = FEW_AGENTS

    async def set_up(self, target: Target) -> None:
        run = run_of(self.size)
        await target.storage.runs.create_run(run)
        self._swings = [Swing(target.storage.runs, run) for _ in range(self.agents)]

    async def operate(self, agent: int) -> None:
        await self._swings[agent].grant_after_reading()


async def _existing(runs: MobRunStore, run_id: str) -> MobRun:
    if (run := await runs.get_run(run_id)) is None:
        raise InternalError(f"run {run_id} was removed by another client: this benchmark is alone with it")
    return run


def _inputs(run_id: str, frame_id: str, node_id: str) -> tuple[FlowAuthorityInput, ...]:
    """What the machine is told when a node gets a slot."""
    return (
        AuthorizeFlowRunReducerCommand(
            payload=RunCommand(run_id=run_id, command=Run.PUMP_NODE_SCHEDULER, frame_id=frame_id, node_id=node_id)
        ),
        AuthorizeFlowFrameReducerCommand(
            payload=FrameCommand(frame_id=frame_id, command=Frame.ADMIT_NEXT_READY_NODE, node_id=node_id)
        ),
    )

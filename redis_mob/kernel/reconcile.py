"""Whether a stored run agrees with itself and with its log (contract: kernel-43)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from redis_mob.errors import KernelError, shown
from redis_mob.kernel.machine import FlowMachine, frame_specs, replay
from redis_mob.models.base import Model
from redis_mob.models.flow import (
    FlowFrameState,
    FrameSnapshot,
    LoopPhase,
    LoopSnapshot,
    LoopStage,
    NodeKind,
    NodeStatus,
)
from redis_mob.models.flow_spec import FlowSpec, FrameStepSpec
from redis_mob.models.run import MobRun
from redis_mob.models.run_status import MobRunStatus

FIRST_RECOVERABLE_SCHEMA = 3
"""Runs that were started under an older schema cannot go on (contract: kernel-45)."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing in a stored run that is not as the rest of it says.

    `subject` is "run", "frame <id>" or "loop <id>"; `expected` follows from the rest of the run, `found` is stored.
    """

    subject: str
    field: str
    expected: object
    found: object

    @property
    def message(self) -> str:
        """The difference as one sentence."""
        return (
            f"{self.subject}: {self.field} is {shown(self.found)}, but the rest of the run says {shown(self.expected)}"
        )


def reconcile(run: MobRun, flow: FlowSpec | None = None) -> tuple[Difference, ...]:
    """Everything in a stored run that contradicts the rest of it; empty when it is consistent.

    In this order: a schema too old to be running; frames whose ready queue and Ready nodes differ; for a run that is
    not over, its lists of ready frames and waiting loops and its counts of taken slots; then, if the run has a log,
    everything that differs from what the log leads to. Waiting loops are judged by their stage, and a run that is over
    holds no slots (contract: kernel-43, kernel-44, kernel-45). Only its `flow` tells which steps wait for a signal, and
    so hold no slot while they run; without it every step is taken to hold one.
    """
    return (*_schema(run), *_queues(run), *_scheduler(run, flow), *_log(run))


def is_at_rest(run: MobRun, flow: FlowSpec) -> bool:
    """Whether ready queues, lists and slots of a run are as its nodes and loops say, as they are behind each decision.

    Between two inputs of one decision they mostly are not.
    """
    return next(_queues(run), None) is None and next(_scheduler(run, flow), None) is None


def _schema(run: MobRun) -> Iterator[Difference]:
    if run.schema_version < FIRST_RECOVERABLE_SCHEMA and run.status is MobRunStatus.RUNNING:
        yield Difference("run", "schema_version", f"at least {FIRST_RECOVERABLE_SCHEMA}", run.schema_version)


def _queues(run: MobRun) -> Iterator[Difference]:
    for frame_id, snapshot in run.frames.items():
        state = snapshot.kernel_state
        ready = _ready_nodes(state)
        if set(state.ready_queue) != set(ready):
            yield Difference(f"frame {frame_id}", "ready_queue", ready, state.ready_queue)


def _ready_nodes(state: FlowFrameState) -> tuple[str, ...]:
    ready = [node for node, status in state.node_status.items() if status is NodeStatus.READY]
    position = {node: number for number, node in enumerate(state.ordered_nodes)}
    return tuple(sorted(ready, key=lambda node: position.get(node, len(position))))


def ready_frames(frames: Mapping[str, FrameSnapshot]) -> tuple[str, ...]:
    """The frames that have nodes waiting for a slot, in text order."""
    return tuple(sorted(frame_id for frame_id, frame in frames.items() if frame.kernel_state.ready_queue))


def waiting_loops(loops: Mapping[str, LoopSnapshot]) -> tuple[str, ...]:
    """The running loops that wait for a body frame, in text order."""
    return tuple(sorted(loop_id for loop_id, loop in loops.items() if _waits(loop)))


def _waits(loop: LoopSnapshot) -> bool:
    state = loop.kernel_state
    return state.phase is LoopPhase.RUNNING and state.stage is LoopStage.AWAITING_BODY_FRAME


def running_steps(frames: Mapping[str, FrameSnapshot], waiting: Collection[tuple[str, str]] = ()) -> int:
    """How many step nodes run, and so hold a node slot each; those that ask no member hold none."""
    return sum(
        status is NodeStatus.RUNNING
        and frame.kernel_state.node_kind.get(node) is NodeKind.STEP
        and (frame_id, node) not in waiting
        for frame_id, frame in frames.items()
        for node, status in frame.kernel_state.node_status.items()
    )


def waiting_nodes(run: MobRun | FlowMachine, flow: FlowSpec | None) -> frozenset[tuple[str, str]]:
    """The step nodes, each behind the id of its frame, whose steps ask no member while they run."""
    if flow is None or not flow.without_members:
        return frozenset()
    return frozenset(
        (frame_id, node_id)
        for frame_id, frame in frame_specs(run, flow).items()
        for node_id, node in frame.nodes.items()
        if isinstance(node, FrameStepSpec) and node.step_id in flow.without_members
    )


def active_bodies(frames: Mapping[str, FrameSnapshot], loops: Mapping[str, LoopSnapshot]) -> int:
    """How many body frames are under way, and so hold a frame slot each."""
    return sum(loop.kernel_state.active_body_frame_id in frames for loop in loops.values())


def _scheduler(run: MobRun, flow: FlowSpec | None) -> Iterator[Difference]:
    if run.status.is_terminal:
        return
    state = run.flow_state
    ready, waiting = ready_frames(run.frames), waiting_loops(run.loops)
    expected: tuple[tuple[str, object, object], ...] = (
        ("ready_frames", ready, state.ready_frames),
        ("ready_frame_membership", ready, state.ready_frame_membership),
        ("pending_body_frame_loops", waiting, state.pending_body_frame_loops),
        ("pending_body_frame_loop_membership", waiting, state.pending_body_frame_loop_membership),
        ("active_node_count", running_steps(run.frames, waiting_nodes(run, flow)), state.active_node_count),
        ("active_frame_count", active_bodies(run.frames, run.loops), state.active_frame_count),
    )
    for field, value, found in expected:
        if value != found:
            yield Difference("run", field, value, found)


def _log(run: MobRun) -> Iterator[Difference]:
    if not run.flow_authority_inputs:
        return
    try:
        machine = replay(run.flow_authority_inputs)
    except KernelError as error:
        yield Difference("run", "flow_authority_inputs", "a log that can be replayed", str(error))
        return
    if machine.run_id != run.run_id:
        yield Difference("run", "run_id", machine.run_id, run.run_id)
    if machine.status is not run.status:
        yield Difference("run", "status", machine.status, run.status)
    yield from _fields("run", machine.flow_state, run.flow_state)
    yield from _snapshots("frame", machine.frames, run.frames)
    yield from _snapshots("loop", machine.loops, run.loops)


def _fields(subject: str, expected: Model, found: Model) -> Iterator[Difference]:
    for field in type(expected).model_fields:
        wanted, stored = getattr(expected, field), getattr(found, field)
        if wanted != stored:
            yield Difference(subject, field, wanted, stored)


def _snapshots(
    kind: str,
    expected: Mapping[str, FrameSnapshot] | Mapping[str, LoopSnapshot],
    found: Mapping[str, FrameSnapshot] | Mapping[str, LoopSnapshot],
) -> Iterator[Difference]:
    for name in sorted(expected.keys() | found.keys()):
        wanted, stored = expected.get(name), found.get(name)
        if wanted is None or stored is None:
            yield Difference(f"{kind} {name}", "presence", _presence(wanted), _presence(stored))
        else:
            yield from _fields(f"{kind} {name}", wanted.kernel_state, stored.kernel_state)


def _presence(snapshot: object) -> str:
    return "absent" if snapshot is None else "present"

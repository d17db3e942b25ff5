"""A run as it was stored behind any of its events: status, kernel states, outputs and ledgers. Pure.

(contract: past-2; decision 0062)

The log of inputs leads to every state that the run ever had, and has no times. Its events have times, and tell of
steps: the state behind an event is the last one of the inputs in which each node stands as the events tell, and in
which no decision is half done.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

from redis_mob.errors import KernelError
from redis_mob.kernel.commands import Run
from redis_mob.kernel.machine import FlowMachine, apply
from redis_mob.kernel.reconcile import is_at_rest
from redis_mob.kernel.told_reasons import tells_exhausted
from redis_mob.models.authority import (
    AuthorizeFlowRunReducerCommand,
    CreateRunSeed,
    FlowAuthorityInput,
    RunFlow,
)
from redis_mob.models.base import FrozenDict, SortedDict, changed_keys
from redis_mob.models.definition import MobDefinition
from redis_mob.models.events import MobEvent
from redis_mob.models.flow import FlowFrameState, LoopPhase, NodeStatus
from redis_mob.models.run import MobRun
from redis_mob.models.transition import NodeKey
from redis_mob.past.loop_answers import LoopAnswers
from redis_mob.past.row_times import RowTimes, commits_of
from redis_mob.past.time_travel import RunPast, last_of

_ENDS = {Run.TERMINALIZE_COMPLETED, Run.TERMINALIZE_FAILED, Run.TERMINALIZE_CANCELED}
_OF_STEPS = {Run.COMPLETE_STEP, Run.FAIL_STEP, Run.SKIP_STEP, Run.CANCEL_STEP, Run.PROJECT_FRAME_STEP_STATUS}
"""What steps are told as a run ends, in the same decision."""


class PastRun(NamedTuple):
    """A run as it was; `unknown` names the outputs that it had and that are stored no more."""

    run: MobRun
    unknown: tuple[str, ...] = ()


class UntoldPastError(Exception):
    """What is stored of a run does not tell how it was; it says why."""


class _Place(NamedTuple):
    """How many inputs lead to a state, and the state."""

    inputs: int
    machine: FlowMachine


class NodePast(RunPast):
    """What each event changed, and the status of each node as frames have it."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.statuses: defaultdict[NodeKey, list[tuple[int, NodeStatus]]] = defaultdict(list)

    def _node_changed(self, node: NodeKey, status: NodeStatus) -> None:
        super()._node_changed(node, status)
        self.statuses[node].append((self.cursors[-1], status))

    def nodes_at(self, cursor: int) -> dict[NodeKey, NodeStatus]:
        """Where each node stood that there was."""
        known = ((node, last_of(changes, cursor)) for node, changes in self.statuses.items())
        return {node: _waits_or(found[1]) for node, found in known if found is not None}


class RunFold:
    """A run as it is stored, with all of its events; it gives the run as it was behind any of them."""

    def __init__(self, run: MobRun, definition: MobDefinition, events: Sequence[MobEvent]) -> None:
        self._run, self._flow = run, definition.flows[run.flow_id]
        self._events = events
        answers = {loop_id: LoopAnswers.of(loop.kernel_state) for loop_id, loop in run.loops.items()}
        self._past = NodePast.of(definition, run.run_id, run.flow_id, events, answers)
        self._commits = commits_of(events)
        self._step_rows: list[int] | None = None
        self._failures: list[int] | None = None

    def at(self, cursor: int) -> PastRun:
        """The run behind its last event up to a cursor, once all of the commit of that event was there.

        Raises UntoldPastError if its inputs do not lead to what is stored, or to what its events tell.
        """
        behind = self._end_of_commit(cursor)
        if behind is not None and behind == self._commits[-1][-1]:
            return PastRun(self._run)
        place = self._place(behind or 0)
        return self._cut(place, behind or 0)

    def _end_of_commit(self, cursor: int) -> int | None:
        """The last event of the commit in which the last event up to a cursor was; None before the first one."""
        place = bisect_right(self._commits, cursor, key=itemgetter(0)) - 1
        return self._commits[place][-1] if place >= 0 else None

    def _place(self, cursor: int) -> _Place:
        moment, nodes = self._past.at(cursor), self._past.nodes_at(cursor)
        found: _Place | None = None
        machine: FlowMachine | None = None
        differing = set(nodes)
        ends_at = len(self._run.flow_authority_inputs) if moment.status.is_terminal else self._end()
        try:
            for number, machine, changed in _machines(self._run.flow_authority_inputs):
                for node, status in changed:
                    (differing.discard if nodes.get(node) is status else differing.add)(node)
                if differing or machine.status is not moment.status or number > ends_at:
                    continue
                if is_at_rest(machine.stored_in(self._run), self._flow):
                    found = _Place(number, machine)
        except KernelError as error:
            raise UntoldPastError(f"its log of inputs cannot be replayed: {error}") from error
        if machine is None or machine.stored_in(self._run) != self._run:
            raise UntoldPastError("its log of inputs does not lead to what is stored, which was not changed by a fleet")
        if found is None:
            raise UntoldPastError(f"its log of inputs does not lead to what its events tell at cursor {cursor}")
        return found

    def _end(self) -> int:
        """How many inputs there are before those of the decision that ends the run."""
        inputs = self._run.flow_authority_inputs
        number = len(inputs)
        if not number or _command(inputs[number - 1]) not in _ENDS:
            return number
        number -= 1
        while number and _command(inputs[number - 1]) in _OF_STEPS:
            number -= 1
        return number

    def _cut(self, place: _Place, cursor: int) -> PastRun:
        run, machine = self._run, place.machine
        if self._step_rows is None or self._failures is None:
            times = RowTimes(self._events, self._begun(machine))
            self._step_rows = times.of_steps(run.step_ledger)
            self._failures = times.of_failures(run.failure_ledger)
        root, loops, unknown = self._outputs(machine)
        update: dict[str, Any] = {
            "completed_at": run.completed_at if machine.status.is_terminal else None,
            "step_ledger": _until(run.step_ledger, self._step_rows, cursor),
            "failure_ledger": self._failures_until(machine, self._failures, cursor),
            "loop_iteration_ledger": tuple(row for row in run.loop_iteration_ledger if row.frame_id in machine.frames),
            "root_step_outputs": root,
            "loop_iteration_outputs": loops,
            "flow_authority_inputs": run.flow_authority_inputs[: place.inputs],
        }
        return PastRun(machine.stored_in(run).model_copy(update=update), unknown)

    def _begun(self, machine: FlowMachine) -> Mapping[str, Sequence[int]]:
        """The cursors at which each step began, in any frame."""
        steps = dict(_step_ids(self._run, self._flow))
        begun: defaultdict[str, list[int]] = defaultdict(list)
        for (frame_id, node_id), changes in self._past.statuses.items():
            step_id = steps.get(frame_id, {}).get(node_id)
            if step_id is not None:
                begun[step_id] += (at for at, status in changes if status is NodeStatus.RUNNING)
        return {step_id: sorted(cursors) for step_id, cursors in begun.items()}

    def _failures_until(self, machine: FlowMachine, cursors: Sequence[int], cursor: int) -> tuple[Any, ...]:
        """The rows of failures that were there. That a loop is exhausted is in no event; its state tells it."""
        exhausted = sum(loop.kernel_state.phase is LoopPhase.EXHAUSTED for loop in machine.loops.values())
        rows: list[Any] = []
        for row, at in zip(self._run.failure_ledger, cursors, strict=True):
            if tells_exhausted(row.reason):
                exhausted -= 1
                if exhausted >= 0:
                    rows.append(row)
            elif at <= cursor:
                rows.append(row)
        return tuple(rows)

    def _outputs(self, machine: FlowMachine) -> tuple[FrozenDict[str, Any], SortedDict[Any], tuple[str, ...]]:
        """The outputs that were recorded, and those among them that another iteration of a loop around replaced."""
        run = self._run
        root: set[str] = set()
        recorded: dict[tuple[str, int], set[str]] = {}
        unknown: list[str] = []
        for frame_id, steps in _step_ids(run, self._flow):
            frame = machine.frames.get(frame_id)
            if frame is None:
                continue
            had = _recorded(frame.kernel_state, steps)
            if frame.kernel_state.body_iteration is None:
                root |= had
                continue
            where = _loop_id(run, frame.kernel_state), frame.kernel_state.iteration
            recorded.setdefault(where, set()).update(had)
        for where, had in recorded.items():
            for step_id in sorted(had):
                if self._was_replaced(machine, where, step_id):
                    had.discard(step_id)
                    unknown.append(f"output of step {step_id} in iteration {where[1]} of loop {where[0]}")
        loops: dict[str, Any] = {}
        for loop_id, iterations in run.loop_iteration_outputs.items():
            numbers = [number for name, number in recorded if name == loop_id and recorded[name, number]]
            kept = (
                _only(iterations[n], recorded.get((loop_id, n), set())) for n in range(max(numbers, default=-1) + 1)
            )
            if numbers:
                loops[loop_id] = tuple(kept)
        return _only(run.root_step_outputs, root), SortedDict(loops), tuple(unknown)

    def _was_replaced(self, machine: FlowMachine, where: tuple[str, int], step_id: str) -> bool:
        """Whether a frame that came later has recorded an output in the same place: that of a nested loop."""
        run = self._run
        for frame_id, steps in _step_ids(run, self._flow):
            state = run.frames[frame_id].kernel_state
            if state.body_iteration is None or (_loop_id(run, state), state.iteration) != where:
                continue
            then = machine.frames.get(frame_id)
            had = then is not None and step_id in _recorded(then.kernel_state, steps)
            if step_id in _recorded(state, steps) and not had:
                return True
        return False


def _machines(
    inputs: Sequence[FlowAuthorityInput],
) -> Iterator[tuple[int, FlowMachine, list[tuple[NodeKey, NodeStatus]]]]:
    """How many inputs were taken, the machine then, and the nodes that the last one has changed."""
    match inputs[0] if inputs else None:
        case RunFlow(payload=seed) | CreateRunSeed(payload=seed):
            machine = FlowMachine.from_seed(seed)
        case _:
            raise KernelError("it does not begin with the creation of the run")
    yield 1, machine, []
    for number, told in enumerate(inputs[1:], start=2):
        before, machine = machine, apply(machine, told)
        changed: list[tuple[NodeKey, NodeStatus]] = []
        for frame_id in changed_keys(before.frames, machine.frames):
            old, new = before.frames.get(frame_id), machine.frames[frame_id].kernel_state.node_status
            nodes = new if old is None else changed_keys(old.kernel_state.node_status, new)
            changed += (((frame_id, node_id), _waits_or(new[node_id])) for node_id in nodes)
        yield number, machine, changed


def _waits_or(status: NodeStatus) -> NodeStatus:
    """A status by which a state is known: whether a node is ready or pending is not told."""
    return NodeStatus.PENDING if status is NodeStatus.READY else status


def _command(told: FlowAuthorityInput) -> str | None:
    return told.payload.command if isinstance(told, AuthorizeFlowRunReducerCommand) else None


def _step_ids(run: MobRun, flow: Any) -> Iterator[tuple[str, dict[str, str]]]:
    """Each frame with the steps of its nodes, in the order of the ids of the frames."""
    machine = FlowMachine.from_run(run, flow)
    for frame_id, frame in run.frames.items():
        steps = {node_id: machine.step_of(frame_id, node_id) for node_id in frame.kernel_state.ordered_nodes}
        yield frame_id, {node_id: step_id for node_id, step_id in steps.items() if step_id is not None}


def _recorded(state: FlowFrameState, steps: Mapping[str, str]) -> set[str]:
    """The steps of a frame that are completed: each records its output with that."""
    statuses = state.node_status.items()
    return {steps[node_id] for node_id, status in statuses if status is NodeStatus.COMPLETED and node_id in steps}


def _loop_id(run: MobRun, state: FlowFrameState) -> str:
    return run.loops[state.loop_instance_id].kernel_state.loop_id


def _only(outputs: Mapping[str, Any], steps: set[str]) -> FrozenDict[str, Any]:
    return FrozenDict((step_id, output) for step_id, output in outputs.items() if step_id in steps)


def _until(rows: Sequence[Any], cursors: Sequence[int], cursor: int) -> tuple[Any, ...]:
    return tuple(row for row, at in zip(rows, cursors, strict=True) if at <= cursor)

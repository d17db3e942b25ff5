"""A run as it was stored behind any of its events: status, kernel states, outputs and ledgers. Pure.

(contract: past-2; decision 0062)

The log of inputs leads to every state that the run ever had, and has no times. Its events have times, and tell of
steps: the state behind an event is the first one in which those nodes are over that are over by the events, and in
which nothing more could be decided.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

from redis_mob.codec.definitions import flow_of_run
from redis_mob.errors import KernelError, NotFoundError, shown
from redis_mob.kernel.actions import MOST_ACTIONS
from redis_mob.kernel.commands import Run
from redis_mob.kernel.frame import ENDED
from redis_mob.kernel.machine import FlowMachine, apply
from redis_mob.kernel.plan import next_actions
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
from redis_mob.models.flow import FrameSnapshot, LoopPhase, NodeStatus
from redis_mob.models.flow_spec import FlowSpec
from redis_mob.models.ledger import StepLedgerEntry
from redis_mob.models.run import MobRun
from redis_mob.models.transition import NodeKey
from redis_mob.past.loop_answers import LoopAnswers
from redis_mob.past.row_times import RowTimes, commits_of, tells_items
from redis_mob.past.time_travel import RunPast, last_of

_ENDS = {Run.TERMINALIZE_COMPLETED, Run.TERMINALIZE_FAILED, Run.TERMINALIZE_CANCELED}
_OF_STEPS = {Run.COMPLETE_STEP, Run.FAIL_STEP, Run.SKIP_STEP, Run.CANCEL_STEP, Run.PROJECT_FRAME_STEP_STATUS}
"""What steps are told as a run ends, in the same decision."""


class PastRun(NamedTuple):
    """A run as it was; `unknown` says of what it had that it is stored no more, or not when."""

    run: MobRun
    unknown: tuple[str, ...] = ()


class _Place(NamedTuple):
    """How many inputs lead to a state, the state, how often each step had begun, and how many inputs at most may be of
    later commits, without an event."""

    inputs: int
    machine: FlowMachine
    begun: Counter[str | None]
    untold: int


class NodePast(RunPast):
    """What each event changed, and the status of each node as frames have it."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.statuses: defaultdict[NodeKey, list[tuple[int, NodeStatus]]] = defaultdict(list)

    def _node_changed(self, node: NodeKey, status: NodeStatus) -> None:
        super()._node_changed(node, status)
        self.statuses[node].append((self.cursors[-1], status))

    def nodes_at(self, cursor: int) -> dict[NodeKey, NodeStatus | None]:
        """Where each node stood that there was."""
        known = ((node, last_of(changes, cursor)) for node, changes in self.statuses.items())
        return {node: _ended_or_open(found[1]) for node, found in known if found is not None}


class RunFold:
    """A run as it is stored, with its events; it gives the run as it was behind any of them.

    `events` are those that the run knows of. It may have gone on since they were read, as the `later` ones tell, of
    which it need not know. Raises NotFoundError for a run that is not of this definition.
    """

    def __init__(
        self,
        run: MobRun,
        definition: MobDefinition,
        events: Sequence[MobEvent],
        later: Sequence[MobEvent] = (),
    ) -> None:
        self._run, self._flow = run, flow_of_run(definition, run)
        answers = {loop_id: LoopAnswers.of(loop.kernel_state) for loop_id, loop in run.loops.items()}
        self._past = NodePast.of(definition, run.run_id, run.flow_id, events, answers)
        told = [*events, *later]
        self._commits = commits_of(told)
        try:
            self._steps = _steps_of_frames(run, self._flow)
        except KernelError as error:
            raise _untold(run, f"it does not fit its flow: {error}") from error
        times = RowTimes(told)
        self._step_rows = times.of_steps(run.step_ledger)
        self._failures = times.of_failures(run.failure_ledger)

    def at(self, cursor: int) -> PastRun:
        """The run behind its last event up to a cursor, once all of the commit of that event was there.

        What the run did without an event counts as done before its next one. Raises NotFoundError if its inputs do not
        lead to what is stored, or to what its events tell.
        """
        behind = self._end_of_commit(cursor)
        return self._cut(self._place(behind), behind)

    def _end_of_commit(self, cursor: int) -> int:
        """The last event of the commit in which the last event up to a cursor was; 0 before the first one."""
        place = bisect_right(self._commits, cursor, key=itemgetter(0)) - 1
        return self._commits[place][-1] if place >= 0 else 0

    def _place(self, cursor: int) -> _Place:
        moment, nodes = self._past.at(cursor), self._past.nodes_at(cursor)
        found: _Place | None = None
        first, begun = 0, Counter[str | None]()
        machine: FlowMachine | None = None
        differing, is_complete = set(nodes), False
        ends_at = len(self._run.flow_authority_inputs) if moment.status.is_terminal else self._end()
        try:
            for number, machine, changed in _machines(self._run.flow_authority_inputs):
                for node, status in changed:
                    if status is NodeStatus.RUNNING:
                        begun[self._steps[node[0]].get(node[1])] += 1
                    (differing.discard if nodes.get(node) is _ended_or_open(status) else differing.add)(node)
                if differing or machine.status is not moment.status or number > ends_at:
                    continue
                first = first or number
                if is_complete or not is_at_rest(machine.stored_in(self._run), self._flow):
                    continue
                projected = len(self._run.flow_authority_inputs) - number if number == ends_at else 0
                found = _Place(number, machine, begun.copy(), number - first + projected)
                is_complete = not next_actions(machine, self._flow)
        except KernelError as error:
            raise _untold(self._run, f"its log of inputs cannot be replayed: {error}") from error
        if machine is None or machine.stored_in(self._run) != self._run:
            raise _untold(self._run, "its log of inputs does not lead to what is stored")
        if found is None:
            raise _untold(self._run, f"its log of inputs does not lead to what its events tell at cursor {cursor}")
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
        root, loops, unknown = self._outputs(machine)
        if place.untold > MOST_ACTIONS:
            unknown += ("whether all that was decided had been stored by then: that may have taken several commits",)
        update: dict[str, Any] = {
            "completed_at": run.completed_at if machine.status.is_terminal else None,
            "step_ledger": self._rows_until(place.begun.copy(), cursor),
            "failure_ledger": self._failures_until(machine, cursor),
            "loop_iteration_ledger": tuple(row for row in run.loop_iteration_ledger if row.frame_id in machine.frames),
            "root_step_outputs": root,
            "loop_iteration_outputs": loops,
            "flow_authority_inputs": run.flow_authority_inputs[: place.inputs],
        }
        return PastRun(machine.stored_in(run).model_copy(update=update), unknown)

    def _rows_until(self, begun: Counter[str | None], cursor: int) -> tuple[StepLedgerEntry, ...]:
        """The rows of steps that were there. How many items a step has is in no event: it is told as a node begins."""
        rows: list[StepLedgerEntry] = []
        for row, at in zip(self._run.step_ledger, self._step_rows, strict=True):
            if tells_items(row):
                begun[row.step_id] -= 1
                if begun[row.step_id] >= 0:
                    rows.append(row)
            elif at <= cursor:
                rows.append(row)
        return tuple(rows)

    def _failures_until(self, machine: FlowMachine, cursor: int) -> tuple[Any, ...]:
        """The rows of failures that were there. That a loop is exhausted is in no event; its state tells it."""
        exhausted = sum(loop.kernel_state.phase is LoopPhase.EXHAUSTED for loop in machine.loops.values())
        rows: list[Any] = []
        for row, at in zip(self._run.failure_ledger, self._failures, strict=True):
            if tells_exhausted(row.reason):
                exhausted -= 1
                if exhausted >= 0:
                    rows.append(row)
            elif at <= cursor:
                rows.append(row)
        return tuple(rows)

    def _outputs(self, machine: FlowMachine) -> tuple[FrozenDict[str, Any], SortedDict[Any], tuple[str, ...]]:
        """The outputs that were recorded, without those that were replaced since, and which these are.

        A step of a nested loop records in the same place again when the loop around it goes on.
        """
        run, then, now = self._run, self._recorded(machine.frames), self._recorded(self._run.frames)
        root: set[str] = set()
        kept: defaultdict[tuple[str, int], set[str]] = defaultdict(set)
        unknown: list[str] = []
        for (where, step_id), times in then.items():
            if where is None:
                root.add(step_id)
            elif now[where, step_id] == times:
                kept[where].add(step_id)
            else:
                unknown.append(f"the output of step {shown(step_id)} in iteration {where[1]} of loop {shown(where[0])}")
        loops: dict[str, tuple[FrozenDict[str, Any], ...]] = {}
        for loop_id, iterations in run.loop_iteration_outputs.items():
            length = max((number + 1 for name, number in kept if name == loop_id), default=0)
            if length:
                loops[loop_id] = tuple(_only(iterations[n], kept.get((loop_id, n), set())) for n in range(length))
        return _only(run.root_step_outputs, root), SortedDict(loops), tuple(unknown)

    def _recorded(self, frames: Mapping[str, FrameSnapshot]) -> Counter[tuple[tuple[str, int] | None, str]]:
        """How often each step has recorded an output, by its (loop id, iteration), None for the root frame."""
        found: Counter[tuple[tuple[str, int] | None, str]] = Counter()
        for frame_id, frame in frames.items():
            state, steps = frame.kernel_state, self._steps[frame_id]
            loop = self._run.loops[state.loop_instance_id].kernel_state if state.body_iteration is not None else None
            where = None if loop is None else (loop.loop_id, state.iteration)
            completed = (node_id for node_id, status in state.node_status.items() if status is NodeStatus.COMPLETED)
            found.update((where, steps[node_id]) for node_id in completed if node_id in steps)
        return found


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
            changed += (((frame_id, node_id), new[node_id]) for node_id in nodes)
        yield number, machine, changed


def _ended_or_open(status: NodeStatus) -> NodeStatus | None:
    """A status by which a state is known: of a node that is not over it is not told for certain."""
    return status if status in ENDED else None


def _command(told: FlowAuthorityInput) -> str | None:
    return told.payload.command if isinstance(told, AuthorizeFlowRunReducerCommand) else None


def _steps_of_frames(run: MobRun, flow: FlowSpec) -> dict[str, dict[str, str]]:
    """The step of each node that has one, by frames."""
    machine = FlowMachine.from_run(run, flow)
    return {
        frame_id: {
            node_id: step_id
            for node_id in frame.kernel_state.ordered_nodes
            if (step_id := machine.step_of(frame_id, node_id)) is not None
        }
        for frame_id, frame in run.frames.items()
    }


def _untold(run: MobRun, why: str) -> NotFoundError:
    return NotFoundError(f"the past of run {run.run_id} cannot be told: {why}")


def _only(outputs: Mapping[str, Any], steps: set[str]) -> FrozenDict[str, Any]:
    return FrozenDict((step_id, output) for step_id, output in outputs.items() if step_id in steps)

"""Compares what is stored of a run with what its log of inputs, its executions and its definition say of it.

The inputs are replayed through the kernel. What the kernel does not know is derived from what it does: outputs from the
executions, rows of the ledgers from how these ended, the place in the lists from the status. Pure, once all is read.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from pydantic import BaseModel

from redis_mob.codec.definitions import digests_of
from redis_mob.errors import KernelError, shown
from redis_mob.fleet.aggregate import aggregate, aggregate_of_items
from redis_mob.fleet.carried import NO_OUTPUT, output_of
from redis_mob.kernel.machine import FlowMachine
from redis_mob.kernel.reconcile import reconcile
from redis_mob.models.base import json_text
from redis_mob.models.definition import MobDefinition
from redis_mob.models.events import MobEvent, terminal_identity
from redis_mob.models.execution import Execution, ExecutionKey, ExecutionStatus
from redis_mob.models.flow import FrameScope, NodeKind, NodeStatus
from redis_mob.models.flow_spec import FlowSpec
from redis_mob.models.ledger import StepRunStatus
from redis_mob.models.order import natural_key
from redis_mob.models.run import MobRun
from redis_mob.models.run_outputs import SYSTEM_MEMBER
from redis_mob.models.run_standing import RunStanding
from redis_mob.models.transition import NodeKey, RunView

_ENDS: Mapping[ExecutionStatus, StepRunStatus] = {
    ExecutionStatus.COMPLETED: StepRunStatus.COMPLETED,
    ExecutionStatus.FAILED: StepRunStatus.FAILED,
    ExecutionStatus.CANCELED: StepRunStatus.CANCELED,
}


@dataclass(frozen=True, slots=True)
class RunDifference:
    """Something that is stored of a run, and is not as the rest of it says.

    `path` says what, from the part of the run to the value; `expected` is what follows from the rest, `found` what is
    stored, None if nothing is.
    """

    path: str
    expected: Any
    found: Any

    def __str__(self) -> str:
        return f"{self.path}: {shown(self.found)} is stored, the rest of the run says {shown(self.expected)}"


@dataclass(frozen=True, slots=True)
class RunVerification:
    """What came of the verification of one run: the differences, none if all that is stored agrees.

    `events_known` says whether its events were looked at: not if some were pruned, or lie too far apart.
    """

    run_id: str
    differences: tuple[RunDifference, ...]
    events_known: bool = True

    @property
    def agrees(self) -> bool:
        """Whether nothing differs."""
        return not self.differences


@dataclass(frozen=True, slots=True)
class ReadRun:
    """All that was read of a run at one moment.

    The executions of the view are all there are, also of items that are over; `items` are those of each node whose step
    has `for_each`. `events` is None if they are not known.
    """

    run: MobRun
    view: RunView
    definition: MobDefinition
    items: Mapping[NodeKey, Sequence[Any]]
    standing: RunStanding
    events: Sequence[MobEvent] | None


def differences(read: ReadRun) -> Iterator[RunDifference]:
    """Everything that differs, in the order of the parts of a run."""
    run, definition = read.run, read.definition
    if read.view.launch.definition not in digests_of(definition):
        yield RunDifference("definition", read.view.launch.definition, digests_of(definition)[0])
    flow = definition.flows.get(run.flow_id)
    if definition.id != run.mob_id or flow is None:
        yield RunDifference("definition", f"flow {run.flow_id} of mob {run.mob_id}", definition.id)
        return
    try:
        for one in reconcile(run, flow):
            yield from _paths(f"{one.subject.replace(' ', '.', 1)}.{one.field}", one.expected, one.found)
        machine = FlowMachine.from_run(run, flow)
    except KernelError as error:
        yield RunDifference("run", "frames and loops of this flow", str(error))
        return
    if not run.flow_authority_inputs:
        yield RunDifference("flow_authority_inputs", "a log that begins with the creation of the run", [])
    checked = _Checked(read, flow, machine)
    yield from checked.executions()
    yield from checked.items()
    yield from checked.outputs()
    yield from checked.step_ledger()
    yield from checked.failure_ledger()
    yield from checked.iteration_ledger()
    yield from _standing(read)
    yield from _events(read)


class _Checked:
    """A run of a known flow."""

    def __init__(self, read: ReadRun, flow: FlowSpec, machine: FlowMachine) -> None:
        self._read, self._flow, self._machine = read, flow, machine
        self._run, self._launch = read.run, read.view.launch
        self._by_node: defaultdict[NodeKey, dict[ExecutionKey, Execution]] = defaultdict(dict)
        for key, execution in sorted(read.view.executions.items(), key=lambda item: natural_key(item[0].target)):
            self._by_node[key.node][key] = execution

    def _steps(self) -> Iterator[tuple[NodeKey, str, NodeStatus]]:
        """The step nodes of all frames, with the step and where the node stands."""
        for frame_id, frame in self._run.frames.items():
            state = frame.kernel_state
            for node_id, status in state.node_status.items():
                step_id = self._machine.step_of(frame_id, node_id)
                is_step = state.node_kind.get(node_id) is NodeKind.STEP
                if is_step and step_id is not None and step_id in self._flow.steps:
                    yield (frame_id, node_id), step_id, status

    def executions(self) -> Iterator[RunDifference]:
        """Each is of a node that runs its step, and open only while that does; a step that runs has some."""
        steps = {node: (step_id, status) for node, step_id, status in self._steps()}
        is_over = self._run.status.is_terminal
        for key, execution in self._read.view.executions.items():
            step_id, status = steps.get(key.node, (None, None))
            if step_id != execution.step_id:
                yield RunDifference(_path("executions", *key, "step_id"), step_id, execution.step_id)
            elif not execution.is_over and (is_over or status is not NodeStatus.RUNNING):
                yield RunDifference(_path("executions", *key, "status"), "an end", execution.status)
        for node, (_, status) in steps.items():
            if status is NodeStatus.RUNNING and not self._by_node[node] and node not in self._read.view.progress:
                yield RunDifference(_path("executions", *node), "an execution of the step that runs", None)

    def items(self) -> Iterator[RunDifference]:
        """As many items are over as the node has counted, and each has the value that stands among the items."""
        for node, progress in self._read.view.progress.items():
            ends = Counter(one.status for one in self._by_node[node].values())
            found = {
                "items": progress.items,
                "begun": progress.begun,
                "completed": progress.completed,
                "failed": progress.failed,
            }
            values = self._read.items.get(node, ())
            expected = {
                "items": len(values),
                "begun": ends.total(),
                "completed": ends[ExecutionStatus.COMPLETED],
                "failed": ends[ExecutionStatus.FAILED],
            }
            yield from _paths(_path("items", *node), expected, found)
            for key, execution in self._by_node[node].items():
                item = execution.item
                if item is not None and item.index < len(values) and item.value != values[item.index]:
                    yield RunDifference(_path("executions", *key, "item"), values[item.index], item.value)

    def outputs(self) -> Iterator[RunDifference]:
        """Each step that completed has what its executions add up to, and no other step has an output."""
        expected: dict[str, Any] = {}
        for node, step_id, status in self._steps():
            if status is NodeStatus.COMPLETED and (output := self._output(node, step_id)) is not NO_OUTPUT:
                expected[self._place(node[0], step_id)] = output
        found = {_path("root_step_outputs", step_id): value for step_id, value in self._run.root_step_outputs.items()}
        for loop_id, iterations in self._run.loop_iteration_outputs.items():
            for number, outputs in enumerate(iterations):
                for step_id, value in outputs.items():
                    found[_path("loop_iteration_outputs", loop_id, number, step_id)] = value
        for path in sorted(expected.keys() | found.keys()):
            if path not in expected:
                yield RunDifference(path, None, found[path])
            elif path not in found:
                yield RunDifference(path, expected[path], None)
            else:
                yield from _paths(path, expected[path], found[path])

    def _place(self, frame_id: str, step_id: str) -> str:
        state = self._machine.frame(frame_id)
        if state.frame_scope is FrameScope.ROOT:
            return _path("root_step_outputs", step_id)
        loop_id = self._machine.loop(state.loop_instance_id).loop_id
        return _path("loop_iteration_outputs", loop_id, state.iteration, step_id)

    def _output(self, node: NodeKey, step_id: str) -> Any:
        spec, executions = self._flow.steps[step_id], self._by_node[node]
        carried = self._launch.carried.step(self._run.run_id, *node)
        if carried is not None:
            return output_of(spec, carried)
        completed = {key: one for key, one in executions.items() if one.status is ExecutionStatus.COMPLETED}
        progress = self._read.view.progress.get(node)
        try:
            if progress is None:
                return aggregate(spec, {key.target: one for key, one in completed.items()})
            by_index = {
                one.item.index: (key.target, one.output) for key, one in completed.items() if one.item is not None
            }
            return aggregate_of_items(spec, progress.items, by_index)
        except StopIteration:
            return None  # no execution has given what the step was completed with

    def step_ledger(self) -> Iterator[RunDifference]:
        """There is a row for each end of an execution, with what it gave, and one for each member that was asked."""
        expected: defaultdict[str, list[str]] = defaultdict(list)
        asked: set[str] = set()
        for key, execution in self._read.view.executions.items():
            where = _path("step_ledger", execution.step_id, key.target)
            if (end := _ENDS.get(execution.status)) is not None:
                value = execution.output if end is StepRunStatus.COMPLETED else None
                expected[_path(where, end)].append(json_text(value))
            if execution.fencing_token:
                asked.add(_path(where, StepRunStatus.DISPATCHED))
        for node, step_id, status in self._steps():
            carried = self._launch.carried.step(self._run.run_id, *node)
            if carried is not None and status is NodeStatus.COMPLETED:
                for target, value in carried.outputs.items():
                    expected[_path("step_ledger", step_id, target, StepRunStatus.COMPLETED)].append(json_text(value))
        found: defaultdict[str, list[str]] = defaultdict(list)
        for row in self._run.step_ledger:
            if row.agent_identity != SYSTEM_MEMBER:
                path = _path("step_ledger", row.step_id, row.agent_identity, row.status)
                found[path].append(json_text(row.output))
        dispatched = {path for path in found if path.endswith(f".{StepRunStatus.DISPATCHED}")}
        for path in sorted(asked - dispatched):
            yield RunDifference(path, "a row", None)
        for path in sorted((expected.keys() | found.keys()) - dispatched):
            if sorted(expected[path]) != sorted(found[path]):
                yield RunDifference(path, expected[path], found[path])

    def failure_ledger(self) -> Iterator[RunDifference]:
        """Each execution that failed for good has said why."""
        found = Counter((row.step_id, row.reason) for row in self._run.failure_ledger)
        failed = Counter(
            (one.step_id, one.reason or "")
            for one in self._read.view.executions.values()
            if one.status is ExecutionStatus.FAILED
        )
        for (step_id, reason), number in sorted(failed.items()):
            if found[step_id, reason] < number:
                path = _path("failure_ledger", step_id)
                yield RunDifference(path, [reason] * number, [reason] * found[step_id, reason])

    def iteration_ledger(self) -> Iterator[RunDifference]:
        """Each body of a loop is there once, and no other one."""
        expected = {
            (state.loop_instance_id, state.iteration): state.frame_id
            for frame in self._run.frames.values()
            if (state := frame.kernel_state).frame_scope is FrameScope.BODY
        }
        rows = [(one.loop_instance_id, one.iteration, one.frame_id) for one in self._run.loop_iteration_ledger]
        found = {(loop, iteration): frame for loop, iteration, frame in rows}
        for loop, iteration in sorted(expected.keys() | found.keys()):
            wanted, stored = expected.get((loop, iteration)), found.get((loop, iteration))
            if wanted != stored:
                yield RunDifference(_path("loop_iteration_ledger", loop, iteration), wanted, stored)
        if len(rows) != len(found):
            yield RunDifference("loop_iteration_ledger", f"{len(found)} rows", f"{len(rows)} rows")


def _standing(read: ReadRun) -> Iterator[RunDifference]:
    run, standing = read.run, read.standing
    if not standing.is_listed:
        yield RunDifference("lists.runs", "the run", None)
    if standing.statuses != (run.status,):
        yield RunDifference("lists.by_status", [str(run.status)], [str(status) for status in standing.statuses])
    is_over = run.status.is_terminal
    if standing.has_ended is not is_over:
        yield RunDifference("events.end", "an end" if is_over else None, "an end" if standing.has_ended else None)
    is_at_work = any(not one.is_over for one in read.view.executions.values())
    if not is_over and not standing.is_due and not is_at_work:
        yield RunDifference("lists.due", "a time at which a worker looks at it", None)
    if (run.completed_at is not None) is not is_over:
        yield RunDifference("completed_at", "a time" if is_over else None, str(run.completed_at))


def _events(read: ReadRun) -> Iterator[RunDifference]:
    """The log tells the end of the run once, if it is over, and as it has ended."""
    if read.events is None:
        return
    ends = [event.kind.type for event in read.events if terminal_identity(event.kind) is not None]
    expected = [f"flow_{read.run.status}"] if read.run.status.is_terminal else []
    if ends != expected:
        yield RunDifference("events.end", expected, ends)


def _path(*parts: object) -> str:
    return ".".join(map(str, parts))


def _paths(path: str, expected: object, found: object) -> Iterator[RunDifference]:
    """Where two values differ: as deep within them as both have the same form."""
    expected, found = _plain(expected), _plain(found)
    if json_text(expected) == json_text(found):
        return
    if isinstance(expected, dict) and isinstance(found, dict):
        wanted, stored = cast("dict[str, Any]", expected), cast("dict[str, Any]", found)
        for name in sorted(wanted.keys() | stored.keys()):
            yield from _paths(_path(path, name), wanted.get(name), stored.get(name))
    elif isinstance(expected, list) and isinstance(found, list):
        yield from _in_lists(path, cast("list[Any]", expected), cast("list[Any]", found))
    else:
        yield RunDifference(path, expected, found)


def _in_lists(path: str, expected: list[Any], found: list[Any]) -> Iterator[RunDifference]:
    if len(expected) != len(found):
        yield RunDifference(path, expected, found)
        return
    for number, (one, other) in enumerate(zip(expected, found, strict=True)):
        yield from _paths(_path(path, number), one, other)


def _plain(value: object) -> Any:
    """A value as JSON has it."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in cast("Mapping[Any, Any]", value).items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(one) for one in cast("Sequence[Any]", value)]
    return value

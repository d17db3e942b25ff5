"""Builds the transition of a run from what was read to what will be written: states, executions, rows and events."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from operator import is_
from typing import Any

from redis_mob.codec.definitions import flow_of_run
from redis_mob.fleet.deadline import next_deadline
from redis_mob.fleet.execution_index import ExecutionIndex
from redis_mob.fleet.said import MOST_REPEATED, bounded
from redis_mob.kernel.actions import EvaluateUntil, MachineAction
from redis_mob.kernel.commands import Frame
from redis_mob.kernel.context import ConditionContext, visible_context
from redis_mob.kernel.draft import Draft
from redis_mob.kernel.machine import FlowMachine
from redis_mob.kernel.told_reasons import NOT_REACHED
from redis_mob.models.ask import Ask
from redis_mob.models.base import changed_keys
from redis_mob.models.definition import MobDefinition
from redis_mob.models.events import MobEventKind, NewMobEvent
from redis_mob.models.execution import END_OF_TIME, OVER, Execution, ExecutionKey, ExecutionStatus, ItemProgress, later
from redis_mob.models.failure import AgentErrorReport, TurnError
from redis_mob.models.flow import FrameScope, FrameSnapshot, NodeStatus
from redis_mob.models.flow_events import StepSkipped
from redis_mob.models.flow_spec import FlowSpec
from redis_mob.models.ids import AgentRuntimeId
from redis_mob.models.ledger import FailureLedgerEntry, LoopIterationLedgerEntry, StepLedgerEntry, StepRunStatus
from redis_mob.models.limits import TokenUse
from redis_mob.models.run import MobRun
from redis_mob.models.run_outputs import SYSTEM_MEMBER as SYSTEM_MEMBER
from redis_mob.models.signal import Signal
from redis_mob.models.transition import NodeKey, RecordedOutput, RunView, Transition

MOST_REASONS = 10
"""Of how many items that failed the reason is kept, for that of their step."""

UNFINISHED = timedelta(seconds=1)
"""After this time another worker goes on with a run of which a decision has left a part."""


def target(member: str) -> AgentRuntimeId:
    """A member as events name it."""
    return AgentRuntimeId.unchecked(identity=member, generation=0)


class TransitionBuilder:
    """Collects the parts of one transition. Nothing is decided here: the engine decides, and calls these methods."""

    def __init__(
        self,
        view: RunView,
        definition: MobDefinition,
        machine: FlowMachine | None = None,
        index: ExecutionIndex | None = None,
    ) -> None:
        self.view = view
        self.definition = definition
        self.flow: FlowSpec = flow_of_run(definition, view.run)
        self.draft = Draft(machine or FlowMachine.from_run(view.run, self.flow))
        self.failures: list[FailureLedgerEntry] = []
        self.outputs: list[RecordedOutput] = []
        self._run = view.run
        self._changed: dict[ExecutionKey, Execution] = {}
        self._signals: defaultdict[str, deque[int]] | None = None
        self._context: tuple[tuple[object, ...], ConditionContext] | None = None
        self._index = index if index is not None and index.is_of(view.executions) else None
        self._progress: dict[NodeKey, ItemProgress] = {}
        self._items: dict[NodeKey, Sequence[Any]] = {}
        self._step_rows: list[StepLedgerEntry] = []
        self._step_rows_once: list[StepLedgerEntry] = []
        self._iteration_rows: list[LoopIterationLedgerEntry] = []
        self.is_unfinished = False
        """Whether more can happen in the run than was collected; another decision is to go on."""
        self._events: list[NewMobEvent] = []
        self._terminal_events: list[NewMobEvent] = []
        self._dropped: list[int] = []
        self._late_asks: list[tuple[ExecutionKey, Ask]] = []
        self._used: dict[ExecutionKey, TokenUse] = {}
        self._trace: str | None = None
        """The span of the attempt, or before the wait, whose end led to what begins now."""

    @property
    def now(self) -> datetime:
        """The server's time at which the run was read."""
        return self.view.now

    @property
    def machine(self) -> FlowMachine:
        """The machine of the run after everything that was collected so far."""
        return self.draft.machine

    @property
    def run(self) -> MobRun:
        """The run after everything that was collected so far, without the new ledger rows and log entries."""
        return self.machine.stored_in(self._run)

    def context(self) -> ConditionContext:
        """What steps and conditions see after everything that was collected so far."""
        seen = (self._run, self.machine.frames, self.machine.loops)
        if self._context is None or not all(map(is_, self._context[0], seen)):
            self._context = seen, visible_context(self.run, self.flow)
        return self._context[1]

    def apply(self, action: MachineAction) -> None:
        """Add the inputs of an action of the kernel."""
        before = self.machine
        action.apply(self.draft, self.flow)
        self._tell_skipped_since(before)

    def decide_until(self, until: EvaluateUntil, *, met: bool) -> None:
        """Add the inputs that answer an until condition."""
        before = self.machine
        until.decide(self.draft, met=met)
        self._tell_skipped_since(before)

    def end_node(self, frame_id: str, command: Frame, node_id: str) -> None:
        """Add the inputs that end a step node and give its slot back, if it has one."""
        before = self.machine
        has_slot = before.step_of(frame_id, node_id) not in self.flow.without_members
        self.draft.end_step_node(frame_id, command, node_id, has_slot=has_slot)
        self._tell_skipped_since(before)

    def _tell_skipped_since(self, before: FlowMachine) -> None:
        """Add an event for each step node that an input skipped because of what happened to other nodes."""
        for frame_id in changed_keys(before.frames, self.machine.frames):
            if (old := before.frames.get(frame_id)) is not None:
                self._tell_skipped(frame_id, old, self.machine.frames[frame_id])

    def _tell_skipped(self, frame_id: str, old: FrameSnapshot, new: FrameSnapshot) -> None:
        earlier, state = old.kernel_state.node_status, new.kernel_state
        for node_id in sorted(changed_keys(earlier, state.node_status)):
            status = state.node_status[node_id]
            # A running node is skipped by its own condition, and `skip_step` has told that with its reason.
            if status is NodeStatus.SKIPPED and earlier[node_id] in (NodeStatus.PENDING, NodeStatus.READY):
                step_id = self.machine.step_of(frame_id, node_id)
                if step_id is not None:
                    lost_branch = state.node_branches[node_id] in state.branch_winners
                    reason = "another member of its branch completed" if lost_branch else NOT_REACHED
                    self.tell(StepSkipped(run_id=self._run.run_id, step_id=step_id, reason=reason))

    def execution(self, key: ExecutionKey) -> Execution | None:
        """An execution with the change that was collected, if any."""
        return self._changed.get(key) or self.view.executions.get(key)

    def executions_of(self, frame_id: str, node_id: str) -> dict[str, Execution]:
        """The executions of a node by member, in the natural order of the members' names."""
        return self.index.of_node((frame_id, node_id))

    def statuses_of(self, frame_id: str, node_id: str) -> Counter[ExecutionStatus]:
        """How many executions of a node there are of each status."""
        return self.index.statuses_of((frame_id, node_id))

    @property
    def index(self) -> ExecutionIndex:
        """The index of the executions, with the changes that were collected."""
        if self._index is None:
            self._index = ExecutionIndex(self.view.executions)
            for key, execution in self._changed.items():
                self._index.put(key, execution)
        return self._index

    def dispatched(self) -> Iterator[ExecutionKey]:
        """The executions that are new in this transition."""
        return (key for key in self._changed if key not in self.view.executions)

    def executions(self) -> Iterator[tuple[ExecutionKey, Execution]]:
        """All executions of the run, each with the change that was collected, if any."""
        yield from {**self.view.executions, **self._changed}.items()

    def put(self, key: ExecutionKey, execution: Execution) -> None:
        """Replace an execution, or add one. What is over asks no one any more."""
        if execution.asks and execution.is_over:
            execution = execution.model_copy(update={"asks": ()})
        if execution.leaves:
            self._count_ended(key, execution)
        if execution.trace is not None:
            if execution.status in (ExecutionStatus.COMPLETED, ExecutionStatus.FAILED):
                self._trace = execution.trace
        elif self._trace is not None and self.execution(key) is None:
            execution = execution.model_copy(update={"trace": self._trace})
        self._changed[key] = execution
        if self._index is not None:
            self._index.put(key, execution)

    def _count_ended(self, key: ExecutionKey, execution: Execution) -> None:
        """Count an item that completed or failed."""
        progress, before = self.progress_of(key.node), self.execution(key)
        if progress is None or before is None or before.status in OVER:
            return
        if execution.status is ExecutionStatus.COMPLETED:
            self._progress[key.node] = progress.model_copy(update={"completed": progress.completed + 1})
        elif execution.status is ExecutionStatus.FAILED:
            told = bounded(f"{key.target}: {execution.reason}", MOST_REPEATED)
            reasons = (*progress.reasons, told)[:MOST_REASONS]
            self._progress[key.node] = progress.model_copy(update={"failed": progress.failed + 1, "reasons": reasons})

    def progress_of(self, node: NodeKey) -> ItemProgress | None:
        """How far a step with `for_each` is in a node, with the change that was collected; None of any other step."""
        return self._progress.get(node) or self.view.progress.get(node)

    def changed_progress(self) -> list[tuple[NodeKey, ItemProgress]]:
        """That of the nodes in which it has changed."""
        return list(self._progress.items())

    def items_of(self, node: NodeKey) -> Sequence[Any] | None:
        """The items of a node; None if they were not read."""
        return self._items.get(node) or self.view.items.get(node)

    def put_items(self, node: NodeKey, progress: ItemProgress, items: Sequence[Any]) -> None:
        """Add the items of a node whose step begins."""
        self._progress[node], self._items[node] = progress, items

    def put_progress(self, node: NodeKey, progress: ItemProgress) -> None:
        """Replace how far a node is with its items."""
        self._progress[node] = progress

    def close(self, key: ExecutionKey, **changes: Any) -> None:
        """End an execution: it has no lease any more."""
        execution = self.execution(key)
        if execution is not None:
            self.put(key, execution.model_copy(update={"lease": None, **changes}))

    def record_output(self, frame_id: str, step_id: str, output: Any) -> None:
        """Record the output of a step, where steps after it will see it."""
        loop_context = self._loop_context(frame_id)
        self.outputs.append(RecordedOutput(step_id, output, loop_context))
        self._run = self._run.with_output(step_id, output, loop_context)

    def _loop_context(self, frame_id: str) -> tuple[str, int] | None:
        frame = self.machine.frame(frame_id)
        if frame.frame_scope is FrameScope.ROOT:
            return None
        return self.machine.loop(frame.loop_instance_id).loop_id, frame.iteration

    def row(self, step_id: str, member: str, status: StepRunStatus, output: Any = None, *, once: bool = False) -> None:
        """Add a row to the step ledger."""
        entry = StepLedgerEntry.unchecked(
            step_id=step_id, agent_identity=member, status=status, output=output, timestamp=self.now
        )
        (self._step_rows_once if once else self._step_rows).append(entry)

    def failure(
        self,
        step_id: str,
        reason: str,
        error_report: AgentErrorReport | None = None,
        error: TurnError | None = None,
    ) -> None:
        """Add a row to the failure ledger."""
        self.failures.append(
            FailureLedgerEntry(
                step_id=step_id, reason=reason, error_report=error_report, error=error, timestamp=self.now
            )
        )

    def iteration(self, loop_instance_id: str, iteration: int, frame_id: str) -> None:
        """Record which frame is the body of an iteration."""
        self._iteration_rows.append(
            LoopIterationLedgerEntry(loop_instance_id=loop_instance_id, iteration=iteration, frame_id=frame_id)
        )

    def tell(self, kind: MobEventKind) -> None:
        """Add an event to the log; the storage's clock gives it its time."""
        self._events.append(NewMobEvent.unchecked(mob_id=self._run.mob_id, kind=kind))

    def tell_end(self, kind: MobEventKind) -> None:
        """Add the event that ends the flow."""
        self._terminal_events.append(NewMobEvent(mob_id=self._run.mob_id, kind=kind))

    def next_signal(self, name: str) -> tuple[int, Signal] | None:
        """The signal of this name that was sent first of those that no step has taken, behind its number."""
        if self._signals is None:
            self._signals = defaultdict(deque)
            for number, signal in self.view.signals.items():
                self._signals[signal.name].append(number)
        queue = self._signals.get(name)
        return (queue[0], self.view.signals[queue[0]]) if queue else None

    def take_signal(self, key: ExecutionKey, number: int, output: Any) -> None:
        """Let an execution that awaits this signal, which is the next one of its name, complete with it."""
        if self._signals is not None:
            self._signals[self.view.signals[number].name].popleft()
        self.close(key, status=ExecutionStatus.COMPLETED, signal=number, output=output)

    def drop_signal(self, number: int) -> None:
        """Let a signal go that nothing waits for; it goes with the next change of an execution."""
        self._dropped.append(number)

    def run_out(self, key: ExecutionKey, ask: Ask) -> None:
        """Let the time of an ask be over, of an execution that changes by that."""
        self._late_asks.append((key, ask))

    def use(self, key: ExecutionKey, used: TokenUse) -> None:
        """Tell the limits of an execution what its attempt has used."""
        self._used[key] = used

    def is_running(self, node: NodeKey) -> bool:
        """Whether the step of a node is under way."""
        return self.machine.frame(node[0]).node_status[node[1]] is NodeStatus.RUNNING

    def wait_end(self, step_id: str, begins: datetime) -> datetime | None:
        """Until when an attempt waits for its child that begins at a time; None if as long as that takes."""
        timeout = self.flow.steps[step_id].timeout_ms
        return None if timeout is None else later(begins, timeout)

    def _next_look(self) -> datetime | None:
        """When the run must be looked at although nothing has come."""
        if self.machine.status.is_terminal:
            # Deadlines are an entry of the schedule: they are kept even if every worker dies before them. So is it that
            # a parent is still to be told, which the worker that commits this does at once.
            return None if self.view.parent is None else self.now + UNFINISHED
        begins_child = self.flow.subflows and any(
            one.child is not None and one.status is ExecutionStatus.AWAITING for one in self._changed.values()
        )
        at = self._next_deadline()
        # likewise that a child is to be started
        return min(self.now + UNFINISHED, at or END_OF_TIME) if begins_child else at

    def _next_deadline(self) -> datetime | None:
        if self.is_unfinished:
            # The worker that commits this goes on at once. Should it die before, another one looks at the run then.
            return self.now + UNFINISHED
        # a fact makes no index: it does not say when to look at the run
        asking = () if self._index is None else tuple(self._index.with_status(ExecutionStatus.ASKING))
        if not (self.flow.without_members or self.view.launch.escalates or asking):
            return self.view.deadline
        ends = (*self.index.with_status(ExecutionStatus.AWAITING), *asking, *self.index.escalations())
        return next_deadline(self.view, map(self.index.execution, ends))

    def leave_the_rest(self) -> None:
        """Leave what else can happen to another decision."""
        self.is_unfinished = True

    def fact(self, reports: int) -> Transition | None:
        """What was collected about executions alone, so many reports among it; None if that is nothing."""
        transition = self.transition()
        return transition and replace(transition, is_decision=False, reports=reports)

    def transition(self) -> Transition | None:
        """Everything that was collected as one decision; None if that is nothing."""
        inputs = self.draft.inputs
        if not (inputs or self._changed or self._events):
            return None
        return Transition(
            before=self.view,
            run=self.run,
            executions=self._changed,
            progress=self._progress,
            items=self._items,
            inputs=inputs,
            outputs=tuple(self.outputs),
            step_rows=tuple(self._step_rows),
            step_rows_once=tuple(self._step_rows_once),
            failure_rows=tuple(self.failures),
            iteration_rows=tuple(self._iteration_rows),
            events=tuple(self._events),
            terminal_events=tuple(self._terminal_events),
            look_again_at=self._next_look(),
            dropped=tuple(self._dropped) if self._changed else (),
            late_asks=tuple(self._late_asks),
            used=self._used,
        )

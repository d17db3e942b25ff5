"""One transition of a run as the fleet hands it to the store: what was read, and all that changes with it.

One script commits all of it (decision 0006).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import IntEnum
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from redis_mob.models.base import FrozenDict
from redis_mob.models.execution import (
    Execution,
    ExecutionKey,
    ExecutionStatus,
    ItemProgress,
    RunLaunch,
    later,
)
from redis_mob.models.labels import NO_LABELS, Labels
from redis_mob.models.ledger import FailureLedgerEntry, LoopIterationLedgerEntry, StepLedgerEntry
from redis_mob.models.run import MobRun
from redis_mob.models.run_status import MobRunStatus

if TYPE_CHECKING:  # for annotations alone: the models of events take their time
    from redis_mob.models.ask import Ask
    from redis_mob.models.authority import FlowAuthorityInput
    from redis_mob.models.conversation import Turn
    from redis_mob.models.events import NewMobEvent
    from redis_mob.models.limits import TokenUse
    from redis_mob.models.pause import Pause
    from redis_mob.models.signal import Signal
    from redis_mob.models.subflow import ParentRun

NodeKey: TypeAlias = tuple[str, str]
"""A node: frame id and node id."""


class Commit(IntEnum):
    """How the commit of a transition ended, as lua/executions/commit replies; true if the transition has happened."""

    LOST = 0
    WON = 1
    HANDED_ON = 2
    """It has happened, and the worker for which it claims executions was let go of before: they wait for others. That
    worker must not execute them, since nothing would be counted if it is lost with them."""


@dataclass(frozen=True, slots=True)
class RunView:
    """The core of a run with its executions, read at one moment; `launched_at` and `now` are the server's times of its
    start and of reading.

    `run` has none of the rows of the step and iteration ledgers, and no authority inputs (see `MobRun.core`).
    `version` counts the decisions on the run, `reports` what has come without one: outcomes that were reported, and
    signals; `moves` how often it was given to another release. `signals` are those that no step has taken, by number,
    in this order; `labels` are attributes and summary. `pauses` says by which the run is paused: its own, that of its
    flow, that of its mob. One that `is_debounced` may be started again as long as it has not begun (decision 0039).

    `progress` is that of each node whose step has `for_each`. Its items, and the executions of those that are over, are
    not read with the run: `items` and `ended` hold them as far as they were asked for, and they never change
    (contract: executions-21). `parent` is what a run knows of the one whose step runs it.
    `turn` says in which conversation it is, and whether it waits there.
    """

    run: MobRun
    launch: RunLaunch
    executions: Mapping[ExecutionKey, Execution]
    cancel_requested: bool
    launched_at: datetime
    now: datetime
    version: int = 0
    reports: int = 0
    moves: int = 0
    progress: Mapping[NodeKey, ItemProgress] = FrozenDict()
    items: Mapping[NodeKey, Sequence[Any]] = FrozenDict()
    ended: Mapping[ExecutionKey, Execution] = FrozenDict()
    signals: Mapping[int, Signal] = FrozenDict()
    parent: ParentRun | None = None
    labels: Labels = NO_LABELS
    pauses: tuple[Pause, ...] = ()
    is_debounced: bool = False
    turn: Turn | None = None

    @property
    def deadline(self) -> datetime | None:
        """The end of the time that the flow may take, None if there is none."""
        duration = self.launch.max_duration_ms
        return None if duration is None else later(self.launched_at, duration)

    @property
    def waits_for_turn(self) -> bool:
        """Whether other runs of its conversation have to end before it begins, as far as it knows."""
        is_pending = self.turn is not None and self.run.status is MobRunStatus.PENDING
        return is_pending and self.turn is not None and self.turn.waits and not self.cancel_requested

    @property
    def waits_to_begin(self) -> bool:
        """Whether its begin was put off by another start after a worker was asked to look at it."""
        is_pending = self.is_debounced and self.run.status is MobRunStatus.PENDING
        return is_pending and not self.cancel_requested and self.now < self.launched_at


class RecordedOutput(NamedTuple):
    """The output of a step in the root frame, or in (loop id, iteration)."""

    step_id: str
    output: Any
    loop_context: tuple[str, int] | None


@dataclass(frozen=True, slots=True)
class Transition:
    """A transition from `before` to `run` (status, flow state, frames, loops) and `executions` (those that change).

    A decision is about the run, and is lost if another one came between. What is none is a fact about its executions
    alone, that they were claimed or what came of them: facts do not compete with decisions, nor with each other. A fact
    that has `reports` makes the run due, for a decision on them.
    Rows of `step_rows_once` are appended unless the ledger has one for the same step, agent and status. Terminal
    events are appended unless the log has one of the same flow. `look_again_at` is when a worker must look at the run
    although nothing was reported, None if never. An execution that took a signal takes it from those that wait. `by` is
    the worker that commits it: others are told when it takes an execution from them. `progress` is that of nodes whose
    step has `for_each`, as it changes, `items` are those of a node whose step begins. Executions of items that end are
    put aside (contract: executions-21). `dropped` are the numbers of signals that go although no step takes them; then
    it changes an execution. `late_asks` are those whose time is over, of executions that it changes: it is lost if one
    of them was answered meanwhile. `used` says of attempts that are over which tokens they have used, as far as that is
    known.
    """

    before: RunView
    run: MobRun
    executions: Mapping[ExecutionKey, Execution] = FrozenDict()
    is_decision: bool = True
    reports: int = 0
    inputs: tuple[FlowAuthorityInput, ...] = ()
    outputs: tuple[RecordedOutput, ...] = ()
    step_rows: tuple[StepLedgerEntry, ...] = ()
    step_rows_once: tuple[StepLedgerEntry, ...] = ()
    failure_rows: tuple[FailureLedgerEntry, ...] = ()
    iteration_rows: tuple[LoopIterationLedgerEntry, ...] = ()
    events: tuple[NewMobEvent, ...] = ()
    terminal_events: tuple[NewMobEvent, ...] = ()
    look_again_at: datetime | None = None
    by: str = ""
    progress: Mapping[NodeKey, ItemProgress] = FrozenDict()
    items: Mapping[NodeKey, Sequence[Any]] = FrozenDict()
    dropped: tuple[int, ...] = ()
    late_asks: tuple[tuple[ExecutionKey, Ask], ...] = ()
    used: Mapping[ExecutionKey, TokenUse] = FrozenDict()
    is_vouched: bool = field(default=False, init=False, compare=False, repr=False)
    """Whether the code that made it knows that all its parts can be read back once they are written, so that a store
    need not try that. `replace` gives one that is not vouched for."""

    def vouched(self, by: str = "") -> Transition:
        """The same transition, vouched for, and committed by this worker."""
        object.__setattr__(self, "is_vouched", True)
        object.__setattr__(self, "by", by)
        return self

    def after(self) -> RunView:
        """The core of the run as it is once this has happened, for further decisions."""
        before, taken = self.before, set(self.taken)
        failures = (*before.run.failure_ledger, *self.failure_rows)
        executions = {**before.executions, **self.executions}
        for key, execution in self.executions.items():
            if execution.leaves:
                del executions[key]
        progress = {**before.progress, **self.progress}
        items = {**before.items, **self.items}
        return replace(
            before,
            run=self.run.model_copy(update={"failure_ledger": failures}),
            executions=executions,
            version=before.version + self.is_decision,
            progress=progress,
            items={node: items[node] for node, one in progress.items() if one.begun < one.items and node in items},
            ended=FrozenDict(),
            signals={number: one for number, one in before.signals.items() if number not in taken}
            if taken
            else before.signals,
        )

    @property
    def begun(self) -> Iterator[ExecutionKey]:
        """The executions that a worker gets which it did not hold before."""
        for key, execution in self.executions.items():
            earlier = self.before.executions.get(key)
            if execution.status is ExecutionStatus.LEASED and execution.lease is not None:
                owner = None if earlier is None or earlier.lease is None else earlier.lease.owner
                is_suspect = earlier is not None and earlier.suspect
                if owner != execution.lease.owner or is_suspect is not execution.suspect:
                    yield key

    def closes_until(self, key: ExecutionKey) -> datetime | None:
        """Until when the rates of an execution are closed, since its service asks for that; None if it does not."""
        execution, earlier = self.executions[key], self.before.executions.get(key)
        is_throttled = earlier is not None and execution.throttled > earlier.throttled
        return execution.due_at if is_throttled else None

    @property
    def taken(self) -> tuple[int, ...]:
        """The numbers of the signals that steps take, and of those that are dropped."""
        return (*(one.signal for one in self.executions.values() if one.signal is not None), *self.dropped)

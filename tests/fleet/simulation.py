"""The storage of a fleet in memory, for one run and with a clock that a test turns: a double to drive the engine with.

It does what the contract of `ExecutionStore` says, and checks what must hold after every transition.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, cast

from redis_mob.codec.signals import another_was_sent, run_is_over
from redis_mob.fleet import engine
from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.outcome import Failed, Outcome, Succeeded
from redis_mob.fleet.transition_builder import UNFINISHED
from redis_mob.kernel.reconcile import reconcile
from redis_mob.models.ask import ANSWER_NEWS, Ask
from redis_mob.models.base import FrozenDict, SortedDict
from redis_mob.models.definition import MobDefinition
from redis_mob.models.events import MobEventKind
from redis_mob.models.execution import OVERDUE, Execution, ExecutionKey, ExecutionStatus, HowLost, Loss, RunLaunch
from redis_mob.models.flow_events import FlowCanceled, FlowCompleted, FlowFailed
from redis_mob.models.labels import NO_LABELS, Labels
from redis_mob.models.ledger import StepLedgerEntry
from redis_mob.models.run import MobRun
from redis_mob.models.signal import Sent, Signal
from redis_mob.models.transition import Commit, RecordedOutput, RunView, Transition
from redis_mob.storage import MobStorage
from tests.fleet.flows import FLOW
from tests.fleet.wait_checks import check_ends_of_waits, check_signals, next_end

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LEASE = timedelta(seconds=10)
TERMINAL_EVENTS = (FlowCompleted, FlowFailed, FlowCanceled)


@dataclass
class SimulatedStore:
    """One run as a store would keep it, the event log, and what is due when."""

    namespace = "simulated"
    now: datetime = NOON
    definition: MobDefinition = field(init=False)
    view: RunView = field(init=False)
    events: list[MobEventKind] = field(default_factory=list[MobEventKind])
    sent: dict[int, Signal] = field(default_factory=dict[int, Signal])
    """All signals that there ever were, by number."""
    receipts: dict[str, int] = field(default_factory=dict[str, int])
    """The numbers of those that were sent under a key."""
    run_due: datetime | None = None
    in_hand: bool = False
    ready: dict[ExecutionKey, datetime] = field(default_factory=dict[ExecutionKey, datetime])
    lost: dict[ExecutionKey, Loss] = field(default_factory=dict[ExecutionKey, Loss])
    handed_on: set[ExecutionKey] = field(default_factory=set[ExecutionKey])
    """Executions that were claimed so: a further claim is the same attempt."""
    answered: set[tuple[ExecutionKey, int]] = field(default_factory=set[tuple[ExecutionKey, int]])
    """The asks of executions, by their ordinals, that have an answer or are out of time."""
    resumed: Counter[ExecutionKey] = field(default_factory=Counter[ExecutionKey])
    """How often an execution was claimed because people had answered: no event tells of that."""
    gone: set[str] = field(default_factory=set[str])
    """Workers that were let go of: what they still claim is handed on at once."""

    @property
    def executions(self) -> SimulatedStore:
        """The store seen as a storage, as far as starting a run needs it."""
        return self

    async def start_run(
        self,
        run: MobRun,
        launch: RunLaunch,
        definition: MobDefinition,
        *,
        at: datetime | None = None,
        labels: Labels = NO_LABELS,
    ) -> bool:
        assert (at, labels) == (None, NO_LABELS)
        self.definition = definition
        self.view = RunView(
            run=run, launch=launch, executions={}, cancel_requested=False, launched_at=self.now, now=self.now
        )
        self.run_due = self.now
        return True

    def load(self) -> RunView:
        """The core of the run as it is now; its executions come in an order that means nothing."""
        executions = dict(reversed(list(self.view.executions.items())))
        # Items, and executions of them that are over, never change: it is as if they had been asked for already.
        return replace(self.view, run=self.view.run.core(), executions=executions, now=self.now)

    def request_cancel(self) -> bool:
        if self.view.run.status.is_terminal:
            return False
        self.view = replace(self.view, cancel_requested=True)
        self.run_due = self.now
        self.in_hand = False
        return True

    def send_signal(self, signal: Signal, idempotency_key: str | None = None) -> Sent:
        """Send a signal."""
        run_id = self.view.run.run_id
        if idempotency_key is not None and idempotency_key in self.receipts:
            number = self.receipts[idempotency_key]
            if self.sent[number] != signal:
                raise another_was_sent(run_id, idempotency_key)
            return Sent(number, is_repeated=True)
        if self.view.run.status.is_terminal:
            raise run_is_over(run_id, signal)
        number = len(self.sent) + 1
        self.sent[number] = signal
        if idempotency_key is not None:
            self.receipts[idempotency_key] = number
        self.view = replace(self.view, signals={**self.view.signals, number: signal}, reports=self.view.reports + 1)
        if not self.in_hand or self.run_due is None or self.run_due <= self.now:
            self.run_due = self.now
        return Sent(number)

    def answer(self, key: ExecutionKey, ask: Ask) -> None:
        """Answer an ask that is pending."""
        assert (key, ask.ordinal) not in self.answered
        self.answered.add((key, ask.ordinal))
        self.send_signal(Signal(name=ANSWER_NEWS, payload={"key": list(key), "ask": ask.id}))

    def lose(self, key: ExecutionKey, how: HowLost = HowLost.ALONE) -> None:
        """The worker that holds an execution is lost, or hands it back."""
        lease = self.view.executions[key].lease
        assert lease is not None
        self.lost[key] = Loss(how, lease.owner, "host", self.now)
        self.ready[key] = self.now

    def commit(self, transition: Transition) -> Commit:
        """Make a transition happen, unless something that it is based on has changed."""
        if not self._is_based_on_what_is(transition):
            return Commit.LOST
        self._apply(transition)
        if (flow := self.definition.flows[transition.run.flow_id]).waits:
            check_ends_of_waits(flow, transition)
        leases = [execution.lease for execution in transition.executions.values()]
        is_handed_on = any(lease is not None and lease.owner in self.gone for lease in leases)
        return Commit.HANDED_ON if is_handed_on else Commit.WON

    def _is_based_on_what_is(self, transition: Transition) -> bool:
        before, run, stored = transition.before, transition.run, self.view
        frames = [name for name, frame in run.frames.items() if before.run.frames.get(name) != frame]
        loops = [name for name, loop in run.loops.items() if before.run.loops.get(name) != loop]
        return (
            stored.run.status is before.run.status
            and not stored.run.status.is_terminal
            and stored.cancel_requested is before.cancel_requested
            and (not transition.is_decision or stored.version == transition.before.version)
            and (not transition.is_decision or stored.run.flow_state == before.run.flow_state)
            and all(stored.run.frames.get(name) == before.run.frames.get(name) for name in frames)
            and all(stored.run.loops.get(name) == before.run.loops.get(name) for name in loops)
            and all(stored.executions.get(key) == before.executions.get(key) for key in transition.executions)
            and all(stored.progress.get(node) == before.progress.get(node) for node in transition.progress)
            and all((key, ask.ordinal) not in self.answered for key, ask in transition.late_asks)
        )

    def _apply(self, transition: Transition) -> None:
        before, after, run = transition.before.run, transition.run, self.view.run
        frames = {name: frame for name, frame in after.frames.items() if before.frames.get(name) != frame}
        loops = {name: loop for name, loop in after.loops.items() if before.loops.get(name) != loop}
        ended = after.status.is_terminal
        run = run.model_copy(
            update={
                "status": after.status,
                "flow_state": after.flow_state if transition.is_decision else run.flow_state,
                "frames": SortedDict({**run.frames, **frames}),
                "loops": SortedDict({**run.loops, **loops}),
                "flow_authority_inputs": (*run.flow_authority_inputs, *transition.inputs),
                "failure_ledger": (*run.failure_ledger, *transition.failure_rows),
                "completed_at": self.now if ended else None,
            }
        )
        for output in transition.outputs:
            run = recorded(run, output)
        iterations = [row for row in transition.iteration_rows if row not in run.loop_iteration_ledger]
        ledger = (*run.step_ledger, *transition.step_rows)
        for row in transition.step_rows_once:  # one transition may have the same row twice
            ledger += () if has_row(ledger, row) else (row,)
        run = run.model_copy(
            update={"step_ledger": ledger, "loop_iteration_ledger": (*run.loop_iteration_ledger, *iterations)}
        )
        progress, items = {**self.view.progress, **transition.progress}, {**self.view.items, **transition.items}
        assert set(transition.taken) <= set(self.view.signals)
        waiting = {number: one for number, one in self.view.signals.items() if number not in transition.taken}
        self.view = replace(self.view, run=run, progress=progress, items=items, signals=waiting)
        self._put_executions(transition.executions)
        self.answered |= {(key, ask.ordinal) for key, ask in transition.late_asks}
        if transition.is_decision:
            late = self.view.reports > transition.before.reports and not ended
            self.run_due = self.now if late else transition.look_again_at
            self.view = replace(self.view, version=self.view.version + 1)
            self.in_hand = False
        elif transition.reports:
            self.view = replace(self.view, reports=self.view.reports + transition.reports)
            if not self.in_hand or self.run_due is None or self.run_due <= self.now:
                self.run_due = self.now
        self.events += [event.kind for event in transition.events]
        over = any(isinstance(event, TERMINAL_EVENTS) for event in self.events)
        self.events += [event.kind for event in transition.terminal_events if not over]

    def _put_executions(self, changed: Any) -> None:
        earlier, stored = self.view.executions, {**self.view.executions, **changed}
        left = {key: one for key, one in changed.items() if one.leaves}
        self.view = replace(
            self.view,
            executions={key: one for key, one in stored.items() if key not in left},
            ended={**self.view.ended, **left},
        )
        for key, execution in changed.items():
            self.ready.pop(key, None)
            self.lost.pop(key, None)
            before = earlier.get(key)
            self.resumed[key] += before is not None and _goes_on(before, execution)
            if execution.lease is not None and execution.lease.owner in self.gone:
                self.handed_on.add(key)
                self.lost[key] = Loss(HowLost.HANDED_BACK, execution.lease.owner, "host", self.now)
                self.ready[key] = self.now
            elif execution.lease is not None:
                self.ready[key] = execution.lease.deadline + OVERDUE
            elif execution.status is ExecutionStatus.WAITING:
                self.ready[key] = execution.due_at

    def next_time(self) -> datetime | None:
        """When the next thing is due, None if nothing is."""
        times = [*self.ready.values(), *([] if self.run_due is None else [self.run_due])]
        return min(times, default=None)

    def let_time_pass(self) -> None:
        """Until the next thing is due."""
        following = self.next_time()
        assert following is not None
        self.now = max(following, self.now + timedelta(microseconds=1))

    def check(self) -> None:
        """What holds after every transition: the run agrees with itself, and no cap is exceeded."""
        run, flow = self.view.run, self.definition.flows[self.view.run.flow_id]
        assert reconcile(run, flow) == ()
        state = run.flow_state
        assert state.max_active_nodes == 0 or state.active_node_count <= state.max_active_nodes
        outermost = [
            loop.kernel_state.active_body_frame_id
            for loop in run.loops.values()
            if loop.kernel_state.depth == 1 and loop.kernel_state.active_body_frame_id is not None
        ]
        assert state.max_active_frames == 0 or len(outermost) <= state.max_active_frames
        if flow.waits:
            check_signals(flow, self.sent, self.view)
            self.check_waits_end()

    def check_waits_end(self) -> None:
        """The run is looked at when the next step ends its wait, or as soon as another worker may take it in hand."""
        end = next_end(self.definition.flows[self.view.run.flow_id], replace(self.view, now=self.now))
        if end is not None:
            most = max(end, self.now + (LEASE if self.in_hand else UNFINISHED))
            assert self.run_due is not None and self.run_due <= most, (
                "a step can end its wait, and nothing wakes its run"
            )


def _goes_on(before: Execution, after: Execution) -> bool:
    """Whether a claim lets a handler run once more within its attempt, which is no dispatch of its own.

    One commit may take an answer, or what was reported, and claim the execution at once.
    """
    is_claimed = after.status is ExecutionStatus.LEASED and after.fencing_token > before.fencing_token
    has_ended = before.status in (ExecutionStatus.ASKING, ExecutionStatus.REPORTED)
    return is_claimed and (before.resumes or (has_ended and after.attempt == before.attempt))


def has_row(ledger: tuple[StepLedgerEntry, ...], row: StepLedgerEntry) -> bool:
    """Whether the ledger has a row of the same step, agent and status."""
    identity = (row.step_id, row.agent_identity, row.status)
    return any((one.step_id, one.agent_identity, one.status) == identity for one in ledger)


def recorded(run: MobRun, output: RecordedOutput) -> MobRun:
    """The run with one more output."""
    if output.loop_context is None:
        return run.model_copy(update={"root_step_outputs": run.root_step_outputs.set((output.step_id, output.output))})
    loop_id, iteration = output.loop_context
    iterations = list(run.loop_iteration_outputs.get(loop_id, ()))
    iterations += [FrozenDict[str, Any]() for _ in range(iteration + 1 - len(iterations))]
    iterations[iteration] = iterations[iteration].set((output.step_id, output.output))
    return run.model_copy(
        update={"loop_iteration_outputs": run.loop_iteration_outputs.set((loop_id, tuple(iterations)))}
    )


class Simulation:
    """One run, driven move by move through the engine by a single faultless worker."""

    def __init__(
        self, definition: MobDefinition, params: Any = None, store: SimulatedStore | None = None, **members: int
    ) -> None:
        self.store = store or SimulatedStore()
        self.definition = definition
        self.random = Random(0)
        # A mob of which each step waits has no role but its orchestrator's.
        members = {role: count for role, count in members.items() if role in definition.profiles}
        fleet = Fleet(cast("MobStorage", self.store), definition, {"*": lambda _ctx: None}, members=members)
        self.run_id = asyncio.run(fleet.start(FLOW, params))

    @property
    def run(self) -> MobRun:
        return self.store.view.run

    def executions(self) -> dict[ExecutionKey, Execution]:
        """All executions of steps, those of items that are over among them."""
        executions = {**self.store.view.executions, **self.store.view.ended}
        return {key: one for key, one in executions.items() if one.escalation is None}

    def escalations(self) -> dict[ExecutionKey, Execution]:
        """What the supervisor is told."""
        return {key: one for key, one in self.store.view.executions.items() if one.escalation is not None}

    def advance(self) -> bool:
        """Whether there was anything to do without a result of a member."""
        transition = engine.advance(self.store.load(), self.definition)
        return transition is not None and self.commit(transition)

    def commit(self, transition: Transition) -> bool:
        assert self.store.commit(transition)
        self.store.check()
        return True

    def keys(self, step_id: str, *statuses: ExecutionStatus) -> list[ExecutionKey]:
        """The executions of a step, or those of these statuses, by frame and member."""
        return sorted(
            key
            for key, execution in self.store.view.executions.items()
            if execution.step_id == step_id
            and execution.escalation is None
            and (not statuses or execution.status in statuses)
        )

    def key(self, step_id: str, member: str) -> ExecutionKey:
        """The execution of a step by a member in its latest frame."""
        return [key for key in self.keys(step_id) if key.target == member][-1]

    def execution(self, step_id: str, member: str = "worker-1") -> Execution:
        return self.store.view.executions[self.key(step_id, member)]

    def claim(self, step_id: str, member: str = "worker-1", owner: str = "one") -> int:
        """Claim an execution and return its fencing token."""
        key = self.key(step_id, member)
        transition = self.claimed(key, owner)
        assert transition is not None, f"{key} cannot be claimed"
        self.commit(transition)
        return self.store.view.executions[key].fencing_token

    def claimed(self, key: ExecutionKey, owner: str = "one") -> Transition | None:
        """The transition that claims an execution; None if it cannot be claimed."""
        view, loss = self.store.load(), self.store.lost.get(key)
        return engine.claim(view, self.definition, key, owner=owner, loss=loss, random=self.random)

    def lose(self, step_id: str, member: str = "worker-1", how: HowLost = HowLost.ALONE) -> None:
        """The worker that holds an execution is lost, or hands it back."""
        self.store.lose(self.key(step_id, member), how)

    def settle(self, step_id: str, outcome: Outcome, member: str = "worker-1", token: int | None = None) -> bool:
        """Hand in an outcome; False if it is refused."""
        key = self.key(step_id, member)
        held = self.store.view.executions[key].fencing_token if token is None else token
        transition = engine.settle(self.store.load(), self.definition, key, outcome, token=held, random=self.random)
        return transition is not None and self.commit(transition)

    def do(self, step_id: str, output: Any = "done", member: str = "worker-1") -> None:
        """Claim an execution and succeed."""
        self.claim(step_id, member)
        assert self.settle(step_id, Succeeded(output), member)

    def fail(self, step_id: str, reason: str = "broken", member: str = "worker-1", **more: Any) -> None:
        """Claim an execution and fail."""
        self.claim(step_id, member)
        assert self.settle(step_id, Failed(reason, **more), member)

    def signal(self, name: str = "go", payload: Any = None) -> int:
        """Send a signal; returns its number."""
        return self.store.send_signal(Signal(name=name, payload=payload)).number

    def wait(self, time: timedelta) -> None:
        """Let time pass."""
        self.store.now += time

    def open(self) -> list[str]:
        """The steps that have executions without a result, each as `step@member`."""
        return sorted(
            f"{execution.step_id}@{key.target}"
            for key, execution in self.store.view.executions.items()
            if execution.status in (ExecutionStatus.WAITING, ExecutionStatus.LEASED)
        )

    def story(self) -> list[str]:
        """The event log in short: `flow_started`, `step_dispatched a@worker-1`, `step_completed a`."""
        return [told(event) for event in self.store.events]

    def rows(self, *statuses: str) -> list[str]:
        """The step ledger in short: `a@worker-1 completed`."""
        return [
            f"{row.step_id}@{row.agent_identity} {row.status}"
            for row in self.run.step_ledger
            if not statuses or row.status in statuses
        ]

    def failures(self) -> list[tuple[str, str]]:
        """The failure ledger: step and reason."""
        return [(row.step_id, row.reason) for row in self.run.failure_ledger]

    def statuses(self) -> dict[str, str | None]:
        """The final status of each step."""
        return {step: status and str(status) for step, status in self.run.flow_state.step_status.items()}


def told(event: MobEventKind) -> str:
    """An event in short."""
    step = getattr(event, "step_id", None)
    target = getattr(event, "target", None)
    return " ".join(filter(None, (event.type, step and (f"{step}@{target.identity}" if target else step))))

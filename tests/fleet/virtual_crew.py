"""Virtual workers on one run, which decide as drivers do: from what they read or left last, which may be old.

All that a worker does is cut into moves, and any move of another worker may come between two of them: it takes what is
due, reads, decides or notes, commits, executes, reports; it loses a reply, and it dies. `choices` are the moves that
are possible. What must hold always is checked after each commit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from random import Random

from redis_mob.fleet import engine
from redis_mob.fleet.engine import Claimant, Decision, Report
from redis_mob.models.definition import MobDefinition
from redis_mob.models.execution import Claim, Execution, ExecutionKey, ExecutionStatus, HowLost
from redis_mob.models.transition import Commit, RunView, Transition
from tests.fleet.flows import FLOW
from tests.fleet.interleaving import MOST_MOVES, Handler, iteration_of
from tests.fleet.senders import Senders
from tests.fleet.simulation import LEASE, TERMINAL_EVENTS, SimulatedStore, Simulation
from tests.fleet.strategies import PARAMS

SETTLED = (ExecutionStatus.COMPLETED, ExecutionStatus.FAILED, ExecutionStatus.CANCELED)

REPORTED = (ExecutionStatus.COMPLETED, ExecutionStatus.FAILED, ExecutionStatus.REPORTED)

SELDOM = 0.2
"""How often a caller may ask for the end of a run, so that something has happened before."""

Move = Callable[[], None]


@dataclass
class Pending:
    """What a worker is about to commit, and what it was told that is in it."""

    transition: Transition
    claimed: tuple[ExecutionKey, ...]
    reports: list[Report]
    claims: list[Claim]


@dataclass(eq=False)
class VirtualWorker:
    """One process: what it knows of the run, what it was told and has not committed, and what it executes."""

    name: str
    slots: int
    view: RunView | None = None
    is_fresh: bool = False
    """The view was read for the next decision; if not, it is what the last commit left."""
    looks: bool = False
    """It was asked to look after the run, and has not decided since."""
    tries_again: bool = False
    leads: bool = False
    is_alone: bool = True
    reports: list[Report] = field(default_factory=list[Report])
    claims: list[Claim] = field(default_factory=list[Claim])
    pending: Pending | None = None
    unsure: dict[ExecutionKey, Execution] = field(default_factory=dict[ExecutionKey, Execution])
    held: dict[ExecutionKey, Execution] = field(default_factory=dict[ExecutionKey, Execution])

    @property
    def has_news(self) -> bool:
        return bool(self.looks or self.tries_again or self.reports or self.claims)

    @property
    def free(self) -> int:
        return max(self.slots - len(self.held) - len(self.claims), 0)

    def claimant(self) -> Claimant:
        """Itself, for the engine: it serves all roles."""
        return Claimant(self.name, self.free, self.is_alone, lambda _role: True)


@dataclass
class VirtualCrew:
    """A run under some workers; `mishaps` is how often one may die, lose a reply or its lease, or stand still."""

    definition: MobDefinition
    handler: Handler
    random: Random
    members: int = 2
    workers: int = 3
    slots: int = 2
    mishaps: int = 0
    cancel: bool = False
    signals: int = 0
    """How many are sent although no step may wait for them."""
    store: SimulatedStore = field(default_factory=SimulatedStore)
    crew: list[VirtualWorker] = field(default_factory=list[VirtualWorker])
    calls: Counter[ExecutionKey] = field(default_factory=Counter[ExecutionKey])
    begun: set[tuple[ExecutionKey, int]] = field(default_factory=set[tuple[ExecutionKey, int]])
    dead: set[str] = field(default_factory=set[str])
    """Names of workers whose leases have not expired yet, and are not renewed any more."""

    def __post_init__(self) -> None:
        self.sim = Simulation(self.definition, PARAMS, self.store, worker=self.members)
        self.senders = Senders(self.store, self.random, self.signals)
        self._names = count(1)
        self.crew += [self._new_worker() for _ in range(self.workers)]

    def to_end(self, most: int = MOST_MOVES) -> Simulation:
        """Let things happen until nothing can any more; then the run must be over."""
        for _ in range(most):
            choices = self.choices()
            if not choices:
                assert self.store.view.run.status.is_terminal, "nothing can happen any more, and the run is not over"
                self.senders.check_over()
                return self.sim
            self.random.choice(choices)()
        raise AssertionError(f"the run does not end within {most} moves")

    def left_to_one(self) -> Simulation:
        """All workers die; one that is healthy has to bring the run to its end, alone."""
        self.dead |= {worker.name for worker in self.crew}
        self.crew, self.mishaps, self.cancel = [self._new_worker()], 0, False
        return self.to_end()

    def choices(self) -> list[Move]:
        """What may happen next; the usual is more likely than a mishap."""
        usual = [move for worker in self.crew for move in self._moves_of(worker)]
        usual += [partial(self._let_go, name) for name in sorted(self.dead)]
        if not usual:
            return self.senders.when_quiet()
        return [*usual * 3, *self._rare(), *self.senders.moves()]

    def _moves_of(self, worker: VirtualWorker) -> list[Move]:
        now = self.store.now
        moves: list[Move] = [partial(self._execute, worker, key) for key in worker.held]
        if worker.pending is not None:
            moves.append(partial(self._commit, worker, worker.pending))
        elif worker.has_news:
            moves.append(partial(self._read if worker.view is None else self._decide, worker))
        if self.store.run_due is not None and self.store.run_due <= now:
            moves.append(partial(self._look, worker))
        if worker.free:
            moves += [partial(self._take, worker, key) for key, at in self.store.ready.items() if at <= now]
        return moves

    def _rare(self) -> list[Move]:
        asks = self.cancel and self.random.random() < SELDOM
        rare: list[Move] = [self._request_cancel] if asks else []
        if self.mishaps:
            rare.append(self._stand_still)
            rare += [partial(self._die, worker) for worker in self.crew]
            rare += [partial(self._lose_lease, worker) for worker in self.crew]
            rare += [
                partial(self._commit, worker, worker.pending, is_lost=True) for worker in self.crew if worker.pending
            ]
        return rare

    def _look(self, worker: VirtualWorker) -> None:
        """Take the run in hand, which hides it from the others for a while."""
        self.store.run_due = self.store.now + LEASE
        self.store.in_hand = True
        worker.looks, worker.view = True, None

    def _take(self, worker: VirtualWorker, key: ExecutionKey) -> None:
        """Take an execution from the schedule, which hides it likewise."""
        self.store.ready[key] = self.store.now + LEASE
        worker.claims.append(Claim(key, self.store.lost.get(key)))

    def _read(self, worker: VirtualWorker) -> None:
        worker.view, worker.is_fresh = self.store.load(), True
        worker.is_alone &= all(
            one.lease is None or one.lease.owner == worker.name for one in worker.view.executions.values()
        )
        unsure, worker.unsure = worker.unsure, {}
        claimed = [key for key, one in unsure.items() if worker.view.executions.get(key) == one]
        # what the storage says that it does not hold was handed on
        self._begin(worker, [key for key in claimed if key not in self.store.lost])

    def _decide(self, worker: VirtualWorker) -> None:
        """Decide on what the worker knows, or only note it if another one leads."""
        assert worker.view is not None
        read = self.store.view  # what is over of items, and they themselves, are asked for when they are needed
        view = replace(worker.view, now=self.store.now, items=read.items, ended=read.ended)
        looks = worker.looks
        worker.looks = worker.tries_again = False
        worker.leads |= looks
        decision = None
        if not worker.leads and (worker.reports or worker.claims):
            decision = self._concluded(worker, view, is_fact=True)
        if decision is None or (decision.passed_over and worker.is_fresh):
            decision = self._concluded(worker, view, is_fact=False)
        if decision.passed_over and not worker.is_fresh:
            worker.view, worker.tries_again = None, True
            return
        transition = decision.transition or (engine.give_back(view) if looks else None)
        reports, claims = worker.reports, worker.claims
        worker.reports, worker.claims = [], []
        if transition is not None:
            worker.pending = Pending(transition, decision.claimed, reports, claims)

    def _concluded(self, worker: VirtualWorker, view: RunView, *, is_fact: bool) -> Decision:
        conclude = engine.note if is_fact else engine.decide
        return conclude(
            view,
            self.definition,
            reports=worker.reports,
            claims=worker.claims,
            claimant=worker.claimant(),
            random=self.random,
        )

    def _commit(self, worker: VirtualWorker, pending: Pending, *, is_lost: bool = False) -> None:
        """Commit, and learn what came of it, unless the reply `is_lost`."""
        worker.pending = None
        committed = self._committed(pending.transition)
        if committed:
            self._check_tokens(pending)
        if is_lost:
            self.mishaps -= 1
            worker.unsure = {key: pending.transition.executions[key] for key in pending.claimed}
        if committed and not is_lost:
            worker.view, worker.is_fresh = pending.transition.after(), False
            if committed is not Commit.HANDED_ON:
                self._begin(worker, pending.claimed)
            return
        worker.view, worker.tries_again = None, True
        worker.leads &= is_lost
        worker.is_alone &= is_lost
        worker.reports[:0] = pending.reports
        worker.claims[:0] = pending.claims

    def _committed(self, transition: Transition) -> Commit:
        before, events = self.store.view, len(self.store.events)
        if not (committed := self.store.commit(transition)):
            assert self.store.view is before
            return committed
        self.store.check()
        after = self.store.view
        assert after.version == before.version + transition.is_decision
        assert after.reports == before.reports + transition.reports
        assert transition.is_decision or after.run.flow_state is before.run.flow_state
        known = {**after.executions, **after.ended}
        for key, execution in {**before.executions, **before.ended}.items():
            assert known[key].fencing_token >= execution.fencing_token
            assert execution.status not in SETTLED or known[key] is execution, "it was settled twice"
        for node, progress in after.progress.items():
            of_node = [one for key, one in known.items() if key.node == node]
            open_now = sum(one.status not in SETTLED for one in of_node)
            step = self.definition.flows[FLOW].steps[progress.step_id]
            assert len(of_node) == progress.begun
            assert open_now <= (step.max_parallel or progress.items), "more items are open than max_parallel allows"
        for step_id, output in before.run.root_step_outputs.items():
            assert after.run.root_step_outputs[step_id] == output, "an output has changed"
        ended = [event for event in self.store.events[events:] if isinstance(event, TERMINAL_EVENTS)]
        assert len(ended) == after.run.status.is_terminal
        return committed

    def _check_tokens(self, pending: Pending) -> None:
        """What was reported counts only from the latest owner."""
        for key, token, *_ in pending.reports:
            before, after = pending.transition.before.executions.get(key), pending.transition.executions.get(key)
            if before and after and before.status is ExecutionStatus.LEASED and after.status in REPORTED:
                latest = {report.token for report in pending.reports if report.key == key}
                assert before.fencing_token in latest, f"{key} took the outcome of an earlier owner, {token}"

    def _begin(self, worker: VirtualWorker, keys: list[ExecutionKey] | tuple[ExecutionKey, ...]) -> None:
        assert worker.view is not None
        for key in keys:
            execution = worker.view.executions[key]
            assert (key, execution.fencing_token) not in self.begun, "one claim was begun twice"
            self.begun.add((key, execution.fencing_token))
            worker.held[key] = execution

    def _execute(self, worker: VirtualWorker, key: ExecutionKey) -> None:
        """A handler runs to its end, and its outcome waits to be told."""
        execution = worker.held.pop(key)
        self.calls[key] += 1
        iteration = iteration_of(self.store.view, key)
        worker.reports.append(Report(key, execution.fencing_token, self.handler(execution, iteration)))

    def _die(self, worker: VirtualWorker) -> None:
        """A worker is lost with all it knows, and another one comes. What it held is free when its lease expires."""
        self.mishaps -= 1
        self.dead.add(worker.name)
        self.crew[self.crew.index(worker)] = self._new_worker()

    def _lose_lease(self, worker: VirtualWorker) -> None:
        """A worker does not renew its lease, and goes on under a new name. What it executes it may still report."""
        self.mishaps -= 1
        self._let_go(worker.name)
        worker.name = f"worker {next(self._names)}"

    def _let_go(self, name: str) -> None:
        """The lease of a worker has expired: what it holds waits for others."""
        self.dead.discard(name)
        self.store.gone.add(name)
        executions = self.store.view.executions.items()
        held = [(key, one) for key, one in executions if one.lease is not None and one.lease.owner == name]
        suspects = sum(one.suspect for _, one in held)
        for key, one in held:
            is_only_suspect = one.suspect and suspects == 1
            among = HowLost.ONLY_SUSPECT if is_only_suspect else HowLost.AMONG_OTHERS
            self.store.lose(key, HowLost.ALONE if len(held) == 1 else among)

    def _stand_still(self) -> None:
        """All stand still, perhaps for longer than a lease, and go on without knowing."""
        self.mishaps -= 1
        self.store.now += LEASE * self.random.uniform(0, 2)

    def _request_cancel(self) -> None:
        self.cancel = False
        self.store.request_cancel()

    def _new_worker(self) -> VirtualWorker:
        return VirtualWorker(f"worker {next(self._names)}", self.slots)

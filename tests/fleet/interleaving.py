"""Many virtual workers on one run: each of their moves is read, decided and committed at moments of its own.

Between any two of these anything may happen: others commit, workers crash or pause beyond their lease, results come
late or twice, time jumps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any

from redis_mob.fleet import engine
from redis_mob.fleet.outcome import Failed, NewAsk, Outcome, Succeeded, Suspended
from redis_mob.models.definition import MobDefinition
from redis_mob.models.execution import Execution, ExecutionKey, HowLost
from redis_mob.models.transition import RunView, Transition
from tests.fleet.senders import Senders
from tests.fleet.simulation import LEASE, SimulatedStore, Simulation
from tests.fleet.strategies import PARAMS

MOST_MOVES = 20_000
"""Far above what the greatest generated run needs; one that gets here does not end."""

Decide = Callable[[RunView], Transition | None]
Handler = Callable[[Execution, int], Outcome]
"""What comes of an execution in an iteration."""


@dataclass
class Move:
    """What a worker is about to commit, from what it has read."""

    decide: Decide
    transition: Transition
    claims: ExecutionKey | None = None
    hands_in: tuple[ExecutionKey, Execution] | None = None


@dataclass
class Interleaving:
    """A run of a mob under random workers, driven by `random` alone.

    `mishaps` is how often a worker may crash or time may jump: fewer than it takes to blame an execution for it.
    """

    definition: MobDefinition
    handler: Handler
    random: Random
    members: int = 2
    mishaps: int = 0
    params: Any = field(default_factory=lambda: PARAMS)
    cancel: bool = False
    signals: int = 0
    """How many are sent although no step may wait for them."""
    asks: int = 0
    """How many things at most an execution asks people, before it gives its outcome."""
    noted: float = 0.5
    """The share of the results that are reported without a decision."""
    store: SimulatedStore = field(default_factory=SimulatedStore)
    moves: list[Move] = field(default_factory=list[Move])
    held: list[tuple[ExecutionKey, Execution]] = field(default_factory=list[tuple[ExecutionKey, Execution]])
    workers: int = 0
    settled: list[tuple[ExecutionKey, Execution]] = field(default_factory=list[tuple[ExecutionKey, Execution]])

    def __post_init__(self) -> None:
        self.sim = Simulation(self.definition, self.params, self.store, worker=self.members)
        self.senders = Senders(self.store, self.random, self.signals)

    def to_end(self) -> Simulation:
        """Lets things happen until the run is over and every worker has seen it."""
        for _ in range(MOST_MOVES):
            choices = self.choices()
            if not choices:
                assert self.store.view.run.status.is_terminal, "nothing can happen any more, and the run is not over"
                self.senders.check_over()
                return self.sim
            self.random.choice(choices)()
        raise AssertionError("the run does not end")

    def choices(self) -> list[Callable[[], None]]:
        now = self.store.now
        usual: list[Callable[[], None]] = [partial(self._commit, move) for move in self.moves]
        usual += [partial(self._hand_in, *held) for held in self.held]
        usual += [partial(self._take, key) for key, at in self.store.ready.items() if at <= now]
        if self.store.run_due is not None and self.store.run_due <= now:
            usual.append(self._look_after_run)
        usual += [
            partial(self.store.answer, key, ask)
            for key, execution in self.store.view.executions.items()
            for ask in execution.asks
            if (key, ask.ordinal) not in self.store.answered
        ]
        if not usual:
            return self.senders.when_quiet()
        return [*usual * 3, *self._rare(), *self.senders.moves()]

    def _rare(self) -> list[Callable[[], None]]:
        rare: list[Callable[[], None]] = [partial(self._hand_back, *held) for held in self.held]
        rare += [partial(self._hand_in_again, *late) for late in self.settled[-3:]]
        if self.cancel:
            rare.append(self._cancel)
        if self.mishaps:
            rare.append(self._jump)
            rare += [partial(self._lose, *held) for held in self.held]
            rare += [partial(self._crash, move) for move in self.moves]
        return rare

    def _look_after_run(self) -> None:
        self.store.run_due = self.store.now + LEASE
        self.store.in_hand = True
        self._read(self._look)

    def _look(self, view: RunView) -> Transition | None:
        # a worker that finds nothing to do gives the run back, as a driver does
        return engine.advance(view, self.definition, self.random) or engine.give_back(view)

    def _take(self, key: ExecutionKey) -> None:
        self.store.ready[key] = self.store.now + LEASE
        loss, self.workers = self.store.lost.get(key), self.workers + 1
        claim = partial(
            engine.claim,
            definition=self.definition,
            key=key,
            owner=f"worker-{self.workers}",
            loss=loss,
            random=self.random,
        )
        self._read(claim, claims=key)

    def _read(
        self,
        decide: Decide,
        claims: ExecutionKey | None = None,
        hands_in: tuple[ExecutionKey, Execution] | None = None,
    ) -> None:
        transition = decide(self.store.load())
        if transition is not None:
            self.moves.append(Move(decide, transition, claims, hands_in))

    def _commit(self, move: Move) -> None:
        self.moves.remove(move)
        if not self.store.commit(move.transition):
            self._read(move.decide, move.claims, move.hands_in)
            return
        self.store.check()
        execution = move.transition.executions.get(move.claims) if move.claims else None
        if move.claims is not None and execution is not None and execution.lease is not None:
            self.held.append((move.claims, execution))

    def _hand_in(self, key: ExecutionKey, execution: Execution) -> None:
        self.held.remove((key, execution))
        self.settled.append((key, execution))
        self._hand_in_again(key, execution)

    def _hand_in_again(self, key: ExecutionKey, execution: Execution) -> None:
        outcome = self._outcome(key, execution)
        of = {"definition": self.definition, "key": key, "outcome": outcome, "token": execution.fencing_token}
        if self.random.random() < self.noted:
            self._read(partial(engine.report, **of), hands_in=(key, execution))
        else:
            self._read(partial(engine.settle, **of, random=self.random), hands_in=(key, execution))

    def _outcome(self, key: ExecutionKey, execution: Execution) -> Outcome:
        """What its handler gives, once all is answered that it asks."""
        iteration = iteration_of(self.store.view, key)
        who = f"{execution.step_id} {key.target} {iteration}"  # the same in each example of a mob, as no id is
        number = 0 if execution.escalation is not None else Random(who).randint(0, self.asks)
        left = [n for n in range(number) if (key, n) not in self.store.answered]
        if not left:
            return self.handler(execution, iteration)
        timeouts = [None, round(LEASE.total_seconds() * 500)]
        return Suspended(tuple(NewAsk("ok", n, "digest", None, None, timeouts[n % 2]) for n in left))

    def _hand_back(self, key: ExecutionKey, execution: Execution) -> None:
        """The worker leaves in an orderly way; what its handler still says is refused once another one has begun."""
        self._give_up(key, execution, HowLost.HANDED_BACK)

    def _lose(self, key: ExecutionKey, execution: Execution) -> None:
        """The lease of the worker expires: it has crashed, or goes on without knowing."""
        self.mishaps -= 1
        self._give_up(key, execution, HowLost.ALONE)

    def _give_up(self, key: ExecutionKey, execution: Execution, how: HowLost) -> None:
        self.held.remove((key, execution))
        if self.random.random() < 0.5:
            self.settled.append((key, execution))
        if self.store.view.executions.get(key) == execution:
            self.store.lose(key, how)

    def _crash(self, move: Move) -> None:
        """A worker is lost before it commits, and with it what it was about to hand in."""
        self.mishaps -= 1
        self.moves.remove(move)
        if move.hands_in is not None:
            key, execution = move.hands_in
            if self.store.view.executions.get(key) == execution:
                self.store.lose(key)

    def _jump(self) -> None:
        self.mishaps -= 1
        self.store.now += LEASE * self.random.uniform(0, 0.5)

    def _cancel(self) -> None:
        self.cancel = False
        self.store.request_cancel()


def iteration_of(view: RunView, key: ExecutionKey) -> int:
    """The iteration that an execution is in; the supervisor is told of a step outside of all frames."""
    frame = view.run.frames.get(key.frame_id)
    return 0 if frame is None else frame.kernel_state.iteration


def steady(execution: Execution, iteration: int) -> Outcome:
    """Succeeds always, with the round as output."""
    return Succeeded({"round": iteration, "step": execution.step_id})


def moody(seed: int) -> Handler:
    """Fails sometimes, at first or for good, but the same way each time for the same step and round."""

    def handler(execution: Execution, iteration: int) -> Outcome:
        who = "the supervisor of " if execution.escalation is not None else ""
        mood = Random(f"{seed} {who}{execution.step_id} {iteration}").random()
        failures = 9 if mood < 0.05 else 1 if mood < 0.2 else 0
        if execution.attempts_of_step <= failures:
            return Failed(f"in a bad mood: {mood:.3f}", retryable=mood > 0.01)
        return steady(execution, iteration)

    return handler

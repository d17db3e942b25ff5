"""The track of a fleet: runs that are started, driven and ended, which tell the log of their namespace what happens."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import count
from random import Random
from typing import Any
from uuid import UUID

from redis_mob.codec.labels import checked_labels
from redis_mob.contracts import BudgetStore
from redis_mob.fleet import engine
from redis_mob.fleet.asks import pending_of
from redis_mob.fleet.outcome import Failed, NewAsk, Outcome, Succeeded, Suspended
from redis_mob.fleet.subflows import child_run
from redis_mob.models.ask import Answer, AskPlace
from redis_mob.models.budget import Account, Amounts, Bounds, BudgetScope, OnExceeded, Reservation, Settlement, Window
from redis_mob.models.debounce import Debounce
from redis_mob.models.execution import Execution, ExecutionKey, ExecutionStatus, Serves
from redis_mob.models.labels import LabelChange
from redis_mob.models.model_usage import UsedBy
from redis_mob.models.signal import Signal
from redis_mob.models.subflow import CHILD_NEWS
from redis_mob.models.transition import RunView, Transition
from redis_mob.storage import MobStorage
from redis_mob.testing.samples.driven_runs import RUNS_A_FLOW, STEPS_AND_LOOP, a_worker, pending
from tests.robustness.caller import Call
from tests.robustness.conversing import converse
from tests.robustness.turns import in_turn
from tests.robustness.twins import Twins

LEASE = timedelta(hours=1)
"""Longer than any test, so that nothing happens because time passes."""

_WORKER = Serves(roles=frozenset(("worker",)))

MOB = STEPS_AND_LOOP.id
_SETTLED = {ExecutionStatus.COMPLETED, ExecutionStatus.FAILED, ExecutionStatus.CANCELED}

Both = tuple[RunView, RunView]
"""A run as it was read from the server and from memory."""


async def drive(twins: Twins, random: Random) -> AsyncGenerator[None]:
    """A track of moves on runs, one run after the other."""
    moves = in_turn(random, range(26))
    for number in count():
        if number % 3 == 0:
            async for _ in _family(twins, random):
                yield
            async for _ in _gathered(twins, random):
                yield
            async for _ in converse(twins, random):
                yield
        run = _Driven(twins, random, moves)
        await run.start()
        while await run.move():
            yield


async def deleted(storage: MobStorage, run_id: str) -> Any:
    """Delete a run: in how many steps is up to the storage."""
    start = await storage.steering.begin_deletion(run_id)
    while await storage.steering.continue_deletion(run_id):
        pass
    return start


async def _family(twins: Twins, random: Random) -> AsyncGenerator[None]:
    """A run whose step runs another one: that is started and told of, too early, too late and twice."""
    parent, launch = pending(RUNS_A_FLOW, run_id=str(UUID(int=random.getrandbits(128))))
    await twins.both(lambda s: s.executions.start_run(parent, launch, RUNS_A_FLOW))

    async def advanced(run_id: str) -> None:
        ours, theirs = await twins.both(lambda s: s.executions.load(run_id))
        made = [view and engine.advance(_in_order(view), RUNS_A_FLOW) for view in (ours, theirs)]
        if all(made):
            await twins.both(lambda s: s.executions.commit(made[0]), lambda s: s.executions.commit(made[1]))

    await advanced(parent.run_id)
    views = await twins.both(lambda s: s.executions.load(parent.run_id))
    [(key, execution)], [(_, in_memory)] = views[0].executions.items(), views[1].executions.items()
    run, of_child, above, _ = child_run(views[0], RUNS_A_FLOW, key, execution)
    told = Signal(name=CHILD_NEWS, payload={"key": list(key), "run_id": run.run_id, "status": "canceled"})

    def start(execution: Execution) -> Callable[[Any], Any]:
        return lambda s: s.executions.start_child(run, of_child, RUNS_A_FLOW, parent=above, execution=execution)

    for move in random.sample([0, 0, 1, 1, 2, 3, 4, 5], 8):
        match move:
            case 0:
                await twins.both(start(execution), start(in_memory))
            case 1:
                await twins.both(lambda s: s.executions.tell_parent(run.run_id, above, told))
            case 2:
                await twins.both(lambda s: s.executions.request_cancel(run.run_id))
            case 3:
                await advanced(run.run_id)
            case 4:
                await advanced(parent.run_id)
            case _:
                await twins.both(lambda s: deleted(s, run.run_id))
        yield
    # nothing of them is due any more, when time has passed
    for run_id in (parent.run_id, run.run_id):
        await twins.both(lambda s, run_id=run_id: s.executions.request_cancel(run_id))
        await advanced(run_id)
    await twins.both(lambda s: s.executions.tell_parent(run.run_id, above, told))


async def _gathered(twins: Twins, random: Random) -> AsyncGenerator[None]:
    """Runs of one debounce key: each is started some times, begins, or is cancelled or deleted too early."""
    key, run_ids = str(random.random()), [str(UUID(int=random.getrandbits(128)))]

    async def advanced(run_id: str) -> None:
        ours, theirs = await twins.both(lambda s: s.executions.load(run_id))
        made = [view and engine.advance(_in_order(view), STEPS_AND_LOOP) for view in (ours, theirs)]
        if all(made):
            await twins.both(lambda s: s.executions.commit(made[0]), lambda s: s.executions.commit(made[1]))

    for move in random.sample([0, 0, 0, 0, 1, 2, 3, 4], 8):
        run_id = run_ids[-1]
        match move:
            case 0:
                new = str(UUID(int=random.getrandbits(128)))
                run, launch = pending(STEPS_AND_LOOP, 2, new, {"n": random.random()})
                labels = checked_labels({"a": random.randrange(2)} if random.random() < 0.5 else {}, None)
                ours, theirs = await twins.both(
                    lambda s, run=run, launch=launch, labels=labels: s.executions.start_debounced(
                        run, launch, STEPS_AND_LOOP, debounce=Debounce(key, LEASE), labels=labels
                    )
                )
                assert ours == theirs
                run_ids += [ours] if ours == new else []
            case 1:
                await advanced(run_id)
            case 2:
                await twins.both(lambda s, run_id=run_id: s.executions.request_cancel(run_id))
            case 3:
                await twins.both(lambda s, run_id=run_id: s.steering.move_run(run_id, "other"))
            case _:
                await twins.both(lambda s, run_id=run_id: deleted(s, run_id))
        yield
    # nothing of them is due any more, when time has passed
    for run_id in run_ids:
        await twins.both(lambda s, run_id=run_id: s.executions.request_cancel(run_id))
        await advanced(run_id)


class _Driven:
    """A run on both sides, and the moves of a fleet on it, some of which come too late or twice."""

    def __init__(self, twins: Twins, random: Random, moves: Iterator[int]) -> None:
        self._twins = twins
        self._random = random
        self._moves = moves
        self._run, self._launch = pending(STEPS_AND_LOOP, 2, str(UUID(int=random.getrandbits(128))))
        self._seen: list[Both] = []

    async def start(self) -> None:
        await self._twins.both(lambda s: s.executions.start_run(self._run, self._launch, STEPS_AND_LOOP))

    async def move(self) -> bool:
        """A random move; False if the run is over, and there was nothing to move."""
        view, model_view = await self._twins.both(lambda s: s.executions.load(self._run.run_id))
        views = _in_order(view), _in_order(model_view)
        if views[0].run.status.is_terminal:
            return False
        self._seen = [*self._seen[-1:], views]
        match next(self._moves):
            case 0:
                await self.start()
            case 1:
                await self._take_due()
            case 2:
                await self._come_or_go()
            case 3 | 4 if len(views[0].executions) > 2:
                await self._twins.both(lambda s: s.executions.request_cancel(self._run.run_id))
            case 5 | 6 | 7:
                await self._commit(lambda view: engine.advance(view, STEPS_AND_LOOP))
            case 20:
                await self._send_signal()
            case 21:
                await self._publish(views)
            case 22:
                await self._label(views)
            case 23:
                await self._pause_and_resume(views)
            case 24:
                await self._answer(views)
            case 25:
                await self._draw_on_budgets(views)
            case _:
                await self._execute(views)
        return True

    async def _send_signal(self) -> None:
        """A signal that no step takes; under one key there may be two."""
        signal, key = Signal(name="go", payload=self._random.randrange(2)), self._random.choice((None, "k"))
        run_id = self._run.run_id
        await self._twins.both(lambda s: s.executions.send_signal(run_id, signal, idempotency_key=key))

    async def _publish(self, views: Both) -> None:
        """A value for one of the executions, of which some have no worker any more."""
        run_id, keys = self._run.run_id, sorted(views[0].executions)
        if not keys:
            return
        key, value = self._random.choice(keys), self._random.random()
        ours, theirs = (view.executions[key] for view in views)
        await self._twins.both(
            lambda s: s.executions.publish(run_id, key, ours, "k", value),
            lambda s: s.executions.publish(run_id, key, theirs, "k", value),
        )
        await self._twins.both(lambda s: s.executions.published(run_id, "k"))

    async def _label(self, views: Both) -> None:
        """Attributes, for an operator or one of the executions, of which some have no worker any more."""
        run_id, keys = self._run.run_id, sorted(views[0].executions)
        name, value = self._random.choice("ab"), self._random.choice((None, 1, "x"))
        change = LabelChange({name: value}, str(value), self._random.random() < 0.5)
        if not keys or self._random.random() < 0.5:
            await self._twins.both(lambda s: s.executions.set_labels(run_id, change))
            return
        key = self._random.choice(keys)
        ours, theirs = (view.executions[key] for view in views)
        await self._twins.both(
            lambda s: s.executions.set_labels(run_id, change, key=key, execution=ours),
            lambda s: s.executions.set_labels(run_id, change, key=key, execution=theirs),
        )

    async def _pause_and_resume(self, views: Both) -> None:
        """The run is paused, so that what it has waiting goes aside, also what a worker has taken; and comes back."""
        run_id, keys = self._run.run_id, sorted(views[0].executions)
        await self._twins.both(lambda s: s.pauses.pause_run(run_id))
        await self._twins.both(
            lambda s: s.executions.put_aside(views[0], keys), lambda s: s.executions.put_aside(views[1], keys)
        )
        await self._twins.both(lambda s: s.pauses.resume_run(run_id))

    async def _answer(self, views: Both) -> None:
        """Answer one of the asks, of which some are answered already; what is pending of a run is not forgotten.

        Where the run asks nothing, what is answered and forgotten is an ask that there never was.
        """
        run_id, seen = self._run.run_id, self._random.choice((views, self._seen[0]))
        ours, theirs = (pending_of(view) for view in seen)
        if not ours:
            nowhere = AskPlace(views[0].now, run_id, "never asked")
            await self._twins.both(lambda s: s.asks.answer(run_id, nowhere.ask_id, Answer(approved=True), pending=None))
            await self._twins.both(lambda s: s.asks.forget(run_id, [nowhere]))
            return
        one = self._random.randrange(len(ours))
        answer = Answer(approved=self._random.random() < 0.5, message=self._random.choice((None, "fine")))
        asked = [asks[one] if self._random.random() < 0.9 else None for asks in (ours, theirs)]
        if None in asked:
            asked = [None, None]
        ask_id = ours[one].ask.id
        await self._twins.both(
            lambda s: s.asks.answer(run_id, ask_id, answer, pending=asked[0]),
            lambda s: s.asks.answer(run_id, ask_id, answer, pending=asked[1]),
        )
        await self._twins.both(
            lambda s: s.asks.forget(run_id, [ours[one].place]), lambda s: s.asks.forget(run_id, [theirs[one].place])
        )

    async def _draw_on_budgets(self, views: Both) -> None:
        """A call of an execution begins and ends, of which some had put nothing aside; bounds change, accounts go."""
        run_id, number = self._run.run_id, self._random.randrange(3)
        key = min(views[0].executions, default=ExecutionKey("root", "a", "worker-1"))
        own, shared = BudgetScope.of_run(run_id), BudgetScope.shared("mob", "tenant", "acme")
        of_ten_years = Window(3_653 * 86_400_000)
        declared = {own: Account(bounds=Bounds(tokens=50)), shared: Account(window=of_ten_years)}
        tokens = self._random.randrange(30)
        call = Reservation(run_id, key, 1, number, Amounts(tool_calls=1), Amounts(tokens=tokens), (own, shared))
        by = UsedBy("mob", "flow", self._random.choice(("small", None)), self._random.randrange(30))
        used = Settlement(Amounts(tokens=self._random.randrange(30)), by=by)
        bounds, policy = Bounds(tokens=self._random.randrange(100)), OnExceeded.FAIL
        await self._twins.both(lambda s: s.budgets.reserve(call, declared))
        if self._random.random() < 0.7:
            lost = self._random.random() < 0.3
            told = used._replace(is_estimated=lost)
            await self._twins.both(
                lambda s: s.budgets.settle(call, told, declared, was_reserved=tokens > 0, is_lost=lost)
            )
        await self._twins.both(
            lambda s: s.budgets.set_bounds(own, bounds, declared[own], on_exceeded=policy, currency=None)
        )
        await self._twins.both(lambda s: s.budgets.forget(shared))
        await self._twins.both(lambda s: s.budgets.accounts([own, shared]))
        await self._twins.both(lambda s: _timeless(s.budgets))
        await self._twins.both(lambda s: s.budgets.reopened(shared))
        await self._twins.both(lambda s: s.budgets.shared())
        await self._twins.both(lambda s: s.budgets.usage())

    async def _come_or_go(self) -> None:
        """A worker joins, renews its lease, and leaves with what it holds, in a random order."""
        worker, orderly = a_worker(self._random.choice(("one", "two"))), self._random.random() < 0.5
        moves: list[Call] = [
            lambda s: s.executions.join_workers(worker, LEASE),
            lambda s: s.executions.renew_worker(worker, LEASE),
            lambda s: s.executions.leave_workers(worker.id, is_orderly=orderly),
        ]
        for move in self._random.sample(moves, len(moves)):
            await self._twins.both(move)

    async def _take_due(self) -> None:
        """All or nothing: of what is due since the same moment, either side may take another first."""
        runs, executions = self._random.choices([0, 100], k=2)
        await self._twins.both(
            lambda s: s.executions.take_due(max_runs=runs, max_executions=executions, keep=LEASE, serves=_WORKER)
        )

    async def _execute(self, views: Both) -> None:
        """Claim or settle one of the executions that are not over; without one, go on with the run."""
        executions = views[0].executions
        keys = sorted(key for key, execution in executions.items() if execution.status not in _SETTLED)
        if not keys:
            return await self._commit(lambda view: engine.advance(view, STEPS_AND_LOOP))
        key = self._random.choice(keys)
        if executions[key].lease is None:
            return await self._commit(
                lambda view: engine.claim(view, STEPS_AND_LOOP, key, owner="one", random=Random(0))
            )
        lucky = self._random.randrange(10)
        outcome: Outcome = Succeeded({"n": lucky}) if lucky else Failed("no luck", retryable=False)
        if lucky > 6:
            outcome = Suspended((NewAsk("ok", 0, "digest", lucky), NewAsk("ok", 1, "digest", None)))
        token = executions[key].fencing_token
        return await self._commit(
            lambda view: engine.settle(view, STEPS_AND_LOOP, key, outcome, token=token, random=Random(0))
        )

    async def _commit(self, decide: Callable[[RunView], Transition | None]) -> None:
        """Commit what is decided from the run as it was just read, or a move before."""
        view, model_view = self._random.choice(self._seen)
        transition, model_transition = decide(view), decide(model_view)
        if transition is not None and model_transition is not None:
            await self._twins.both(
                lambda s: s.executions.commit(transition), lambda s: s.executions.commit(model_transition)
            )


def _in_order(view: RunView) -> RunView:
    """The view with its executions in one order on both sides: what is decided may follow it."""
    return replace(view, executions=dict(sorted(view.executions.items())))


async def _timeless(budgets: BudgetStore) -> list[Reservation]:
    """What calls have put aside, without the times at which they did, and were lost."""
    return [call._replace(at_ms=0, lost_ms=call.lost_ms and 1) for call in await budgets.reservations()]

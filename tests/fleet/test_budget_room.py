"""Calls that wait for room in a budget: they are woken, one after the other, and do not rely on looking again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from redis_mob.fleet import budget_room
from redis_mob.fleet.budget_room import BudgetRoom
from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.isolation import isolated
from redis_mob.fleet.spending import KeptSpending, Spending
from redis_mob.fleet.step_context import StepContext
from redis_mob.models.budget import (
    NOTHING,
    Account,
    Amounts,
    Bounds,
    BudgetDecision,
    BudgetScope,
    BudgetVerdict,
    OnExceeded,
    Reservation,
    Settlement,
)
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.storage import MobStorage
from redis_mob.testing import step_context
from redis_mob.testing.samples.driven_runs import ONE_STEP, keys_of, waiting
from redis_mob.testing.waiting import LONG
from tests.fleet import isolated_handlers
from tests.fleet.flows import FLOW
from tests.fleet.test_budgets import account_of, mob_with, started
from tests.fleet.working import loaded

BOUND = Bounds(tokens=100)
USED = Settlement(Amounts(tokens=1))


@pytest.fixture(autouse=True)
def without_looking_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls that wait look again after longer than any test takes: only wake-ups let them go on."""
    monkeypatch.setattr(budget_room, "SWEEP_SECONDS", 10 * LONG)


class Waiters:
    """Calls that draw on one account, each of which takes more than half of it."""

    def __init__(self, storage: MobStorage, scope: BudgetScope, calls: list[Reservation]) -> None:
        self.budgets, self.scope, self.calls = storage.budgets, scope, calls
        self.room = BudgetRoom(storage.budgets)
        self.declared = {scope: Account(bounds=BOUND)}
        self.asked: list[int] = []
        self.asks = asyncio.Event()

    async def begin(self, call: Reservation) -> BudgetDecision:
        decision = await self.budgets.reserve(call, self.declared)
        while decision.verdict is BudgetVerdict.WAIT and decision.scope is not None:
            decision = await self.room.wait(decision.scope, self._asking(call))
        return decision

    def _asking(self, call: Reservation) -> Callable[[], Any]:
        async def ask() -> BudgetDecision:
            self.asked.append(call.number)
            decision = await self.budgets.reserve(call, self.declared)
            self.asks.set()
            return decision

        return ask

    async def settle(self, call: Reservation) -> None:
        assert await self.budgets.settle(call, USED, self.declared, was_reserved=True)


async def waiters(storage: MobStorage, number: int) -> Waiters:
    driven = await waiting(storage.executions, ONE_STEP)
    key, scope = keys_of(await driven.view())[0], BudgetScope.of_run(driven.run_id)
    calls = [Reservation(driven.run_id, key, 1, n, NOTHING, Amounts(tokens=60), (scope,)) for n in range(number)]
    return Waiters(storage, scope, calls)


async def test_a_call_goes_on_as_soon_as_another_one_is_settled(storage: MobStorage) -> None:
    """contract: budget-3."""
    made = await waiters(storage, 2)
    first, second = made.calls
    await made.begin(first)
    waits = asyncio.ensure_future(made.begin(second))
    async with asyncio.timeout(LONG):
        await made.asks.wait()
        assert not waits.done()
        await made.settle(first)
        assert (await waits).verdict is BudgetVerdict.GO


async def test_a_call_goes_on_as_soon_as_more_is_allowed(storage: MobStorage) -> None:
    """contract: budget-3."""
    made = await waiters(storage, 2)
    first, second = made.calls
    await made.begin(first)
    waits = asyncio.ensure_future(made.begin(second))
    async with asyncio.timeout(LONG):
        await made.asks.wait()
        await storage.budgets.set_bounds(
            made.scope, Bounds(tokens=120), Account(), on_exceeded=OnExceeded.PAUSE, currency=None
        )
        assert (await waits).verdict is BudgetVerdict.GO


async def test_of_those_that_wait_the_first_asks_and_lets_the_next_one_ask(storage: MobStorage) -> None:
    made = await waiters(storage, 6)
    first, *others = made.calls
    await made.begin(first)
    begun: asyncio.Queue[Reservation] = asyncio.Queue()

    async def begin(call: Reservation) -> None:
        assert (await made.begin(call)).verdict is BudgetVerdict.GO
        await begun.put(call)

    async with asyncio.timeout(LONG), asyncio.TaskGroup() as group:
        for call in others:
            group.create_task(begin(call))
        await made.asks.wait()
        asked = set(made.asked)
        assert len(asked) == 1, "the others stand behind it"
        await made.settle(first)
        for _ in others:
            await made.settle(await begun.get())
    assert sorted(set(made.asked)) == [1, 2, 3, 4, 5]


async def test_one_that_gives_up_lets_the_next_one_ask(storage: MobStorage) -> None:
    made = await waiters(storage, 3)
    first, second, third = made.calls
    await made.begin(first)
    async with asyncio.timeout(LONG):
        gives_up = asyncio.ensure_future(made.begin(second))
        await made.asks.wait()
        waits = asyncio.ensure_future(made.begin(third))
        gives_up.cancel()
        while third.number not in made.asked:  # noqa: ASYNC110 - nothing else tells of it
            await asyncio.sleep(0.005)
        await made.settle(first)
        assert (await waits).verdict is BudgetVerdict.GO


async def test_calls_of_one_handler_wait_for_each_other(storage: MobStorage) -> None:
    """contract: budget-3."""
    under_way = most = 0

    async def handler(ctx: StepContext) -> None:
        async def call() -> None:
            nonlocal under_way, most
            async with ctx.spend(tokens=60) as spent:
                under_way += 1
                most = max(most, under_way)
                await asyncio.sleep(0)
                under_way -= 1
                spent.used(input_tokens=5)

        async with asyncio.TaskGroup() as group:
            for _ in range(8):
                group.create_task(call())

    run_id = await started(storage, mob_with("budget = { max_tokens = 100 }"), handler)
    assert await storage.executions.status(run_id) == "completed"
    assert (await account_of(storage, run_id)).used.tokens == 40
    assert most == 1


async def test_an_operator_who_raises_a_budget_wakes_the_calls_that_wait(storage: MobStorage) -> None:
    """contract: budget-9."""
    has_begun, may_end = asyncio.Event(), asyncio.Event()

    async def handler(ctx: StepContext) -> None:
        async def long() -> None:
            async with ctx.spend(tokens=90) as spent:
                has_begun.set()
                await may_end.wait()
                spent.used(input_tokens=90)

        async with asyncio.TaskGroup() as group:
            group.create_task(long())
            await has_begun.wait()
            async with ctx.spend(tokens=60) as spent:
                spent.used(input_tokens=60)
            may_end.set()

    definition = mob_with("budget = { max_tokens = 100 }")
    fleet = Fleet(storage, definition, {"worker": handler})
    async with fleet.working(), asyncio.timeout(LONG):
        run_id = await fleet.start(FLOW)
        await has_begun.wait()
        await FleetAdmin(storage).set_budget(run_id, max_tokens=1000)
        assert (await fleet.wait(run_id)).status == "completed"


async def test_a_run_that_is_cancelled_waits_for_no_room(storage: MobStorage) -> None:
    has_begun = asyncio.Event()

    async def handler(ctx: StepContext) -> None:
        async with ctx.spend(tokens=90):
            has_begun.set()
            await asyncio.sleep(LONG)

    definition = mob_with(more='[budgets.tenant]\nkey = "{{ params.tenant }}"\nmax_tokens = 100\n')
    fleet = Fleet(storage, definition, {"worker": handler})
    async with fleet.working(), asyncio.timeout(LONG):
        first = await fleet.start(FLOW, {"tenant": "acme"})
        await has_begun.wait()
        second = await fleet.start(FLOW, {"tenant": "acme"})
        while not (await loaded(storage, second)).executions:  # noqa: ASYNC110 - it waits, which nothing tells
            await asyncio.sleep(0.005)
        for run_id in (second, first):
            await fleet.cancel(run_id)
            assert (await fleet.wait(run_id)).status == "canceled"


async def test_a_function_in_a_process_of_its_own_asks_again(storage: MobStorage) -> None:
    """The end of the call that it waits for would stand behind its question."""
    run_id = await started(
        storage, mob_with("budget = { max_tokens = 100 }"), isolated(isolated_handlers.spend_at_once)
    )
    assert await storage.executions.status(run_id) == "completed"
    assert (await account_of(storage, run_id)).used.tokens == 15


async def test_what_was_waited_for_room_does_not_count_as_time() -> None:
    """contract: budget-4."""
    now = 0.0

    class Slow(KeptSpending):
        async def begin_call(self, wanted: Any, /) -> Any:
            nonlocal now
            answered = await super().begin_call(wanted)
            now += 60.0
            return answered._replace(has_waited=True)

    kept = Slow()
    ctx = step_context(spending=Spending(kept, clock=lambda: now))
    now = 2.0
    async with ctx.spend(tokens=5):
        now += 3.0
    assert [wanted.elapsed_ms for wanted in kept.wanted] == [2000]
    assert [told.elapsed_ms for told in kept.told] == [3000]

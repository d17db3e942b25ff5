"""Budgets that are full again each day: what counts on which side of midnight, and runs that go on after it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from redis_mob.connection.calls.client import connect
from redis_mob.connection.calls.keys import Keys
from redis_mob.errors import DefinitionError
from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.lost_calls import settle_lost
from redis_mob.fleet.reopening_duty import ReopeningDuty
from redis_mob.fleet.step_context import StepContext
from redis_mob.memory.namespace import move_clocks
from redis_mob.models.budget import (
    NOTHING,
    Account,
    Amounts,
    Bounds,
    BudgetScope,
    BudgetVerdict,
    Reservation,
    Settlement,
    Window,
)
from redis_mob.models.budget_windows import EPOCH, MILLISECOND, rolled, window_start
from redis_mob.models.definition import MobDefinition
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.storage import MobStorage
from redis_mob.testing.samples.driven_runs import ONE_STEP, keys_of, waiting
from redis_mob.testing.waiting import LONG
from tests.fleet.flows import FLOW
from tests.fleet.working import loaded

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
DAY_MS = DAY // MILLISECOND
TENANT = BudgetScope.shared("mob", "tenant", "acme")
DAILY = Account(bounds=Bounds(tokens=100), window=Window(DAY_MS))

Put = Callable[[timedelta], Awaitable[None]]


@pytest.fixture
async def at_noon(storage: MobStorage, url: str) -> AsyncIterator[Put]:
    """Puts the clock of the storage forward, which is at noon, by its UTC, in the beginning."""
    client = None if url == "memory:" else await connect(url, storage.namespace)
    ahead = timedelta()

    async def put(by: timedelta) -> None:
        nonlocal ahead
        ahead += by
        if client is None:
            return move_clocks(asyncio.get_running_loop(), by)
        await client.router.request("HSET", Keys(storage.namespace).meta, "clock_ahead_ms", str(ahead // MILLISECOND))
        return None

    await waiting(storage.executions, ONE_STEP)
    passed = ((await storage.operations.runs()).now - EPOCH) % DAY
    await put(DAY + DAY / 2 - passed)
    yield put
    if client is not None:
        await client.aclose()


async def call_of(storage: MobStorage, number: int = 1, tokens: int = 40) -> Reservation:
    driven = await waiting(storage.executions, ONE_STEP)
    key = keys_of(await driven.view())[0]
    return Reservation(driven.run_id, key, 1, number, NOTHING, Amounts(tokens=tokens), (TENANT,))


async def tenant(storage: MobStorage) -> Account:
    return (await storage.budgets.accounts([TENANT]))[TENANT]


def used(tokens: int) -> Settlement:
    return Settlement(Amounts(tokens=tokens))


async def test_a_budget_is_full_again_after_midnight(storage: MobStorage, at_noon: Put) -> None:
    """contract: budget-10."""
    declared, budgets = {TENANT: DAILY}, storage.budgets
    call = await call_of(storage)
    assert (await budgets.reserve(call, declared)).verdict is BudgetVerdict.GO
    assert await budgets.settle(call, used(100), declared, was_reserved=True)
    await at_noon(11 * HOUR)
    next_one = call._replace(number=2)
    assert (await budgets.reserve(next_one, declared)).verdict is BudgetVerdict.EXCEEDED
    await at_noon(HOUR)
    assert (await budgets.reserve(next_one, declared)).verdict is BudgetVerdict.GO
    account = await tenant(storage)
    assert (account.used, account.reserved.tokens) == (NOTHING, 40)
    assert account.window is not None
    assert account.window.before.tokens == 100
    assert account.window.since_ms % DAY_MS == 0, "windows of a day begin at midnight, UTC"


async def test_what_was_put_aside_before_midnight_settles_there(storage: MobStorage, at_noon: Put) -> None:
    """contract: budget-10."""
    declared, budgets = {TENANT: DAILY}, storage.budgets
    call = await call_of(storage)
    await budgets.reserve(call, declared)
    await at_noon(DAY / 2)
    tomorrow = call._replace(number=2)
    assert (await budgets.reserve(tomorrow, declared)).verdict is BudgetVerdict.GO
    assert (await tenant(storage)).reserved.tokens == 40, "only that of this day"
    assert await budgets.settle(call, used(30), declared, was_reserved=True)
    account = await tenant(storage)
    assert account.window is not None
    assert (account.used.tokens, account.reserved.tokens, account.window.before.tokens) == (0, 40, 30)
    assert not await budgets.settle(call, used(30), declared, was_reserved=True)
    await budgets.settle(tomorrow, used(7), declared, was_reserved=True)
    account = await tenant(storage)
    assert account.window is not None
    assert (account.used.tokens, account.reserved.tokens, account.window.before.tokens) == (7, 0, 30)


async def test_what_was_put_aside_days_ago_counts_nowhere(storage: MobStorage, at_noon: Put) -> None:
    """contract: budget-10."""
    declared, budgets = {TENANT: DAILY}, storage.budgets
    call = await call_of(storage)
    await budgets.reserve(call, declared)
    await at_noon(2 * DAY)
    assert await settle_lost(budgets, storage.executions) == 1
    account = await tenant(storage)
    assert account.window is not None
    assert (account.used, account.reserved, account.window.before) == (NOTHING, NOTHING, NOTHING)
    [lost] = await budgets.reservations()
    assert lost.lost_ms is not None
    assert await budgets.settle(call, used(30), declared, was_reserved=True)
    assert await tenant(storage) == account


async def test_what_a_lost_call_tells_after_midnight_counts_before_it(storage: MobStorage, at_noon: Put) -> None:
    """contract: budget-5, budget-10."""
    declared, budgets = {TENANT: DAILY}, storage.budgets
    call = await call_of(storage)
    await at_noon(DAY / 2 - timedelta(minutes=1))
    await budgets.reserve(call, declared)
    assert await settle_lost(budgets, storage.executions) == 1
    await at_noon(timedelta(minutes=2))
    assert await budgets.settle(call, used(30), declared, was_reserved=True)
    account = await tenant(storage)
    assert account.window is not None
    assert (account.used, account.window.before.tokens) == (NOTHING, 30)


async def test_that_a_call_was_lost_is_forgotten_in_time(storage: MobStorage, at_noon: Put) -> None:
    """contract: budget-5."""
    declared, budgets = {TENANT: DAILY}, storage.budgets
    call = await call_of(storage)
    await budgets.reserve(call, declared)
    assert await settle_lost(budgets, storage.executions) == 1
    await at_noon(timedelta(minutes=11))
    await settle_lost(budgets, storage.executions)
    assert len(await budgets.reservations()) == 1, "nothing tells that so much time has passed"
    await budgets.reserve(call._replace(number=2), declared)
    await settle_lost(budgets, storage.executions)
    assert [one.number for one in await budgets.reservations()] == [2]
    assert not await budgets.settle(call, used(30), declared, was_reserved=True)
    assert (await tenant(storage)).used.tokens == 80


async def test_a_clock_that_is_set_back_begins_no_window_anew(storage: MobStorage, at_noon: Put) -> None:
    declared, budgets = {TENANT: DAILY}, storage.budgets
    call = await call_of(storage)
    await at_noon(DAY)
    await budgets.reserve(call, declared)
    since = (await tenant(storage)).window
    await at_noon(-DAY)
    again = call._replace(number=2)
    await budgets.reserve(again, declared)
    assert await budgets.settle(again, used(5), declared, was_reserved=True)
    account = await tenant(storage)
    assert (account.used.tokens, account.reserved.tokens, account.window) == (5, 40, since)


_MOB = """
[mob]
id = "mob"
[profiles.worker]
model = "m"
[flows.flow.steps.a]
role = "worker"
message = "do it"
[budgets.tenant]
key = "{{{{ params.tenant }}}}"
max_tokens = 25
per = "{per}"
"""


def daily(per: str = "1d") -> MobDefinition:
    return MobDefinition.from_toml(_MOB.format(per=per), strict=True)


async def pays(ctx: StepContext) -> int:
    for number in range(3):

        async def ask() -> None:
            async with ctx.spend(tokens=40) as call:
                call.used(input_tokens=10)

        await ctx.once(f"call {number}", ask)
    return 3


async def paid(storage: MobStorage, handler: Any = pays) -> tuple[Fleet, str]:
    """A run that a worker has taken as far as the budget of its tenant lets it."""
    fleet = Fleet(storage, daily(), {"worker": handler})
    run_id = await fleet.start(FLOW, {"tenant": "acme"})
    async with asyncio.timeout(LONG):
        await fleet.work(until_idle=True)
    return fleet, run_id


async def pays_at_once(ctx: StepContext) -> None:
    async with ctx.spend(tokens=40) as call:
        call.used(input_tokens=25)


async def test_a_run_that_is_paused_goes_on_once_its_budget_is_full_again(storage: MobStorage, at_noon: Put) -> None:
    """contract: budget-10."""
    await paid(storage, pays_at_once)
    fleet, run_id = await paid(storage)
    [pause] = (await loaded(storage, run_id)).pauses
    assert pause.reason is not None
    assert pause.reason.startswith("budget: the budget 'tenant' for 'acme' is used up: 25 tokens of 25 tokens used; ")
    assert "it is full again at " in pause.reason
    assert "T00:00:00" in pause.reason
    [line] = await FleetAdmin(storage).shared_budgets()
    assert (line.is_exceeded, line.tokens, line.tokens_before) == (True, 25, 0)
    assert line.begins is not None
    assert line.ends == line.begins + DAY
    await at_noon(DAY)
    async with fleet.working(), asyncio.timeout(LONG):
        # of 25 tokens a day three calls of 10 use 30, since the last may begin with what is left
        assert (await fleet.wait(run_id)).status == "completed"
    [line] = await FleetAdmin(storage).shared_budgets()
    assert (line.tokens, line.tokens_before) == (30, 25)
    [account] = (await storage.budgets.shared()).values()
    assert account.window is not None
    assert account.window.refused_ms is None


async def test_a_run_that_an_operator_has_paused_stays_so(
    storage: MobStorage, at_noon: Put, caplog: pytest.LogCaptureFixture
) -> None:
    await paid(storage, pays_at_once)
    _, by_budget = await paid(storage)
    other = (await waiting(storage.executions, ONE_STEP)).run_id
    await FleetAdmin(storage).pause(other, reason="the model is down")
    await at_noon(DAY)
    duty, stop = ReopeningDuty(storage), asyncio.Event()
    with caplog.at_level(logging.INFO, "redis_mob.fleet.reopening_duty"):
        running = asyncio.ensure_future(duty.run(stop, "worker"))
        async with asyncio.timeout(LONG):
            while (await loaded(storage, by_budget)).pauses:  # noqa: ASYNC110 - nothing else is to happen
                await asyncio.sleep(0.01)
        stop.set()
        await running
    assert (await loaded(storage, other)).pauses
    assert "the budget 'tenant' for 'acme' is full again: 1 runs go on" in caplog.text


async def test_an_operator_may_allow_more_for_the_day(storage: MobStorage, at_noon: Put) -> None:
    """contract: budget-9, budget-10."""
    await paid(storage, pays_at_once)
    fleet, run_id = await paid(storage)
    assert await FleetAdmin(storage).set_budget(run_id, name="tenant", max_tokens=1000) == (run_id,)
    async with fleet.working(), asyncio.timeout(LONG):
        assert (await fleet.wait(run_id)).status == "completed"
    await at_noon(DAY)
    [line] = await FleetAdmin(storage).shared_budgets()
    assert (line.max_tokens, line.tokens, line.tokens_before) == (1000, 0, 55)


@pytest.mark.parametrize("per", ["0s", "a day", "1w", "-1d", ""])
def test_a_length_that_is_none_is_refused(per: str) -> None:
    """contract: budget-7."""
    with pytest.raises(DefinitionError, match=r"budgets\.tenant\.per"):
        daily(per)


def test_windows_are_counted_from_mondays() -> None:
    """contract: budget-10."""
    sunday = (EPOCH + timedelta(days=10, hours=23)) - EPOCH  # 1970-01-11
    assert window_start(sunday // MILLISECOND, 7 * DAY_MS) == 4 * DAY_MS
    assert window_start((sunday + 2 * HOUR) // MILLISECOND, 7 * DAY_MS) == 11 * DAY_MS
    assert window_start(sunday // MILLISECOND, DAY_MS) == 10 * DAY_MS
    assert window_start(sunday // MILLISECOND, HOUR // MILLISECOND) == sunday // MILLISECOND


def test_an_account_rolls_at_the_moment_of_its_border() -> None:
    account = DAILY.model_copy(update={"window": Window(DAY_MS, 4 * DAY_MS), "used": Amounts(tokens=3)})
    assert rolled(account, 5 * DAY_MS - 1) is account
    assert rolled(account, 5 * DAY_MS).window == Window(DAY_MS, 5 * DAY_MS, Amounts(tokens=3))
    assert rolled(account, 6 * DAY_MS).window == Window(DAY_MS, 6 * DAY_MS)

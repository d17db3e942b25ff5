"""Budgets: calls of handlers are counted in all accounts that they draw on, wait for room, and are refused."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from redis_mob.codec.budgets import encode_account
from redis_mob.errors import CasConflictError, DefinitionError, NotFoundError, ValidationError
from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.isolation import isolated
from redis_mob.fleet.lost_calls import settle_lost
from redis_mob.fleet.spend_keeper import SpendServices
from redis_mob.fleet.spending import (
    NOW,
    Answered,
    Beginning,
    BudgetExceededError,
    KeptSpending,
    Spending,
    Told,
    Wanted,
)
from redis_mob.fleet.step_context import StepContext
from redis_mob.kernel.validation import require_valid
from redis_mob.models.budget import (
    MOST,
    MOST_COST,
    Account,
    Amounts,
    Bounds,
    Budget,
    BudgetScope,
    BudgetVerdict,
    OnExceeded,
    Reservation,
    Settlement,
)
from redis_mob.models.definition import MobDefinition
from redis_mob.models.execution import ExecutionKey
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.storage import MobStorage
from redis_mob.testing import step_context
from redis_mob.testing.samples.driven_runs import ONE_STEP, a_worker, keys_of, waiting
from redis_mob.testing.waiting import LONG
from tests.fleet import isolated_handlers
from tests.fleet.flows import FLOW
from tests.fleet.working import at_work, loaded

_MOB = """
[mob]
id = "mob"
[profiles.worker]
model = "m"
{profile}
[flows.flow]
{flow}
[flows.flow.steps.a]
role = "worker"
message = "do it"
{more}
"""
PRICES = '[prices]\ncurrency = "USD"\n[prices.models.m]\ninput = 1\noutput = 10\n'


def mob_with(flow: str = "", *, profile: str = "", more: str = "") -> MobDefinition:
    return MobDefinition.from_toml(_MOB.format(flow=flow, profile=profile, more=more), strict=True)


async def account_of(storage: MobStorage, run_id: str, role: str | None = None) -> Account:
    scope = BudgetScope.of_run(run_id, role)
    return (await storage.budgets.accounts([scope]))[scope]


def pays(calls: int, tokens: int = 10, aside: int = 40, **more: Any) -> Any:
    """A handler that makes so many calls, one after the other."""

    async def handler(ctx: StepContext) -> int:
        for _ in range(calls):
            async with ctx.spend(tokens=aside, **more) as call:
                call.used(input_tokens=tokens)
        return calls

    return handler


async def started(storage: MobStorage, definition: MobDefinition, handler: Any, params: Any = None, **more: Any) -> str:
    """A run that a worker has taken as far as it goes by itself."""
    fleet = Fleet(storage, definition, {"worker": handler})
    run_id = await fleet.start(FLOW, params, **more)
    async with asyncio.timeout(LONG):
        await fleet.work(until_idle=True)
    return run_id


async def test_a_run_is_paused_once_its_budget_is_used_up_and_goes_on_with_more(storage: MobStorage) -> None:
    """contract: budget-3, budget-9."""
    definition, handler = mob_with("budget = { max_tokens = 25 }"), pays(5)
    run_id = await started(storage, definition, handler)
    view = await loaded(storage, run_id)
    assert [pause.reason for pause in view.pauses] == [
        f"budget: the budget of run {run_id} is used up: 30 tokens of 25 tokens used"
    ]
    assert [(one.status, one.lease) for one in view.executions.values()] == [("waiting", None)]
    assert (await account_of(storage, run_id)).used.tokens == 30
    admin = FleetAdmin(storage)
    assert await admin.set_budget(run_id, max_tokens=30) == (), "nothing is left"
    assert await admin.set_budget(run_id, max_tokens=1000) == (run_id,)
    fleet = Fleet(storage, definition, {"worker": handler})
    await fleet.work(until_idle=True)
    run = await fleet.wait(run_id)
    assert run.status == "completed"
    assert (await account_of(storage, run_id)).used.tokens == 30 + 50
    [line, *_] = await admin.budget(run_id)
    assert (line.tokens, line.max_tokens, line.is_exceeded) == (80, 1000, False)


async def test_a_step_fails_for_good_where_the_budget_says_so(storage: MobStorage) -> None:
    """contract: budget-9."""
    run_id = await started(storage, mob_with('budget = { max_tokens = 5, on_exceeded = "fail" }'), pays(2))
    run = await storage.runs.get_run(run_id)
    assert run is not None
    [failure] = run.failure_ledger
    assert (run.status, failure.reason) == (
        "failed",
        f"the budget of run {run_id} is used up: 10 tokens of 5 tokens used",
    )


async def test_what_is_given_at_the_start_bounds_the_run(storage: MobStorage) -> None:
    """contract: budget-1."""
    definition = mob_with("budget = { max_tokens = 1000 }")
    run_id = await started(storage, definition, pays(3), budget=Budget(max_tokens=15))
    assert (await loaded(storage, run_id)).pauses
    assert (await account_of(storage, run_id)).bounds == Bounds(tokens=15)


async def test_calls_are_counted_where_nothing_is_bounded(storage: MobStorage) -> None:
    """contract: budget-1."""
    run_id = await started(storage, mob_with(more=PRICES), pays(3, model="m"))
    account = await account_of(storage, run_id)
    assert account.used._replace(time_ms=0) == Amounts(tokens=30, cost=30)
    assert account.currency == "USD"


async def test_a_role_has_a_budget_in_each_run(storage: MobStorage) -> None:
    """contract: budget-1."""
    definition = mob_with(profile="budget = { max_tokens = 15 }")
    ids = [await started(storage, definition, pays(3)) for _ in range(2)]
    for run_id in ids:
        [pause] = (await loaded(storage, run_id)).pauses
        assert pause.reason is not None
        assert "the budget of role 'worker' in run" in pause.reason
        assert (await account_of(storage, run_id, "worker")).used.tokens == 20
    assert await FleetAdmin(storage).set_budget(ids[0], role="worker", max_tokens=None) == (ids[0],)


async def test_runs_of_one_key_share_a_budget(storage: MobStorage) -> None:
    """contract: budget-1, budget-2."""
    definition = mob_with(more='[budgets.tenant]\nkey = "{{ params.tenant }}"\nmax_tokens = 25\n')
    first = await started(storage, definition, pays(2), {"tenant": "acme"})
    other = await started(storage, definition, pays(2), {"tenant": "other"})
    second = await started(storage, definition, pays(3), {"tenant": "acme"})
    third = await started(storage, definition, pays(1), {"tenant": "acme"})
    assert [bool((await loaded(storage, one)).pauses) for one in (first, other, second, third)] == [
        *(False, False),
        *(True, True),
    ]
    admin = FleetAdmin(storage)
    assert [(one.key, one.tokens) for one in await admin.shared_budgets()] == [("acme", 30), ("other", 20)]
    assert set(await admin.set_budget(second, name="tenant", max_tokens=100)) == {second, third}
    assert await admin.forget_budget("mob", "tenant", "other")
    assert not await admin.forget_budget("mob", "tenant", "other")


async def test_a_subflow_draws_on_the_run_above_it(storage: MobStorage) -> None:
    """contract: budget-2."""
    text = _MOB.format(flow="", profile="", more="").replace("flows.flow", "flows.inner")
    text += '[flows.flow]\nbudget = { max_tokens = 15 }\n[flows.flow.steps.a]\nflow = "inner"\n'
    definition = MobDefinition.from_toml(text)
    parent = await started(storage, definition, pays(3))
    assert (await account_of(storage, parent)).used.tokens == 20
    [child] = (await FleetAdmin(storage).children(parent)).runs
    assert (await loaded(storage, child.run_id)).pauses
    assert (await account_of(storage, child.run_id)).used.tokens == 20
    assert await FleetAdmin(storage).set_budget(parent, max_tokens=100) == (child.run_id,)


async def test_a_call_that_did_not_tell_counts_with_what_it_had_put_aside(storage: MobStorage) -> None:
    """contract: budget-4."""

    async def handler(ctx: StepContext) -> None:
        async with ctx.spend(tokens=40):
            pass
        with pytest.raises(RuntimeError, match="broken"):
            async with ctx.spend(tokens=50):
                raise RuntimeError("broken")
        with pytest.raises(RuntimeError, match="refused"):
            async with ctx.spend(tokens=60) as call:
                call.used()
                raise RuntimeError("refused")

    account = await account_of(storage, run_id := await started(storage, mob_with(), handler))
    assert (account.used.tokens, account.estimated.tokens, account.reserved) == (90, 90, Amounts())
    assert not await storage.budgets.reservations()
    [line, *_] = await FleetAdmin(storage).budget(run_id)
    assert line.said() == "90 tokens, of which estimated 90 tokens"


async def test_plain_and_isolated_functions_draw_on_budgets(storage: MobStorage) -> None:
    """contract: budget-2."""
    for handler in (
        isolated_handlers.spend,
        isolated(isolated_handlers.spend),
        isolated(isolated_handlers.spend_async),
    ):
        run_id = await started(storage, mob_with("budget = { max_tokens = 25 }"), handler)
        assert (await account_of(storage, run_id)).used.tokens == 30
        assert (await loaded(storage, run_id)).pauses


async def test_calls_of_tools_count_from_their_beginning(storage: MobStorage) -> None:
    """contract: budget-4."""

    async def handler(ctx: StepContext) -> None:
        async with ctx.spend(tool_calls=1), ctx.spend(tool_calls=1), ctx.spend(tokens=5) as call:
            call.used(input_tokens=5)

    definition = mob_with('budget = { max_tool_calls = 2, on_exceeded = "fail" }')
    run_id = await started(storage, definition, handler)
    assert (await account_of(storage, run_id)).used.tool_calls == 2
    assert (await storage.executions.status(run_id)) == "completed"


async def test_a_model_without_a_price_is_refused_where_costs_are_bounded(storage: MobStorage) -> None:
    """contract: budget-6."""
    definition = mob_with("budget = { max_cost = 5 }", more=PRICES)
    run = await storage.runs.get_run(await started(storage, definition, pays(1, model="x")))
    assert run is not None
    assert "write a price for model 'x' in [prices.models]" in run.failure_ledger[0].reason
    account = await account_of(storage, await started(storage, mob_with(more=PRICES), pays(1, model="x")))
    assert (account.used.cost, account.unpriced_tokens) == (0, 10)


async def test_a_call_that_a_lost_worker_was_at_counts_as_used(storage: MobStorage) -> None:
    """contract: budget-5."""
    driven = await waiting(storage.executions, ONE_STEP)
    key = keys_of(await driven.view())[0]
    await driven.claim(key, owner="one")
    await storage.executions.join_workers(a_worker("one"), timedelta(hours=1))
    scope = BudgetScope.of_run(driven.run_id)
    call = reservation(driven.run_id, key, scope)
    declared = {scope: Account.of(Budget(max_tokens=100))}
    assert (await storage.budgets.reserve(call, declared)).verdict is BudgetVerdict.GO
    assert await settle_lost(storage.budgets, storage.executions) == 0, "it is under way"
    await storage.executions.leave_workers("one")
    assert await settle_lost(storage.budgets, storage.executions) == 1
    account = await account_of(storage, driven.run_id)
    assert (account.used.tokens, account.estimated.tokens, account.reserved.tokens) == (40, 40, 0)
    assert await settle_lost(storage.budgets, storage.executions) == 0, "it is settled once"
    assert await account_of(storage, driven.run_id) == account


def reservation(run_id: str, key: ExecutionKey, *scopes: BudgetScope, tokens: int = 40, number: int = 1) -> Reservation:
    return Reservation(run_id, key, 1, number, Amounts(), Amounts(tokens=tokens), scopes)


async def test_a_call_puts_aside_in_all_accounts_or_in_none(storage: MobStorage) -> None:
    """contract: budget-3."""
    driven = await waiting(storage.executions, ONE_STEP)
    key, budgets = keys_of(await driven.view())[0], storage.budgets
    run, shared = BudgetScope.of_run(driven.run_id), BudgetScope.shared("mob", "tenant", "acme")
    declared = {run: Account(), shared: Account.of(Budget(max_tokens=50))}
    call = reservation(driven.run_id, key, run, shared)
    assert (await budgets.reserve(call, declared)).verdict is BudgetVerdict.GO
    assert (await budgets.reserve(call, declared)).verdict is BudgetVerdict.GO, "the same again"
    before = await budgets.accounts([run, shared])
    assert [account.reserved.tokens for account in before.values()] == [40, 40]
    waits = await budgets.reserve(reservation(driven.run_id, key, run, shared, number=2), declared)
    assert (waits.verdict, waits.scope, waits.account) == (BudgetVerdict.WAIT, shared, before[shared])
    assert await budgets.accounts([run, shared]) == before
    with pytest.raises(CasConflictError, match="while calls draw on it"):
        await budgets.forget(shared)
    assert await budgets.settle(call, Settlement(Amounts(tokens=50)), declared, was_reserved=True)
    refused = await budgets.reserve(reservation(driven.run_id, key, run, shared, number=3), declared)
    assert (refused.verdict, refused.scope) == (BudgetVerdict.EXCEEDED, shared)
    assert refused.account is not None
    assert refused.account.used.tokens == 50
    gone = BudgetScope.of_run("0191a6a0-0000-4000-8000-00000000dead")
    assert (await budgets.reserve(reservation(driven.run_id, key, gone, number=4), {gone: Account()})).account is None
    assert not await budgets.accounts([gone])
    assert await budgets.set_bounds(gone, Bounds(), Account(), on_exceeded=OnExceeded.FAIL, currency=None) is None


async def test_accounts_go_with_their_run(storage: MobStorage) -> None:
    """contract: budget-1."""
    run_id = await started(storage, mob_with(), pays(1))
    await FleetAdmin(storage).delete(run_id)
    assert not await storage.budgets.accounts([BudgetScope.of_run(run_id)])
    assert not await storage.budgets.reservations()


async def test_a_run_that_is_resumed_with_nothing_left_is_paused_again(storage: MobStorage) -> None:
    """contract: budget-9."""
    definition, handler = mob_with("budget = { max_tokens = 5 }"), pays(2)
    run_id = await started(storage, definition, handler)
    await FleetAdmin(storage).resume(run_id)
    await Fleet(storage, definition, {"worker": handler}).work(until_idle=True)
    assert (await loaded(storage, run_id)).pauses


class Full(KeptSpending):
    """Lets each call wait twice."""

    async def begin_call(self, wanted: Wanted, /) -> Answered:
        await super().begin_call(wanted)
        return Answered(Beginning.LATER) if len(self.wanted) % 3 else NOW


async def test_a_call_asks_again_until_it_begins() -> None:
    """contract: budget-3, budget-4."""
    full = Full()
    ctx = replace(step_context(), spending=Spending(full))
    async with ctx.spend(tokens=5) as call:
        call.used(input_tokens=5)
    assert [wanted.number for wanted in full.wanted] == [1, 1, 1]
    assert [told.use and told.use.tokens for told in full.told] == [5]


class Slow(KeptSpending):
    """Answers one of the two questions only once it may."""

    def __init__(self, slow: str) -> None:
        super().__init__()
        self._slow = slow
        self.asked, self.may_answer = asyncio.Event(), asyncio.Event()

    async def _wait(self, question: str) -> None:
        if question == self._slow:
            self.asked.set()
            await self.may_answer.wait()

    async def begin_call(self, wanted: Wanted, /) -> Answered:
        await self._wait("begin")
        return await super().begin_call(wanted)

    async def end_call(self, told: Told, /) -> None:
        await self._wait("end")
        await super().end_call(told)


@pytest.mark.parametrize(("question", "used"), [("begin", 0), ("end", 5)])
async def test_a_call_that_is_cancelled_leaves_nothing_put_aside(question: str, used: int) -> None:
    """contract: budget-4. One that was cancelled as it began has used nothing."""
    slow = Slow(question)
    ctx = replace(step_context(), spending=Spending(slow))

    async def spend() -> None:
        async with ctx.spend(tokens=5) as call:
            call.used(input_tokens=5)

    spending = asyncio.create_task(spend())
    await slow.asked.wait()
    spending.cancel()
    await asyncio.sleep(0)
    slow.may_answer.set()
    with pytest.raises(asyncio.CancelledError):
        await spending
    assert [told.use and told.use.tokens for told in slow.told] == [used]


async def test_a_call_has_none_within_it() -> None:
    ctx = step_context()
    async with ctx.spend(tokens=5):
        with pytest.raises(ValidationError, match="has no other one within it"):
            async with ctx.spend(cost=0.5):
                pass
        async with ctx.spend(tool_calls=1):
            pass


NO_COSTS = [-0.5, True, "1", float("nan")]
NO_MODELS: list[Any] = ["x" * 257, "a\x1b[31m", "a\nb", "\ud800", 5]


@pytest.mark.parametrize(
    "wrong",
    [
        {"tokens": -1},
        {"tool_calls": -1},
        {"tokens": "5"},
        {},
        *({"cost": cost} for cost in [*NO_COSTS, 10**400, float("inf")]),
    ],
)
def test_what_no_call_can_use_is_refused(wrong: Mapping[str, Any]) -> None:
    with pytest.raises(ValidationError):
        step_context().spend(**wrong)


@pytest.mark.parametrize("model", NO_MODELS)
def test_what_is_no_name_of_a_model_is_refused(model: Any) -> None:
    with pytest.raises(ValidationError, match="model"):
        step_context().spend(tokens=1, model=model)


async def test_what_a_service_tells_fails_no_call_that_was_paid(storage: MobStorage) -> None:
    """contract: budget-4."""
    most = MOST_COST * 1_000_000

    async def handler(ctx: StepContext) -> int:
        reports: list[dict[str, Any]] = [
            {"input_tokens": MOST, "output_tokens": MOST, "model": "z" * 3_000_000},
            {"input_tokens": 10**400, "cost": float("inf"), "model": "a\x1b[31m\n\ud800"},
        ]
        for told in reports:
            async with ctx.spend(tokens=1, model="x" * 256) as call:
                call.used(**told)
        return 1

    run_id = await started(storage, mob_with(more=PRICES), handler)
    account = await account_of(storage, run_id)
    assert (account.used.tokens, account.used.cost, account.unpriced_tokens) == (MOST, most, MOST)
    usage = await storage.budgets.usage()
    assert {one.model for one in usage} == {"z" * 256, r"a\x1b[31m\n\ud800"}
    assert (await loaded(storage, run_id)).run.status == "completed"


@pytest.mark.parametrize("cost", NO_COSTS)
async def test_what_is_no_cost_cannot_have_been_used(cost: Any) -> None:
    async with step_context().spend(tokens=1) as call:
        with pytest.raises(ValidationError, match="cost must be a number from 0 to 999,999,999, not "):
            call.used(cost=cost)


async def test_a_cost_is_counted_in_the_currency_that_a_budget_of_a_role_names(storage: MobStorage) -> None:
    """contract: budget-7."""
    definition = mob_with(profile='budget = { max_cost = 5.0, currency = "EUR" }')

    async def handler(ctx: StepContext) -> str:
        async with ctx.spend(cost=2) as call:
            call.used(cost=1.5)
        return "done"

    run_id = await started(storage, definition, handler)
    account = await account_of(storage, run_id, "worker")
    assert (account.used.cost, account.currency) == (1_500_000, "EUR")


@pytest.mark.parametrize(
    ("more", "change", "problem"),
    [
        (PRICES, {"max_cost": 1.0, "currency": "EUR"}, "max_cost is in 'EUR', and the calls of the run cost 'USD'"),
        (PRICES, {"currency": "EUR"}, "max_cost is in 'EUR', and the calls of the run cost 'USD'"),
        ("", {"max_cost": 1.0}, "the cost of the run cannot be bounded: its definition has no prices"),
        ("", {"max_cost": 1.0, "currency": "EUR"}, "the cost of the run cannot be bounded"),
    ],
)
async def test_a_bound_in_which_no_call_of_the_run_is_paid_is_refused(
    storage: MobStorage, more: str, change: Mapping[str, Any], problem: str
) -> None:
    """contract: budget-9. Each further call of the run would be refused for good."""
    run_id = await started(storage, mob_with("budget = { max_tokens = 25 }", more=more), pays(5, model="m"))
    before = await account_of(storage, run_id)
    with pytest.raises(ValidationError, match=problem):
        await FleetAdmin(storage).set_budget(run_id, **change)
    assert await account_of(storage, run_id) == before


async def test_the_budget_of_an_unknown_run_is_refused_with_the_namespace(storage: MobStorage) -> None:
    run_id, admin = "0191a6a0-0000-4000-8000-000000000001", FleetAdmin(storage)
    for asked in (admin.budget(run_id), admin.set_budget(run_id, max_tokens=1)):
        with pytest.raises(NotFoundError, match=f"run {run_id} does not exist in namespace '{storage.namespace}'"):
            await asked


async def test_a_role_that_a_run_does_not_have_gets_no_budget(storage: MobStorage) -> None:
    """contract: budget-9."""
    run_id = await started(storage, mob_with(), pays(1))
    with pytest.raises(NotFoundError, match=rf"run {run_id} has no role 'wroker'; it has 'worker'"):
        await FleetAdmin(storage).set_budget(run_id, role="wroker", max_tokens=5)
    assert await storage.budgets.accounts([BudgetScope.of_run(run_id, "wroker")]) == {}


def test_time_counts_once_for_calls_side_by_side() -> None:
    """contract: budget-4."""
    now = 0.0
    spending = Spending(KeptSpending(), clock=lambda: now)
    now = 2.0
    assert spending.elapsed_ms() == 2000
    assert spending.elapsed_ms() == 0
    now = 3.0
    spending.forget_pause()
    assert spending.elapsed_ms() == 0


@pytest.mark.parametrize(
    ("flow", "more", "problem"),
    [
        ("budget = { max_cost = 5 }", "", "max_cost is in no currency"),
        ('budget = { max_cost = 5, currency = "EUR" }', PRICES, "max_cost is in 'EUR', and the prices are in 'USD'"),
        ("", '[budgets.t]\nkey = "{{ steps.a }}"\nmax_tokens = 5\n', "leads elsewhere than into the parameters"),
        ("", '[budgets.t]\nkey = "{{ "\nmax_tokens = 5\n', "the key cannot be read"),
        ("", '[budgets.t]\nkey = "{{ params.t | upper }}"\nmax_tokens = 5\n', "there are no filters"),
        ("", '[budgets.t]\nkey = "{{ params.t or 1 }}"\nmax_tokens = 5\n', "it is an expression"),
        (
            'budget = { max_cost = 5, currency = "EUR" }',
            '[budgets.t]\nkey = "{{ params.t }}"\nmax_cost = 5\ncurrency = "USD"\n',
            "it is in 'USD', and flows.flow.budget in 'EUR': all calls cost one",
        ),
    ],
)
def test_a_budget_that_makes_no_sense_is_refused(flow: str, more: str, problem: str) -> None:
    """contract: budget-7."""
    with pytest.raises(DefinitionError, match=problem):
        require_valid(mob_with(flow, more=more))


async def test_a_cost_in_no_currency_is_refused_at_the_start(storage: MobStorage) -> None:
    """contract: budget-7."""
    with pytest.raises(ValidationError, match="max_cost is in no currency"):
        await Fleet(storage, ONE_STEP, {}).start(FLOW, budget=Budget(max_cost=1.0))


async def test_a_budget_that_was_raised_meanwhile_pauses_nothing(storage: MobStorage) -> None:
    """contract: budget-9."""
    driven = await waiting(storage.executions, ONE_STEP)
    scope = BudgetScope.of_run(driven.run_id)
    used_up = Account(bounds=Bounds(tokens=5), used=Amounts(tokens=5))
    assert encode_account(used_up).startswith(b"5 - - - 5 ")
    await storage.budgets.set_bounds(scope, Bounds(tokens=5), used_up, on_exceeded=OnExceeded.PAUSE, currency=None)
    raised = storage.pauses

    class Raising:
        """Raises the bound as the run is being paused."""

        async def pause_run(self, run_id: str, reason: str | None = None) -> Any:
            await FleetAdmin(storage).set_budget(run_id, max_tokens=100)
            return await raised.pause_run(run_id, reason)

        resume_run = raised.resume_run

    pauses: Any = Raising()
    services = SpendServices(storage.executions, storage.budgets, pauses)
    worker_of = {"worker": pays(1)}
    async with at_work(storage, worker_of, spending=services):
        async with asyncio.timeout(LONG):
            await Fleet(storage, ONE_STEP, {}).wait(driven.run_id)


def test_an_error_of_a_budget_is_final() -> None:
    assert not BudgetExceededError("used up").retryable

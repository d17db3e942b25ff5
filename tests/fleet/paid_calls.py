"""Handlers of the crash matrix that pay for calls, and what must be counted of them in the end (contract: budget-5)."""

from __future__ import annotations

from functools import partial
from typing import Any

from redis_mob.fleet.lost_calls import settle_lost
from redis_mob.fleet.step_context import StepContext
from redis_mob.models.base import SortedDict
from redis_mob.models.budget import NOTHING, Account, Budget, BudgetScope, SharedBudget
from redis_mob.models.limits import RateSpec
from redis_mob.storage import MobStorage
from tests.fleet.crash_matrix import Answer, World
from tests.fleet.everything import single
from tests.fleet.flows import FLOW, mob, step
from tests.fleet.working import key_of

CALLS, USED, ASIDE = 2, 4, 10
"""How many calls each member makes, what each uses, and what it puts aside."""

MEMBERS = 4
ATTEMPT = 30
"""What the limit in tokens takes an attempt for."""

_MOB = mob({"draft": single(), "beside": step("draft", rate=RateSpec(limit=10_000, per="1h", units=ATTEMPT))})
_FLOW = _MOB.flows[FLOW].model_copy(update={"budget": Budget(max_tokens=1_000)})
PAYS = _MOB.model_copy(
    update={
        "flows": SortedDict({FLOW: _FLOW}),
        "budgets": SortedDict({"all": SharedBudget(key="all", max_tokens=1_000, per="3653d")}),
    }
)
"""Its first step has one member, its second one three."""


def pays(world: World) -> Answer:
    """Each member makes its calls once. A process may die on both sides of each payment."""

    async def pay(name: str) -> None:
        world.paid[name] += 1

    async def paid(ctx: StepContext) -> int:
        key = key_of(ctx)
        process = world.begun[key, ctx.fencing_token]

        async def call(number: int) -> int:
            async with ctx.spend(tokens=ASIDE) as spent:
                await process.call("pay", partial(pay, f"{key} {number}"))
                spent.used(input_tokens=USED)
            return number

        for number in range(CALLS):
            await ctx.once(f"call {number}", call, number)
        return CALLS

    return paid


async def is_counted_once(storage: MobStorage, world: World) -> None:
    """Nothing is put aside; each payment was counted, by what it told or, in doubt, by what it had put aside."""
    await settle_lost(storage.budgets, storage.executions)
    assert all(call.lost_ms is not None for call in await storage.budgets.reservations())
    [run] = await storage.runs.list_runs(PAYS.id)
    scopes = [BudgetScope.of_run(run.run_id), BudgetScope.shared(PAYS.id, "all", "all")]
    of_run, shared = (await storage.budgets.accounts(scopes)).values()
    assert _counted(of_run) == _counted(shared), "a call draws on all accounts, or on none"
    told, left = divmod(of_run.used.tokens - of_run.estimated.tokens, USED)
    assert left == 0
    doubts, rest = divmod(of_run.estimated.tokens, ASIDE)
    payments = world.paid.total()
    assert rest == 0
    assert of_run.reserved == NOTHING
    assert len(world.paid) == MEMBERS * CALLS
    assert told <= payments <= told + doubts, "each payment was counted"
    assert doubts <= MEMBERS, "each call that was under way was settled once"
    assert payments - len(world.paid) <= MEMBERS, "a worker that dies repeats one call of each member at most"
    await _limit_is_settled(storage, run.run_id, told)


def _counted(account: Account) -> tuple[Any, ...]:
    return account.used.tokens, account.estimated.tokens, account.reserved


async def _limit_is_settled(storage: MobStorage, run_id: str, told: int) -> None:
    view = await storage.executions.load(run_id)
    assert view is not None
    limits = next(one.limits for one in view.executions.values() if one.step_id == "beside")
    [load] = await storage.steering.limit_loads(view.run.mob_id, view.run.flow_id, limits)
    assert load.under_way == 0
    assert USED * CALLS <= load.begun <= ATTEMPT * MEMBERS * 2 + USED * told

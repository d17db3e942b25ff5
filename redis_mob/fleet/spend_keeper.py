"""Keeps in the storage what the calls of one attempt draw on: the worker's side of `spending`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf

from redis_mob.contracts import BudgetStore, ExecutionStore, PauseStore
from redis_mob.errors import NotFoundError, shown
from redis_mob.fleet.budget_accounts import BudgetKeyError, KnownAccounts, RunAccounts
from redis_mob.fleet.budget_pauses import pause_reason
from redis_mob.fleet.budget_room import BudgetRoom
from redis_mob.fleet.lease import LeasedExecution, LeaseLostError
from redis_mob.fleet.lost_calls import settle_lost
from redis_mob.fleet.spending import NOW, Answered, Beginning, KeptSpending, SpendKeeper, Told, Wanted
from redis_mob.models.budget import (
    NOTHING,
    Account,
    Amounts,
    BudgetDecision,
    BudgetScope,
    BudgetVerdict,
    OnExceeded,
    Reservation,
    Settlement,
)
from redis_mob.models.budget_windows import full_again
from redis_mob.models.model_usage import UsedBy
from redis_mob.models.pause import PauseChange

_log = logging.getLogger(__name__)

BETWEEN_SWEEPS_SECONDS = 1.0
"""How often a worker whose calls wait looks whether they wait for calls of workers that are lost."""

SELDOM_SECONDS = 60.0
"""How often a worker looks for such calls that no other one waits for, as those of runs that were deleted."""


@dataclass
class SpendServices:
    """What the calls of a worker's handlers need of its storage."""

    executions: ExecutionStore
    budgets: BudgetStore
    pauses: PauseStore
    known: KnownAccounts = field(init=False)
    room: BudgetRoom = field(init=False)
    told: set[str] = field(default_factory=set[str])
    """The models of which the log says already that they have no price."""
    swept_at: float = -inf

    def __post_init__(self) -> None:
        self.known = KnownAccounts(self.executions)
        self.room = BudgetRoom(self.budgets)

    async def sweep(self, seconds: float) -> None:
        """Settle the calls of attempts that are over, unless that was done in the last so many seconds."""
        now = asyncio.get_running_loop().time()
        if now - self.swept_at >= seconds:
            self.swept_at = now
            await settle_lost(self.budgets, self.executions)


def spending_for(services: SpendServices | None, held: LeasedExecution, role: str) -> SpendKeeper:
    """What keeps the accounts of an execution: the storage, or nothing where there is no store."""
    return KeptSpending() if services is None else StoredSpending(services, held, role)


class StoredSpending:
    """The calls of one attempt; a handler may use it in any event loop."""

    def __init__(self, services: SpendServices, held: LeasedExecution, role: str) -> None:
        self._services = services
        self._held = held
        self._role = role
        self._is_new = held.lease.fencing_token > 1
        self._calls: dict[int, Reservation] = {}

    async def begin_call(self, wanted: Wanted, /) -> Answered:
        """Whether a call may begin. Raises LeaseLostError if the execution is not this worker's any more."""
        answered = await self._held.in_loop_of_worker(self._begin(wanted))
        if answered is None:
            raise self._lost()
        return answered

    async def end_call(self, told: Told, /) -> None:
        """Count what a call has used, also if the execution was taken from this worker meanwhile."""
        await self._held.in_loop_of_worker(self._end(told))

    async def _begin(self, wanted: Wanted) -> Answered:
        if self._held.lost.done():
            raise self._lost()
        if self._is_new:
            # what an earlier attempt was at when it was lost was perhaps paid
            await settle_lost(self._services.budgets, self._services.executions, self._held.run_id)
            self._is_new = False
        await self._services.sweep(SELDOM_SECONDS)
        try:
            accounts = await self._services.known.of(self._held.run_id)
        except BudgetKeyError as error:
            return Answered(Beginning.REFUSED, str(error))
        except NotFoundError:
            raise self._lost() from None
        declared = accounts.of_role(self._held.run_id, self._role)
        call = self._reservation(wanted, accounts, tuple(declared))
        decision = await self._services.budgets.reserve(call, declared)
        has_waited = False
        while decision.verdict is BudgetVerdict.WAIT and decision.scope is not None and wanted.is_patient:
            has_waited = True
            decision = await self._room_in(decision.scope, call, declared)
        return (await self._answer(wanted, call, decision))._replace(has_waited=has_waited)

    async def _room_in(
        self, scope: BudgetScope, call: Reservation, declared: Mapping[BudgetScope, Account]
    ) -> BudgetDecision:
        """What is decided once an account has room. Raises LeaseLostError if the execution is lost before."""

        async def ask() -> BudgetDecision:
            # it may wait for calls of workers that are lost
            await self._services.sweep(BETWEEN_SWEEPS_SECONDS)
            return await self._services.budgets.reserve(call, declared)

        waiting = asyncio.ensure_future(self._services.room.wait(scope, ask))
        try:
            await asyncio.wait({waiting, self._held.lost}, return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                raise self._lost()
            return waiting.result()
        finally:
            waiting.cancel()

    async def _answer(self, wanted: Wanted, call: Reservation, decision: BudgetDecision) -> Answered:
        match decision.verdict:
            case BudgetVerdict.GO:
                self._calls[wanted.number] = call
                return NOW
            case BudgetVerdict.WAIT:
                await self._services.sweep(BETWEEN_SWEEPS_SECONDS)
                return Answered(Beginning.LATER, f"{decision.scope} is put aside for calls that are under way")
            case BudgetVerdict.EXCEEDED:
                return await self._exceeded(decision)
            case BudgetVerdict.UNPRICED:
                return Answered(
                    Beginning.REFUSED,
                    f"{decision.scope} bounds the cost, and that of a call is not known: {_priceless(wanted)}",
                )
            case BudgetVerdict.CURRENCY:
                counted = decision.account.currency if decision.account else None
                return Answered(
                    Beginning.REFUSED, f"{decision.scope} counts {shown(counted)}, and a call costs {call.currency}"
                )

    async def _exceeded(self, decision: BudgetDecision) -> Answered:
        scope, account = decision.scope, decision.account
        if scope is None or account is None:
            return NOW
        used = f"{account.said()}{full_again(account)}"
        reason = f"{scope} is used up: {used}"
        if account.on_exceeded is OnExceeded.FAIL:
            return Answered(Beginning.REFUSED, reason)
        pauses, run_id = self._services.pauses, self._held.run_id
        change = await pauses.pause_run(run_id, pause_reason(scope, used))
        # More may have been allowed since the budget was looked at: then no one would resume the run.
        found = (await self._services.budgets.accounts([scope])).get(scope)
        if found is not None and not found.is_exceeded:
            if change is PauseChange.DONE:
                await pauses.resume_run(run_id)
            return Answered(Beginning.LATER)
        return Answered(Beginning.PAUSED, reason)

    def _reservation(self, wanted: Wanted, accounts: RunAccounts, scopes: tuple[BudgetScope, ...]) -> Reservation:
        held, prices = self._held, accounts.prices
        cost, is_unpriced = wanted.cost, False
        if cost is None and wanted.tokens is not None:
            price = None if prices is None or wanted.model is None else prices.models.get(wanted.model)
            is_unpriced = price is None
            cost = None if price is None else price.most(wanted.tokens)
        currency = accounts.currency
        if cost is not None and currency is None:
            # a cost in a currency that is not known is no cost that a budget can count
            cost, is_unpriced = None, True
        return Reservation(
            held.run_id,
            held.key,
            held.lease.fencing_token,
            wanted.number,
            Amounts(tool_calls=wanted.tool_calls, time_ms=wanted.elapsed_ms),
            # of what it may use at all it puts something aside: so it is refused where nothing is left
            Amounts(
                tokens=0 if wanted.tokens is None else max(wanted.tokens, 1), cost=0 if cost is None else max(cost, 1)
            ),
            scopes,
            None if cost is None else currency,
            is_unpriced,
            model=wanted.model,
        )

    async def _end(self, told: Told) -> None:
        call = self._calls.pop(told.wanted.number, None)
        if call is None:
            return
        accounts = await self._services.known.of(self._held.run_id)
        settlement = self._settlement(told, call, accounts)
        declared = accounts.of_role(self._held.run_id, self._role)
        was_reserved = call.estimate != NOTHING
        if not await self._services.budgets.settle(call, settlement, declared, was_reserved=was_reserved):
            _log.warning("%s: a call was counted with what it had put aside before it told what it used", self._held)

    def _settlement(self, told: Told, call: Reservation, accounts: RunAccounts) -> Settlement:
        time = Amounts(time_ms=told.elapsed_ms)
        if told.use is None:
            unpriced = call.estimate.tokens if call.is_unpriced else 0
            by = UsedBy(accounts.mob_id, accounts.flow_id, told.priced_model)
            return Settlement(call.estimate.plus(time), True, unpriced, call.currency, by)
        prices, model = accounts.prices, told.priced_model
        price = None if prices is None or model is None else prices.models.get(model)
        cost, currency = told.cost, accounts.currency
        if cost is None:
            cost = told.wanted.cost if price is None else price.cost(told.use)
        is_unpriced = (cost is None or currency is None) and told.use.tokens > 0
        if is_unpriced and prices is not None and model is not None and model not in self._services.told:
            self._services.told.add(model)
            _log.warning("model %s has no price in the definition of %s: its cost is not counted", model, self._held)
        counted = Amounts(tokens=told.use.tokens, cost=0 if cost is None or currency is None else cost)
        unpriced_tokens = told.use.tokens if is_unpriced else 0
        by = UsedBy(accounts.mob_id, accounts.flow_id, model, *told.use.counts)
        return Settlement(counted.plus(time), False, unpriced_tokens, currency if counted.cost else None, by)

    def _lost(self) -> LeaseLostError:
        return LeaseLostError(f"{self._held} is not this worker's any more: no call of it begins")


def _priceless(wanted: Wanted) -> str:
    if wanted.cost is not None:
        return "nothing says of which currency it is; write prices, or a currency in the budget"
    if wanted.model is None:
        return "name its model, or give its cost"
    return f"write a price for model {shown(wanted.model)} in [prices.models]"

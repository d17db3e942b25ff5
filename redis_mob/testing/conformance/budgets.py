"""Accounts of what the calls of handlers use, and what they put aside before that is known."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import datetime

import pytest

from redis_mob.contracts import BudgetStore, ExecutionStore
from redis_mob.errors import CasConflictError, ValidationError
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
    Window,
)
from redis_mob.models.budget_windows import EPOCH, MILLISECOND, window_start
from redis_mob.models.model_usage import ModelUsageTotal, UsedBy
from redis_mob.testing.backend import Backend
from redis_mob.testing.conformance.base import Guarantee, Opener, given
from redis_mob.testing.samples.driven_runs import ONE_STEP, keys_of, waiting
from redis_mob.testing.waiting import LONG

ACME = BudgetScope.shared("mob", "tenant", "acme")
OTHER = BudgetScope.shared("mob", "tenant", "other")
GONE = BudgetScope.of_run("11111111-2222-3333-4444-555555555555")

A_DAY = 86_400_000
TEN_YEARS = 3_653 * A_DAY


class TestBudgets(Guarantee):
    """A call puts aside what it may use in all accounts that it draws on or in none, and is settled once."""

    async def test_a_call_puts_aside_in_all_accounts(self, executions: ExecutionStore, budgets: BudgetStore) -> None:
        call, own = await _call(executions)
        declared = {own: _bounded(100), ACME: _bounded(50)}
        assert await budgets.reserve(call, declared) == BudgetDecision(BudgetVerdict.GO)
        found = await budgets.accounts([own, ACME, OTHER])
        assert {scope: account.reserved.tokens for scope, account in found.items()} == {own: 40, ACME: 40}
        assert _timeless(await budgets.reservations()) == [call]

    async def test_the_same_reservation_again_puts_nothing_more_aside(
        self, executions: ExecutionStore, budgets: BudgetStore
    ) -> None:
        call, own = await _call(executions)
        declared = {own: _bounded(100), ACME: _bounded(50)}
        await budgets.reserve(call, declared)
        before = await budgets.accounts([own, ACME])
        assert await budgets.reserve(call, declared) == BudgetDecision(BudgetVerdict.GO)
        assert await budgets.accounts([own, ACME]) == before

    async def test_a_call_that_waits_for_one_account_draws_on_none(
        self, executions: ExecutionStore, budgets: BudgetStore
    ) -> None:
        call, own = await _call(executions)
        declared = {own: _bounded(100), ACME: _bounded(50)}
        await budgets.reserve(call, declared)
        before = await budgets.accounts([own, ACME])
        decision = await budgets.reserve(call._replace(number=2), declared)
        assert decision == BudgetDecision(BudgetVerdict.WAIT, ACME, before[ACME])
        assert await budgets.accounts([own, ACME]) == before
        assert _timeless(await budgets.reservations()) == [call]

    async def test_alone_a_call_begins_with_what_is_left(
        self, executions: ExecutionStore, budgets: BudgetStore
    ) -> None:
        call, own = await _call(executions)
        declared = {own: _bounded(1), ACME: Account()}
        assert (await budgets.reserve(call, declared)).verdict is BudgetVerdict.GO

    async def test_a_call_is_refused_once_nothing_is_left(
        self, executions: ExecutionStore, budgets: BudgetStore
    ) -> None:
        call, own = await _call(executions)
        declared = {own: _bounded(100), ACME: _bounded(50)}
        await budgets.reserve(call, declared)
        assert await budgets.settle(call, Settlement(Amounts(tokens=50)), declared, was_reserved=True)
        before = await budgets.accounts([own, ACME])
        decision = await budgets.reserve(call._replace(number=2), declared)
        assert decision == BudgetDecision(BudgetVerdict.EXCEEDED, ACME, before[ACME])
        assert await budgets.accounts([own, ACME]) == before
        assert await budgets.reservations() == []

    async def test_a_cost_that_is_not_known_and_another_currency_are_refused(
        self, executions: ExecutionStore, budgets: BudgetStore
    ) -> None:
        call, own = await _call(executions)
        declared = {own: Account(bounds=Bounds(cost=100), currency="USD"), ACME: Account()}
        unpriced = await budgets.reserve(call._replace(is_unpriced=True), declared)
        assert (unpriced.verdict, unpriced.scope) == (BudgetVerdict.UNPRICED, own)
        other = await budgets.reserve(call._replace(currency="EUR"), declared)
        assert (other.verdict, other.scope) == (BudgetVerdict.CURRENCY, own)
        assert await budgets.accounts([own, ACME]) == {}

    async def test_what_a_call_told_counts_and_the_rest_is_free(
        self, executions: ExecutionStore, budgets: BudgetStore
    ) -> None:
        call, own = await _call(executions)
        call = call._replace(spent=Amounts(tool_calls=1))
        declared = {own: Account(), ACME: Account()}
        await budgets.reserve(call, declared)
        told = Settlement(Amounts(tokens=7, cost=3), unpriced_tokens=2, currency="USD")
        assert await budgets.settle(call, told, declared, was_reserved=True)
        account = Account(used=Amounts(tokens=7, cost=3, tool_calls=1), unpriced_tokens=2, currency="USD")
        assert await budgets.accounts([own, ACME]) == {own: account, ACME: account}
        assert await budgets.reservations() == []

    async def test_a_call_is_settled_once(self, executions: ExecutionStore, budgets: BudgetStore) -> None:
        call, own = await _call(executions)
        declared = {own: Account(), ACME: Account()}
        await budgets.reserve(call, declared)
        assert await budgets.settle(call, Settlement(call.estimate, is_estimated=True), declared, was_reserved=True)
        before = await budgets.accounts([own, ACME])
        assert not await budgets.settle(call, Settlement(Amounts(tokens=7)), declared, was_reserved=True)
        assert await budgets.accounts([own, ACME]) == before
        assert (before[own].used.tokens, before[own].estimated.tokens, before[own].reserved) == (40, 40, NOTHING)

    async def test_what_models_have_used_is_added_up_by_flow(
        self, executions: ExecutionStore, budgets: BudgetStore
    ) -> None:
        call, own = await _call(executions)
        declared = {own: Account(), ACME: Account()}
        by = UsedBy("mob", "flow", "small", 7, 3, 5, 1)
        told = Settlement(Amounts(tokens=10, cost=2_000_000), currency="USD", by=by)
        for number in range(2):
            await budgets.reserve(call._replace(number=number), declared)
            await budgets.settle(call._replace(number=number), told, declared, was_reserved=True)
        assert not await budgets.settle(call, told, declared, was_reserved=True), "it is settled"
        in_doubt = Settlement(Amounts(tokens=40), is_estimated=True, by=UsedBy("mob", "flow"))
        await budgets.settle(call, in_doubt, declared, was_reserved=False)
        await budgets.settle(call, Settlement(Amounts(tokens=1)), declared, was_reserved=False)
        assert await budgets.usage() == (
            ModelUsageTotal(mob_id="mob", flow_id="flow", calls=1, estimated_tokens=40),
            ModelUsageTotal(
                mob_id="mob",
                flow_id="flow",
                model="small",
                currency="USD",
                calls=2,
                input_tokens=14,
                output_tokens=6,
                cache_read_tokens=10,
                cache_write_tokens=2,
                cost=4.0,
            ),
        )

    async def test_what_a_lost_call_tells_counts_in_the_place_of_what_it_had_put_aside(
        self, executions: ExecutionStore, budgets: BudgetStore
    ) -> None:
        call, own = await _call(executions)
        call = call._replace(model="small")
        declared = {own: Account(), ACME: Account()}
        await budgets.reserve(call, declared)
        lost = Settlement(call.estimate, is_estimated=True, by=UsedBy("mob", "flow", "small"))
        assert await budgets.settle(call, lost, declared, was_reserved=True, is_lost=True)
        assert not await budgets.settle(call, lost, declared, was_reserved=True, is_lost=True)
        assert not await budgets.settle(call, lost, declared, was_reserved=True), "it tells nothing new"
        in_doubt = Account(used=Amounts(tokens=40), estimated=Amounts(tokens=40))
        assert await budgets.accounts([own, ACME]) == {own: in_doubt, ACME: in_doubt}
        [kept] = await budgets.reservations()
        assert kept.lost_ms is not None
        told = Settlement(Amounts(tokens=7), by=UsedBy("mob", "flow", "large", 7))
        assert await budgets.settle(call, told, declared, was_reserved=True)
        assert not await budgets.settle(call, told, declared, was_reserved=True)
        known = Account(used=Amounts(tokens=7))
        assert await budgets.accounts([own, ACME]) == {own: known, ACME: known}
        assert await budgets.reservations() == []
        assert [(one.model, one.calls, one.input_tokens, one.estimated_tokens) for one in await budgets.usage()] == [
            ("large", 1, 7, 0),
            ("small", 0, 0, 0),
        ]
        with pytest.raises(ValidationError):
            await budgets.settle(call, told, declared, was_reserved=True, is_lost=True)

    async def test_of_many_settlements_at_once_one_counts(self, open_stores: Opener) -> None:
        opened = [await open_stores() for _ in range(4)]
        stores = [given("budgets", one.budgets) for one in opened]
        call, own = await _call(given("executions", opened[0].executions))
        declared = {own: Account(), ACME: Account()}
        await stores[0].reserve(call, declared)
        told = Settlement(Amounts(tokens=7))
        settling = [store.settle(call, told, declared, was_reserved=True) for store in stores]
        assert sorted(await asyncio.gather(*settling)) == [False, False, False, True]
        assert (await stores[0].accounts([own]))[own].used.tokens == 7

    async def test_no_more_than_is_allowed_is_put_aside_at_once(self, open_stores: Opener) -> None:
        opened = [await open_stores() for _ in range(4)]
        stores = [given("budgets", one.budgets) for one in opened]
        call, own = await _call(given("executions", opened[0].executions))
        declared = {own: _bounded(100), ACME: Account()}
        calls = [call._replace(number=number) for number in range(8)]
        reserving = [stores[one.number % 4].reserve(one, declared) for one in calls]
        verdicts = [decision.verdict for decision in await asyncio.gather(*reserving)]
        assert (verdicts.count(BudgetVerdict.GO), verdicts.count(BudgetVerdict.WAIT)) == (2, 6)
        assert (await stores[0].accounts([own]))[own].reserved.tokens == 80

    async def test_bounds_change_and_what_was_used_stays(
        self, executions: ExecutionStore, budgets: BudgetStore
    ) -> None:
        call, own = await _call(executions)
        declared = {own: _bounded(10), ACME: Account()}
        await budgets.reserve(call, declared)
        await budgets.settle(call, Settlement(Amounts(tokens=10)), declared, was_reserved=True)
        policy = OnExceeded.FAIL
        raised = await budgets.set_bounds(own, Bounds(tokens=20), _bounded(10), on_exceeded=policy, currency=None)
        assert raised == Account(bounds=Bounds(tokens=20), used=Amounts(tokens=10), on_exceeded=policy)
        assert (await budgets.reserve(call._replace(number=2), declared)).verdict is BudgetVerdict.GO
        assert await budgets.set_bounds(GONE, Bounds(), Account(), on_exceeded=policy, currency=None) is None

    async def test_shared_accounts_are_listed_and_forgotten(
        self, executions: ExecutionStore, budgets: BudgetStore
    ) -> None:
        call, own = await _call(executions)
        declared = {own: Account(), ACME: _bounded(50)}
        await budgets.reserve(call, declared)
        await budgets.set_bounds(OTHER, Bounds(), Account(), on_exceeded=OnExceeded.PAUSE, currency=None)
        assert list(await budgets.shared()) == [ACME, OTHER]
        with pytest.raises(CasConflictError):
            await budgets.forget(ACME)
        assert await budgets.forget(OTHER)
        assert not await budgets.forget(OTHER)
        assert list(await budgets.shared()) == [ACME]
        with pytest.raises(ValidationError):
            await budgets.forget(own)

    async def test_the_account_of_a_run_that_is_gone_is_left_out(
        self, executions: ExecutionStore, budgets: BudgetStore
    ) -> None:
        call, _ = await _call(executions)
        call = call._replace(scopes=(GONE, ACME))
        assert (await budgets.reserve(call, {GONE: _bounded(0), ACME: Account()})).verdict is BudgetVerdict.GO
        assert list(await budgets.accounts([GONE, ACME])) == [ACME]

    async def test_a_scope_without_a_declared_account_is_refused(
        self, executions: ExecutionStore, budgets: BudgetStore
    ) -> None:
        call, own = await _call(executions)
        with pytest.raises(ValidationError):
            await budgets.reserve(call, {own: Account()})
        assert await budgets.accounts([own]) == {}

    async def test_those_that_wait_are_woken_by_a_settlement_and_by_other_bounds(
        self, executions: ExecutionStore, budgets: BudgetStore
    ) -> None:
        call, own = await _call(executions)
        declared = {own: _bounded(50), ACME: _bounded(50)}
        await budgets.reserve(call, declared)
        async with budgets.listen(own) as of_run, budgets.listen(ACME) as shared, budgets.listen(OTHER) as other:
            for wake_up in (of_run, shared, other):
                assert await wake_up.wait(LONG), "at first it is woken"
            await budgets.settle(call, Settlement(NOTHING), declared, was_reserved=True)
            assert await of_run.wait(LONG)
            assert await shared.wait(LONG)
            await budgets.set_bounds(ACME, Bounds(tokens=9), Account(), on_exceeded=OnExceeded.PAUSE, currency=None)
            assert await shared.wait(LONG)
            await budgets.set_bounds(OTHER, Bounds(tokens=9), Account(), on_exceeded=OnExceeded.PAUSE, currency=None)
            assert await other.wait(LONG)
            assert not await of_run.wait(0)


class TestBudgetWindows(Guarantee):
    """A budget with a window is full again in the next one, and counts nothing twice."""

    async def test_an_account_is_of_the_window_in_which_it_is_used(
        self, backend: Backend, executions: ExecutionStore, budgets: BudgetStore
    ) -> None:
        call, own = await _call(executions)
        declared = {own: Account(), ACME: _windowed(Window(TEN_YEARS))}
        await budgets.reserve(call, declared)
        await budgets.settle(call, Settlement(Amounts(tokens=9)), declared, was_reserved=True)
        account = (await budgets.accounts([ACME]))[ACME]
        since = window_start(_ms(await backend.now()), TEN_YEARS)
        assert (account.window, account.used.tokens) == (Window(TEN_YEARS, since), 9)

    async def test_a_window_that_is_over_counts_as_the_one_before(self, backend: Backend, budgets: BudgetStore) -> None:
        since = window_start(_ms(await backend.now()), TEN_YEARS)
        old = _windowed(Window(TEN_YEARS, since - TEN_YEARS, Amounts(tokens=1)), used=Amounts(tokens=50), estimated=5)
        account = await _stored(budgets, ACME, old)
        assert account == _windowed(Window(TEN_YEARS, since, Amounts(tokens=50)))
        older = _windowed(Window(A_DAY, 4 * A_DAY, Amounts(tokens=1)), used=Amounts(tokens=50))
        account = await _stored(budgets, OTHER, older)
        assert account.window is not None
        assert (account.used, account.window.before) == (NOTHING, NOTHING)
        assert account.window.since_ms > since

    async def test_that_it_has_refused_calls_is_known_until_it_is_forgotten(
        self, backend: Backend, executions: ExecutionStore, budgets: BudgetStore
    ) -> None:
        call, own = await _call(executions)
        since = window_start(_ms(await backend.now()), TEN_YEARS)
        await _stored(budgets, ACME, _windowed(Window(TEN_YEARS, since), used=Amounts(tokens=50)))
        declared = {own: Account(), ACME: Account()}
        decision = await budgets.reserve(call, declared)
        assert (decision.verdict, decision.scope) == (BudgetVerdict.EXCEEDED, ACME)
        [account] = (await budgets.shared()).values()
        assert account.window == Window(TEN_YEARS, since, refused_ms=since)
        assert not await budgets.reopened(ACME), "its window is not over"
        before = Window(TEN_YEARS, since - TEN_YEARS, refused_ms=since - TEN_YEARS)
        await _stored(budgets, OTHER, _windowed(before, used=Amounts(tokens=50)))
        assert await budgets.reopened(OTHER)
        assert not await budgets.reopened(OTHER)
        account = (await budgets.accounts([OTHER]))[OTHER]
        assert account.window == Window(TEN_YEARS, since, Amounts(tokens=50))
        assert not await budgets.reopened(BudgetScope.shared("mob", "tenant", "none"))

    async def test_one_that_lets_steps_fail_does_not_note_that_it_refused(
        self, backend: Backend, executions: ExecutionStore, budgets: BudgetStore
    ) -> None:
        call, own = await _call(executions)
        since = window_start(_ms(await backend.now()), TEN_YEARS)
        failing = _windowed(Window(TEN_YEARS, since), used=Amounts(tokens=50), policy=OnExceeded.FAIL)
        before = await _stored(budgets, ACME, failing)
        decision = await budgets.reserve(call, {own: Account(), ACME: Account()})
        assert decision == BudgetDecision(BudgetVerdict.EXCEEDED, ACME, before)
        assert await budgets.accounts([ACME]) == {ACME: before}


def _bounded(tokens: int) -> Account:
    return Account(bounds=Bounds(tokens=tokens))


def _windowed(
    window: Window, used: Amounts = NOTHING, estimated: int = 0, policy: OnExceeded = OnExceeded.PAUSE
) -> Account:
    return Account(
        bounds=Bounds(tokens=50), used=used, estimated=Amounts(tokens=estimated), on_exceeded=policy, window=window
    )


async def _stored(budgets: BudgetStore, scope: BudgetScope, account: Account) -> Account:
    """The account as it is once it is stored like this."""
    stored = await budgets.set_bounds(
        scope, account.bounds, account, on_exceeded=account.on_exceeded, currency=account.currency
    )
    assert stored is not None
    return stored


def _ms(moment: datetime) -> int:
    return (moment - EPOCH) // MILLISECOND


def _timeless(calls: Iterable[Reservation]) -> list[Reservation]:
    """The calls without the times that the storage has given them, each of which has one."""
    found = list(calls)
    assert all(call.at_ms > 0 for call in found)
    return [call._replace(at_ms=0) for call in found]


async def _call(executions: ExecutionStore) -> tuple[Reservation, BudgetScope]:
    """A call of up to 40 tokens in a run, which draws on the account of that run and of `ACME`; that of the run."""
    driven = await waiting(executions, ONE_STEP)
    own = BudgetScope.of_run(driven.run_id)
    key = keys_of(await driven.view())[0]
    return Reservation(driven.run_id, key, 1, 1, NOTHING, Amounts(tokens=40), (own, ACME)), own

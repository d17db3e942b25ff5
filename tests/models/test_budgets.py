"""Accounts of budgets, by themselves: what they let begin, what is left unused, and by how much they are exceeded."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from redis_mob.models.budget import (
    MICRO,
    MOST,
    Account,
    Amounts,
    Budget,
    BudgetScope,
    BudgetVerdict,
    OnExceeded,
    Reservation,
    Settlement,
    cost_text,
    judged,
    micro,
    reserved,
    settled,
)
from redis_mob.models.execution_key import ExecutionKey
from redis_mob.models.prices import ModelPrice, ModelUse

SCOPE = BudgetScope.of_run("0191a6a0-0000-4000-8000-000000000001")
KEY = ExecutionKey("root", "a", "worker-1")


def call(tokens: int, number: int = 0) -> Reservation:
    return Reservation(str(SCOPE.run_id), KEY, 1, number, Amounts(), Amounts(tokens=tokens), (SCOPE,))


Calls = st.lists(st.tuples(st.integers(1, 400), st.integers(0, 400)), min_size=1, max_size=60)
"""Calls in their order: what each puts aside, and what it uses."""


@given(calls=Calls, most=st.integers(0, 4000), agents=st.integers(1, 8), random=st.randoms())
def test_a_budget_leaves_nothing_unused_and_is_exceeded_by_what_was_under_way(
    calls: list[tuple[int, int]], most: int, agents: int, random: Random
) -> None:
    """contract: budget-3. Agents make calls side by side, in any order, until one is refused or all are made."""
    account, waiting = Account.of(Budget(max_tokens=most)), list(calls)
    under_way: list[tuple[int, int]] = []
    refused = False
    while waiting or under_way:
        begins = waiting and len(under_way) < agents and (not under_way or random.random() < 0.5)
        verdict = judged(account, call(waiting[0][0])) if begins else BudgetVerdict.WAIT
        assert verdict is not BudgetVerdict.WAIT or under_way, "a call waits, and there is nothing that it waits for"
        if verdict is BudgetVerdict.GO:
            aside, used = waiting.pop(0)
            account = reserved(account, call(aside))
            under_way.append((aside, used))
        elif verdict is BudgetVerdict.EXCEEDED:
            refused = True
            waiting.clear()
        else:
            aside, used = under_way.pop(random.randrange(len(under_way)))
            account = settled(account, Amounts(tokens=aside), Settlement(Amounts(tokens=used)))
    assert account.reserved == Amounts()
    if refused:
        assert account.used.tokens >= most, "it refused a call, and was not used up"
    largest = sorted((used for _, used in calls), reverse=True)[:agents]
    assert account.used.tokens <= max(most, 0) + sum(largest)


@given(calls=Calls, most=st.integers(1, 4000), random=st.randoms())
def test_a_budget_of_guesses_that_are_high_enough_is_exceeded_by_one_call_at_most(
    calls: list[tuple[int, int]], most: int, random: Random
) -> None:
    """contract: budget-3."""
    account, waiting = Account.of(Budget(max_tokens=most)), [(max(one), one[1]) for one in calls]
    under_way: list[tuple[int, int]] = []
    while waiting or under_way:
        begins = waiting and (not under_way or random.random() < 0.5)
        verdict = judged(account, call(waiting[0][0])) if begins else BudgetVerdict.WAIT
        if verdict is BudgetVerdict.GO:
            aside, used = waiting.pop(0)
            account = reserved(account, call(aside))
            under_way.append((aside, used))
        elif verdict is BudgetVerdict.EXCEEDED:
            waiting.clear()
        else:
            aside, used = under_way.pop()
            account = settled(account, Amounts(tokens=aside), Settlement(Amounts(tokens=used)))
    assert account.used.tokens <= most + max(used for _, used in calls)


def test_only_what_a_call_uses_is_looked_at() -> None:
    account = Account.of(Budget(max_tokens=0, max_tool_calls=1))
    tool = call(0)._replace(spent=Amounts(tool_calls=1))
    assert judged(account, call(1)) is BudgetVerdict.EXCEEDED
    assert judged(account, tool) is BudgetVerdict.GO
    assert judged(reserved(account, tool), tool) is BudgetVerdict.EXCEEDED


def test_an_unknown_cost_is_refused_where_costs_are_bounded() -> None:
    unknown = call(1)._replace(is_unpriced=True)
    assert judged(Account.of(Budget(max_cost=1.0, currency="USD")), unknown) is BudgetVerdict.UNPRICED
    assert judged(Account.of(Budget(max_tokens=5)), unknown) is BudgetVerdict.GO
    paid = call(1)._replace(currency="EUR")
    assert judged(Account.of(Budget(max_cost=1.0, currency="USD")), paid) is BudgetVerdict.CURRENCY


def test_time_is_looked_at_by_every_call() -> None:
    account = Account.of(Budget(max_time="2s")).model_copy(update={"used": Amounts(time_ms=2000)})
    assert judged(account, call(0)) is BudgetVerdict.EXCEEDED


@pytest.mark.parametrize(("cost", "counted"), [(0.1, 100_000), (0.0000001, 1), (5, 5 * MICRO), (0, 0)])
def test_a_cost_is_counted_in_millionths_and_never_as_nothing(cost: float, counted: int) -> None:
    assert micro(cost) == counted


def test_a_cost_is_that_of_each_sort_of_tokens_rounded_up() -> None:
    price = ModelPrice(input=1.0, output=10.0, cache_read=0.1)
    use = ModelUse(input_tokens=1000, output_tokens=100, cache_read_tokens=900)
    assert price.cost(use) == 100 + 90 + 1000
    assert price.cost(ModelUse(output_tokens=1)) == 10
    assert ModelPrice(input=0.01, output=0.0).cost(ModelUse(input_tokens=1)) == 1
    assert price.most(100) == 1000


@given(st.integers(0, MOST))
def test_a_cost_reads_back_as_it_is_written(number: int) -> None:
    whole, _, rest = cost_text(number).replace(",", "").partition(".")
    assert int(whole) * MICRO + int(rest.ljust(6, "0")) == number


@pytest.mark.parametrize("field", ["max_tokens", "max_cost", "max_tool_calls"])
def test_a_bound_below_zero_is_refused(field: str) -> None:
    """contract: budget-7."""
    with pytest.raises(ValidationError, match="below zero: give 0 for nothing"):
        Budget.model_validate({field: -1})


@pytest.mark.parametrize("field", ["input", "output", "cache_read", "cache_write"])
def test_a_price_below_zero_is_refused(field: str) -> None:
    """contract: budget-7."""
    with pytest.raises(ValidationError, match="a price of -1 is below zero: give 0 for a model that costs nothing"):
        ModelPrice.model_validate({"input": 1, "output": 1, field: -1})


def test_what_is_given_at_the_start_goes_before_what_the_flow_says() -> None:
    """contract: budget-1."""
    of_flow = Budget(max_tokens=5, max_cost=2.0, on_exceeded=OnExceeded.FAIL)
    assert Budget(max_tokens=7).over(of_flow) == of_flow.model_copy(update={"max_tokens": 7})
    assert Budget(max_tokens=7).over(None) == Budget(max_tokens=7)

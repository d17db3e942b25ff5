"""The checker on long histories: it accepts what is linearizable, finds one wrong result, and does little work."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redis_mob.testing.history import (
    History,
    NoSerialOrderError,
    RecordedCall,
    UndecidedHistoryError,
    check,
    check_parts,
)
from redis_mob.testing.history_files import Operation
from redis_mob.testing.serial_models import Register
from tests.testing.long_histories import linearizable, violated

Recorded = RecordedCall[Operation]
REFUSED: type[NoSerialOrderError[Operation]] = NoSerialOrderError
UNDECIDED: type[UndecidedHistoryError[Operation]] = UndecidedHistoryError


class Counting(Register):
    """A register that counts how often it is asked."""

    def __init__(self) -> None:
        self.applied = 0

    def apply(self, state: Any, call: Operation) -> tuple[Any, Any]:
        self.applied += 1
        return super().apply(state, call)


class Awaited:
    """The same, which has to be awaited."""

    def start(self) -> Any:
        return None

    async def apply(self, state: Any, call: Operation) -> tuple[Any, Any]:
        return Register().apply(state, call)


def write(value: int, started: int, ended: int | None = None, key: str = "k") -> Recorded:
    return RecordedCall(value, Operation("register", key, "write", (value,)), started, ended)


def read(value: Any, started: int, ended: int | None = None, key: str = "k") -> Recorded:
    return RecordedCall("r", Operation("register", key, "read"), started, ended or started + 1, value)


def in_turn(count: int) -> Iterator[Recorded]:
    """Writes and reads one after the other, from 10 on."""
    for number in range(1, count + 1):
        yield write(number, 10 * number, 10 * number + 1)
        yield read(number, 10 * number + 2)


@given(
    seed=st.integers(0, 2**32),
    operations=st.integers(1, 300),
    keys=st.integers(1, 5),
    clients=st.integers(1, 6),
    unknown=st.sampled_from((0.0, 0.02, 0.2)),
)
@settings(max_examples=30)
async def test_what_took_effect_one_after_the_other_is_accepted_and_one_wrong_result_is_found(
    seed: int, operations: int, keys: int, clients: int, unknown: float
) -> None:
    history = linearizable(operations=operations, keys=keys, clients=clients, seed=seed, unknown=unknown)
    orders = await check_parts(history, lambda call: call.key, lambda _: Register(), limit=2_000_000)
    assert {call for order in orders.values() for call in order} >= {
        recorded for recorded in history.calls if recorded.ended is not None
    }
    if any(recorded.call.name == "read" and recorded.ended is not None for recorded in history.calls):
        with pytest.raises(REFUSED):
            await check_parts(violated(history, seed), lambda call: call.key, lambda _: Register())


async def test_ten_thousand_calls_take_little_work() -> None:
    history = linearizable(operations=10_000, keys=20, clients=16, seed=7, unknown=0.01)
    models: list[Counting] = []

    def counting(_: str) -> Counting:
        models.append(Counting())
        return models[-1]

    await check_parts(history, lambda call: call.key, counting)
    assert sum(model.applied for model in models) < 2 * len(history.calls)
    with pytest.raises(REFUSED) as refused:
        await check_parts(violated(history, 7), lambda call: call.key, lambda _: Register())
    assert refused.value.exhausted
    assert f"of {refused.value.part}; the longest possible one has" in str(refused.value)


@pytest.mark.parametrize("value", [None, 1_000, -1], ids=["before all", "after all", "never"])
async def test_a_call_that_overlaps_all_others_costs_no_more(value: int | None) -> None:
    model = Counting()
    calls = [read(value, 0, 100_000), *in_turn(1_000)]
    try:
        await check(History(calls), model)
        assert value != -1
    except NoSerialOrderError:
        assert value == -1
    assert model.applied <= 3 * len(calls)


async def test_many_unknown_calls_that_did_not_happen_cost_little() -> None:
    model = Counting()
    calls = [*(write(10_000 + number, 0) for number in range(300)), *in_turn(1_000)]
    assert await check(History(calls), model) == calls[300:]
    assert model.applied == 2_000


async def test_of_many_unknown_calls_those_that_happened_are_found() -> None:
    model = Counting()
    unknown = [write(10_000 + number, number) for number in range(300)]
    calls = [*unknown, *in_turn(50), read(10_007, 2_000), read(10_250, 2_002)]
    order = await check(History(calls), model)
    assert [call.call.arguments[0] for call in order if call.ended is None] == [10_007, 10_250]
    assert model.applied < 2_000


async def test_equal_calls_of_unknown_outcome_are_not_tried_in_all_orders() -> None:
    """Twelve swaps of which each undoes one of twelve others, and a read of what none of them writes."""
    there, back = (Operation("register", "k", "swap", pair) for pair in ((0, 1), (1, 0)))
    unknown = [RecordedCall(number, call, 1) for number in range(12) for call in (there, back)]
    model = Counting()
    with pytest.raises(REFUSED) as refused:
        await check(History([write(0, 0, 1), *unknown, read(2, 3)]), model)
    assert refused.value.exhausted
    assert model.applied < 20


async def test_a_model_may_be_awaited_or_not() -> None:
    history = linearizable(operations=200, keys=1, clients=4, seed=1, unknown=0.05)
    assert await check(history, Awaited()) == await check(history, Register())
    with pytest.raises(REFUSED) as plain:
        await check(violated(history, 1), Register())
    with pytest.raises(REFUSED) as awaited:
        await check(violated(history, 1), Awaited())
    assert str(plain.value) == str(awaited.value)


async def test_a_search_that_takes_too_long_says_that_it_does_not_know() -> None:
    calls = [*(write(number, 0, 9) for number in range(20)), read(-1, 10)]
    found: list[dict[str, Any]] = [{"limit": 1_000}, {"seconds": 0.0}]
    for bounds in found:
        with pytest.raises(UNDECIDED, match="found no serial order") as undecided:
            await check(History(calls), Register(), **bounds)
        assert not undecided.value.exhausted


async def test_an_object_without_an_order_counts_more_than_one_that_is_undecided() -> None:
    hard = [*(write(number, 0, 9, "hard") for number in range(20)), read(-1, 10, key="hard")]
    fine = [write(1, 0, 1, "fine"), read(1, 2, key="fine")]
    wrong = [write(1, 0, 1, "wrong"), read(2, 2, key="wrong")]

    async def checked(*calls: Recorded) -> NoSerialOrderError[Operation] | None:
        try:
            await check_parts(History(calls), lambda call: call.key, lambda _: Register(), limit=1_000)
        except REFUSED as error:
            return error
        return None

    assert await checked(*fine) is None
    undecided, refused = await checked(*hard, *fine), await checked(*hard, *fine, *wrong)
    assert isinstance(undecided, UndecidedHistoryError)
    assert undecided.part == "hard"
    assert refused is not None
    assert (refused.part, refused.exhausted) == ("wrong", True)


async def test_a_report_shows_the_end_of_a_long_order() -> None:
    with pytest.raises(REFUSED) as refused:
        await check(History([*in_turn(200), read(-1, 9_000)]), Register())
    lines = str(refused.value).splitlines()
    assert lines[1] == "  (the first 300 are left out)"
    assert len(refused.value.prefix) == 400
    assert len(lines) < 110

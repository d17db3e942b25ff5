"""The checker of histories: which ones have a serial order, and what it says of those that have none."""

from __future__ import annotations

import asyncio
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redis_mob.testing.history import History, NoSerialOrderError, RecordedCall, check

Call = tuple[Any, ...]
Recorded = RecordedCall[Call]

REFUSED: type[NoSerialOrderError[Call]] = NoSerialOrderError
"""The error with which a history of these calls is refused."""


class Register:
    """One number, at first 0, to be read, written, and swapped if it is the expected one."""

    def __init__(self) -> None:
        self.applied = 0

    def start(self) -> int:
        return 0

    async def apply(self, state: int, call: Call) -> tuple[object, int]:
        self.applied += 1
        return now(state, call)


def now(state: int, call: Call) -> tuple[object, int]:
    match call:
        case ("write", value):
            return None, value
        case ("swap", expected, value):
            return (True, value) if state == expected else (False, state)
        case _:
            return state, state


def recorded(client: str, started: int, ended: int | None, call: Call, result: object = None) -> Recorded:
    return RecordedCall(client, call, started, ended, result)


def write(client: str, started: int, ended: int | None, value: int) -> Recorded:
    return recorded(client, started, ended, ("write", value))


def read(client: str, started: int, ended: int, value: int) -> Recorded:
    return recorded(client, started, ended, ("read",), value)


def swap(client: str, started: int, ended: int | None, expected: int, value: int, won: object = None) -> Recorded:
    return recorded(client, started, ended, ("swap", expected, value), won)


LINEARIZABLE = {
    "nothing": [],
    "one after the other": [write("a", 0, 1, 7), read("b", 2, 3, 7)],
    "a read beside a write sees it": [write("a", 0, 9, 7), read("b", 1, 2, 7)],
    "a read beside a write does not see it yet": [write("a", 0, 9, 7), read("b", 1, 2, 0)],
    "two reads beside a write, and the second sees it": [write("a", 0, 9, 7), read("b", 1, 2, 0), read("b", 3, 4, 7)],
    "the later write wins, which started first": [write("a", 0, 9, 1), write("b", 1, 8, 2), read("b", 10, 11, 1)],
    "calls that meet in one moment": [write("a", 0, 5, 7), read("b", 5, 6, 0)],
    "one of two swaps wins": [swap("a", 0, 5, 0, 1, True), swap("b", 1, 6, 0, 2, False), read("a", 7, 8, 1)],
    "a swap that wins beside the write it needs": [write("a", 0, 5, 3), swap("b", 1, 4, 3, 4, True)],
    "an unknown write that happened": [write("a", 0, None, 7), read("b", 1, 2, 7)],
    "an unknown write that did not happen": [write("a", 0, None, 7), read("b", 1, 2, 0)],
    "an unknown write that happens late": [write("a", 0, None, 7), read("b", 1, 2, 0), read("b", 50, 51, 7)],
    "an unknown swap that another one needs": [swap("a", 0, None, 0, 1), swap("b", 5, 6, 1, 2, True)],
    "an unknown swap that could not win": [swap("a", 0, None, 8, 1), read("b", 5, 6, 0)],
    "many unknown ones": [*(write("a", 0, None, value) for value in range(12)), read("b", 5, 6, 7), read("b", 7, 8, 3)],
}

NOT_LINEARIZABLE = {
    "a read of what was never there": [read("a", 0, 1, 7)],
    "a stale read": [write("a", 0, 1, 7), read("b", 2, 3, 0)],
    "two reads beside a write, and only the first sees it": [
        write("a", 0, 9, 7),
        read("b", 1, 2, 7),
        read("b", 3, 4, 0),
    ],
    "two clients that see two writes in opposite order": [
        write("a", 0, 9, 1),
        write("b", 0, 9, 2),
        read("c", 10, 11, 1),
        read("d", 12, 13, 2),
    ],
    "both of two swaps win": [swap("a", 0, 5, 0, 1, True), swap("b", 1, 6, 0, 2, True)],
    "a swap that loses although no other write came between": [swap("a", 0, 5, 0, 1, False)],
    "a lost update": [swap("a", 0, 1, 0, 1, True), write("b", 2, 3, 5), read("a", 4, 5, 1)],
    "an unknown write seen before it started": [read("b", 0, 1, 7), write("a", 2, None, 7)],
    "an unknown write that happens twice": [
        write("a", 0, None, 7),
        read("b", 1, 2, 7),
        write("b", 3, 4, 1),
        read("b", 5, 6, 7),
    ],
    "an unknown write that did not happen after it was seen": [
        write("a", 0, None, 7),
        read("b", 1, 2, 7),
        read("b", 3, 4, 0),
    ],
}


@pytest.mark.parametrize("calls", LINEARIZABLE.values(), ids=LINEARIZABLE.keys())
async def test_a_serial_order_is_found(calls: list[Recorded]) -> None:
    order = await check(History(reversed(calls)), Register())
    assert explains(order)
    assert {id(call) for call in calls if call.ended is not None} <= {id(call) for call in order}


@pytest.mark.parametrize("calls", NOT_LINEARIZABLE.values(), ids=NOT_LINEARIZABLE.keys())
async def test_no_serial_order_is_found_where_there_is_none(calls: list[Recorded]) -> None:
    with pytest.raises(REFUSED) as refused:
        await check(History(reversed(calls)), Register())
    assert refused.value.exhausted
    assert refused.value.misfits


def explains(order: list[Recorded] | tuple[Recorded, ...]) -> bool:
    """Whether this order respects time, and gives every call its result."""
    state = 0
    for place, call in enumerate(order):
        answer, state = now(state, call.call)
        if call.ended is not None and answer != call.result:
            return False
        if any(later.ended is not None and later.ended < call.started for later in order[place + 1 :]):
            return False
    return True


def has_order(calls: list[Recorded]) -> bool:
    """By trying all orders, with and without each call whose outcome is unknown."""
    known = [call for call in calls if call.ended is not None]
    return any(
        explains(order)
        for size in range(len(known), len(calls) + 1)
        for order in permutations(calls, size)
        if all(call in order for call in known)
    )


NUMBERS = st.integers(0, 2)
CALLS = st.one_of(
    st.tuples(st.just(("read",)), NUMBERS),
    st.tuples(st.tuples(st.just("write"), NUMBERS), st.none()),
    st.tuples(st.tuples(st.just("swap"), NUMBERS, NUMBERS), st.booleans()),
)


@st.composite
def histories(draw: st.DrawFn) -> list[Recorded]:
    """A few calls at times of all kinds, with results that may be wrong; each call is another object."""
    calls: list[Recorded] = []
    for number, (call, result) in enumerate(draw(st.lists(CALLS, max_size=5))):
        started = draw(st.integers(0, 9))
        ended = draw(st.none() | st.integers(started, 12))
        calls.append(RecordedCall(number, call, started, ended, result))
    return calls


@given(histories())
def test_it_decides_as_one_does_who_tries_all_orders(calls: list[Recorded]) -> None:
    try:
        order = asyncio.run(check(History(calls), Register()))
    except NoSerialOrderError:
        assert not has_order(calls)
    else:
        assert explains(order)
        assert {call.client for call in calls if call.ended is not None} <= {call.client for call in order}


async def test_the_report_shows_the_longest_serial_order_and_what_cannot_follow() -> None:
    calls = [
        write("a", 1_000_000, 1_001_000, 7),
        read("b", 1_002_000, 1_003_000, 7),
        read("c", 1_004_000, 1_009_000, 0),
        swap("a", 1_005_000, 1_006_000, 1, 2, True),
        write("b", 1_007_000, None, 3),
    ]
    with pytest.raises(REFUSED) as refused:
        await check(History(calls), Register())
    assert refused.value.prefix == calls[:2]
    assert [(misfit.recorded, misfit.answer) for misfit in refused.value.misfits] == [(calls[3], False), (calls[2], 7)]
    assert str(refused.value).splitlines() == [
        "there is no serial order that explains these 5 calls; the longest possible one has 2:",
        "  a, 0 to 1 µs: ('write', 7) -> None",
        "  b, 2 to 3 µs: ('read',) -> 7",
        "and these cannot come next:",
        "  a, 5 to 6 µs: ('swap', 1, 2) -> True; the model says False",
        "  c, 4 to 9 µs: ('read',) -> 0; the model says 7",
    ]


async def test_an_unknown_outcome_is_shown_as_such_and_long_texts_are_cut() -> None:
    calls = [write("a", 0, None, 7), read("b", 1000, 2000, 7), recorded("b", 3000, 4000, ("read", "x" * 1000), 8)]
    with pytest.raises(REFUSED) as refused:
        await check(History(calls), Register())
    assert "  a, 0 to ? µs: ('write', 7) -> unknown" in str(refused.value).splitlines()
    assert max(map(len, str(refused.value).splitlines())) < 400


async def test_the_work_grows_with_what_overlaps() -> None:
    """Four clients, of whose calls always four overlap; only the last result is wrong."""
    calls = [swap(str(n % 4), 10 * n, 10 * n + 39, n, n + 1, True) for n in range(400)]
    model = Register()
    assert await check(History(calls), model) == calls
    assert model.applied <= 4 * len(calls)
    calls.append(read("a", 10_000, 10_001, 0))
    model = Register()
    with pytest.raises(REFUSED) as refused:
        await check(History(calls), model)
    assert len(refused.value.prefix) == 400
    assert model.applied <= 10 * len(calls)


async def test_calls_that_led_to_the_same_state_before_are_not_tried_again() -> None:
    """Eight writes at once have 40,320 orders, but leave only eight states."""
    calls = [*(write(str(n), 0, 9, n) for n in range(8)), read("a", 10, 11, 99)]
    model = Register()
    with pytest.raises(REFUSED) as refused:
        await check(History(calls), model)
    assert refused.value.exhausted
    assert model.applied <= 8 * 2**8 * 8


async def test_a_call_whose_outcome_is_unknown_is_left_out_where_it_has_no_effect() -> None:
    calls = [swap("a", 0, None, 8, 1), write("b", 0, None, 7), read("c", 1, 2, 7)]
    assert await check(History(calls), Register()) == calls[1:]


async def test_a_search_that_takes_too_long_is_given_up() -> None:
    """Many writes at once with no read among them, and one read at the end, which is wrong."""
    calls = [*(write(str(n), 0, 9, n) for n in range(20)), read("a", 10, 11, 99)]
    model = Register()
    with pytest.raises(REFUSED, match="found no serial order that explains these 21 calls") as refused:
        await check(History(calls), model, limit=1000)
    assert not refused.value.exhausted
    assert len(refused.value.prefix) == 20
    assert 1000 <= model.applied <= 1000 + len(calls)


async def test_a_call_is_recorded_with_its_result_and_its_time() -> None:
    history = History[str]()

    async def performed() -> int:
        assert history.calls[0].ended is None
        return 7

    assert await history.record("a", "read", performed) == 7
    [call] = history.calls
    assert (call.client, call.call, call.result) == ("a", "read", 7)
    assert call.ended is not None
    assert call.started <= call.ended


async def test_the_outcome_of_a_call_that_raises_or_is_cancelled_is_unknown() -> None:
    history = History[str]()

    async def fails() -> None:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await history.record("a", "write", fails)
    waiting = asyncio.create_task(history.record("b", "write", asyncio.Event().wait))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert [(call.client, call.ended, call.result) for call in history.calls] == [("a", None, None), ("b", None, None)]


async def test_independent_objects_are_checked_one_by_one() -> None:
    calls: list[RecordedCall[tuple[str, Call]]] = [
        RecordedCall("a", ("x", ("write", 7)), 0, 1),
        RecordedCall("b", ("y", ("read",)), 2, 3, 0),
        RecordedCall("a", ("x", ("read",)), 4, 5, 7),
    ]
    history = History(calls)
    parts = history.split(lambda call: call[0])
    assert {name: [call.started for call in part.calls] for name, part in parts.items()} == {"x": [0, 4], "y": [2]}

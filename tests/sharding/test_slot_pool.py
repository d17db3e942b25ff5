"""Slots that workers in several namespaces share."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redis_mob.errors import ValidationError
from redis_mob.sharding.slot_pool import SlotPart, SlotPool


def take(part: SlotPart) -> int:
    """Take all slots that may be taken; returns how many."""
    part.take(number := part.unused)
    return number


def test_one_that_is_alone_has_all_slots() -> None:
    pool = SlotPool(4)
    part, _idle = pool.part(), pool.part()
    assert take(part) == 4
    assert part.free == 0


def test_one_that_waits_gets_each_slot_that_is_given_back_until_it_has_its_part() -> None:
    pool = SlotPool(4)
    busy, late = pool.part(), pool.part()
    take(busy)
    busy.kept_for_others = late.kept_for_others = 1  # both have more waiting
    for _ in range(2):
        busy.give_back()
        assert busy.unused == 0
        assert take(late) == 1
    busy.give_back()
    assert (late.unused, busy.unused) == (0, 1)  # now the other one is below its part


def test_one_below_its_part_keeps_nothing_for_others() -> None:
    pool = SlotPool(1)
    first, second = pool.part(), pool.part()
    first.kept_for_others = second.kept_for_others = 1
    assert (first.unused, second.unused) == (1, 1)


def test_a_slot_that_is_given_back_wakes_all_that_wait() -> None:
    pool = SlotPool(2)
    first, second = pool.part(), pool.part()
    take(first)
    assert not second.given_back.is_set()
    first.give_back()
    assert second.given_back.is_set()


def test_what_a_worker_that_leaves_had_is_free() -> None:
    pool = SlotPool(2)
    first, second = pool.part(), pool.part()
    take(first)
    pool.leave(first)
    assert take(second) == 2


def test_a_worker_that_drains_wants_nothing() -> None:
    pool = SlotPool(2)
    first, second = pool.part(), pool.part()
    take(first)
    second.kept_for_others, second.is_closed = 1, True
    first.give_back()
    assert first.unused == 1
    assert second.unused == 0


def test_a_pool_has_slots() -> None:
    with pytest.raises(ValidationError, match="concurrency"):
        SlotPool(0)


@given(st.integers(1, 9), st.integers(1, 5), st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2)), max_size=80))
def test_all_that_want_come_to_their_parts_and_never_more_slots_are_taken_than_there_are(
    number: int, workers: int, acts: list[tuple[int, int]]
) -> None:
    pool = SlotPool(number)
    parts = [pool.part() for _ in range(workers)]
    for who, what in acts:
        part = parts[who % workers]
        if what == 0:
            take(part)
        elif what == 1 and part.used:
            part.give_back()
        else:
            part.kept_for_others = 1 - min(part.kept_for_others, 1)
        assert 0 <= pool.free <= number
        assert all(0 <= one.free <= one.unused <= pool.free for one in parts)
    for part in parts:
        part.kept_for_others = 1
    for _ in range(number * workers):
        # the one with the most slots gives one back, and tries to take it again before the others
        most = max(parts, key=lambda part: part.used)
        if most.used:
            most.give_back()
        for part in [most, *parts]:
            take(part)
    assert pool.free == 0
    equal = max(number // workers, 1)
    if workers <= number:
        assert all(part.used >= equal for part in parts)

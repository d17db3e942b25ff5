"""Ids that tell the number of a namespace, slots of keys, and cursors."""

from __future__ import annotations

from collections import Counter
from typing import Any
from uuid import UUID, uuid4, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redis_mob.connection.calls.spread_names import spread_names
from redis_mob.errors import ValidationError
from redis_mob.fleet.run_start import is_of_key
from redis_mob.sharding.cursors import log_cursor, places_of_log, places_of_runs, run_cursor
from redis_mob.sharding.key_slots import KEY_SLOTS, preferred, slot_of_key
from redis_mob.sharding.run_ids import MOST_NAMESPACES, number_in, random_run_id, run_id_of_key
from redis_mob.testing.servers.cluster import slot_of

NUMBERS = st.integers(0, MOST_NAMESPACES - 1)
SLOT_RANGE = 16_384


@given(NUMBERS, st.text())
def test_an_id_tells_its_number_and_whether_it_is_of_a_key(number: int, key: str) -> None:
    of_key, at_random = run_id_of_key(number, "mob", "flow", key), random_run_id(number)
    assert number_in(of_key) == number_in(at_random) == number
    assert is_of_key(of_key)
    assert not is_of_key(at_random)
    assert UUID(at_random).version == 4
    assert of_key == run_id_of_key(number, "mob", "flow", key)
    assert of_key != run_id_of_key(number, "mob", "another", key)


def test_ids_of_one_number_differ() -> None:
    assert len({random_run_id(7) for _ in range(1000)}) == 1000


def test_ids_that_were_made_elsewhere_tell_nothing() -> None:
    others = [str(make) for _ in range(500) for make in (uuid4(), uuid5(uuid4(), "x"))]
    assert sum(number_in(one) is not None for one in others) <= 1  # one in 65,536 does by chance


def test_the_slot_of_a_key_never_changes() -> None:
    # written down: a release that finds other slots would lose the runs of every key
    assert [slot_of_key(key) for key in ("", "acme", "Ωmega")] == [710, 297, 12791]
    assert [preferred(slot, range(3)) for slot in range(12)] == [0, 1, 2, 2, 2, 2, 1, 0, 2, 0, 2, 0]


def test_a_namespace_that_is_added_takes_an_equal_part_and_moves_nothing_else() -> None:
    before = [preferred(slot, range(4)) for slot in range(KEY_SLOTS)]
    after = [preferred(slot, range(5)) for slot in range(KEY_SLOTS)]
    assert {new for old, new in zip(before, after, strict=True) if old != new} == {4}
    taken_from = Counter(old for old, new in zip(before, after, strict=True) if new == 4)
    assert set(taken_from) == {0, 1, 2, 3}
    assert all(abs(number - KEY_SLOTS / 20) < KEY_SLOTS / 100 for number in taken_from.values())


@given(st.lists(st.none() | st.just("") | st.integers(0).map(str)))
def test_a_cursor_of_runs_says_all_places(places: list[str | None]) -> None:
    assert places_of_runs(run_cursor(places)) == places


@given(st.lists(st.none() | st.integers(0, 2**63)))
def test_a_cursor_of_a_log_says_all_places(places: list[int | None]) -> None:
    assert places_of_log(log_cursor(places)) == places


@pytest.mark.parametrize("wrong", ["", "12", "r1.", "r1.!", "e1.WzFd", "r1.WzFd", "r1.eyJhIjoxfQ", "r1.Wy", 12, None])
def test_what_is_no_cursor_is_refused(wrong: Any) -> None:
    with pytest.raises(ValidationError, match="after must be"):
        places_of_runs(wrong)


@pytest.mark.parametrize("number", [1, 3, 6, 64])
def test_names_are_spread_over_equal_ranges_of_hash_slots(number: int) -> None:
    names = spread_names("orders", number)
    assert [slot_of(name) * number // SLOT_RANGE for name in names] == list(range(number))
    assert names == spread_names("orders", number)


def test_names_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValidationError, match="no name for a namespace"):
        spread_names("a b", 3)
    with pytest.raises(ValidationError, match="number"):
        spread_names("orders", 0)

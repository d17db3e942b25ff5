"""Mappings that know in which keys they differ from what they were made of."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from redis_mob.models.base import MOST_KEYS_REMEMBERED, SortedDict

KEYS = "abc"
STEPS = st.lists(
    st.tuples(st.integers(0, 5), st.lists(st.tuples(st.sampled_from(KEYS), st.integers(0, 2)), max_size=2)), max_size=12
)
"""Which of the mappings so far is set, and what in it."""


@given(steps=STEPS, anew=st.sets(st.integers(0, 12)))
def test_the_keys_that_are_told_are_those_that_can_differ(
    steps: list[tuple[int, list[tuple[str, int]]]], anew: set[int]
) -> None:
    """Also among mappings that were made of the same one, in turn or beside each other."""
    made = [SortedDict(dict.fromkeys(KEYS, 0))]
    for number, (which, items) in enumerate(steps):
        made.append(made[which % len(made)].set(*items))
        if number in anew:
            made[-1].begin_anew()
    for one in made:
        for other in made:
            told = one.keys_set_since(other)
            if told is not None:
                assert {key for key in KEYS if one[key] != other[key]} <= {*told}


def test_a_mapping_tells_what_was_set_since_each_of_those_it_was_made_of() -> None:
    first = SortedDict({"a": 0, "b": 0})
    second = first.set(("a", 1))
    third = second.set(("b", 1))
    assert (third.keys_set_since(first), third.keys_set_since(second)) == (("a", "b"), ("b",))
    assert first.set(("b", 1)).keys_set_since(second) is None
    assert second.keys_set_since(third) is None
    many = third
    for number in range(MOST_KEYS_REMEMBERED):
        many = many.set(("a", number))
    assert many.keys_set_since(third) is None

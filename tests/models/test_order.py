"""The natural order of names (contract: engine-15)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from redis_mob.models.order import natural_key

ORDERED = ["", "1", "02", "2", "10", "-", "a", "a1", "a-02", "a-2", "a-2b", "a-10", "a-10-9", "a-10-10", "b", "é-2"]


def test_numbers_inside_names_count_as_numbers() -> None:
    assert sorted(reversed(ORDERED), key=natural_key) == ORDERED  # noqa: C414  a stable sort shows ties only then
    assert sorted(["agent-10", "agent-9", "agent-2"], key=natural_key) == ["agent-2", "agent-9", "agent-10"]
    assert sorted(["x10y2", "x2y10", "x2y9"], key=natural_key) == ["x2y9", "x2y10", "x10y2"]


@given(st.lists(st.text(alphabet="a-0129é٣²") | st.integers(0, 10**9).map(str), unique=True))
def test_the_order_is_total(names: list[str]) -> None:
    assert sorted(names, key=natural_key) == sorted({*names}, key=natural_key)
    assert len({natural_key(name) for name in names}) == len(set(names))


def test_a_number_of_any_length_has_a_key() -> None:
    assert natural_key("a" + "9" * 10_000) < natural_key("a" + "9" * 10_001)

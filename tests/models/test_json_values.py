"""JSON values in models: nothing is lost, nothing is confused, and what can be built can be read back."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from redis_mob.models import FlowStarted, MobRunStatus
from redis_mob.models.base import MAX_VALUE_DEPTH, check_json, json_equal, json_text

RUN = "5b0f1c1e-7f1c-4b7e-9d3a-0a1b2c3d4e5f"

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)

LOOK_ALIKES: list[Any] = [None, False, True, 0, 1, 0.0, 1.0, "", "0", "1", [], {}, [0], [0.0], {"": 0}, [[]], [{}]]


def deep_list() -> list[Any]:
    items: list[Any] = []
    for _ in range(10_000):
        items = [items]
    return items


def there_and_back(value: Any) -> Any:
    text = FlowStarted(run_id=RUN, flow_id="f", params=value).model_dump_json()
    return FlowStarted.model_validate_json(text).params


@given(JSON)
@example([2**64 - 1, 2**64, -(2**63), 2**53 + 1, 10**40])
@example([1e300, 1e16, 5e-324, -0.0, 0.1, 1e-7, 1 / 3, 1.7976931348623157e308])
@example({"b": 1, "a": {"d": [], "c": {}}})
@example(["\x00", "\u2028", "é", "🦊", '"\\'])
@settings(deadline=None)
def test_values_come_back_as_they_were(value: Any) -> None:
    back = there_and_back(value)
    assert json_equal(back, value)
    assert json_text(back) == json_text(value)


@pytest.mark.parametrize("one", LOOK_ALIKES, ids=repr)
@pytest.mark.parametrize("other", LOOK_ALIKES, ids=repr)
def test_look_alikes_are_told_apart(one: Any, other: Any) -> None:
    assert json_equal(one, other) is (json_text(one) == json_text(other))
    assert json_equal(there_and_back(one), other) is json_equal(one, other)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ([1, 2], [2, 1], False),
        (0.0, -0.0, True),
        (0, -0.0, False),
        ({"a": 1}, {"a": True}, False),
        ({"a": None}, {}, False),
        (2**53, 2**53 + 1, False),
    ],
)
def test_equality_of_values(one: Any, other: Any, same: bool) -> None:
    assert json_equal(one, other) is same
    assert json_equal(other, one) is same


def nested(depth: int) -> Any:
    value: Any = 1
    for level in range(depth):
        value = [value] if level % 2 else {"k": value}
    return value


def test_the_deepest_value_can_be_read_back() -> None:
    assert json_equal(there_and_back(nested(MAX_VALUE_DEPTH)), nested(MAX_VALUE_DEPTH))


def test_a_deeper_value_is_refused_when_it_is_built() -> None:
    with pytest.raises(ValidationError, match="nested deeper than 128 levels"):
        FlowStarted(run_id=RUN, flow_id="f", params=nested(MAX_VALUE_DEPTH + 1))
    assert check_json(nested(MAX_VALUE_DEPTH + 1))


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        (float("nan"), r"\$: nan is no JSON number"),
        ([1, float("inf")], r"\$\[1\]: inf is no JSON number"),
        ({"a": {1: 2}}, r"\$\.a: the key 1 is no text"),
        ({"a": "\ud800"}, r"\$\.a: a lone surrogate"),
        ({"\udfff": 1}, "a lone surrogate"),
        ({"a": b"x"}, r"\$\.a: a value of type bytes is no JSON"),
    ],
)
def test_what_is_no_json_is_refused_by_path(value: Any, complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        FlowStarted(run_id=RUN, flow_id="f", params=value)


@pytest.mark.parametrize("wrong", [deep_list(), {"a": deep_list()}, b"pending", 5, None, ["pending"]], ids=lambda _: "")
def test_an_enumeration_takes_texts_alone(wrong: Any) -> None:
    with pytest.raises(ValidationError, match="valid string"):
        TypeAdapter(MobRunStatus).validate_python(wrong)


def test_an_enumeration_takes_its_members_and_their_texts() -> None:
    status = TypeAdapter(MobRunStatus)
    for right in (MobRunStatus.PENDING, "pending"):
        assert status.validate_python(right) is MobRunStatus.PENDING
    assert status.validate_json('"pending"') is MobRunStatus.PENDING
    assert status.json_schema()["enum"] == list(MobRunStatus)
    with pytest.raises(ValidationError, match="should be 'pending', 'running'"):
        status.validate_python("pend")

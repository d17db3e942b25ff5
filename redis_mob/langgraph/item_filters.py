"""What a search of a store of LangGraph asks of items, and a listing of namespaces."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from langgraph.store.base import MatchCondition

from redis_mob.errors import ValidationError, shown

_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "$eq": operator.eq,
    "$ne": operator.ne,
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
}


def has(value: Mapping[str, Any], wanted: Mapping[str, Any] | None) -> bool:
    """Whether a value has all that is wanted. Raises ValidationError for an operator that there is not."""
    return all(_fits(value.get(name), one) for name, one in (wanted or {}).items())


def _fits(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, Mapping):
        conditions = cast("Mapping[str, Any]", wanted)
        if any(name.startswith("$") for name in conditions):
            return all(_compares(value, name, one) for name, one in conditions.items())
        return isinstance(value, Mapping) and has(cast("Mapping[str, Any]", value), conditions)
    if isinstance(wanted, list | tuple):
        parts = cast("Sequence[Any]", wanted)
        return (
            isinstance(value, list)
            and len(cast("list[Any]", value)) == len(parts)
            and all(_fits(one, part) for one, part in zip(cast("list[Any]", value), parts, strict=True))
        )
    return value == wanted


def _compares(value: Any, name: str, bound: Any) -> bool:
    if name not in _COMPARISONS:
        raise ValidationError(f"filter has the operator {shown(name)}: use one of {', '.join(_COMPARISONS)}")
    try:
        return _COMPARISONS[name](value, bound)
    except TypeError:  # of values of two types neither is the greater one
        return False


def prefix_in(conditions: Sequence[MatchCondition]) -> tuple[str, ...]:
    """The labels that all namespaces begin with that meet these conditions."""
    longest: tuple[str, ...] = ()
    for condition in conditions:
        if condition.match_type == "prefix":
            plain = condition.path[: condition.path.index("*")] if "*" in condition.path else condition.path
            longest = max(longest, tuple(plain), key=len)
    return longest


def matches(condition: MatchCondition, namespace: tuple[str, ...]) -> bool:
    """Whether a namespace meets a condition. Raises ValidationError for a kind of condition that there is not."""
    path = condition.path
    if condition.match_type not in ("prefix", "suffix"):
        raise ValidationError(f"match_type must be prefix or suffix, not {shown(condition.match_type)}")
    part = (
        namespace[: len(path)] if condition.match_type == "prefix" else namespace[max(len(namespace) - len(path), 0) :]
    )
    return len(part) == len(path) and all(one in ("*", label) for one, label in zip(path, part, strict=True))

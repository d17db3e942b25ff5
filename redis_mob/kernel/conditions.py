"""Evaluates conditions (contract: kernel-36)."""

from __future__ import annotations

import math
from typing import Any

from redis_mob.kernel.context import ConditionContext
from redis_mob.kernel.paths import MISSING, resolve
from redis_mob.models.base import json_equal
from redis_mob.models.conditions import (
    AndCondition,
    ConditionExpr,
    EqCondition,
    GtCondition,
    InCondition,
    LtCondition,
    NotCondition,
    OrCondition,
)


def evaluate(condition: ConditionExpr, context: ConditionContext) -> bool:
    """Whether a condition holds. Never raises.

    A comparison whose path leads nowhere is false, hence its negation true (contract: kernel-35). Equality is that of
    JSON (contract: kernel-33). Greater and less compare two numbers as 64-bit floats, or two texts by code point; any
    other pair is false (contract: kernel-34).
    """
    match condition:
        case AndCondition(exprs=exprs):
            return all(evaluate(expr, context) for expr in exprs)
        case OrCondition(exprs=exprs):
            return any(evaluate(expr, context) for expr in exprs)
        case NotCondition(expr=expr):
            return not evaluate(expr, context)
        case EqCondition() | InCondition() | GtCondition() | LtCondition():
            found = resolve(condition.path, context)
            return found is not MISSING and _compare(condition, found.value)


def _compare(condition: EqCondition | InCondition | GtCondition | LtCondition, value: Any) -> bool:
    match condition:
        case EqCondition(value=wanted):
            return json_equal(value, wanted)
        case InCondition(values=wanted):
            return any(json_equal(value, one) for one in wanted)
        case GtCondition(value=bound):
            return _less(bound, value)
        case LtCondition(value=bound):
            return _less(value, bound)


def _less(a: Any, b: Any) -> bool:
    if isinstance(a, str) and isinstance(b, str):
        return a < b
    left, right = _number(a), _number(b)
    return left is not None and right is not None and left < right


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf

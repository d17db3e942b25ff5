"""The conditions of steps and loops (contract: definition-7).

A path leads into what a step sees: `params.limit`, `steps.review.label`, `loops.refine.iterations.0.steps.draft`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

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


def eq(path: str, value: Any) -> ConditionExpr:
    """The value at `path` equals `value`, as JSON: 1 is neither 1.0 nor true."""
    return EqCondition(path=path, value=value)


def in_(path: str, values: Iterable[Any]) -> ConditionExpr:
    """The value at `path` equals one of `values`."""
    return InCondition(path=path, values=tuple(values))


def gt(path: str, value: float | str) -> ConditionExpr:
    """The value at `path` is greater than `value`; both are numbers or both are texts."""
    return GtCondition(path=path, value=value)


def lt(path: str, value: float | str) -> ConditionExpr:
    """The value at `path` is less than `value`; both are numbers or both are texts."""
    return LtCondition(path=path, value=value)


def and_(*conditions: ConditionExpr) -> ConditionExpr:
    """Every condition holds."""
    return AndCondition(exprs=conditions)


def or_(*conditions: ConditionExpr) -> ConditionExpr:
    """At least one condition holds."""
    return OrCondition(exprs=conditions)


def not_(condition: ConditionExpr) -> ConditionExpr:
    """The condition does not hold; so a path that leads nowhere is enough."""
    return NotCondition(expr=condition)

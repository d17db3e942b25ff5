"""The conditions of steps and loops (contract: definition-7).

A path leads into what a step sees: `params.limit`, `steps.review.label`, `loops.refine.iterations.0.steps.draft`.
Each raises DefinitionError for what is no path, no JSON, or no condition.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from redis_mob.errors import DefinitionError, shown
from redis_mob.flows.values import listed, model_of
from redis_mob.models.base import MAX_VALUE_DEPTH, check_value
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

_KINDS = EqCondition | InCondition | GtCondition | LtCondition | AndCondition | OrCondition | NotCondition

_MAKERS = "eq, in_, gt, lt, and_, or_ or not_"


def eq(path: str, value: Any) -> ConditionExpr:
    """The value at `path` equals `value`, as JSON: 1 is neither 1.0 nor true."""
    return model_of("eq", EqCondition, path=path, value=_json("eq", value))


def in_(path: str, values: Iterable[Any]) -> ConditionExpr:
    """The value at `path` equals one of `values`."""
    return model_of("in_", InCondition, path=path, values=_json("in_", listed("in_: values", values, "values")))


def gt(path: str, value: float | str) -> ConditionExpr:
    """The value at `path` is greater than `value`; both are numbers or both are texts."""
    return model_of("gt", GtCondition, path=path, value=_json("gt", value))


def lt(path: str, value: float | str) -> ConditionExpr:
    """The value at `path` is less than `value`; both are numbers or both are texts."""
    return model_of("lt", LtCondition, path=path, value=_json("lt", value))


def and_(*conditions: ConditionExpr) -> ConditionExpr:
    """Every condition holds."""
    return model_of("and_", AndCondition, exprs=_checked("and_", conditions))


def or_(*conditions: ConditionExpr) -> ConditionExpr:
    """At least one condition holds."""
    return model_of("or_", OrCondition, exprs=_checked("or_", conditions))


def not_(condition: ConditionExpr) -> ConditionExpr:
    """The condition does not hold; so a path that leads nowhere is enough."""
    [checked] = _checked("not_", [condition])
    return model_of("not_", NotCondition, expr=checked)


def check_condition(what: str, condition: object) -> None:
    """Raises DefinitionError for what is no condition, and for one that is nested too deeply to be read back."""
    if not isinstance(condition, dict | _KINDS):
        raise DefinitionError(f"{what} must be a condition, made with {_MAKERS}, not {shown(condition)}")
    level: list[ConditionExpr] = [condition] if isinstance(condition, _KINDS) else []
    for _ in range(MAX_VALUE_DEPTH + 1):
        if not level:
            return
        level = [inner for one in level for inner in _within(one)]
    raise DefinitionError(f"{what}: conditions are nested deeper than {MAX_VALUE_DEPTH} levels")


def _json(what: str, value: Any) -> Any:
    try:
        return check_value(value)
    except (ValueError, RecursionError) as error:
        raise DefinitionError(
            f"{what}: {shown(value)} is no JSON: {error}; compare with a text, a finite number, True, False, None, "
            "or a list or dict of such"
        ) from None


def _within(condition: ConditionExpr) -> Sequence[ConditionExpr]:
    match condition:
        case AndCondition(exprs=exprs) | OrCondition(exprs=exprs):
            return exprs
        case NotCondition(expr=expr):
            return [expr]
        case _:
            return []


def _checked(what: str, conditions: Sequence[ConditionExpr]) -> Sequence[ConditionExpr]:
    for number, condition in enumerate(conditions):
        check_condition(f"{what}: argument {number + 1}", condition)
    return conditions

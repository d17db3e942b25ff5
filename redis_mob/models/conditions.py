"""The conditions of steps and loops: a small expression language over a run's values (contract: definition-7)."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from redis_mob.models.base import Items, JsonValue, Model


class EqCondition(Model):
    """The value at `path` equals `value`, as JSON: 1 is neither 1.0 nor true."""

    op: Literal["eq"] = "eq"
    path: str
    value: JsonValue


class InCondition(Model):
    """The value at `path` equals one of `values`."""

    op: Literal["in"] = "in"
    path: str
    values: Items[JsonValue]


class GtCondition(Model):
    """The value at `path` is greater than `value`; both are numbers or both are texts."""

    op: Literal["gt"] = "gt"
    path: str
    value: JsonValue


class LtCondition(Model):
    """The value at `path` is less than `value`; both are numbers or both are texts."""

    op: Literal["lt"] = "lt"
    path: str
    value: JsonValue


class AndCondition(Model):
    """Every expression holds; true when there is none."""

    op: Literal["and"] = "and"
    exprs: "Items[ConditionExpr]"


class OrCondition(Model):
    """At least one expression holds; false when there is none."""

    op: Literal["or"] = "or"
    exprs: "Items[ConditionExpr]"


class NotCondition(Model):
    """The expression does not hold."""

    op: Literal["not"] = "not"
    expr: "ConditionExpr"


ConditionExpr: TypeAlias = Annotated[
    EqCondition | InCondition | GtCondition | LtCondition | AndCondition | OrCondition | NotCondition,
    Field(discriminator="op"),
]
"""One condition, told apart by `op`."""

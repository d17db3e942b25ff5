"""Conditions and paths: every golden verdict, and what holds for any input (contract: kernel-29, kernel-33)."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from redis_mob.kernel.conditions import evaluate
from redis_mob.kernel.context import ConditionContext
from redis_mob.kernel.paths import MISSING, Resolved, resolve
from redis_mob.models.base import json_equal
from redis_mob.models.conditions import ConditionExpr, EqCondition, GtCondition, LtCondition
from tests.support.golden import read_jsonl
from tests.support.json_values import Json, is_array, is_object
from tests.support.kept import kept

CONDITION: TypeAdapter[ConditionExpr] = TypeAdapter(ConditionExpr)
LINES = read_jsonl("wire/conditions.jsonl")


def context_of(stored: dict[str, Any]) -> ConditionContext:
    return ConditionContext(
        params=stored["activation_params"],
        steps=stored["step_outputs"],
        loops={loop: tuple(history["iterations"]) for loop, history in stored["loop_outputs"].items()},
    )


A = context_of(LINES[0]["context"])


def lines(kind: str) -> list[Any]:
    return [line for line in LINES if line["kind"] == kind]


def holds(condition: dict[str, Any], context: ConditionContext = A) -> bool:
    return evaluate(CONDITION.validate_json(json.dumps(condition)), context)


def test_there_is_golden_data() -> None:
    counts = {kind: len(lines(kind)) for kind in ("context", "path", "condition", "read", "context_from_run")}
    assert counts == {"context": 1, "path": 86, "condition": 132, "read": 11, "context_from_run": 9}
    assert sum(counts.values()) == len(LINES)


@pytest.mark.parametrize("line", [pytest.param(line, id=line["path"] or "empty") for line in lines("path")])
def test_path(line: dict[str, Any]) -> None:
    match resolve(line["path"], A), line["result"]:
        case Resolved(value), {"found": expected}:
            assert json_equal(value, expected)
        case result, expected:
            assert result is MISSING
            assert expected == {"missing": True}


@pytest.mark.parametrize("line", [pytest.param(line, id=json.dumps(line["expr"])) for line in lines("condition")])
def test_condition(line: dict[str, Any]) -> None:
    assert holds(line["expr"]) is line["result"]


@pytest.mark.parametrize("line", [pytest.param(line, id=json.dumps(line["input"])) for line in lines("read")])
def test_read(line: dict[str, Any]) -> None:
    text = json.dumps(line["input"])
    if "error" in line:
        with pytest.raises(ValidationError):
            CONDITION.validate_json(text)
    else:
        assert json.loads(CONDITION.dump_json(CONDITION.validate_json(text))) == kept(line["expr"], line["input"])


def test_case_134_condition_types() -> None:
    assert not holds({"op": "eq", "path": "params.n", "value": 3.0})
    assert not holds({"op": "eq", "path": "params.t", "value": 1})
    assert holds({"op": "not", "expr": {"op": "eq", "path": "params.missing", "value": None}})
    assert holds({"op": "and", "exprs": []})
    assert not holds({"op": "or", "exprs": []})
    assert resolve("params.list.+1", A) == Resolved(2.0)
    assert resolve("steps.plain.output", A) == Resolved("text")


def test_case_135_paths_loop_iterations() -> None:
    context = ConditionContext(params=None, steps={}, loops={"x": ({}, {"s": {"k": [7]}})})
    assert resolve("loops.x.iterations.1.steps.s.k", context) == Resolved([7])
    assert resolve("loops.x.iterations.1.steps.s.k.0", context) == Resolved(7)
    assert resolve("loops.x.iterations.0.steps.s.k", context) is MISSING
    assert resolve("loops.x.iterations.1.steps.s.output", context) is MISSING


def test_numbers_beyond_any_float_are_compared_without_raising() -> None:
    context = ConditionContext(params={"huge": 10**400, "tiny": -(10**400), "list": [1]}, steps={}, loops={})
    assert evaluate(GtCondition(path="params.huge", value=1e308), context)
    assert evaluate(LtCondition(path="params.tiny", value=-1e308), context)
    assert resolve(f"params.list.{'9' * 5000}", context) is MISSING
    assert resolve(f"params.list.{'0' * 5000}", context) == Resolved(1)


leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=12
)
contexts = st.builds(
    ConditionContext,
    params=values,
    steps=st.dictionaries(st.text(), values, max_size=3),
    loops=st.dictionaries(
        st.text(), st.lists(st.dictionaries(st.text(), values, max_size=2), max_size=3).map(tuple), max_size=2
    ),
)
words = st.sampled_from(["params", "steps", "loops", "output", "iterations", "0", "+1", "-1", "", "²"]) | st.text()
paths = st.lists(words, max_size=9).map(".".join)


@given(paths, contexts)
def test_resolving_never_raises(path: str, context: ConditionContext) -> None:
    result = resolve(path, context)
    assert result is MISSING or isinstance(result, Resolved)


def items_of(value: Json) -> Mapping[Any, Json]:
    """What a list or an object holds, by index or key; any other value holds nothing."""
    if is_array(value):
        return dict(enumerate(value))
    return value if is_object(value) else {}


@given(values, st.randoms())
def test_every_place_that_a_path_can_name_is_found(document: Any, choose: random.Random) -> None:
    here: Json = document
    keys = ["params"]
    while items := items_of(here):
        key = choose.choice(list(items))
        if "." in str(key):
            break
        here = items[key]
        keys.append(str(key))
    found = resolve(".".join(keys), ConditionContext(params=document, steps={}, loops={}))
    assert isinstance(found, Resolved)
    assert json_equal(found.value, here)


comparisons = st.one_of(
    st.fixed_dictionaries({"op": st.sampled_from(["eq", "gt", "lt"]), "path": paths, "value": values}),
    st.fixed_dictionaries({"op": st.just("in"), "path": paths, "values": st.lists(values, max_size=3)}),
)
conditions = st.recursive(
    comparisons,
    lambda inner: (
        st.fixed_dictionaries({"op": st.sampled_from(["and", "or"]), "exprs": st.lists(inner, max_size=3)})
        | st.fixed_dictionaries({"op": st.just("not"), "expr": inner})
    ),
    max_leaves=6,
)


@given(conditions, contexts)
def test_evaluating_never_raises_and_not_negates(condition: dict[str, Any], context: ConditionContext) -> None:
    expr = CONDITION.validate_python(condition)
    negated = CONDITION.validate_python({"op": "not", "expr": condition})
    assert evaluate(negated, context) is not evaluate(expr, context)


@given(values)
def test_a_present_value_equals_itself_only(value: Any) -> None:
    context = ConditionContext(params=value, steps={}, loops={})
    assert evaluate(EqCondition(path="params", value=value), context)
    assert not evaluate(EqCondition(path="params", value=[value]), context)
    assert not evaluate(GtCondition(path="params", value=value), context)


def shuffled(value: Json, order: random.Random) -> Json:
    if is_array(value):
        return [shuffled(item, order) for item in value]
    if is_object(value):
        return {key: shuffled(value[key], order) for key in order.sample(sorted(value), len(value))}
    return value


@given(values, st.randoms())
def test_json_equality_ignores_the_order_of_keys(value: Any, order: random.Random) -> None:
    assert json_equal(value, shuffled(value, order))


def one_zero(value: Json) -> Json:
    if is_array(value):
        return [one_zero(item) for item in value]
    if is_object(value):
        return {key: one_zero(item) for key, item in value.items()}
    return 0.0 if isinstance(value, float) and value == 0.0 else value


@given(values, values)
def test_json_equality_is_equality_of_sorted_text(a: Any, b: Any) -> None:
    same_text = json.dumps(one_zero(a), sort_keys=True) == json.dumps(one_zero(b), sort_keys=True)
    assert json_equal(a, b) is json_equal(b, a) is same_text

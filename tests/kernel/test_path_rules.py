"""Paths of messages and conditions that lead nowhere are told by validation (contract: definition-17)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redis_mob.errors import DefinitionError
from redis_mob.kernel.flow_graph import FlowOrder, Order
from redis_mob.kernel.flow_graph import loop as named_loop
from redis_mob.kernel.flow_graph import step as named_step
from redis_mob.kernel.validation import require_valid, validate
from redis_mob.models.base import FrozenDict
from redis_mob.models.conditions import AndCondition, ConditionExpr, EqCondition, GtCondition, NotCondition
from redis_mob.models.definition import MobDefinition
from redis_mob.models.flow_spec import FlowSpec, FlowStepSpec
from redis_mob.models.message import TextBlock
from tests.fleet.flows import FLOW, loop, mob, node, step, wait


def findings(definition: MobDefinition) -> list[tuple[str, str, str]]:
    """Severity, location within the flow, and message of each finding."""
    return [
        (str(one.severity), (one.location or "").removeprefix(f"flows.{FLOW}."), one.message)
        for one in validate(definition)
    ]


def with_flow(definition: MobDefinition, **changes: Any) -> MobDefinition:
    flow = definition.flows[FLOW].model_copy(update=changes)
    return definition.model_copy(update={"flows": definition.flows.set((FLOW, flow))})


def said(message: Any, *, params_schema: Any = None, **first: Any) -> list[tuple[str, str]]:
    """What is found about a step that follows `first`, `gpt-4.1` and stands beside `other`: severity and message."""
    steps = {
        "first": step(policy="any") if not first else step(**first),
        "gpt-4.1": step("first"),
        "other": step(),
        "last": step("reader"),
        "reader": step("gpt-4.1", message=message),
    }
    definition = mob(steps)
    if params_schema is not None:
        definition = with_flow(definition, params_schema_ref=json.dumps(params_schema))
    found = findings(definition)
    assert all(location.startswith("steps.reader.message") for _, location, _ in found)
    return [(severity, text) for severity, _, text in found]


@pytest.mark.parametrize(
    "message",
    [
        "no placeholder",
        'Answer as {"result": {"label": "good"}}.',
        "{{ '{{' }} user }}",
        "{{ params }} {{ params.a.b.0 }} {{ params.first name }}",
        "{{ steps.first }} {{ steps.first.output }} {{ steps.first.a.0.b }}",
    ],
)
def test_a_path_that_may_lead_somewhere_is_accepted(message: str) -> None:
    assert said(message) == []


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        ("{{ steps.frist.count }}", "the flow has no step 'frist' (nearest: 'first')"),
        ("{{ steps.gpt-4.1.count }}", "the id 'gpt-4.1' has a dot, which separates in a path: rename the step"),
        ("{{ steps }}", "it names no step: write steps.<step>"),
        ("{{ step.first }}", "it begins with 'step', which is none of params, steps, loops (nearest: 'steps')"),
        ("{{ first.count }}", "which is none of params, steps, loops (nearest: 'steps.first')"),
        ("{{ user }}", "it begins with 'user', which is none of params, steps, loops; for braces that are text"),
        ("\\frac{{a}}{b}", "it begins with 'a', which is none of params, steps, loops; for braces that are text"),
        ('{{"label": "good"}}', "it is an expression, and nothing but a path may stand here"),
        ("{{ params.topic | upper }}", "there are no filters: nothing but a path may stand here; for braces"),
        ("{{ steps.first|tojson }}", "there are no filters"),
        ('{{ params.topic or "none" }}', "it is an expression"),
        ("{{ params.a if params.b else params.c }}", "it is an expression"),
        ("{{ params.list[0] }}", "it is an expression"),
        ("{{ len(params.list) }}", "it is an expression"),
        ("{{ params.n + 1 }}", "it is an expression"),
        ("{{ loops.ghost.iterations.0.steps.first }}", "the flow has no loop 'ghost' (nearest: none)"),
        ("{{ steps.reader }}", "step 'reader' is the step itself, which has no output yet"),
        ("{{ steps.last }}", "step 'last' runs after this one, and has no output before"),
        (
            "{{ steps.other }}",
            "nothing says that step 'other' runs before: let this step depend on it",
        ),
    ],
)
def test_a_path_that_leads_nowhere_is_an_error(message: str, complaint: str) -> None:
    [(severity, text)] = said(message)
    assert severity == "error"
    assert complaint in text


def test_an_error_says_where_it_is_and_what_stands_there() -> None:
    with pytest.raises(DefinitionError) as caught:
        require_valid(mob({"a": step(message=(TextBlock(text="fine"), TextBlock(text="é\n {{\nsteps.b\t.c  }}")))}))
    assert str(caught.value).splitlines()[1] == (
        "error[path_unknown] flows.flow.steps.a.message[1].text: line 2, column 2 (byte 4): {{ steps.b .c }}: "
        "the flow has no step 'b\\t' (nearest: 'a')"
    )


def test_a_malformed_template_is_an_error_that_shows_the_escape() -> None:
    [(severity, text)] = said("one\n{{ params.x")
    assert severity == "error"
    assert text.startswith("line 2, column 1 (byte 4): '{{' is never closed; close it with '}}'; ")
    assert text.endswith("for braces that are text, write {{ '{{' }} where '{{' is meant")


@pytest.mark.parametrize(
    ("key", "complaint"),
    [
        ("count", "write steps.first.worker-1.count, or give the step collection_policy"),
        ("workers-1", "unless a member is named 'workers-1'"),
        ("worker-1", None),
        ("output.worker-12.count", None),
    ],
)
def test_a_key_that_names_no_member_of_an_aggregate_is_a_warning(key: str, complaint: str | None) -> None:
    for policy in ("all", 2):
        found = said(f"{{{{ steps.first.{key} }}}}", policy=policy)
        assert [severity for severity, _ in found] == (["warning"] if complaint else [])
        assert complaint is None or complaint in found[0][1]


@pytest.mark.parametrize(
    ("key", "complaint"),
    [
        ("0.output.x", None),
        ("0.target", None),
        ("0", None),
        ("worker-1", "write steps.first.0.output, not 'worker-1'"),
        ("0.value", "has target and output, and no 'value'"),
    ],
)
def test_an_aggregate_that_is_a_list_has_numbers(key: str, complaint: str | None) -> None:
    found = said(f"{{{{ steps.first.{key} }}}}", dispatch_mode="fan_in")
    assert [severity for severity, _ in found] == (["error"] if complaint else [])
    assert complaint is None or complaint in found[0][1]


SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "topic": {"type": "string"},
        "user": {"$ref": "#/$defs/user"},
        "files": {"type": "array", "items": {"type": "object", "properties": {"path": {}, "a|b": {}}}},
        "more": {"type": "object", "additionalProperties": True, "properties": {"x": {}}},
        "maybe": {"anyOf": [{"$ref": "#/$defs/user"}, {"type": "null"}]},
        "any": {},
    },
    "$defs": {"user": {"type": "object", "properties": {"name": {}, "boss": {"$ref": "#/$defs/user"}}}},
}


@pytest.mark.parametrize(
    ("path", "complaint"),
    [
        ("topic", None),
        ("topci", "params has no 'topci' (nearest: 'topic')"),
        ("topic.x", "params.topic has no 'x' (nearest: none)"),
        ("user.boss.boss.name", None),
        ("user.boss.nam", "params.user.boss has no 'nam' (nearest: 'name')"),
        ("maybe.name", None),
        ("maybe.mane", "params.maybe has no 'mane' (nearest: 'name')"),
        ("files.3.path", None),
        ("files.0.a|b", None),
        ("files.first", "params.files has no 'first'"),
        ("more.y.z", None),
        ("any.y.z", None),
    ],
)
def test_keys_are_those_that_a_schema_names(path: str, complaint: str | None) -> None:
    of_params = said(f"{{{{ params.{path} }}}}", params_schema=SCHEMA)
    assert [severity for severity, _ in of_params] == (["error"] if complaint else [])
    if complaint:
        assert f"by its params_schema_ref, {complaint}" in of_params[0][1]
    if "|" not in path:
        first = {"policy": "all", "expected_schema_ref": json.dumps(SCHEMA)}
        of_step = said(f"{{{{ steps.first.worker-1.{path} }}}}", **first)
        assert [severity for severity, _ in of_step] == [severity for severity, _ in of_params]


def test_a_parameter_without_its_root_is_found_by_its_schema() -> None:
    [(_, text)] = said("{{ topic }}", params_schema=SCHEMA)
    assert "(nearest: 'params.topic')" in text


NO_HELP: list[Any] = [
    {"type": 5, "properties": [], "items": 1},
    {"anyOf": 3, "$ref": 4},
    {"$ref": "#/nowhere"},
    {"$ref": "#"},
    {"$ref": "https://example.org/x.json"},
    {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]},
    {"properties": {"topic": True}, "patternProperties": {".*": {}}},
    {"allOf": [{"properties": {"topic": {}}}, {}]},
]


@pytest.mark.parametrize("schema", NO_HELP)
def test_a_schema_that_says_nothing_of_a_key_refuses_none(schema: Any) -> None:
    assert said("{{ params.other.x }}", params_schema=schema) == []


def test_the_paths_of_conditions_are_checked_like_those_of_messages() -> None:
    condition = AndCondition(exprs=(EqCondition(path="params.x", value=1), NotCondition(expr=at("steps.ghost"))))
    until = GtCondition(path="steps.late", value=0)
    steps = {"a": step(condition=condition), "b": step(), "late": step()}
    root = {"a": node("a"), "l": loop("l", until, 3, "a", b=node("b")), "late": node("late", "l")}
    assert findings(mob(steps, root)) == [
        (
            "error",
            "steps.a.condition.exprs[1].expr.path",
            "'steps.ghost': the flow has no step 'ghost' (nearest: 'late')",
        ),
        (
            "error",
            "root.nodes.l.until.path",
            "'steps.late': step 'late' runs after this one, and has no output before",
        ),
    ]


def at(path: str) -> ConditionExpr:
    return EqCondition(path=path, value=1)


def of_loop(message: str, until: str = "params.x") -> list[tuple[str, str]]:
    """What is found of a message in the body of a loop that comes after `before`; `beside` waits for nothing."""
    steps = {name: step(policy="any") for name in ("before", "beside", "after", "draft", "inner", "polish")}
    steps["polish"] = step(policy="any", message=message)
    inner = loop("inner", at("params.y"), 2, "d", x=node("inner"))
    root = {
        "b": node("before"),
        "s": node("beside"),
        "l": loop("outer", at(until), 3, "b", d=node("draft"), p=node("polish"), i=inner),
        "a": node("after", "l"),
    }
    return [(severity, text) for severity, _, text in findings(mob(steps, root))]


@pytest.mark.parametrize(
    "path",
    [
        "steps.before",
        "steps.draft.x",
        "steps.polish",
        "steps.inner",
        "loops.outer.iterations.2.steps.draft.x",
        "loops.inner.iterations.0.steps.inner",
    ],
)
def test_in_a_loop_all_of_it_may_have_run_in_an_earlier_iteration(path: str) -> None:
    assert of_loop(f"{{{{ {path} }}}}") == []
    assert of_loop("", until=path) == []


@pytest.mark.parametrize(
    ("path", "severity", "complaint"),
    [
        ("steps.after", "error", "step 'after' runs after this one"),
        # a loop may wait for what runs beside it
        ("steps.beside", "warning", "nothing says that step 'beside' runs before"),
        ("loops.outer", "error", "a path into a loop is loops.<loop>.iterations.<number>.steps.<step>"),
        ("loops.outer.iterations.x.steps.draft", "error", "'x' is no number of an iteration"),
        ("loops.outer.iterations.3.steps.draft", "error", "the loop has at most 3 iterations, which count from 0"),
        ("loops.outer.iterations.0.steps.inner", "error", "the body of the loop has no step 'inner'"),
        ("loops.out.iterations.0.steps.inner", "error", "the flow has no loop 'out' (nearest: 'outer')"),
    ],
)
def test_in_a_loop_what_is_outside_keeps_its_order(path: str, severity: str, complaint: str) -> None:
    for found in (of_loop(f"{{{{ {path} }}}}"), of_loop("", until=path)):
        assert [one for one, _ in found] == [severity]
        assert complaint in found[0][1]


def test_without_an_order_nothing_is_said_of_it() -> None:
    steps = {"a": step("b", message="{{ steps.b }}"), "b": step("a"), "c": step(message="{{ steps.a }}")}
    assert {one.code for one in validate(mob(steps))} == {"flow_cycle_detected"}


@st.composite
def flows(draw: st.DrawFn) -> FlowSpec:
    names = [f"s{number}" for number in range(draw(st.integers(1, 7)))]
    steps: dict[str, FlowStepSpec] = {}
    for number, name in enumerate(names):
        steps[name] = step(*draw(st.lists(st.sampled_from(names[:number]), unique=True) if number else st.just([])))
    return FlowSpec(steps=FrozenDict(draw(st.permutations(list(steps.items())))))


def needed(flow: FlowSpec, name: str) -> Iterator[str]:
    for one in flow.steps[name].depends_on:
        yield one
        yield from needed(flow, one)


@given(flows())
def test_the_order_of_steps_is_that_of_their_dependencies(flow: FlowSpec) -> None:
    order = FlowOrder(flow)
    for this in flow.steps:
        for other in flow.steps:
            expected = Order.BESIDE
            if other in needed(flow, this):
                expected = Order.BEFORE
            elif this == other or this in needed(flow, other):
                expected = Order.AFTER
            assert order.of(named_step(other), named_step(this)) is expected
    assert order.of(named_loop("s0"), named_step("s0")) is Order.UNKNOWN


@pytest.mark.parametrize(
    ("path", "complaint"),
    [
        ("steps.approval.payload.by", None),
        ("steps.approval.timed_out", None),
        ("steps.approval.signal", None),
        ("steps.approval", None),
        ("steps.approval.payload.who", "by its wait_for.schema, steps.approval.payload has no 'who' (nearest: 'by')"),
        ("steps.approval.payloads", "and no 'payloads' (nearest: 'payload')"),
    ],
)
def test_a_step_that_waits_gives_its_signal(path: str, complaint: str | None) -> None:
    schema = json.dumps({"type": "object", "properties": {"by": {"type": "string"}}})
    steps = {"approval": wait(schema_ref=schema), "reader": step("approval", message=f"{{{{ {path} }}}}")}
    found = [text for _, _, text in findings(mob(steps))]
    if complaint is None:
        assert found == []
    else:
        [text] = found
        assert complaint in text

"""Flows written in Python make the definitions that TOML makes, and are refused where those are."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redis_mob import Mob, MobDefinition, RetrySpec, StepContext, loop, quorum, step, wait_for
from redis_mob.codec.definitions import encode_definition
from redis_mob.errors import DefinitionError, HandlerError, NotFoundError, ValidationError
from redis_mob.flows import and_, eq, gt, in_, lt, not_, or_
from redis_mob.kernel.validation import validate
from redis_mob.models.base import FrozenDict, SortedDict
from redis_mob.models.conditions import EqCondition, NotCondition
from redis_mob.models.definition import InlineSkill, LimitsSpec
from redis_mob.models.flow_spec import CollectAny, CollectQuorum, DispatchMode, FlowSpec, OutputFormat
from redis_mob.models.message import TextBlock
from redis_mob.models.profile import Profile
from tests.fleet.flows import mob as any_mob
from tests.fleet.flows import step as any_step
from tests.fleet.strategies import EVERYTHING, mobs
from tests.fleet.typed_handlers import Verdict

EXAMPLE = Path(__file__).parents[2] / "examples" / "code_review" / "code_review.toml"


def code_review() -> Mob:
    """The flow of examples/code_review, in Python."""
    described = {
        "inventory": "Walks the tree",
        "reviewer": "Looks at every file through one lens",
        "judge": "Tries to find again what the reviewers found",
        "editor": "Keeps what matters most",
        "writer": "Writes the report",
    }
    mob = Mob(
        "code-review",
        profiles={role: {"model": "none", "peer_description": text} for role, text in described.items()},
        limits=MobDefinition.from_toml(EXAMPLE.read_text()).limits,
    )
    mob.flow(
        "review",
        [
            step("inventory", "List the Python files of the tree.", timeout=300),
            step(
                "review",
                "Look at these {{ steps.inventory.count }} files through your lens.",
                role="reviewer",
                after="inventory",
                policy="all",
                timeout=timedelta(minutes=5),
            ),
            step(
                "vote",
                "Which of these findings can you find again?",
                role="judge",
                after=["review"],
                policy=quorum(2),
                timeout=300.0,
            ),
            loop(
                "narrowing",
                [step("narrow", "Raise the bar until few enough findings remain.", role="editor")],
                until=eq("steps.narrow.done", True),
                max_iterations=4,
                after="vote",
            ),
            step(
                "report",
                "Write down the {{ steps.narrow.left }} findings that remain.",
                role="writer",
                after="narrowing",
                dispatch="fan_in",
            ),
        ],
        description="Review a Python source tree",
    )
    return mob


def test_a_flow_in_python_is_the_same_definition_as_that_in_toml_and_has_the_same_digest() -> None:
    written = MobDefinition.from_toml(EXAMPLE.read_text())
    made = code_review().definition()
    assert made == written
    assert encode_definition(made) == encode_definition(written)


def test_it_prints_as_toml_that_reads_back() -> None:
    made = code_review().definition()
    assert MobDefinition.from_toml(code_review().to_toml()) == made


@given(mobs(EVERYTHING))
def test_every_definition_reads_back_from_its_toml_with_the_same_digest(definition: MobDefinition) -> None:
    again = MobDefinition.from_toml(definition.to_toml())
    assert again == definition
    assert encode_definition(again) == encode_definition(definition)


TEXT = st.text(st.characters(codec="utf-8"))
JSON = st.recursive(
    st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=10,
)


@given(JSON, JSON, TEXT)
def test_every_value_and_text_reads_back_from_toml(value: Any, schema: Any, text: str) -> None:
    made = any_mob({text or "a": any_step(message=text, condition=EqCondition(path=text, value=value))})
    profile = Profile(model=text, output_schema=schema, provider_params={"of": value})
    made = made.model_copy(
        update={
            "profiles": SortedDict({**made.profiles, text: profile}),
            "skills": SortedDict({"s": InlineSkill(content=text)}),
            "limits": LimitsSpec(max_concurrency=SortedDict({text: 3})),
        }
    )
    again = MobDefinition.from_toml(made.to_toml())
    assert again == made


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (None, r"flows\.flow\.steps\.a\.condition\.value"),
        ({"a": [1, {"b": None}]}, r"flows\.flow\.steps\.a\.condition\.value\.a\[1\]\.b"),
        ([1, None], r"flows\.flow\.steps\.a\.condition\.value"),
    ],
)
def test_what_toml_cannot_say_is_told_with_its_path(value: Any, path: str) -> None:
    made = any_mob({"a": any_step(condition=EqCondition(path="params", value=value))})
    with pytest.raises(DefinitionError, match=rf"^{path}: TOML cannot say this"):
        made.to_toml()
    with pytest.raises(DefinitionError, match="is_implicit"):
        any_mob({"a": any_step()}).model_copy(update={"is_implicit": True}).to_toml()


def roles(*names: str) -> Mob:
    mob = Mob("m")
    for name in names:
        mob.role(name)
    return mob


def steps_of(mob: Mob, *steps: Any) -> FlowSpec:
    return mob.flow("f", steps).spec


def test_a_step_asks_one_member_unless_something_says_otherwise() -> None:
    mob = roles("a", "b", "c", "d", "e")
    mob.role("several", members=3)
    spec = steps_of(
        mob,
        step("a"),
        step("b", policy="all"),
        step("c", policy=quorum(2)),
        step("d", dispatch="fan_in"),
        step("e", role="several"),
        step("f", role="several", dispatch="one_to_one"),
        step("g", role="several", policy="any"),
    )
    assert {id: (one.dispatch_mode.value, one.collection_policy.type) for id, one in spec.steps.items()} == {
        "a": ("one_to_one", "any"),
        "b": ("fan_out", "all"),
        "c": ("fan_out", "quorum"),
        "d": ("fan_in", "all"),
        "e": ("fan_out", "all"),
        "f": ("one_to_one", "any"),
        "g": ("fan_out", "any"),
    }
    assert spec.steps["c"].collection_policy == CollectQuorum(n=2)
    assert spec.steps["a"].collection_policy == CollectAny()


def test_every_field_of_a_step_can_be_said() -> None:
    blocks = (TextBlock(text="look"),)
    spec = steps_of(
        roles("a", "b"),
        step("a", blocks, retries=2, timeout=0.25, schema={"type": "object"}, output_format="json", isolated=True),
        step(
            "b", retry={"attempts": 5, "first": 2, "most": 60}, schema="true", allowed_tools=["x"], blocked_tools=("y",)
        ),
        step(
            "c",
            role="b",
            after=["a", "b"],
            mode="any",
            when=eq("params.x", 1),
            retry=RetrySpec(first=1),
            schema=Verdict,
        ),
    )
    a, b, c = spec.steps.values()
    assert a.message == blocks
    assert a.retry == RetrySpec(attempts=3)
    assert (a.timeout_ms, a.expected_schema_ref, a.output_format) == (250, '{"type":"object"}', OutputFormat.JSON)
    assert a.isolation == "process"
    assert b.retry == RetrySpec(attempts=5, first=2, most=60)
    assert (b.expected_schema_ref, b.allowed_tools, b.blocked_tools) == ("true", ("x",), ("y",))
    assert (c.depends_on, c.depends_on_mode, c.condition) == (("a", "b"), "any", EqCondition(path="params.x", value=1))
    assert c.expected_schema_ref is not None
    assert '"label"' in c.expected_schema_ref
    assert c.output_format is None


def test_conditions_have_names() -> None:
    condition = and_(or_(gt("params.a", 1), lt("params.a", 0)), in_("params.b", ["x"]), not_(eq("params.c", None)))
    assert condition.model_dump(mode="json") == {
        "op": "and",
        "exprs": [
            {
                "op": "or",
                "exprs": [
                    {"op": "gt", "path": "params.a", "value": 1},
                    {"op": "lt", "path": "params.a", "value": 0},
                ],
            },
            {"op": "in", "path": "params.b", "values": ["x"]},
            {"op": "not", "expr": {"op": "eq", "path": "params.c", "value": None}},
        ],
    }


def test_loops_nest_and_wait_for_steps_beside_them() -> None:
    mob = roles("a", "b", "c")
    inner = loop("inner", [step("c")], until=eq("steps.c", 1), max_iterations=2, after="b")
    spec = steps_of(
        mob, step("a"), loop("outer", [step("b"), inner], until=eq("steps.b", 1), max_iterations=3, after="a")
    )
    assert spec.root is not None
    outer: Any = spec.root.nodes["outer"]
    assert outer.depends_on == ("a",)
    assert outer.body.nodes["inner"].depends_on == ("b",)
    assert list(outer.body.nodes["inner"].body.nodes) == ["c"]
    assert list(spec.steps) == ["a", "b", "c"]


def test_the_steps_of_a_branch_exclude_each_other() -> None:
    first, second = not_(eq("steps.a", 1)), eq("steps.a", 1)
    branches = [step(id, role="b", after="a", branch="way", when=when) for id, when in (("b", first), ("c", second))]
    spec = steps_of(roles("a", "b"), step("a"), *branches, step("d", role="a", after=["b", "c"], mode="any"))
    assert [one.branch for one in spec.steps.values()] == [None, "way", "way", None]


def handled(**options: Any) -> tuple[Mob, Callable[..., Any]]:
    mob = Mob("m")

    @mob.handler("judge", **options)
    def judge(ctx: StepContext) -> Verdict:
        raise NotImplementedError(ctx)

    return mob, judge


def test_what_a_handler_says_holds_for_its_steps_unless_they_say_more() -> None:
    mob, _ = handled(retries=3, timeout=60, members=3, model="some-model")
    spec = steps_of(mob, step("a", role="judge"), step("b", role="judge", retries=0, timeout=1))
    assert [one.retry for one in spec.steps.values()] == [RetrySpec(attempts=4), RetrySpec(attempts=1)]
    assert [one.timeout_ms for one in spec.steps.values()] == [60_000, 1_000]
    assert mob.members == {"judge": 3}
    assert mob.definition().profiles["judge"] == Profile(model="some-model")


def test_the_schema_of_a_step_is_that_of_the_return_annotation_and_is_always_the_same() -> None:
    mob, _ = handled()
    one = steps_of(mob, step("a", role="judge")).steps["a"]
    assert one.expected_schema_ref is not None
    assert '"required":["label","lines"]' in one.expected_schema_ref
    assert one.output_format is OutputFormat.TEXT
    other, _ = handled()
    assert steps_of(other, step("a", role="judge")).steps["a"] == one
    explicit = mob.flow("g", [step("a", role="judge", schema={}), step("b", role="judge", output_format="json")]).spec
    assert [one.expected_schema_ref for one in explicit.steps.values()] == ["{}", None]


def test_a_decorated_function_is_left_as_it_is_and_names_its_role() -> None:
    mob = Mob("m")

    @mob.handler
    def greet(name: str) -> str:
        return f"Hello, {name}"

    assert greet("you") == "Hello, you"
    assert list(mob.handlers) == ["greet"]
    assert repr(mob) == "Mob('m', roles=['greet'], flows=[])"


def test_the_role_of_the_supervisor_may_be_added_after_others_and_before_the_flows() -> None:
    mob = Mob("m", supervisor={"role": "chief", "escalation_threshold": 1})
    mob.role("clerk")
    with pytest.raises(DefinitionError, match="the role 'chief' is not defined"):
        mob.flow("f", [step("a", role="clerk")])
    mob.role("chief")
    mob.flow("f", [step("a", role="clerk")])
    assert validate(mob.definition()) == ()


def test_all_parts_of_a_definition_can_be_given() -> None:
    mob = Mob(
        "m",
        profiles={"lead": Profile(model="x"), "other": {"realm_profile": "shared"}},
        orchestrator="lead",
        skills={"s": {"source": "inline", "content": "text"}},
        limits={"max_step_retries": 2},
        topology={"mode": "advisory", "rules": [{"from_role": "lead", "to_role": "*", "allowed": True}]},
        supervisor={"role": "lead", "escalation_threshold": 1},
        wiring={"auto_wire_orchestrator": True},
        backend={"default": "session"},
        spawn_policy={"mode": "none"},
        event_router={"buffer_size": 3},
    )
    mob.flow("f", [step("a", role="lead")])
    definition = mob.definition()
    assert MobDefinition.from_toml(mob.to_toml()) == definition
    assert definition.limits == LimitsSpec(max_step_retries=2)
    assert validate(definition) == ()


def test_a_mob_of_a_definition_gets_handlers_and_more_flows() -> None:
    mob = Mob.from_definition(MobDefinition.from_toml(EXAMPLE.read_text()))
    mob.handler("writer")(lambda: None)
    assert mob.definition() == code_review().definition()
    mob.flow("short", [step("report", role="writer")])
    assert list(mob.definition().flows) == ["review", "short"]


def test_a_flow_may_be_specified_already() -> None:
    spec = FlowSpec(steps=FrozenDict({"a": any_step(role="a", dispatch_mode=DispatchMode.FAN_IN)}))
    assert roles("a").flow("f", spec).spec is spec


WRONG: dict[str, tuple[Callable[[Mob], Any], str]] = {
    "no steps": (lambda mob: mob.flow("f", []), "flow 'f': it has no steps"),
    "duplicate": (lambda mob: steps_of(mob, step("a"), step("a")), "two of its steps or loops have the id 'a'"),
    "duplicate in a loop": (
        lambda mob: steps_of(mob, step("a"), loop("l", [step("a")], until=eq("params", 1), max_iterations=1)),
        "two of its steps or loops have the id 'a'",
    ),
    "unknown role": (
        lambda mob: steps_of(mob, step("x", role="revewer")),
        "flow 'f': step 'x': there is no role 'revewer'; make one with @mob.handler('revewer'), or mob.role('revewer')"
        "; did you mean 'reviewer'?",
    ),
    "no role": (lambda mob: steps_of(mob, step("x")), "there is no role 'x', which is its role as no other is given"),
    "empty body": (
        lambda mob: steps_of(mob, loop("l", [], until=eq("params", 1), max_iterations=1)),
        "the body of loop 'l' is empty",
    ),
    "unknown step": (
        lambda mob: steps_of(mob, step("a"), step("b", role="a", after="aa")),
        "step 'b' comes after 'aa', of which there is none; did you mean 'a'?",
    ),
    "out of a loop": (
        lambda mob: steps_of(
            mob, step("a"), loop("l", [step("b", role="a", after="a")], until=eq("params", 1), max_iterations=1)
        ),
        "step 'b' cannot wait for 'a', which is outside of loop 'l': let the loop wait for it",
    ),
    "into a loop": (
        lambda mob: steps_of(
            mob, loop("l", [step("b", role="a")], until=eq("params", 1), max_iterations=1), step("a", after="b")
        ),
        "step 'a' cannot wait for 'b', which is inside of loop 'l': let it wait for the loop",
    ),
    "cycle": (lambda mob: steps_of(mob, step("a", after="a")), "flow_cycle_detected"),
    "iterations": (
        lambda mob: steps_of(mob, loop("l", [step("a")], until=eq("params", 1), max_iterations=0)),
        "a loop needs at least one iteration",
    ),
    "no node": (lambda mob: steps_of(mob, "a"), "'a' is neither a step nor a loop"),
    "retries": (lambda mob: steps_of(mob, step("a", retries=-1)), "retries must be a number from 0, not -1"),
    "retries twice": (
        lambda mob: steps_of(mob, step("a", retries=1, retry={})),
        "give retries, or attempts within retry",
    ),
    "timeout": (lambda mob: steps_of(mob, step("a", timeout=0)), "timeout must be more than 0 seconds, not 0"),
    "quorum": (lambda mob: steps_of(mob, step("a", policy=CollectQuorum(n=0))), "a quorum of 0 is no quorum"),
    "schema": (lambda mob: steps_of(mob, step("a", schema=Callable)), "there is no JSON schema of"),
    "flow twice": (lambda mob: [mob.flow("f", [step("a")]) for _ in range(2)], "mob 'm' has a flow 'f' already"),
    "branch": (
        lambda mob: steps_of(mob, step("a", branch="b")),
        "the step belongs to the branch 'b' and needs a condition",
    ),
    "retry": (lambda mob: steps_of(mob, step("a", retry={"first": -1})), "flow 'f': steps.a.retry.first: "),
    "profile": (lambda mob: Mob("m", profiles={"a": {}}), "mob 'm': profiles.a.model: is missing"),
    "role name": (lambda mob: mob.role("a b"), "invalid_profile_name"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_makes_no_sense_is_told_when_it_is_written(name: str) -> None:
    make, problem = WRONG[name]
    mob = roles("a", "reviewer")
    with pytest.raises(DefinitionError) as caught:
        make(mob)
    assert problem in str(caught.value)


def test_a_flow_that_is_refused_is_not_there() -> None:
    mob = roles("a")
    with pytest.raises(DefinitionError):
        mob.flow("f", [step("a", after="a")])
    mob.flow("f", [step("a")])


def test_a_role_has_one_handler() -> None:
    mob, judge = handled()
    with pytest.raises(HandlerError, match="mob 'm' has a role 'judge' already"):
        mob.handler("judge")(judge)
    with pytest.raises(HandlerError, match="already"):
        mob.role("judge")
    with pytest.raises(ValidationError, match="members"):
        mob.handler("x", members=0)(judge)


def test_wrong_annotations_are_told_by_the_decorator() -> None:
    def wrong(ctx: StepContext, other: StepContext) -> None: ...

    with pytest.raises(HandlerError, match=rf"handler .*wrong \({__file__}:"):
        Mob("m").handler(wrong)


async def test_a_flow_that_is_not_there_is_told_with_the_nearest() -> None:
    mob = roles("a")
    flow = mob.flow("review", [step("a")])
    with pytest.raises(NotFoundError, match=r"mob 'm' has no flow 'reveiw'; it has: 'review'; did you mean 'review'\?"):
        await mob.run("reveiw")
    with pytest.raises(NotFoundError, match="flow 'review' belongs to mob 'm', not to 'other'"):
        await Mob("other").run(flow)


NO_CONDITION: dict[str, tuple[Callable[..., Any], str]] = {
    "eq object": (lambda: eq("params", object()), "eq: <object object at "),
    "eq nan": (lambda: eq("params", math.nan), "eq: nan is no JSON: $: nan is no JSON number; compare with a text, a"),
    "eq set": (lambda: eq("params", {1}), "eq: {1} is no JSON: $: a value of type set is no JSON; compare with"),
    "eq deep": (lambda: eq("params", nested_list(200)), "nested deeper than 128 levels"),
    "eq path": (lambda: eq(*wrong(5, 1)), "eq: path: must be a text, not 5"),
    "eq surrogate": (
        lambda: eq("\ud800", 1),
        r"eq: path: '\ud800' has a lone surrogate, which cannot be stored: give it without",
    ),
    "gt nan": (lambda: gt("params", math.nan), "gt: nan is no JSON"),
    "lt infinity": (lambda: lt("params", math.inf), "lt: inf is no JSON"),
    "in number": (lambda: in_(*wrong("params", 5)), "in_: values must be a list of values, not 5"),
    "in text": (lambda: in_("params", "ab"), "in_: values must be a list of values, not 'ab'"),
    "in nan": (lambda: in_("params", [math.nan]), "in_: [nan] is no JSON: $[0]: nan is no JSON number"),
    "not": (
        lambda: not_(*wrong(5)),
        "not_: argument 1 must be a condition, made with eq, in_, gt, lt, and_, or_ or not_, not 5",
    ),
    "and": (lambda: and_(eq("params", 1), *wrong(None)), "and_: argument 2 must be a condition, made with eq, "),
    "or": (lambda: or_(*wrong([eq("params", 1)])), "or_: argument 1 must be a condition, made with eq, "),
    "unknown key": (
        lambda: not_(*wrong({"op": "eq", "path": "params", "value": 1, "vlaue": 2})),
        "not_: expr.vlaue: there is no such key (nearest: 'value')",
    ),
    "unknown kind": (
        lambda: not_(*wrong({"op": "eqq", "path": "params"})),
        "op must be one of 'eq', 'in', 'gt', 'lt', 'and', 'or', 'not', not 'eqq'; did you mean 'eq'?",
    ),
}


def wrong(*values: Any) -> tuple[Any, ...]:
    return values


def nested_list(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("case", NO_CONDITION)
def test_what_is_no_condition_is_told_where_it_is_written(case: str) -> None:
    make, problem = NO_CONDITION[case]
    with pytest.raises(DefinitionError) as caught:
        make()
    assert problem in str(caught.value)


def one_role() -> Mob:
    mob = Mob("m")
    mob.role("a")
    return mob


def in_a_flow(*nodes: Any) -> Any:
    return one_role().flow("f", list(nodes))


def nested_loops(depth: int) -> Any:
    node: Any = step("a")
    for number in range(depth):
        node = loop(f"l{number}", [node], until=eq("steps.a", 1), max_iterations=2)
    return node


def nested_condition(depth: int) -> Any:
    condition = eq("params", 1)
    for _ in range(depth):
        condition = not_(condition)
    return condition


def by_hand(depth: int) -> Any:
    condition: Any = eq("params", 1)
    for _ in range(depth):
        condition = NotCondition(expr=condition)
    return condition


def nested_and(depth: int) -> Any:
    condition = eq("params", 1)
    for _ in range(depth):
        condition = and_(condition)
    return condition


def blocks(*items: Any) -> Any:
    return list(items)


NO_FLOW: dict[str, tuple[Callable[[], Any], str]] = {
    "step id": (lambda: step(*wrong(5)), "id must be a text, not 5"),
    "step id surrogate": (lambda: step("\ud800"), r"id '\ud800' cannot be stored: surrogates not allowed"),
    "after number": (lambda: step("b", after=wrong(5)[0]), "step 'b': after must be a list of ids, or one id, not 5"),
    "after numbers": (lambda: step("b", after=[*wrong(5)]), "step 'b': after must be a text, not 5"),
    "after step": (
        lambda: step("b", after=wrong(step("a"))[0]),
        "step 'b': after must name steps and loops by their ids: write 'a'",
    ),
    "after steps": (lambda: wait_for("b", after=[*wrong(step("a"))]), "by their ids: write 'a', not Step("),
    "loop after": (
        lambda: loop("l", [step("a")], until=eq("steps.a", 1), max_iterations=1, after=wrong(5)[0]),
        "loop 'l': after must be a list of ids",
    ),
    "loop body": (
        lambda: loop("l", wrong(step("a"))[0], until=eq("steps.a", 1), max_iterations=1),
        "loop 'l': body must be a list of steps and loops, not Step(",
    ),
    "tools": (
        lambda: step("a", allowed_tools="search"),
        "step 'a': allowed_tools must be a list of texts, not 'search'",
    ),
    "tool": (lambda: step("a", blocked_tools=[*wrong(5)]), "step 'a': blocked_tools[0] must be a text, not 5"),
    "quorum below": (lambda: quorum(-1), "quorum: n must be a number from 1 to 255, not -1"),
    "quorum of none": (lambda: quorum(0), "quorum: n must be a number from 1 to 255, not 0"),
    "quorum above": (lambda: quorum(256), "quorum: n must be a number from 1 to 255, not 256"),
    "quorum text": (lambda: quorum(*wrong("2")), "quorum: n must be a number from 1 to 255, not '2'"),
    "flow of a step": (
        lambda: one_role().flow("f", wrong(step("a"))[0]),
        "flow 'f': steps must be a list of steps and loops",
    ),
    "flow of a number": (
        lambda: one_role().flow("f", wrong(5)[0]),
        "flow 'f': steps must be a list of steps and loops, not 5",
    ),
    "deep loops": (lambda: in_a_flow(nested_loops(2_000)), "flow 'f': loops are nested deeper than 32 levels"),
    "deep condition": (
        lambda: in_a_flow(step("a", when=nested_condition(2_000))),
        "not_: argument 1: conditions are nested deeper than 128 levels",
    ),
    "deep condition made by hand": (
        lambda: in_a_flow(step("a", when=by_hand(2_000))),
        "flow 'f': step 'a': when: conditions are nested deeper than 128 levels",
    ),
    "deep conditions of two levels": (
        lambda: in_a_flow(step("a", when=nested_and(127))),
        "it is nested too deeply to be stored: write a flatter one",
    ),
    "no condition": (
        lambda: in_a_flow(step("a", when=wrong(5)[0])),
        "step 'a': when must be a condition, made with eq",
    ),
    "no until": (
        lambda: in_a_flow(loop("l", [step("a")], until=wrong(True)[0], max_iterations=1)),
        "loop 'l': until must be a condition, made with eq",
    ),
    "timeout": (
        lambda: in_a_flow(step("a", timeout=1e18)),
        "timeout must be at most 3153600000 seconds, a hundred years, not 1e+18",
    ),
    "endless timeout": (lambda: in_a_flow(step("a", timeout=math.inf)), "timeout must be at most 3153600000 seconds"),
    "timeout of 101 years": (lambda: in_a_flow(step("a", timeout=timedelta(days=36_501))), "timeout must be at most"),
    "timeout below": (lambda: in_a_flow(step("a", timeout=-1e18)), "timeout must be more than 0 seconds, not -1e+18"),
    "timeout nan": (lambda: in_a_flow(step("a", timeout=math.nan)), "timeout must be more than 0 seconds, not nan"),
    "retry": (
        lambda: in_a_flow(step("a", retry={"atempts": 3})),
        "flow 'f': steps.a.retry.atempts: there is no such key (nearest: 'attempts')",
    ),
    "policy": (
        lambda: in_a_flow(step("a", policy=wrong({"type": "quorum", "n": 2, "m": 1})[0])),
        "steps.a.collection_policy.m: there is no such key",
    ),
    "policy without type": (
        lambda: in_a_flow(step("a", policy=wrong({"typ": "any"})[0])),
        "steps.a.collection_policy: the key 'type' is missing, which says what it is; there is no such key as 'typ' "
        "(nearest: 'type')",
    ),
    "empty policy": (
        lambda: in_a_flow(step("a", policy=wrong({})[0])),
        "steps.a.collection_policy: the key 'type' is missing",
    ),
    "policy of another type": (
        lambda: in_a_flow(step("a", policy=wrong({"type": "al"})[0])),
        "steps.a.collection_policy: type must be one of 'all', 'any', 'quorum', not 'al'; did you mean 'all'?",
    ),
    "message": (
        lambda: in_a_flow(step("a", blocks({"type": "text", "text": "a", "txt": "b"}))),
        "steps.a.message[0].txt: there is no such key (nearest: 'text')",
    ),
    "message surrogate": (
        lambda: in_a_flow(step("a", "\ud800")),
        r"flow 'f': steps.a.message: '\ud800' has a lone surrogate",
    ),
    "branch surrogate": (
        lambda: in_a_flow(step("a", branch="\ud800")),
        r"steps.a.branch: '\ud800' has a lone surrogate",
    ),
    "block surrogate": (
        lambda: in_a_flow(step("a", blocks(TextBlock(text="\ud800")))),
        r"steps.a.message[0].text: '\ud800' has a lone surrogate",
    ),
    "profile surrogate": (
        lambda: Mob("m", profiles={"a": Profile(model="\ud800")}),
        r"profiles.a.model: '\ud800' has a lone surrogate",
    ),
    "concurrency surrogate": (
        lambda: Mob("m", limits={"max_concurrency": {"\ud800": 1}}),
        r"limits.max_concurrency: '\ud800' has a lone surrogate",
    ),
    "limits": (
        lambda: Mob("m", limits={"max_step_retires": 3}),
        "mob 'm': limits.max_step_retires: there is no such key (nearest: 'max_step_retries')",
    ),
    "profile": (
        lambda: Mob("m", profiles={"a": {"model": "none", "skils": []}}),
        "mob 'm': profiles.a.skils: there is no such key (nearest: 'skills')",
    ),
    "wiring": (
        lambda: Mob("m", profiles={"a": {"model": "none"}}, wiring={"role_wiring": [{"a": "a", "b": "a", "c": 1}]}),
        "mob 'm': wiring.role_wiring[0].c: there is no such key",
    ),
    "schema": (
        lambda: in_a_flow(step("a", schema="{")),
        "flow 'f': step 'a': schema is neither a JSON schema nor a file that holds one",
    ),
    "schema list": (lambda: in_a_flow(step("a", schema="[1]")), "a schema is an object or a boolean, not '[1]'"),
    "schema file": (lambda: in_a_flow(step("a", schema="no/such.json")), "'no/such.json': No such file or directory"),
    "schema path": (lambda: in_a_flow(step("a", schema=Path("no.json"))), "'no.json': No such file or directory"),
    "schema of a wait": (lambda: in_a_flow(wait_for("a", schema="{")), "step 'a': schema is neither a JSON schema"),
    "schema mapping": (
        lambda: in_a_flow(step("a", schema={"type": "strin"})),
        "step 'a': schema is no valid JSON schema: $.type",
    ),
    "schema of no JSON": (
        lambda: in_a_flow(step("a", schema={"const": {1}})),
        "step 'a': schema is no JSON: $.const: a value",
    ),
}


@pytest.mark.parametrize("depth", [32, 80, 90, 95, 97, 100])
def test_a_condition_that_is_taken_can_be_read_back(depth: int) -> None:
    mob = one_role()
    try:
        mob.flow("f", [step("a", when=nested_and(depth))])
    except DefinitionError:
        assert depth > 80
    definition = mob.definition()
    assert MobDefinition.model_validate_json(definition.model_dump_json()) == definition


@pytest.mark.parametrize("case", NO_FLOW)
def test_what_makes_no_sense_in_python_is_told_where_it_is_written(case: str) -> None:
    make, problem = NO_FLOW[case]
    with pytest.raises(DefinitionError) as caught:
        make()
    assert problem in str(caught.value)


NO_NAME: dict[str, tuple[Callable[[], Any], str]] = {
    "mob": (lambda: Mob("\ud800"), "id"),
    "flow": (lambda: one_role().flow("\ud800", [step("a")]), "id"),
    "role": (lambda: one_role().role("\ud800"), "role"),
    "handler": (lambda: one_role().handler("\ud800")(str), "role"),
    "model": (lambda: one_role().role("b", model="\ud800"), "model"),
    "signal": (lambda: wait_for("\ud800"), "signal"),
}


@pytest.mark.parametrize("case", NO_NAME)
def test_a_name_with_a_lone_surrogate_is_refused_where_it_is_given(case: str) -> None:
    make, name = NO_NAME[case]
    with pytest.raises(ValidationError, match=rf"{name} '\\ud800' cannot be stored: surrogates not allowed; give it"):
        make()


NO_OPTION: dict[str, tuple[dict[str, Any], str]] = {
    "retries": ({"retries": -1}, "retries must be an integer from 0, not -1"),
    "retries text": ({"retries": "1"}, "retries must be an integer, not '1'"),
    "timeout": ({"timeout": 0}, "timeout must be more than 0 seconds, not 0"),
    "long timeout": ({"timeout": 1e18}, "timeout must be at most 3153600000 seconds"),
    "model": ({"model": 5}, "model must be a text, not 5"),
    "members": ({"members": 0}, "members must be an integer from 1, not 0"),
}


@pytest.mark.parametrize("case", NO_OPTION)
def test_an_option_of_a_handler_is_refused_where_it_is_given(case: str) -> None:
    options, problem = NO_OPTION[case]
    with pytest.raises(ValidationError, match=problem):
        Mob("m").handler("a", **options)(str)


def test_what_is_no_function_is_no_handler() -> None:
    nothing: Any = 5
    with pytest.raises(HandlerError, match="a handler must be a function, not 5"):
        Mob("m").handler("a")(nothing)
    with pytest.raises(HandlerError, match=r"has no name: write @mob\.handler\(role\)"):
        Mob("m").handler(functools.partial(str))


def test_a_schema_may_be_in_a_file(tmp_path: Path) -> None:
    (file := tmp_path / "schema.json").write_text('{"type": "string"}')
    for schema in (file, str(file)):
        assert in_a_flow(step("a", schema=schema)).spec.steps["a"].expected_schema_ref == str(file)
    file.write_text("{")
    with pytest.raises(DefinitionError, match="step 'a': schema is neither a JSON schema nor a file that holds one"):
        in_a_flow(step("a", schema=file))


def test_the_types_are_those_that_people_have() -> None:
    """Lists, tuples and dicts of any kind are taken; the type checker looks at this file too."""
    names: list[str] = ["a"]
    mode: Literal["all", "any"] = "all"
    spec = roles("a").flow("f", (step("a"), step("b", role="a", after=names, mode=mode))).spec
    assert spec.steps["b"].depends_on == ("a",)
    assert isinstance(not_(eq("params", 1)), NotCondition)

"""What a step says to its members and how their answers are taken (contract: engine-21, engine-22)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from redis_mob.errors import DefinitionError
from redis_mob.fleet.outcome import EXCERPT, MAX_OUTPUT_BYTES, MAX_OUTPUT_DEPTH, Succeeded
from redis_mob.models.conditions import EqCondition
from redis_mob.models.flow_spec import DispatchMode, FlowStepSpec, OutputFormat
from redis_mob.models.message import InlineImageBlock, TextBlock
from redis_mob.models.run_status import MobRunStatus
from tests.fleet.flows import mob, step
from tests.fleet.simulation import Simulation

JSON, TEXT = OutputFormat.JSON, OutputFormat.TEXT
NUMBER = '{"type": "number"}'
IMAGE = InlineImageBlock(media_type="image/png", source="inline", data="{{ params.x }}")


def answered(output: Any, **spec: Any) -> Simulation:
    """A run of one step after its only member has answered."""
    sim = Simulation(mob({"a": step(**spec)}))
    sim.advance()
    sim.do("a", output)
    return sim


def accepted(output: Any, **spec: Any) -> Any:
    sim = answered(output, **spec)
    assert sim.run.status is MobRunStatus.COMPLETED, sim.failures()
    return sim.run.root_step_outputs["a"]["worker-1"]


def refused(output: Any, **spec: Any) -> str:
    sim = answered(output, **spec)
    assert sim.run.status is MobRunStatus.FAILED
    [(_, reason)] = sim.failures()
    return reason


def test_engine_case_26_an_answer_that_is_no_json_fails_with_an_excerpt() -> None:
    reason = refused("x" * 1000, output_format=JSON)
    assert reason == f"the output of step 'a' is refused: it is no JSON: {'x' * EXCERPT!r}"


def test_a_refused_answer_is_a_failed_attempt() -> None:
    sim = Simulation(mob({"a": step(output_format=JSON)}, limits={"max_step_retries": 1}))
    sim.advance()
    sim.do("a", "prose")
    sim.store.now = sim.execution("a").due_at
    sim.do("a", "[1]")
    assert sim.run.root_step_outputs["a"] == {"worker-1": [1]}


def test_engine_case_27_text_stays_text() -> None:
    assert accepted('{"x": 1}', output_format=TEXT) == '{"x": 1}'


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param('{"x": 1}', {"x": 1}, id="plain"),
        pytest.param('```json\n{"x": 1}\n```', {"x": 1}, id="json"),
        pytest.param("```\n[1]\n```", [1], id="bare"),
        pytest.param('  \n```json  \r\n {"x": 1} \n``` \n', {"x": 1}, id="whitespace"),
        pytest.param('Here you are:\n```json\n{"x": 1}\n```\nBye.', {"x": 1}, id="leading-prose"),
        pytest.param("```json\n1\n```\n```json\n2\n```", 1, id="first-of-two"),
        pytest.param("null", None, id="null"),
        pytest.param('"`` `"', "`` `", id="backticks"),
    ],
)
def test_engine_case_29_json_is_found_in_fences(text: str, value: Any) -> None:
    assert accepted(text, output_format=JSON) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "```json\nprose\n```",
        "NaN",
        pytest.param("[" * 100_000, id="deep"),
        pytest.param("9" * 5000, id="long"),
        '"\\ud800"',
        "[1",
    ],
)
def test_text_that_is_no_json_value(text: str) -> None:
    assert refused(text, output_format=JSON).startswith("the output of step 'a' is refused: ")


def test_without_a_format_text_is_kept_unless_there_is_a_schema() -> None:
    assert accepted("[1]") == "[1]"
    assert accepted("[1]", expected_schema_ref='{"type": "array"}') == [1]
    assert accepted("[1]", expected_schema_ref='{"type": "string"}', output_format=TEXT) == "[1]"


@pytest.mark.parametrize("value", [None, True, 0, 1.5, "text", [], {}, {"x": [1, {"y": None}]}, -(10**40)])
def test_a_value_is_taken_as_it_is(value: Any) -> None:
    assert accepted(value) == value
    if not isinstance(value, str):
        assert accepted(value, output_format=JSON) == value


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (float("nan"), "$: nan is no JSON number"),
        ({"x": [float("inf")]}, "$.x[0]: inf is no JSON number"),
        (object(), "$: a value of type object is no JSON"),
        ({1: 2}, "$: the key 1 is no text"),
        ({"a": {1, 2}}, "$.a: a value of type set is no JSON"),
        ("\ud800", "$: a lone surrogate cannot be stored as UTF-8"),
        (b"bytes", "$: a value of type bytes is no JSON"),
        pytest.param(10**4300, "$: an integer of more than 4300 digits could not be read back", id="long-integer"),
    ],
)
def test_a_value_that_is_no_json_is_a_clear_failure(value: Any, problem: str) -> None:
    assert refused(value) == f"the output of step 'a' is refused: {problem}"


def nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("mode", list(DispatchMode))
def test_the_deepest_value_that_is_accepted_can_be_told_with_the_whole_flow(mode: DispatchMode) -> None:
    sim = answered(nested(MAX_OUTPUT_DEPTH), dispatch_mode=mode)
    assert sim.run.status is MobRunStatus.COMPLETED
    type(sim.run).model_validate_json(sim.run.model_dump_json())


def test_a_value_nested_too_deeply_is_a_clear_failure() -> None:
    assert f"nested deeper than {MAX_OUTPUT_DEPTH} levels" in refused(nested(MAX_OUTPUT_DEPTH + 1))


def test_a_value_that_contains_itself_is_a_clear_failure() -> None:
    value: list[Any] = []
    value.append(value)
    assert f"nested deeper than {MAX_OUTPUT_DEPTH} levels" in refused(value)


def test_engine_case_31_the_schema_checks_the_value_of_each_target() -> None:
    assert accepted(1.5, expected_schema_ref=NUMBER) == 1.5
    reason = refused("x", expected_schema_ref='{"properties": {"n": {"type": "number"}}, "type": "object"}')
    assert "it is no JSON" in reason
    assert refused({"n": "x"}, expected_schema_ref='{"properties": {"n": {"type": "number"}}}') == (
        "the output of step 'a' is refused: it does not fit its schema at $.n: 'x' is not of type 'number'"
    )


def test_a_schema_from_a_file_is_read_at_the_start_and_never_again(tmp_path: Path) -> None:
    schema = tmp_path / "schema.json"
    schema.write_text(NUMBER)
    sim = Simulation(mob({"a": step(expected_schema_ref=str(schema))}))
    schema.unlink()
    sim.advance()
    sim.do("a", 1)
    assert sim.run.status is MobRunStatus.COMPLETED


def test_one_target_that_does_not_fit_leaves_the_others_alone() -> None:
    sim = Simulation(mob({"a": step(expected_schema_ref=NUMBER, policy="any")}), worker=2)
    sim.advance()
    sim.do("a", "x", member="worker-1")
    sim.do("a", 2, member="worker-2")
    assert sim.run.status is MobRunStatus.COMPLETED
    assert sim.rows("failed", "completed")[:2] == ["a@worker-1 failed", "a@worker-2 completed"]


@pytest.mark.parametrize(
    ("reference", "problem"),
    [
        ("no/such/file.json", "neither a JSON schema nor a file that holds one: .*No such file"),
        ("5", "a schema is an object or a boolean, not '5'"),
        ('"type"', "a schema is an object or a boolean"),
        ('{"type": 5}', r"is no valid JSON schema: \$.type"),
        ('{"pattern": "("}', r"is no valid JSON schema: \$.pattern"),
        ('{"enum": [NaN]}', "nan is no JSON number"),
        pytest.param("[" * 100_000, "neither a JSON schema", id="deep"),
        ("a\0b", "neither a JSON schema"),
    ],
)
def test_a_schema_that_is_none_is_refused_at_the_start(reference: str, problem: str) -> None:
    with pytest.raises(DefinitionError, match=problem) as caught:
        Simulation(mob({"a": step(expected_schema_ref=reference)}))
    assert str(caught.value).startswith("step 'a': expected_schema_ref ")


@pytest.mark.filterwarnings("ignore:Automatically retrieving remote references:DeprecationWarning")
def test_a_schema_never_fetches_anything(tmp_path: Path) -> None:
    elsewhere = tmp_path / "schema.json"
    elsewhere.write_text(NUMBER)
    reason = refused(1, expected_schema_ref=json.dumps({"$ref": elsewhere.as_uri()}))
    assert f"its schema refers to {elsewhere.as_uri()!r}, which it does not contain" in reason


def test_a_schema_that_refers_to_itself() -> None:
    tree = {"$defs": {"tree": {"type": "array", "items": {"$ref": "#/$defs/tree"}}}, "$ref": "#/$defs/tree"}
    assert accepted([[], [[]]], expected_schema_ref=json.dumps(tree)) == [[], [[]]]
    assert "refers to itself without end" in refused(1, expected_schema_ref='{"$ref": "#"}')


def stored(steps: Mapping[str, FlowStepSpec], **more: Any) -> Simulation:
    """A run of this definition, which a release that did not look at messages has started."""
    sim = Simulation(mob({name: one.model_copy(update={"message": "m"}) for name, one in steps.items()}, **more))
    sim.definition = mob(steps, **more)
    return sim


def message(template: Any, params: Any = None) -> Any:
    sim = Simulation(mob({"a": step(message=template)}), params)
    sim.advance()
    return sim.execution("a").message


def test_the_message_is_rendered_when_the_step_begins() -> None:
    steps = {"a": step(policy="any"), "b": step("a", message="Look at {{ steps.a.path }} for {{params.who}}")}
    sim = Simulation(mob(steps), {"who": "you"})
    sim.advance()
    sim.do("a", {"path": "x/y"})
    assert sim.execution("b").message == "Look at x/y for you"


@pytest.mark.parametrize(
    ("template", "place"),
    [
        ("one\ntwo {{ params.x", "line 2, column 5 (byte 8)"),
        ("{{ }}", "line 1, column 1 (byte 0)"),
        ("{{ a {{ b }}", "line 1, column 6 (byte 5)"),
        ("{{ a } }}", "line 1, column 6 (byte 5)"),
    ],
)
def test_engine_case_32_a_malformed_template_fails_the_step_with_its_place(template: str, place: str) -> None:
    sim = stored({"a": step(message=template), "b": step()}, limits={"max_step_retries": 3})
    sim.advance()
    assert not sim.keys("a")
    [(failed, reason)] = sim.failures()
    assert failed == "a"
    assert reason.startswith(f"its message cannot be rendered: {place}: ")
    assert sim.open() == ["b@worker-1"]


def test_engine_case_33_a_missing_path_is_null() -> None:
    sim = stored({"a": step(message="[{{ params.none }}] [{{ steps.x }}] [{{ nonsense }}] [{{ steps.x }}]")})
    sim.advance()
    assert sim.execution("a").message == "[null] [null] [null] [null]"
    assert sim.execution("a").absent == ("params.none", "steps.x", "nonsense")


def test_a_value_that_is_null_is_not_missing() -> None:
    sim = Simulation(mob({"a": step(message="{{ params.x }}", strict=True)}), {"x": None})
    sim.advance()
    assert sim.execution("a").message == "null"
    assert sim.execution("a").absent == ()


@pytest.mark.parametrize(
    ("of_flow", "of_step", "fails"),
    [(None, None, False), (None, True, True), (True, None, True), (True, False, False), (False, True, True)],
)
def test_where_it_is_strict_a_missing_path_fails_the_step(
    of_flow: bool | None, of_step: bool | None, fails: bool
) -> None:
    definition = mob({"a": step(message="{{ params.topci }} {{ params.x }}", strict=of_step), "b": step()})
    flow = definition.flows["flow"].model_copy(update={"strict": of_flow})
    definition = definition.model_copy(update={"flows": definition.flows.set(("flow", flow))})
    sim = Simulation(definition, {"topic": "x", "x": 1})
    sim.advance()
    assert bool(sim.keys("a")) is not fails
    reason = "its message names what does not exist: {{ params.topci }}; without strict = true it gets null there"
    assert sim.failures() == ([("a", reason)] if fails else [])
    assert sim.open() == (["b@worker-1"] if fails else ["a@worker-1", "b@worker-1"])


def test_a_missing_path_that_a_condition_names_fails_no_step() -> None:
    sim = Simulation(mob({"a": step(condition=EqCondition(path="params.none", value=1), strict=True)}), {})
    sim.advance()
    assert sim.story()[1:] == ["step_skipped a", "flow_completed"]


def test_engine_case_34_blocks_that_are_no_text_stay_as_they_are() -> None:
    blocks = (TextBlock(text="{{ params.x }}"), IMAGE)
    assert message(blocks, {"x": [1, {"b": 2}]}) == (TextBlock(text='[1,{"b":2}]'), IMAGE)


def test_engine_case_35_conditions_and_templates_share_their_paths() -> None:
    path = "steps.a.output.items.0.name"
    second = step("a", message=f"{{{{ {path} }}}}", condition=EqCondition(path=path, value="x"))
    sim = Simulation(mob({"a": step(policy="any"), "b": second}))
    sim.advance()
    sim.do("a", {"items": [{"name": "x"}]})
    assert sim.execution("b").message == "x"
    assert sim.settle("b", Succeeded(1), token=sim.claim("b"))


def test_an_output_over_its_limit_is_refused_once() -> None:
    reason = refused("x" * (MAX_OUTPUT_BYTES - 1))
    assert reason.startswith(
        "the output of step 'a' is refused: it is 1,048,577 bytes of JSON, more than the 1,048,576"
    )
    assert accepted("x" * (MAX_OUTPUT_BYTES - 2))


def test_the_definition_says_how_long_an_output_may_be() -> None:
    sim = Simulation(mob({"a": step()}, limits={"max_output_bytes": 9, "max_step_retries": 3}))
    sim.advance()
    sim.do("a", {"x": [1, 23]})
    assert sim.run.status is MobRunStatus.FAILED
    assert "it is 12 bytes of JSON, more than the 9 " in sim.failures()[0][1]

"""Definitions: TOML and JSON read and written as the golden data says (contract: definition-2)."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from redis_mob.errors import DefinitionError
from redis_mob.models.base import json_equal
from redis_mob.models.definition import MobDefinition
from redis_mob.models.flow_spec import FrameSpec, RepeatUntilSpec
from tests.support.golden import DATA, read_jsonl
from tests.support.kept import kept

DEFINITIONS = DATA / "wire" / "definitions"
NAMES = sorted(path.stem for path in DEFINITIONS.glob("*.toml"))

REFUSED_HERE = {
    "condition_datetime": "a value of type date is no JSON; refused, no private key (contract: definition-3)",
    "condition_float_special": "inf and nan are no JSON numbers; refused, not made null (contract: definition-3)",
    "json_as_sequence": "structs written as arrays are not part of the contract (contract: json-1)",
}


UNKNOWN_FIELDS = {"unknown_sections_ignored", "json_unknown_field", "json_profile_both", "json_profile_realm_null"}
"""Definitions with fields that the crate drops, and that are kept here (contract: json-1)."""


def text_of(name: str) -> str:
    return (DEFINITIONS / name).read_bytes().decode()


def orders(frame: dict[str, Any] | None) -> Iterator[list[str]]:
    """The order of nodes in a frame and in every body within it."""
    if frame is not None:
        yield list(frame["nodes"])
        for node in frame["nodes"].values():
            yield from orders(node.get("body"))


def as_said(expected: Any, said: Any) -> Any:
    """A golden definition without the output format of steps that say nothing of it: there the golden data has json.

    `said` is the document from which it was read (contract: definition-5).
    """
    for flow_id, flow in expected["flows"].items():
        for step_id, step in flow["steps"].items():
            if "output_format" not in said["flows"][flow_id]["steps"][step_id]:
                assert step.pop("output_format") == "json"
    return expected


def assert_same(definition: MobDefinition, expected: Any) -> None:
    written = json.loads(definition.model_dump_json())
    assert json_equal(written, expected)
    assert list(written) == list(expected)
    for flow_id, flow in expected["flows"].items():
        assert list(written["flows"][flow_id]["steps"]) == list(flow["steps"])
        assert list(orders(written["flows"][flow_id]["root"])) == list(orders(flow["root"]))


def test_there_is_golden_data() -> None:
    assert len(NAMES) == 12


@pytest.mark.parametrize("name", NAMES)
def test_toml_becomes_the_golden_json(name: str) -> None:
    toml = text_of(f"{name}.toml")
    expected = as_said(json.loads(text_of(f"{name}.json")), tomllib.loads(toml))
    if name == "realm_profiles":  # which has fields beside the reference, that the crate drops
        expected["profiles"] = kept(expected["profiles"], tomllib.loads(toml)["profiles"])
    assert_same(MobDefinition.from_toml(toml), expected)


@pytest.mark.parametrize("name", NAMES)
def test_json_is_read_and_written_byte_for_byte(name: str) -> None:
    text = text_of(f"{name}.json")
    assert MobDefinition.model_validate_json(text).model_dump_json() == text.rstrip("\n")


@pytest.mark.parametrize("name", NAMES)
def test_toml_and_json_are_the_same_value(name: str) -> None:
    toml = text_of(f"{name}.toml")
    said = as_said(json.loads(text_of(f"{name}.json")), tomllib.loads(toml))
    if name == "realm_profiles":
        said["profiles"] = kept(said["profiles"], tomllib.loads(toml)["profiles"])
    assert MobDefinition.from_toml(toml) == MobDefinition.model_validate_json(json.dumps(said))


@pytest.mark.parametrize(
    "line", [pytest.param(line, id=line["name"]) for line in read_jsonl("wire/definitions/errors.jsonl")]
)
def test_reads_and_refuses_like_the_golden_data(line: dict[str, Any]) -> None:
    def read() -> MobDefinition:
        if "toml" in line:
            return MobDefinition.from_toml(line["toml"])
        return MobDefinition.model_validate_json(line["json"])

    if "accepted" in line and line["name"] not in REFUSED_HERE:
        said = tomllib.loads(line["toml"]) if "toml" in line else json.loads(line["json"])
        expected = as_said(line["accepted"], said)
        if line["name"] in UNKNOWN_FIELDS:
            expected = kept(expected, {name: value for name, value in said.items() if name != "mob"})
        assert_same(read(), expected)
    else:
        with pytest.raises(DefinitionError if "toml" in line else ValidationError):
            read()


def step(line: str) -> str:
    return f'[mob]\nid = "x"\n[flows.f.steps.s]\nrole = "r"\nmessage = "m"\n{line}\n'


@pytest.mark.parametrize(
    ("toml", "complaint"),
    [
        ("", 'the table [mob] is missing; it names the mob: id = "..."'),
        ("mob = 1", 'the table [mob] is missing; it names the mob: id = "..."'),
        ("[mob]\n", "mob.id: is missing"),
        ("[mob]\nid = 3\n", "mob.id: must be a text, not 3"),
        ('[mob]\nid = "x"\norchestrator = 1\n', "mob.orchestrator: must be a table (an object in JSON), not 1"),
        ("[mob\n", "no valid TOML: Expected ']' at the end of a table declaration (at line 1, column 5)"),
        ('[mob]\nid = "x"\n[profiles.a]\n', "profiles.a.model: is missing"),
        (step("timeout_ms = true"), "flows.f.steps.s.timeout_ms: must be an integer, not True"),
        (step("depends_on = 'a'"), "flows.f.steps.s.depends_on: must be a list, not 'a'"),
        (
            step("dispatch_mode = 'FanOut'"),
            "flows.f.steps.s.dispatch_mode: Input should be 'fan_out', 'one_to_one' or 'fan_in', not 'FanOut'",
        ),
        (
            step("condition = { op = 'not', expr = { op = 'in', path = 'p', values = [1, 2020-01-01] } }"),
            "flows.f.steps.s.condition.expr.values[1]: a value of type date is no JSON",
        ),
        (
            step("condition = { op = 'eq', path = 'p', value = { a = [nan] } }"),
            "flows.f.steps.s.condition.value: $.a[0]: nan is no JSON number",
        ),
        (
            '[mob]\nid = "x"\n[flows.f.steps.s]\nrole = "r"\nmessage = 1\n',
            "flows.f.steps.s.message: must be a text or a list of blocks, not 1",
        ),
        (
            step("collection_policy = { typ = 'any' }"),
            "flows.f.steps.s.collection_policy: the key 'type' is missing, which says what it is; there is no such key "
            "as 'typ' (nearest: 'type')",
        ),
        (
            step("collection_policy = { n = 2 }"),
            "flows.f.steps.s.collection_policy: the key 'type' is missing, which says what it is",
        ),
        (
            step("collection_policy = { type = 'quorom', n = 2 }"),
            "flows.f.steps.s.collection_policy: type must be one of 'all', 'any', 'quorum', not 'quorom'; did you mean "
            "'quorum'?",
        ),
        (
            '[mob]\nid = "x"\n[topology]\nmode = "strict"\nrules = [{ from_role = "a", to_role = "b" }]\n',
            "topology.rules[0].allowed: is missing",
        ),
        (
            '[mob]\nid = "x"\n[flows.f.root.nodes.n]\nkind = "step"\nstep_id = "s"\ndepends_on = []\n',
            "flows.f.root.nodes.n.depends_on_mode: is missing",
        ),
        (
            '[mob]\n[supervisor]\nrole = "r"\n',
            "mob.id: is missing\nsupervisor.escalation_threshold: is missing",
        ),
    ],
)
def test_an_error_names_the_place_the_rule_and_the_value(toml: str, complaint: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        MobDefinition.from_toml(toml)
    assert str(caught.value) == complaint


def test_a_long_value_is_cut_short_in_the_error() -> None:
    with pytest.raises(DefinitionError) as caught:
        MobDefinition.from_toml(step(f"timeout_ms = '{'x' * 1000}'"))
    assert len(str(caught.value)) < 150


@pytest.mark.parametrize("opening", ["a = [", "a = { b ="])
def test_toml_nested_too_deeply_is_a_definition_error(opening: str) -> None:
    with pytest.raises(DefinitionError):
        MobDefinition.from_toml('[mob]\nid = "x"\n' + "a = " + opening.removeprefix("a = ") * 100_000)


def test_a_condition_nested_too_deeply_is_a_definition_error() -> None:
    condition = "{ op = 'not', expr = " * 100 + "{ op = 'or', exprs = [] }" + " }" * 100
    MobDefinition.from_toml(step(f"condition = {condition}"))
    deep = '{"op":"not","expr":' * 400 + '{"op":"or","exprs":[]}' + "}" * 400
    text = f'{{"id":"x","flows":{{"f":{{"steps":{{"s":{{"role":"r","message":"m","condition":{deep}}}}}}}}}}}'
    with pytest.raises(ValidationError):
        MobDefinition.model_validate_json(text)


@pytest.mark.parametrize(
    ("line", "said"), [("", None), ("output_format = 'json'", "json"), ("output_format = 'text'", "text")]
)
def test_an_output_format_is_written_only_where_it_was_said(line: str, said: str | None) -> None:
    definition = MobDefinition.from_toml(step(line))
    for _ in range(2):
        assert definition.flows["f"].steps["s"].output_format == said
        text = definition.model_dump_json()
        assert json.loads(text)["flows"]["f"]["steps"]["s"].get("output_format") == said
        definition = MobDefinition.model_validate_json(text)


@pytest.mark.parametrize(
    ("line", "written"),
    [
        ("", None),
        ("retry = {}", {"first": 0.1, "factor": 2.0, "most": 30.0, "jitter": 0.5}),
        ("retry = { attempts = 6 }", {"attempts": 6, "first": 0.1, "factor": 2.0, "most": 30.0, "jitter": 0.5}),
        (
            "retry = { attempts = 1, first = 2, factor = 1, most = 90.5, jitter = 0 }",
            {"attempts": 1, "first": 2.0, "factor": 1.0, "most": 90.5, "jitter": 0.0},
        ),
    ],
)
def test_retries_of_a_step_are_written_only_where_they_were_said(line: str, written: Any) -> None:
    definition = MobDefinition.from_toml(step(line))
    for _ in range(2):
        text = definition.model_dump_json()
        spec = json.loads(text)["flows"]["f"]["steps"]["s"]
        assert spec.get("retry") == written
        assert ("retry" in spec) is (written is not None)
        assert MobDefinition.model_validate_json(text) == definition
        definition = MobDefinition.model_validate_json(text)


@pytest.mark.parametrize(("line", "said"), [("", None), ("isolation = 'process'", "process")])
def test_the_isolation_of_a_step_is_written_only_where_it_was_said(line: str, said: str | None) -> None:
    definition = MobDefinition.from_toml(step(line))
    text = definition.model_dump_json()
    assert json.loads(text)["flows"]["f"]["steps"]["s"].get("isolation") == said
    assert ("isolation" in text) is (said is not None)
    assert MobDefinition.model_validate_json(text) == definition


def test_a_wrong_isolation_is_refused_by_step_and_key() -> None:
    with pytest.raises(DefinitionError) as caught:
        MobDefinition.from_toml(step("isolation = 'thread'"))
    assert str(caught.value) == "flows.f.steps.s.isolation: Input should be 'process', not 'thread'"


@pytest.mark.parametrize(
    ("retry", "complaint"),
    [
        ("3", ": must be a table (an object in JSON), not 3"),
        ("{ attempts = 0 }", ".attempts: Input should be greater than or equal to 1, not 0"),
        ("{ attempts = 2.0 }", ".attempts: must be an integer, not 2.0"),
        ("{ attempts = true }", ".attempts: must be an integer, not True"),
        ("{ attempts = 4294967296 }", ".attempts: Input should be less than or equal to 4294967295, not 4294967296"),
        ("{ first = -1 }", ".first: Input should be greater than or equal to 0, not -1"),
        ("{ first = '2s' }", ".first: must be a number, not '2s'"),
        ("{ first = true }", ".first: must be a number, not True"),
        ("{ first = 31 }", ": most, 30 seconds, must not be less than first, 31 seconds"),
        ("{ factor = 0.5 }", ".factor: Input should be greater than or equal to 1, not 0.5"),
        ("{ factor = inf }", ".factor: must be a finite number, not inf"),
        ("{ most = nan }", ".most: must be a finite number, not nan"),
        ("{ most = 4e9 }", ".most: Input should be less than or equal to 3153600000, not 4000000000.0"),
        ("{ jitter = 1.5 }", ".jitter: Input should be less than or equal to 1, not 1.5"),
    ],
)
def test_wrong_retries_are_refused_by_step_and_key(retry: str, complaint: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        MobDefinition.from_toml(step(f"retry = {retry}"))
    assert str(caught.value) == f"flows.f.steps.s.retry{complaint}"


def test_message_blocks_of_every_kind_round_trip() -> None:
    blocks = [
        {"type": "text", "text": "t"},
        {"type": "image", "media_type": "image/png", "source": "inline", "data": "AAAA"},
        {"type": "image", "media_type": "image/png", "source": "blob", "blob_id": "b"},
        {"type": "video", "media_type": "video/mp4", "duration_ms": 10, "source": "inline", "data": "AAAA"},
    ]
    text = json.dumps({"id": "x", "flows": {"f": {"steps": {"s": {"role": "r", "message": blocks}}}}})
    definition = MobDefinition.model_validate_json(text)
    written = json.loads(definition.model_dump_json())["flows"]["f"]["steps"]["s"]["message"]
    assert written == blocks


def test_the_order_of_steps_and_nodes_is_no_part_of_equality() -> None:
    text = json.loads(text_of("research_loop.json"))
    flow = text["flows"]["paper"]
    flow["steps"] = dict(reversed(flow["steps"].items()))
    flow["root"]["nodes"] = dict(reversed(flow["root"]["nodes"].items()))
    assert MobDefinition.model_validate(text) == MobDefinition.model_validate_json(text_of("research_loop.json"))


def test_a_loop_holds_its_body_and_condition() -> None:
    root = MobDefinition.from_toml(text_of("nested_loops.toml")).flows["deep"].root
    assert isinstance(root, FrameSpec)
    outer = root.nodes["outer"]
    assert isinstance(outer, RepeatUntilSpec)
    assert list(outer.body.nodes) == ["exp", "inner", "j"]
    assert outer.max_iterations == 2


@pytest.mark.parametrize("wrong", [None, 7, b'[mob]\nid = "m"', ["[mob]"]])
def test_toml_is_a_text(wrong: Any) -> None:
    with pytest.raises(
        DefinitionError, match=f"^text must be the TOML as a str, not a value of type {type(wrong).__name__}"
    ):
        MobDefinition.from_toml(wrong)


@pytest.mark.parametrize(
    ("line", "path", "most"), [("", None, None), ("for_each = 'params.x'\nmax_parallel = 2", "params.x", 2)]
)
def test_the_items_of_a_step_are_written_only_where_they_were_said(
    line: str, path: str | None, most: int | None
) -> None:
    definition = MobDefinition.from_toml(step(line))
    text = definition.model_dump_json()
    spec = json.loads(text)["flows"]["f"]["steps"]["s"]
    assert (spec.get("for_each"), spec.get("max_parallel")) == (path, most)
    assert ("for_each" in text, "max_parallel" in text) == (path is not None, most is not None)
    assert MobDefinition.model_validate_json(text) == definition


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("for_each = ['a']", "flows.f.steps.s.for_each: must be a text"),
        ("max_parallel = 0", "flows.f.steps.s.max_parallel: Input should be greater than or equal to 1, not 0"),
        ("max_parallel = 1.5", "flows.f.steps.s.max_parallel: must be an integer, not 1.5"),
    ],
)
def test_wrong_items_are_refused_by_step_and_key(line: str, complaint: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        MobDefinition.from_toml(step(line))
    assert str(caught.value) == complaint

"""What a JSON schema makes of values: where it cannot be applied to one, an error of this library says why."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from redis_mob import Fleet
from redis_mob.errors import DefinitionError, ValidationError
from redis_mob.fleet.schemas import MOST_BYTES, check_schema, checked_schema, read_schema
from redis_mob.storage import MobStorage
from tests.fleet.flows import FLOW
from tests.fleet.test_params import flow_with

NO_SCHEMA_WITHIN = [
    ({"$ref": "#/a", "a": 5}, "a part to which its schema refers is no schema"),
    ({"$ref": "#/a", "a": "text"}, "a part to which its schema refers is no schema"),
    ({"$ref": "#/a/x", "a": [1]}, "a part to which its schema refers is no schema"),
]
"""Schemas that the library's own check takes, and that lead to what is none."""


@pytest.mark.parametrize(("schema", "problem"), NO_SCHEMA_WITHIN)
def test_a_schema_that_leads_to_no_schema_is_refused_when_it_is_applied(schema: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=problem) as caught:
        check_schema(1, checked_schema("the schema", schema))
    assert "Error: " in str(caught.value), "it names what the library said"


def test_a_number_that_the_schema_cannot_divide_is_refused() -> None:
    with pytest.raises(ValueError, match=r"its schema cannot be applied to it: OverflowError: int too large"):
        check_schema(10**400, {"multipleOf": 0.5})


@pytest.mark.parametrize("dialect", [5, [], {}, None, True])
def test_a_dialect_that_is_no_text_is_refused(dialect: Any) -> None:
    schema = {"$schema": dialect}
    with pytest.raises(ValidationError, match=r"the schema of x is no JSON schema: its \$schema must be a text, not "):
        checked_schema("the schema of x", schema)
    with pytest.raises(DefinitionError, match=r"its \$schema must be a text, not "):
        read_schema("step 'a'", json.dumps(schema))


@pytest.mark.parametrize(
    ("schema", "params"),
    [pytest.param({"multipleOf": 0.5}, 10**400, id="large"), *((one, 1) for one, _ in NO_SCHEMA_WITHIN)],
)
async def test_a_start_raises_no_error_of_the_schema_library(storage: MobStorage, schema: Any, params: Any) -> None:
    with pytest.raises(ValidationError, match="params: "):
        await Fleet(storage, flow_with(json.dumps(schema), "do it")).start(FLOW, params)


def references_that_double(levels: int) -> Any:
    """A schema that is applied 2^levels times."""
    parts = {f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(levels)}
    return {"$defs": {**parts, f"a{levels}": {"type": "integer"}}, "$ref": "#/$defs/a0"}


LARGE = "x" * 1_000_000

WITHOUT_END: dict[str, tuple[Any, Any]] = {
    "references that double": (references_that_double(40), 1),
    "a part with a dialect of its own": (
        {"allOf": [{"$schema": "https://json-schema.org/draft/2020-12/schema", "pattern": "(?:.{0,100}a){20}b"}]},
        "a" * 100_000,
    ),
    "a pattern on much text": ({"pattern": "(?:.{0,100}a){20}b"}, "a" * 100_000),
    "the same within a key": ({"patternProperties": {"(?:.{0,100}a){20}b": {}}}, {"a" * 100_000: 1}),
    "errors that quote a large value": ({"anyOf": [{"type": "integer"}] * 10}, LARGE),
    "what false refuses": ({"anyOf": [False] * 10}, LARGE),
}


@pytest.mark.parametrize("what", WITHOUT_END)
def test_what_a_schema_may_take_is_bounded(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("redis_mob.fleet.schema_steps.MOST_STEPS", 2_000_000)
    schema, value = WITHOUT_END[what]
    with pytest.raises(ValueError, match=r"it takes more than [0-9,]+ steps to apply its schema to it"):
        check_schema(value, checked_schema("the schema", schema))


def test_what_it_takes_to_check_a_schema_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("redis_mob.fleet.schema_steps.MOST_STEPS", 100_000)
    with pytest.raises(ValidationError, match="the schema is no JSON schema: it takes more than 100,000 steps"):
        checked_schema("the schema", {"anyOf": [{"type": "integer"}] * 100})


def test_a_pattern_that_backtracks_elsewhere_is_searched_for_at_once() -> None:
    schema: Any = {
        "pattern": "^(a+)+$",
        "patternProperties": {"^(a+)+$": False},
        "additionalProperties": {"type": "null"},
    }
    with pytest.raises(ValueError, match=r"does not match '\^\(a\+\)\+\$'"):
        check_schema("a" * 100 + "b", schema)
    check_schema({"a" * 100 + "b": None}, schema)


def test_items_of_a_long_list_are_not_compared_each_with_each_other() -> None:
    rows = [{"row": [number]} for number in range(20_000)]
    check_schema(rows, {"uniqueItems": True})
    with pytest.raises(ValueError, match="non-unique"):
        check_schema([*rows, {"row": [7.0]}], {"uniqueItems": True})
    check_schema([1, True, 0, False, [1], [True]], {"uniqueItems": True})


NOT_LINEAR: list[tuple[Any, str]] = [
    ({"properties": {"a": {"pattern": "(?=a)b"}}}, r"\$\.properties\.a\.pattern: .* look-around"),
    ({"patternProperties": {r"(a)\1": {}}}, r"\$\.patternProperties: .* backreferences are not supported"),
    ({"pattern": "a{99999999999}"}, r"the pattern 'a\{9+\}' cannot be searched for in linear time"),
    ({"pattern": r"(\w{100}){100}"}, "size limit"),
    ({"allOf": [{"patternProperties": {"a": {}}}], "unevaluatedProperties": False}, "cannot be used with"),
]


@pytest.mark.parametrize(("schema", "problem"), NOT_LINEAR)
def test_what_cannot_be_applied_in_bounded_time_is_refused_when_it_is_read(schema: Any, problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        checked_schema("the schema", schema)
    with pytest.raises(DefinitionError, match=problem):
        read_schema("step 'a'", json.dumps(schema))
    with pytest.raises(ValueError, match="its schema cannot be applied to it: "):
        check_schema({"a": "b"}, _applied(schema))


def _applied(schema: Any) -> Any:
    """The same in a run that an older release has started, where it comes to be applied."""
    return {"properties": {"a": schema}} if "pattern" in schema else schema


def test_names_that_a_pattern_allows_are_no_additional_ones() -> None:
    schema: Any = {
        "patternProperties": {"^x": {"type": "integer"}},
        "properties": {"y": {}},
        "additionalProperties": False,
    }
    check_schema({"x1": 1, "y": 2}, schema)
    with pytest.raises(ValueError, match=r"Additional properties are not allowed \('z' was unexpected\)"):
        check_schema({"x1": 1, "z": 2}, schema)
    with pytest.raises(ValueError, match=r"at \$\.x1: 'a' is not of type 'integer'"):
        check_schema({"x1": "a"}, schema)


@pytest.mark.parametrize("dialect", ["draft-03", "draft-04", "draft-06", "draft-07"])
def test_steps_are_counted_in_each_dialect(dialect: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("redis_mob.fleet.schema_steps.MOST_STEPS", 100_000)
    schema = {"$schema": f"http://json-schema.org/{dialect}/schema#", "pattern": "a{9}"}
    with pytest.raises(ValueError, match="it takes more than 100,000 steps"):
        check_schema("a" * 20_000, schema)


def test_a_schema_is_not_read_from_what_is_no_file(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in ("/dev/zero", str(pipe), str(tmp_path)):
        with pytest.raises(DefinitionError, match="is no regular file"):
            read_schema("step 'a'", path)
    large = tmp_path / "large.json"
    large.write_bytes(b" " * (MOST_BYTES + 1))
    with pytest.raises(DefinitionError, match="has 4,194,305 bytes; a schema has at most 4,194,304"):
        read_schema("step 'a'", str(large))

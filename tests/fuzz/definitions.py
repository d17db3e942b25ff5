"""Definitions as files, as an author may write them: what is read is validated, planned with, rendered and applied."""

from __future__ import annotations

import json
import tempfile
import tomllib
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tomli_w

from redis_mob.errors import DefinitionError, ValidationError
from redis_mob.fleet.definition_file import load_definition_file
from redis_mob.fleet.schemas import check_schema, checked_schema, read_params_schema, read_schemas
from redis_mob.kernel.validation import validate
from redis_mob.models.definition import MobDefinition
from tests.fuzz.choices import Choices
from tests.fuzz.mutations import mutated, mutated_value, value
from tests.fuzz.running import Run

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted([*(ROOT / "tests/data/wire/definitions").glob("*.toml"), *(ROOT / "examples").glob("*/[!C]*[!t].toml")])

SCHEMAS: tuple[Any, ...] = (  # pyright: ignore[reportUnknownVariableType]
    {"type": "object", "required": ["a"], "properties": {"a": {"type": "array", "items": {"$ref": "#/$defs/x"}}},
     "$defs": {"x": {"type": "integer", "minimum": 1, "multipleOf": 3}}, "additionalProperties": False},
    {"anyOf": [{"type": "string", "pattern": "^(a+)+$"}, {"enum": [1, None, "b"]}, {"not": {"const": 1}}]},
    {"$defs": {"a": {"allOf": [{"$ref": "#/$defs/b"}, {"$ref": "#/$defs/b"}]}, "b": {"oneOf": [True, False]}},
     "patternProperties": {"^x": {"$ref": "#/$defs/a"}}, "propertyNames": {"maxLength": 9}},
    {"prefixItems": [{"$dynamicRef": "#n"}], "$dynamicAnchor": "n", "contains": {"type": "number"}, "uniqueItems": True,
     "unevaluatedItems": False, "if": {"minItems": 2}, "then": {"maxItems": 3}, "dependentRequired": {"a": ["b"]}},
    {"$schema": "http://json-schema.org/draft-04/schema#", "id": "x", "dependencies": {"a": {"extends": [{}]}}},
)  # fmt: skip
"""Schemas with every kind of keyword."""

TYPED = (DefinitionError, ValidationError)


@contextmanager
def definitions() -> Generator[Run]:
    documents = [tomllib.loads(file.read_text()) for file in FILES]
    texts = [file.read_bytes() for file in FILES]
    as_json = [MobDefinition.from_toml(file.read_text()).model_dump(mode="json") for file in FILES]
    with tempfile.TemporaryDirectory(prefix="redis-mob-fuzz-") as directory:
        toml, plain = Path(directory) / "d.toml", Path(directory) / "d.json"

        def run(data: bytes) -> str:
            choices = Choices(data)
            match choices.number(5):
                case 0:
                    path, content = toml, mutated(choices.one_of(texts), choices)
                case 1:
                    path, content = toml, _toml(mutated_value(choices.one_of(documents), choices))
                case 2:
                    path, content = plain, _json(mutated_value(choices.one_of(as_json), choices))
                case 3:
                    path, content = plain, mutated(_json(choices.one_of(as_json)), choices)
                case _:
                    path, content = choices.one_of((toml, plain)), choices.rest()
            path.write_bytes(content)
            try:
                return _looked_at(load_definition_file(path, tell=lambda _: None).definition)
            except TYPED as error:
                str(error)
                return type(error).__name__

        yield run


def _looked_at(definition: MobDefinition) -> str:
    found = validate(definition)
    for one in found:
        str(one)
    assert MobDefinition.model_validate_json(definition.model_dump_json()) == definition, "it is not written as read"
    refused = 0
    for flow_id, flow in definition.flows.items():
        try:
            read_params_schema(flow_id, flow)
            read_schemas(flow)
        except DefinitionError:
            refused += 1
    return f"read, {'valid' if not found else 'not valid'}{', its schemas refused' if refused else ''}"


def _toml(document: Any) -> bytes:
    try:
        return tomli_w.dumps(document).encode("utf-8", "surrogatepass")
    except Exception:  # noqa: BLE001 - not every JSON value has a TOML form, and the text of one is an input too
        return _json(document)


def _json(document: Any) -> bytes:
    try:
        return json.dumps(document).encode()
    except (RecursionError, ValueError):
        return b"[" * 5000


@contextmanager
def schemas() -> Generator[Run]:
    def run(data: bytes) -> str:
        choices = Choices(data)
        schema = mutated_value(choices.one_of(SCHEMAS), choices) if choices.number(4) else value(choices)
        try:
            plain = checked_schema("the schema", schema)
            instance = choices.one_of(TEXTS_OF_VALUES) if choices.number(2) else value(choices)
            check_schema(instance, plain)
        except ValidationError:
            return "refused"
        except ValueError as error:
            return "applied in vain" if "cannot be applied" in str(error) else "does not fit"
        return "fits"

    yield run


TEXTS_OF_VALUES: tuple[Any, ...] = (
    "a" * 50 + "b",
    {"xa": 1, "xb": [1]},
    [1, 1.0, True],
    [{"a": 1}] * 50,
    {"a": [3, 6]},
    1,
)

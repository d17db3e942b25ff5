"""The names of tools, and the schemas of their arguments."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import BaseModel

from redis_mob import Mob, StepContext, step
from redis_mob.errors import DefinitionError
from redis_mob.fleet.schemas import check_schema, checked_schema
from redis_mob.flows.nodes import Step
from redis_mob.mcp.flow_tools import KEY, LONGEST_NAME, FlowTool, flow_tools, tool_name
from redis_mob.models.definition import MobDefinition


def definition_of(schema: str) -> MobDefinition:
    step = '[flows.f.steps.s]\nrole = "r"\nmessage = ""\n'
    return MobDefinition.from_toml(f'[mob]\nid = "m"\n[profiles.r]\nmodel = "none"\n[flows.f]\n{schema}{step}')


def tool_of(schema: Any) -> FlowTool:
    reference = "" if schema is None else f"params_schema_ref = {json.dumps(json.dumps(schema))}\n"
    [tool] = flow_tools(definition_of(reference), ["f"], (), {})
    return tool


def fits(tool: FlowTool, arguments: Any) -> bool:
    try:
        check_schema(arguments, checked_schema("the schema", tool.input_schema))
    except ValueError:
        return False
    return True


@pytest.mark.parametrize(
    ("flow_id", "name"),
    [
        ("write", "write"),
        ("write-2_A", "write-2_A"),
        ("run_status", "run_status_"),
        ("über alles", "_ber_alles_"),
        ("a.b", "a_b_"),
        ("", "_"),
        ("x" * 65, "x" * 55 + "_"),
    ],
)
def test_a_name_is_the_id_of_the_flow_where_that_can_be(flow_id: str, name: str) -> None:
    made = tool_name(flow_id, {"run_status"})
    assert len(made) <= LONGEST_NAME
    assert made == name if made == flow_id else made[:-8] == name
    assert made != "run_status"


def test_flows_that_look_alike_are_told_apart() -> None:
    assert len({tool_name(one, ()) for one in ("a b", "a.b", "a_b", "a/b")}) == 4


def test_parameters_of_a_plain_object_are_the_arguments() -> None:
    schema = {"type": "object", "properties": {"n": {"$ref": "#/$defs/n"}}, "$defs": {"n": {"type": "integer"}}}
    tool = tool_of(schema)
    assert set(tool.input_schema["properties"]) == {"n", KEY}
    assert tool.order({"n": 1, KEY: "k"}) == ({"n": 1}, "k")
    assert fits(tool, {"n": 1, KEY: "k"})
    assert not fits(tool, {"n": "1"})


@pytest.mark.parametrize(
    ("schema", "params", "bad"),
    [
        (None, [1], None),
        ({"type": "integer"}, 1, "1"),
        ({"type": "object", "properties": {KEY: {"type": "integer"}}}, {KEY: 1}, {KEY: "1"}),
        ({"type": "object", "maxProperties": 1}, {"a": 1}, {"a": 1, "b": 2}),
        ({"$ref": "#/$defs/n", "$defs": {"n": {"type": "integer"}}}, 1, "1"),
        ({"properties": {"a": {"type": "integer"}, "b": {"$ref": "#/properties/a"}}}, {"b": 1}, None),
    ],
)
def test_other_parameters_are_one_argument(schema: Any, params: Any, bad: Any) -> None:
    tool = tool_of(schema)
    assert set(tool.input_schema["properties"]) == {"params", KEY}
    assert tool.order({"params": params, KEY: "k"}) == (params, "k")
    assert fits(tool, {"params": params, KEY: "k"})
    assert bad is None or not fits(tool, {"params": bad})


def test_a_schema_that_cannot_be_read_is_an_error_of_the_definition() -> None:
    with pytest.raises(DefinitionError, match="flow 'f': params_schema_ref is neither a JSON schema nor a file"):
        flow_tools(definition_of('params_schema_ref = "gone.json"\n'), ["f"], (), {})


class Place(BaseModel):
    """A model of a parameter."""

    city: str
    zip: int = 0


def schema_of(*handlers: Any, message: str = "", **step_options: Any) -> Mapping[str, Any]:
    """The arguments of the tool of a flow with a step for each handler."""
    mob = Mob("m")
    steps: list[Step] = []
    for number, handler in enumerate(handlers):
        mob.handler(f"r{number}")(handler)
        steps.append(step(f"s{number}", role=f"r{number}", message=message, **step_options))
    flow = mob.flow("f", steps)
    [tool] = flow_tools(mob.definition(), ["f"], (), mob.handlers)
    assert flow.id == tool.name
    return tool.input_schema


def test_typed_handlers_tell_the_parameters() -> None:
    def read(ctx: StepContext, name: str, place: Place, loud: bool = False) -> str:
        return name

    def check(s0: str, name: str, at: list[Place]) -> str:
        return s0

    schema = schema_of(read, check)
    assert schema["properties"]["name"]["type"] == "string"
    assert schema["properties"]["loud"] == {"type": "boolean", "default": False}
    assert schema["properties"]["place"] == {"$ref": "#/$defs/Place"}
    assert set(schema["properties"]) == {"name", "place", "loud", "at", KEY}
    assert schema["required"] == ["name", "place", "at"]
    assert set(schema["$defs"]) == {"Place"}


def test_a_handler_that_takes_all_parameters_tells_their_schema() -> None:
    def read(params: Place) -> str:
        return params.city

    assert set(schema_of(read)["properties"]) == {"city", "zip", KEY}


def test_messages_tell_the_names_of_parameters() -> None:
    def read(ctx: StepContext) -> str:
        return ""

    assert schema_of(read, message="Read {{ params.path }} for {{ params.who.name }}")["properties"] == {
        "path": {},
        "who": {},
        KEY: schema_of(read)["properties"][KEY],
    }


def test_handlers_that_tell_nothing_leave_the_parameters_open() -> None:
    def read(ctx: StepContext) -> str:
        return ""

    assert schema_of(read)["properties"]["params"] == {}

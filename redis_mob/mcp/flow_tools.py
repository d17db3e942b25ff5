"""Which tool a flow is: its name, its description, and the arguments that become the parameters of a run."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, cast

from redis_mob.errors import ValidationError, did_you_mean, shown
from redis_mob.fleet.flow_choice import chosen_flow
from redis_mob.fleet.schemas import read_params_schema
from redis_mob.fleet.step_context import Handler
from redis_mob.mcp.derived_params import derived_schema
from redis_mob.models.base import json_text
from redis_mob.models.definition import MobDefinition

KEY = "idempotency_key"
"""The argument of each flow's tool under which the same run is meant."""

PARAMS = "params"
"""The argument that holds the parameters of a flow whose schema is not that of a plain object."""

LONGEST_NAME = 64
"""Characters of a tool's name: more is refused by the models that most clients use."""

_UNUSUAL = re.compile(r"[^A-Za-z0-9_-]")

_REFERENCE = re.compile(r'"\$(?:dynamicR|r)ef":"([^"]*)"')

_PLAIN = frozenset(
    {"type", "properties", "required", "additionalProperties", "title", "description", "examples", "$defs", "$schema"}
)
"""Keywords of a schema to which a property can be added without another meaning for the others."""

_KEY_SCHEMA = {
    "type": "string",
    "description": "Calls with the same key mean the same run: give one to make sure that a repeated call starts none.",
}


@dataclass(frozen=True, slots=True)
class FlowTool:
    """A flow as a tool; `is_flat` says whether its parameters are the arguments themselves (contract: mcp-2)."""

    name: str
    flow_id: str
    description: str
    input_schema: Mapping[str, Any]
    is_flat: bool

    def order(self, arguments: Mapping[str, Any]) -> tuple[Any, Any]:
        """The parameters and the idempotency key that arguments mean; what they are worth is checked at the start.

        Raises ValidationError for an argument that the tool does not have.
        """
        given = dict(arguments)
        key = given.pop(KEY, None)
        if self.is_flat:
            return given, key
        params = given.pop(PARAMS, None)
        if given:
            name = next(iter(given))
            raise ValidationError(
                f"tool {shown(self.name)} has no argument {shown(name)}: it takes {PARAMS} and {KEY}"
                f"{did_you_mean(name, (PARAMS, KEY))}"
            )
        return params, key


def flow_tools(
    definition: MobDefinition, flows: Iterable[str], taken: Collection[str], handlers: Mapping[str, Handler]
) -> tuple[FlowTool, ...]:
    """A tool for each of these flows, none with a name that is taken; handlers tell of parameters without a schema.

    Raises NotFoundError for a flow that the mob does not have; DefinitionError for a schema that cannot be read,
    HandlerError for handlers whose annotations are wrong.
    """
    chosen = dict.fromkeys(chosen_flow(flow, definition.id, definition.flows) for flow in flows)
    return tuple(_tool(definition, flow_id, taken, handlers) for flow_id in chosen)


def _tool(definition: MobDefinition, flow_id: str, taken: Collection[str], handlers: Mapping[str, Handler]) -> FlowTool:
    flow = definition.flows[flow_id]
    schema = read_params_schema(flow_id, flow)
    if flow.params_schema_ref is None:
        schema = derived_schema(flow, handlers)
    is_flat = _is_plain_object(schema)
    return FlowTool(
        name=tool_name(flow_id, taken),
        flow_id=flow_id,
        description=flow.description or f"Runs flow {flow_id} of mob {definition.id}.",
        input_schema=_flat(schema) if is_flat else _nested(schema),
        is_flat=is_flat,
    )


def tool_name(flow_id: str, taken: Collection[str]) -> str:
    """The id of the flow, if it can be the name of a tool; else what is like it, with a digest that tells it apart."""
    plain = _UNUSUAL.sub("_", flow_id)
    if plain == flow_id and 0 < len(flow_id) <= LONGEST_NAME and flow_id not in taken:
        return flow_id
    digest = blake2b(flow_id.encode(), digest_size=4).hexdigest()
    return f"{plain[: LONGEST_NAME - len(digest) - 1]}_{digest}"


def _is_plain_object(schema: Any) -> bool:
    if not isinstance(schema, dict):
        return False
    of_object = cast("dict[str, Any]", schema)
    is_plain = of_object.get("type") == "object" and _PLAIN.issuperset(of_object)
    return is_plain and KEY not in of_object.get("properties", {})


def _flat(schema: dict[str, Any]) -> dict[str, Any]:
    return {**schema, "properties": {**schema.get("properties", {}), KEY: _KEY_SCHEMA}}


def _nested(schema: Any) -> dict[str, Any]:
    """A schema with that of the parameters in it, whose definitions move to where its references look for them."""
    of_params = dict(cast("dict[str, Any]", schema)) if isinstance(schema, dict) else {}
    defs = of_params.pop("$defs", {})
    if any(not one.startswith("#/$defs/") for one in _REFERENCE.findall(json_text([of_params, defs]))):
        of_params, defs = {}, {}  # it refers to parts that would stand elsewhere; what is given is checked all the same
    nested: dict[str, Any] = {
        "type": "object",
        "properties": {PARAMS: of_params, KEY: _KEY_SCHEMA},
        "additionalProperties": False,
    }
    return {**nested, "$defs": defs} if defs else nested

"""The parameters of a flow that has no schema for them, as its messages name them and its handlers take them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import TypeAdapter

from redis_mob.errors import TemplateError
from redis_mob.fleet.step_context import Handler, handler_for
from redis_mob.fleet.typed.binding import BoundHandler, bound_handlers
from redis_mob.fleet.typed.callables import EMPTY
from redis_mob.fleet.typed.inputs import INDEX, ITEM, PARAMS
from redis_mob.fleet.typed.signature import Input
from redis_mob.kernel.templates import Placeholder, parse, texts
from redis_mob.models.flow_spec import FlowSpec, FlowStepSpec


def derived_schema(flow: FlowSpec, handlers: Mapping[str, Handler]) -> Any:
    """The schema of an object with these parameters, or that of a handler which takes all of them; true if none is
    named. It says what is known, and refuses nothing else.

    Raises HandlerError for handlers whose annotations are wrong.
    """
    inputs = list(_inputs(flow, bound_handlers(handlers)))
    for _step, one in inputs:
        if one.name == PARAMS and one.adapter is not None and (whole := one.adapter.json_schema()):
            return whole
    named = {one.name: one for _step, one in inputs if _is_key(one, flow)}
    properties: dict[str, Any] = {name: {} for name in (*_in_messages(flow), *named)}
    adapters = {name: one.adapter for name, one in named.items() if one.adapter is not None}
    made, defs = TypeAdapter.json_schemas([(name, "validation", adapter) for name, adapter in adapters.items()])
    properties |= {name: schema for (name, _mode), schema in made.items()}
    for name, one in named.items():
        if isinstance(one.default, str | int | float | bool):
            properties[name] = {**properties[name], "default": one.default}
    if not properties:
        return True
    required = [one.name for spec, one in inputs if one.name in named and one.default is EMPTY and not _may_skip(spec)]
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    schema |= {"required": list(dict.fromkeys(required))} if required else {}
    return schema | ({"$defs": defs["$defs"]} if "$defs" in defs else {})


def _inputs(flow: FlowSpec, handlers: Mapping[str, BoundHandler]) -> Iterator[tuple[FlowStepSpec, Input]]:
    for spec in flow.steps.values():
        if (handler := handler_for(handlers, spec.role)) is not None:
            yield from ((spec, one) for one in handler.declared.inputs)


def _is_key(one: Input, flow: FlowSpec) -> bool:
    """Whether an input is a key of the parameters: what is named like a step is its output."""
    return one.name not in (PARAMS, ITEM, INDEX) and one.name not in flow.steps


def _may_skip(spec: FlowStepSpec) -> bool:
    return spec.condition is not None or spec.branch is not None


def _in_messages(flow: FlowSpec) -> Iterator[str]:
    for spec in flow.steps.values():
        for _where, template in texts(spec.message):
            yield from _in_template(template)


def _in_template(template: str) -> Iterator[str]:
    try:
        parts = parse(template)
    except TemplateError:  # told of where the definition is checked
        return
    for part in parts:
        if isinstance(part, Placeholder) and part.path.startswith(f"{PARAMS}."):
            yield part.path.split(".")[1]

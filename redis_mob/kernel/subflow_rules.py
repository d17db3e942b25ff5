"""Rules for steps that run another flow (contract: engine-77)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from redis_mob.errors import nearest, shown
from redis_mob.kernel.diagnostics import Diagnostic
from redis_mob.kernel.schema_paths import Schema, inline_schema
from redis_mob.models.flow_spec import FlowSpec, FlowStepSpec

_OF_MEMBERS = ("message", "isolation", "allowed_tools", "blocked_tools", "output_format", "concurrency", "rate")
"""What a step says of its members, of which one that runs a flow has none."""

_OF_ITEMS = ("dispatch_mode", "collection_policy")
"""What it says of several runs, of which there is one without for_each."""


def validate_subflows(flows: Mapping[str, FlowSpec], flow: FlowSpec, location: str) -> Iterator[Diagnostic]:
    """Findings about the steps of a flow that run another one of these, or that flow itself."""
    for step_id, step in flow.steps.items():
        here = f"{location}.{step_id}"
        if step.flow is None:
            if step.params is not None:
                yield _invalid("params are those of a flow that a step runs; give the step a flow", f"{here}.params")
            continue
        yield from _no_members(step, here)
        if step.flow not in flows:
            yield _invalid(f"the mob has no flow {shown(step.flow)} ({nearest(step.flow, flows)})", f"{here}.flow")
        else:
            schema = inline_schema(flows[step.flow].params_schema_ref)
            yield from _params(step, schema, here)


def _no_members(step: FlowStepSpec, location: str) -> Iterator[Diagnostic]:
    if step.wait_for is not None:
        yield _invalid("a step either runs a flow or waits for a signal: make two of it", f"{location}.flow")
    if step.role:
        yield _invalid(
            f"the step runs flow {shown(step.flow)}, so that no member of {shown(step.role)} is asked; leave out the "
            "role or the flow",
            f"{location}.role",
        )
    fields = FlowStepSpec.model_fields
    nothing = (*_OF_MEMBERS, *(() if step.for_each is not None else _OF_ITEMS))
    # the message has no default: a step with a flow gets an empty one
    given = [name for name in nothing if getattr(step, name) != ("" if name == "message" else fields[name].default)]
    if given:
        yield _invalid(f"the step runs a flow and has no members: {', '.join(given)} would mean nothing", location)
    if step.timeout_ms == 0:
        yield _invalid("a flow is never over within 0 ms; give at least 1", f"{location}.timeout_ms")


def _params(step: FlowStepSpec, schema: Schema | None, location: str) -> Iterator[Diagnostic]:
    """What the parameters of the step lack, or have, in every run."""
    if schema is None:
        return
    needed = [name for name in _list(schema.get("required")) if isinstance(name, str)]
    if isinstance(step.params, dict):
        given = cast("dict[str, Any]", step.params)
    elif step.params is None and step.for_each is None:
        given = dict[str, Any]()
    else:
        return  # what a path leads to, or an item
    if missing := [name for name in needed if name not in given]:
        names = ", ".join(map(shown, missing))
        yield _invalid(f"flow {shown(step.flow)} needs the params {names}, which the step does not give", location)
    known = schema.get("properties")
    if schema.get("additionalProperties") is False and isinstance(known, dict):
        for name in given:
            if name not in known:
                hint = nearest(name, cast("Schema", known))
                text = f"flow {shown(step.flow)} takes no param {shown(name)} ({hint})"
                yield _invalid(text, f"{location}.params")


def _list(value: Any) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []


def _invalid(message: str, location: str) -> Diagnostic:
    return Diagnostic("subflow_invalid", message, location)

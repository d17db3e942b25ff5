"""What a run is started with: everything that decides about it is in it, or stored with it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from redis_mob.codec.arguments import integer
from redis_mob.codec.executions import encode_definition
from redis_mob.errors import ValidationError, shortened, shown
from redis_mob.fleet.schemas import check_paths, check_schema, read_params_schema, read_schemas
from redis_mob.fleet.typed.outputs import output_json
from redis_mob.models.base import MAX_VALUE_DEPTH, SortedDict
from redis_mob.models.definition import MobDefinition
from redis_mob.models.execution import MOST_PRIORITY, RunLaunch
from redis_mob.models.flow_spec import FlowSpec, OutputFormat
from redis_mob.models.run import MobRun


def new_run(
    definition: MobDefinition,
    flow_id: str,
    params: Any,
    *,
    members: Mapping[str, tuple[str, ...]],
    run_id: str | None = None,
    priority: int = 0,
    release: str | None = None,
) -> tuple[MobRun, RunLaunch]:
    """A pending run of a flow that the definition has, and what it is launched with.

    Raises ValidationError for parameters that are no JSON or do not fit the schema of the flow, DefinitionError for a
    schema that cannot be read, or does not have what a message names.
    """
    spec = definition.flows[flow_id]
    schemas, params_schema = read_schemas(spec), read_params_schema(flow_id, spec)
    check_paths(flow_id, spec, params_schema, schemas)
    try:
        params = output_json(params, MAX_VALUE_DEPTH)
        check_schema(params, params_schema)
    except ValueError as error:
        raise ValidationError(f"params: {shortened(error)}") from None
    limits, supervisor = definition.limits, definition.supervisor
    run = MobRun.pending(
        definition.id,
        flow_id,
        spec,
        params,
        limits,
        run_id=run_id,
        escalation_threshold=supervisor.escalation_threshold if supervisor else 0,
    )
    # Everything that decides about the run is stored with it: a worker of any process, also one with a newer
    # definition of this mob, goes on by the rules that the run was started with.
    launch = RunLaunch(
        definition=encode_definition(definition)[0],
        members=SortedDict(members),
        schemas=SortedDict(schemas),
        parsed_steps=_parsed_steps(spec),
        max_duration_ms=limits.max_flow_duration_ms if limits else None,
        priority=priority,
        release=release,
        max_concurrency=(limits and limits.max_concurrency) or SortedDict(),
        max_output_bytes=limits.max_output_bytes if limits else None,
    )
    return run, launch


def checked_priority(priority: int) -> int:
    """The same priority. Raises ValidationError for one that is out of range."""
    if not -MOST_PRIORITY <= integer("priority", priority) <= MOST_PRIORITY:
        raise ValidationError(f"priority must be from -{MOST_PRIORITY} to {MOST_PRIORITY}, not {shown(priority)}")
    return priority


def zoned(name: str, at: datetime) -> datetime:
    """The same time. Raises ValidationError for one that has no zone."""
    if at.tzinfo is None:
        raise ValidationError(f"{name} must be a time with a zone, not {shown(at)}")
    return at


def _parsed_steps(flow: FlowSpec) -> tuple[str, ...]:
    """The steps whose texts are read as JSON: those that say so, and those that have a schema and do not say."""
    return tuple(
        step_id
        for step_id, step in flow.steps.items()
        if step.output_format is OutputFormat.JSON
        or (step.output_format is None and step.expected_schema_ref is not None)
    )

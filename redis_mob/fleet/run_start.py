"""Makes a run that is to be started, with everything that decides about it. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from redis_mob.codec.arguments import instance, integer, optional_instance, valid_text
from redis_mob.codec.debounces import checked_debounce
from redis_mob.codec.definitions import encode_definition
from redis_mob.errors import ValidationError, shortened, shown
from redis_mob.fleet.schemas import check_paths, check_schema, read_params_schema, read_schemas
from redis_mob.fleet.typed.outputs import output_json
from redis_mob.kernel.budget_rules import currency_problem
from redis_mob.models.base import MAX_VALUE_DEPTH, SortedDict
from redis_mob.models.budget import Budget
from redis_mob.models.debounce import Debounce
from redis_mob.models.definition import MobDefinition
from redis_mob.models.execution import END_OF_TIME, MOST_PRIORITY, RunLaunch
from redis_mob.models.flow_spec import FlowSpec, OutputFormat
from redis_mob.models.fork import NOTHING_CARRIED, Carried, ForkedFrom
from redis_mob.models.run import MobRun
from redis_mob.models.subflow import SubflowTerms

NO_SUBFLOWS: Mapping[str, SubflowTerms] = SortedDict()


def checked_priority(priority: object) -> int:
    """A priority that a run may have. Raises ValidationError."""
    if not -MOST_PRIORITY <= integer("priority", priority) <= MOST_PRIORITY:
        raise ValidationError(f"priority must be from -{MOST_PRIORITY} to {MOST_PRIORITY}, not {shown(priority)}")
    return integer("priority", priority)


def checked_budget(budget: object, definition: MobDefinition) -> Budget | None:
    """A budget of one run. Raises ValidationError for what is none, and for a cost in no currency, or another one."""
    checked = optional_instance("budget", budget, Budget)
    if checked is not None and (problem := currency_problem(checked, definition.prices)) is not None:
        raise ValidationError(f"budget: {problem}")
    return checked


def checked_begin(at: object) -> datetime | None:
    """When a run is to begin. Raises ValidationError for a time without a zone."""
    begins = optional_instance("at", at, datetime)
    return None if begins is None else min(zoned("at", begins), END_OF_TIME)


def checked_gathering(
    debounce_key: object, debounce: object, debounce_most: object, *, idempotency_key: object, at: object
) -> Debounce | None:
    """How the starts of a key are gathered in one run, None without a key. Raises ValidationError."""
    if debounce_key is None:
        if debounce is not None or debounce_most is not None:
            raise ValidationError("debounce needs a debounce_key: it says which starts are gathered in one run")
        return None
    if debounce is None:
        raise ValidationError("debounce_key needs debounce: how long after the last start the run begins")
    if idempotency_key is not None:
        raise ValidationError(
            "give idempotency_key or debounce_key, not both: by the one all starts are the same, by the other the last "
            "one counts"
        )
    if at is not None:
        raise ValidationError("give at or debounce, not both: each says when the run begins")
    key = valid_text("debounce_key", debounce_key)
    most = optional_instance("debounce_most", debounce_most, timedelta)
    return checked_debounce(Debounce(key, instance("debounce", debounce, timedelta), most))


def zoned(name: str, at: datetime) -> datetime:
    """The same time. Raises ValidationError for one that has no zone."""
    if at.tzinfo is None:
        raise ValidationError(f"{name} must be a time with a zone, not {shown(at)}")
    return at


def run_id_of(*identity: str) -> str:
    """The id of the run of an idempotency key, which comes last.

    The key becomes the id of the run, so that a second start finds the run that exists, and no separate record has to
    be kept in step. JSON keeps the parts apart: no two lists have the same text.
    """
    return str(uuid5(NAMESPACE_URL, json.dumps(["redis-mob", *identity])))


def is_of_key(run_id: str) -> bool:
    """Whether the id of a run is made of a key, so that another start may ask for it; others are random."""
    return UUID(run_id).version == UUID(run_id_of()).version


def read_terms(flow_id: str, spec: FlowSpec, params: Any) -> tuple[Mapping[str, Any], Any]:
    """The schemas of the steps of a flow, as they are now, and checked parameters as JSON. Raises as `Fleet.start`."""
    schemas, params_schema = read_schemas(spec), read_params_schema(flow_id, spec)
    check_paths(flow_id, spec, params_schema, schemas)
    return schemas, _checked_params(params, params_schema)


def read_subflows(definition: MobDefinition, flow_id: str) -> Mapping[str, SubflowTerms]:
    """What the runs of flows need that steps of this one run, or steps of these, by flow; their schemas are read now.

    Raises as `Fleet.start`.
    """
    found: dict[str, SubflowTerms] = {}
    waiting = list(definition.flows[flow_id].subflows.values())
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        spec = definition.flows[name]
        schemas, params_schema = read_schemas(spec), read_params_schema(name, spec)
        check_paths(name, spec, params_schema, schemas)
        found[name] = SubflowTerms(schemas=SortedDict(schemas), params_schema=params_schema)
        waiting += spec.subflows.values()
    return found


def checked_params(flow_id: str, spec: FlowSpec, params: Any) -> Any:
    """Checked parameters as JSON. Raises as `Fleet.start` does."""
    return _checked_params(params, read_params_schema(flow_id, spec))


def _checked_params(params: Any, schema: Any) -> Any:
    try:
        params = output_json(params, MAX_VALUE_DEPTH)
        check_schema(params, schema)
    except ValueError as error:
        raise ValidationError(f"params: {shortened(error)}") from None
    return params


def new_run(
    definition: MobDefinition,
    flow_id: str,
    params: Any,
    *,
    schemas: Mapping[str, Any],
    members: Mapping[str, tuple[str, ...]],
    run_id: str | None,
    priority: int,
    release: str | None,
    forked_from: ForkedFrom | None = None,
    carried: Carried = NOTHING_CARRIED,
    subflows: Mapping[str, SubflowTerms] = NO_SUBFLOWS,
    budget: Budget | None = None,
) -> tuple[MobRun, RunLaunch]:
    """A run that is pending, and what it is started with.

    Everything that decides about the run is in it: a worker of any process, also one with a newer definition of this
    mob, goes on by the rules that the run was started with.
    """
    spec = definition.flows[flow_id]
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
    launch = RunLaunch(
        definition=encode_definition(definition, forked=forked_from is not None)[0],
        members=SortedDict(members),
        schemas=SortedDict(schemas),
        parsed_steps=_parsed_steps(spec),
        max_duration_ms=limits.max_flow_duration_ms if limits else None,
        priority=priority,
        release=release,
        max_concurrency=(limits and limits.max_concurrency) or SortedDict(),
        max_output_bytes=limits.max_output_bytes if limits else None,
        forked_from=forked_from,
        carried=carried,
        subflows=SortedDict(subflows),
        escalates=definition.escalates,
        budget=budget,
    )
    return run, launch


def _parsed_steps(flow: FlowSpec) -> tuple[str, ...]:
    """The steps whose texts are read as JSON: those that say so, and those that have a schema and do not say."""
    return tuple(
        step_id
        for step_id, step in flow.steps.items()
        if step.output_format is OutputFormat.JSON
        or (step.output_format is None and step.expected_schema_ref is not None)
    )

"""Reads the outputs of a run: plain, or as the types that its handlers gave (contract: engine-54)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from redis_mob.errors import NotFoundError, ValidationError, did_you_mean, shown
from redis_mob.models.typed_values import adapter_of, read_json, type_name

if TYPE_CHECKING:
    from redis_mob.models.run import MobRun

SYSTEM_MEMBER = "__flow_system_member__"
"""The member in whose name a row of the step ledger tells of a step as a whole."""

MOST_NAMED = 10
"""Steps that one message names."""

_COMPLETED, _DISPATCHED = "completed", "dispatched"


NO_DEFAULT: Any = object()
"""Stands for a default that is not given, and for an output that there is not: None may be both."""


def output_of(run: MobRun, step_id: str, kind: Any = None, default: Any = NO_DEFAULT) -> Any:
    """What `MobRun.output` returns."""
    value = _recorded(run, step_id)
    if value is NO_DEFAULT:
        if default is NO_DEFAULT or step_id not in run.flow_state.ordered_steps:
            raise NotFoundError(_why_not(run, step_id))
        return default
    if kind is None:
        return value
    what = f"the output of step {shown(step_id)} of run {run.run_id}"
    members = _members(run, step_id)
    if isinstance(value, dict) and value and value.keys() <= set(members):
        return _read(value, kind, what, f"; its keys are members: run.outputs({step_id!r}, ...) has the value of each")
    return _read(value, kind, what)


def outputs_of(run: MobRun, step_id: str, kind: Any = None) -> dict[str, Any]:
    """What `MobRun.outputs` returns."""
    value = output_of(run, step_id)
    by_member = _of_items(run, step_id)
    if by_member is None:
        by_member = _by_member(value, _members(run, step_id))
    if kind is None:
        return by_member
    what = f"the output of step {shown(step_id)} of run {run.run_id}, member "
    return {member: _read(one, kind, f"{what}{shown(member)}") for member, one in by_member.items()}


def _read(value: Any, kind: Any, what: str, hint: str = "") -> Any:
    try:
        adapter = adapter_of(kind)
    except Exception as error:
        raise ValidationError(f"{what} cannot be read as {shown(kind)}: pydantic does not know that type") from error
    try:
        return read_json(adapter, value)
    except ValueError as error:
        raise ValidationError(f"{what} is no {type_name(kind)}: {error}{hint}") from error


def _recorded(run: MobRun, step_id: str) -> Any:
    # The row of a step as a whole, which the end of a run adds, knows which of several iterations counts.
    for row in reversed(run.step_ledger):
        if row.agent_identity == SYSTEM_MEMBER and row.step_id == step_id and row.status == _COMPLETED:
            return row.output
    if step_id in run.root_step_outputs:
        return run.root_step_outputs[step_id]
    for iterations in run.loop_iteration_outputs.values():
        for outputs in reversed(iterations):
            if step_id in outputs:
                return outputs[step_id]
    return NO_DEFAULT


def _why_not(run: MobRun, step_id: str) -> str:
    steps = run.flow_state.ordered_steps
    if step_id not in steps:
        named = ", ".join(map(shown, steps[:MOST_NAMED])) + (" and others" if len(steps) > MOST_NAMED else "")
        hint = did_you_mean(step_id, steps)
        return f"run {run.run_id} of flow {shown(run.flow_id)} has no step {shown(step_id)}; it has: {named}{hint}"
    status = run.flow_state.step_status.get(step_id)
    said = "was not begun" if status is None else f"is {status.value.lower()}"
    reasons = [entry.reason for entry in run.failure_ledger if entry.step_id == step_id]
    why = f": {reasons[-1]}" if reasons else ""
    return f"step {shown(step_id)} of run {run.run_id} has no output: it {said}{why}"


def _members(run: MobRun, step_id: str) -> dict[str, Any]:
    """The members that completed the step, each with its latest value."""
    return {
        row.agent_identity: row.output
        for row in run.step_ledger
        if row.step_id == step_id and row.status == _COMPLETED and row.agent_identity != SYSTEM_MEMBER
    }


def _of_items(run: MobRun, step_id: str) -> dict[str, Any] | None:
    """What the items gave that completed when the step ran last, by target, in their order; None if it has none."""
    found: dict[str, Any] = {}
    for row in reversed(run.step_ledger):
        if row.step_id != step_id:
            continue
        if row.agent_identity != SYSTEM_MEMBER:
            if row.status == _COMPLETED:
                found[row.agent_identity] = row.output
        elif row.status == _DISPATCHED:  # says how many items there are, before any of them begins
            return dict(sorted(found.items(), key=lambda one: int(one[0].rpartition("#")[2])))
    return None


def _by_member(value: Any, members: Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(value, dict) and value and value.keys() <= members.keys():
        return dict(cast("dict[str, Any]", value))
    if isinstance(value, list | tuple):
        rows = cast("list[Any]", value)
        if rows and all(isinstance(row, dict) and row.keys() == {"target", "output"} for row in rows):
            return {row["target"]: row["output"] for row in rows}
    # the bare value of one member: with policy any, the one that completed
    return dict.fromkeys(list(members)[-1:], cast("Any", value))

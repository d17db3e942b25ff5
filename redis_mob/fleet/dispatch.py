"""Starts the step of a node that has its slot: its condition, its message, and the members it goes to."""

from __future__ import annotations

from redis_mob.errors import TemplateError, shown
from redis_mob.fleet.absent_values import not_there
from redis_mob.fleet.item_dispatch import dispatch_items
from redis_mob.fleet.items import child_target, members_of
from redis_mob.fleet.limits import limits_of
from redis_mob.fleet.quorum import members_required
from redis_mob.fleet.step_end import fail_step, skip_step
from redis_mob.fleet.subflows import begin_child, too_deep
from redis_mob.fleet.topology import record_violation
from redis_mob.fleet.transition_builder import TransitionBuilder
from redis_mob.fleet.waits import begin_to_wait
from redis_mob.kernel.conditions import evaluate
from redis_mob.kernel.templates import render
from redis_mob.models.execution import Execution, ExecutionKey
from redis_mob.models.flow_spec import DispatchMode, FlowStepSpec


def dispatch_step(builder: TransitionBuilder, frame_id: str, node_id: str, step_id: str) -> None:
    """Start the step of a node that was just given its slot: skip it, fail it, or give it to its members."""
    spec = builder.flow.steps[step_id]
    # The frame machine skips only nodes that run. So a step whose condition does not hold takes a slot first, and gives
    # it back in this same transition.
    if not is_wanted(builder, step_id):
        skip_step(builder, frame_id, node_id, step_id, "its condition does not hold")
        return
    if spec.flow is not None and (reason := too_deep(builder, spec.flow)) is not None:
        fail_step(builder, frame_id, node_id, step_id, reason)
        return
    if spec.for_each is not None:
        dispatch_items(builder, (frame_id, node_id), step_id, spec.for_each)
        return
    if spec.flow is not None:
        begin_child(builder, ExecutionKey(frame_id, node_id, child_target(spec.flow)), step_id)
        return
    try:
        message, absent = render(spec.message, builder.context())
    except TemplateError as error:
        fail_step(builder, frame_id, node_id, step_id, f"its message cannot be rendered: {error}")
        return
    if absent and builder.flow.is_strict(step_id):
        fail_step(builder, frame_id, node_id, step_id, not_there(absent))
        return
    if spec.wait_for is not None:
        begin_to_wait(builder, (frame_id, node_id), step_id, message)
        return
    try:
        limits, absent_in_keys = limits_of(builder.flow, step_id, builder.context())
    except ValueError as error:
        fail_step(builder, frame_id, node_id, step_id, str(error))
        return
    if absent_in_keys and builder.flow.is_strict(step_id):
        fail_step(builder, frame_id, node_id, step_id, not_there(absent_in_keys))
        return
    members = _chosen(builder, spec)
    required = members_required(spec.collection_policy)
    # With too few members the step can never succeed. It fails now, not after the others have worked in vain.
    if len(members) < required:
        reason = f"insufficient targets: role {shown(spec.role)} has {len(members)} members, the step needs {required}"
        fail_step(builder, frame_id, node_id, step_id, reason)
        return
    record_violation(builder, spec.role)
    paths = tuple(dict.fromkeys(one.path for one in (*absent, *absent_in_keys)))
    for member in members:
        key = ExecutionKey(frame_id, node_id, member)
        # The rendered message is kept with the execution, so that a retry and a takeover work with the values of this
        # moment even if other steps have recorded outputs since.
        execution = Execution.unchecked(
            step_id=step_id, role=spec.role, message=message, due_at=builder.now, absent=paths, limits=limits
        )
        builder.put(key, execution)


def is_wanted(builder: TransitionBuilder, step_id: str) -> bool:
    """Whether the condition of a step holds; without one it always does."""
    condition = builder.flow.steps[step_id].condition
    return condition is None or evaluate(condition, builder.context())


def _chosen(builder: TransitionBuilder, spec: FlowStepSpec) -> tuple[str, ...]:
    """The members that a step goes to; one_to_one takes the least loaded (contract: engine-6)."""
    members = members_of(builder, spec)
    if spec.dispatch_mode is not DispatchMode.ONE_TO_ONE:
        return tuple(members)
    # Load is counted in this run alone, as it was read. A stale count costs fairness and nothing else, so that the
    # commit does not compare it.
    # min takes the first of equals: of members with the same load the first one in natural order.
    return (min(members, key=builder.index.open_of),) if members else ()

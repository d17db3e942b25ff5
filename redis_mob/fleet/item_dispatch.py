"""Gives the items of a step with `for_each` their executions, of which only so many exist at a time.

The next ones come in the decision that takes the outcomes of those before. So no commit, and no read of a run, is
larger the more items there are (decision 0028).
"""

from __future__ import annotations

from dataclasses import replace

from redis_mob.errors import TemplateError, shown
from redis_mob.fleet.absent_values import not_there
from redis_mob.fleet.items import MOST_OPEN, ItemsUnreadError, members_of, read_items, target_of
from redis_mob.fleet.limits import limits_of
from redis_mob.fleet.quorum import members_required
from redis_mob.fleet.step_end import complete_step, fail_step
from redis_mob.fleet.subflows import begin_child
from redis_mob.fleet.topology import record_violation
from redis_mob.fleet.transition_builder import SYSTEM_MEMBER, TransitionBuilder
from redis_mob.kernel.templates import render
from redis_mob.models.execution import Execution, ExecutionKey, Item, ItemProgress
from redis_mob.models.flow import FrameScope
from redis_mob.models.flow_spec import CollectAll, FlowStepSpec
from redis_mob.models.ledger import StepRunStatus
from redis_mob.models.transition import NodeKey


def dispatch_items(builder: TransitionBuilder, node: NodeKey, step_id: str, path: str) -> None:
    """Start a step over the items that its path leads to; without any it is over at once."""
    spec = builder.flow.steps[step_id]
    try:
        items = read_items(path, builder.context())
    except ValueError as error:
        fail_step(builder, *node, step_id, str(error))
        return
    required = 0 if isinstance(spec.collection_policy, CollectAll) else members_required(spec.collection_policy)
    if len(items) < required:
        reason = f"insufficient items: {shown(path)} has {len(items):,}, the step needs {required}"
        fail_step(builder, *node, step_id, reason)
        return
    if items and not members_of(builder, spec):
        fail_step(builder, *node, step_id, f"insufficient targets: role {shown(spec.role)} has 0 members")
        return
    if spec.has_members:
        record_violation(builder, spec.role)
    # The items are kept as they are now: another iteration of a loop must not change those that come later.
    builder.put_items(node, ItemProgress.unchecked(step_id=step_id, items=len(items)), items)
    tell_number(builder, node, step_id, len(items))
    if not items:
        complete_step(builder, *node, step_id)
        return
    _begin(builder, node, spec)


def begin_more(builder: TransitionBuilder) -> None:
    """Give the next items their executions, of the steps of which some were settled in this transition."""
    for node, progress in builder.changed_progress():
        if progress.begun < progress.items and builder.is_running(node):
            _begin(builder, node, builder.flow.steps[progress.step_id])


def _begin(builder: TransitionBuilder, node: NodeKey, spec: FlowStepSpec) -> None:
    begin = _begin_members if spec.has_members else _begin_children
    while begin(builder, node, spec):
        pass


def _next_items(builder: TransitionBuilder, node: NodeKey, spec: FlowStepSpec) -> list[Item]:
    """The items that may begin now. Raises ItemsUnreadError if they were not read."""
    progress, items = builder.progress_of(node), builder.items_of(node)
    if progress is None:
        return []
    if items is None:
        raise ItemsUnreadError(node)
    room = min(spec.max_parallel or MOST_OPEN, MOST_OPEN) - progress.open
    begun = min(progress.begun + max(room, 0), progress.items)
    return [
        Item.unchecked(index=index, items=progress.items, value=items[index]) for index in range(progress.begun, begun)
    ]


def _put_begun(builder: TransitionBuilder, node: NodeKey, begun: int) -> None:
    if (progress := builder.progress_of(node)) is not None:
        builder.put_progress(node, progress.model_copy(update={"begun": progress.begun + begun}))


def _begin_children(builder: TransitionBuilder, node: NodeKey, spec: FlowStepSpec) -> bool:
    """Let the next items wait for their runs; whether others may begin, since some of these have failed by that."""
    progress, [name] = builder.progress_of(node), members_of(builder, spec)
    items = _next_items(builder, node, spec)
    if progress is None or not items:
        return False
    for item in items:
        if not begin_child(builder, ExecutionKey(*node, target_of([name], item.index)), progress.step_id, item):
            return False
    _put_begun(builder, node, len(items))
    return True


def _begin_members(builder: TransitionBuilder, node: NodeKey, spec: FlowStepSpec) -> bool:
    progress = builder.progress_of(node)
    items = _next_items(builder, node, spec)
    if progress is None:
        return False
    members, context = members_of(builder, spec), builder.context()
    for item in items:
        seen = replace(context, item=item)
        try:
            message, absent = render(spec.message, seen)
            limits, absent_in_keys = limits_of(builder.flow, progress.step_id, seen)
        except TemplateError as error:
            fail_step(builder, *node, progress.step_id, f"its message cannot be rendered: {error}")
            return False
        except ValueError as error:
            fail_step(builder, *node, progress.step_id, str(error))
            return False
        absent += absent_in_keys
        if absent and builder.flow.is_strict(progress.step_id):
            fail_step(builder, *node, progress.step_id, not_there(absent))
            return False
        execution = Execution.unchecked(
            step_id=progress.step_id,
            role=spec.role,
            message=message,
            due_at=builder.now,
            absent=tuple(dict.fromkeys(one.path for one in absent)),
            item=item,
            limits=limits,
        )
        builder.put(ExecutionKey(*node, target_of(members, item.index)), execution)
    _put_begun(builder, node, len(items))
    return False


def tell_number(builder: TransitionBuilder, node: NodeKey, step_id: str, items: int) -> None:
    """Add the row that says how many items a step has, in which iteration if it is in a loop (contract: engine-44)."""
    frame = builder.machine.frame(node[0])
    iteration = {"iteration": frame.iteration} if frame.frame_scope is FrameScope.BODY else {}
    builder.row(step_id, SYSTEM_MEMBER, StepRunStatus.DISPATCHED, {"items": items, **iteration})

"""Completes the steps of a forked run that are carried over from the run it comes from (contract: operations-62).

The engine plans and grants as ever; only what would ask members is replaced. So the kernel's inputs, and what comes of
them, are those of any other run.
"""

from __future__ import annotations

from typing import Any

from pydantic_core import to_json

from redis_mob.fleet.aggregate import aggregate_of_items, aggregate_outputs
from redis_mob.fleet.item_dispatch import tell_number
from redis_mob.fleet.step_end import complete_with, skip_step
from redis_mob.fleet.transition_builder import TransitionBuilder
from redis_mob.models.flow import FrameScope
from redis_mob.models.flow_spec import CollectAny, DispatchMode, FlowStepSpec
from redis_mob.models.fork import CarriedStep
from redis_mob.models.ledger import StepRunStatus
from redis_mob.models.order import natural_key
from redis_mob.models.transition import NodeKey

BYTES_OF_AN_ACTION = 2_000
"""Bytes of outputs that are carried over which count as one action of a decision."""

NO_OUTPUT: Any = object()
"""Stands for an output that there is not: None may be one."""


def is_carried(builder: TransitionBuilder, node: NodeKey) -> bool:
    """Whether the run that this one was forked from decides a step node, so that no member is asked."""
    if builder.view.launch.forked_from is None:
        return False
    return _carried(builder, node) is not None or _why_skipped(builder, node) is not None


def carry_over(builder: TransitionBuilder, node: NodeKey, step_id: str) -> int:
    """End the step of a node that was just given its slot as it ended in the run that this one was forked from.

    How many actions of a decision that is worth, beyond the one that began the step; 0 too if nothing is carried over.
    """
    carried = _carried(builder, node)
    if carried is None:
        if (reason := _why_skipped(builder, node)) is not None:
            skip_step(builder, *node, step_id, reason)
        return 0
    if carried.items is not None:
        tell_number(builder, node, step_id, carried.items)
    for target in sorted(carried.outputs, key=natural_key):
        builder.row(step_id, target, StepRunStatus.COMPLETED, carried.outputs[target])
    output = output_of(builder.flow.steps[step_id], carried)
    complete_with(builder, *node, step_id, output)
    return len(carried.outputs) + len(to_json(output)) // BYTES_OF_AN_ACTION


def carried_iterations(builder: TransitionBuilder, loop_instance_id: str) -> int | None:
    """How many iterations a loop had that is carried over; None of any other."""
    return builder.view.launch.carried.iterations(builder.view.run.run_id, loop_instance_id)


def output_of(spec: FlowStepSpec, carried: CarriedStep) -> Any:
    """The output of a step that is carried over; NO_OUTPUT if nothing gives it."""
    return carried.recorded[0] if carried.recorded else added_up(spec, carried)


def added_up(spec: FlowStepSpec, carried: CarriedStep) -> Any:
    """What the outputs of its targets add up to; NO_OUTPUT if they are not those of such a step."""
    if (carried.items is None) is not (spec.for_each is None):
        return NO_OUTPUT
    outputs = {target: carried.outputs[target] for target in sorted(carried.outputs, key=natural_key)}
    if carried.items is not None:
        if not outputs and carried.items and _is_bare(spec):
            return NO_OUTPUT
        numbered = {int(target.rpartition("#")[2]): (target, output) for target, output in outputs.items()}
        return aggregate_of_items(spec, carried.items, numbered)
    if not outputs and (not spec.has_members or _is_bare(spec)):
        return NO_OUTPUT
    return aggregate_outputs(spec, outputs)


def _is_bare(spec: FlowStepSpec) -> bool:
    """Whether the output is the bare value of one target."""
    return isinstance(spec.collection_policy, CollectAny) and spec.dispatch_mode is not DispatchMode.FAN_IN


def _carried(builder: TransitionBuilder, node: NodeKey) -> CarriedStep | None:
    return builder.view.launch.carried.step(builder.view.run.run_id, *node)


def _why_skipped(builder: TransitionBuilder, node: NodeKey) -> str | None:
    """Why a step is passed over that is not carried over, None if it is to run."""
    launch = builder.view.launch
    if launch.forked_from is None:
        return None
    carried = launch.carried.in_frame(builder.view.run.run_id, node[0])
    frame = builder.machine.frame(node[0])
    # The loop around it is carried over as a whole: what did not complete there is not done here either.
    if frame.frame_scope is FrameScope.BODY and carried_iterations(builder, frame.loop_instance_id) is not None:
        return f"it did not complete in run {launch.forked_from.run_id}, and its loop is carried over"
    branch = frame.node_branches.get(node[1])
    if branch is not None and any(frame.node_branches.get(other) == branch for other in carried):
        return "another member of its branch is carried over"
    return None

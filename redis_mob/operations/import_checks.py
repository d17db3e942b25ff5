"""What the copy of a run must hold so that it can be shown, driven, forked and ended where it is imported."""

from __future__ import annotations

from collections.abc import Iterator

from redis_mob.codec.definitions import flow_of_run
from redis_mob.errors import KernelError, ValidationError, shown
from redis_mob.kernel.machine import FlowMachine
from redis_mob.kernel.seeds import supervisor_frame_id
from redis_mob.models.definition import MobDefinition
from redis_mob.models.run_copy import RunCopy


def check_parts(copy: RunCopy, definition: MobDefinition) -> None:
    """Raises ValidationError for steps, frames, executions or items that are none of the flow of the run."""
    run = copy.run
    flow, state = flow_of_run(definition, run), run.flow_state
    for name, steps in (("tracked_steps", state.tracked_steps), ("ordered_steps", state.ordered_steps)):
        if sorted(steps) != sorted(flow.steps):
            raise ValidationError(f"run {run.run_id}: flow_state.{name} are not the steps of flow {shown(run.flow_id)}")
    try:
        machine = FlowMachine.from_run(run, flow)
    except KernelError as error:
        raise ValidationError(f"run {run.run_id} has other frames and loops than its flow: {error}") from None
    for what, frame_id, node_id, step_id in _steps_in(copy):
        is_escalation = frame_id == supervisor_frame_id(run.run_id) and node_id == step_id and step_id in flow.steps
        if not is_escalation and machine.step_of(frame_id, node_id) != step_id:
            raise ValidationError(
                f"run {run.run_id} has {what} of step {shown(step_id)} at node {shown(node_id)} of frame "
                f"{shown(frame_id)}, which its flow {shown(run.flow_id)} has not there"
            )


def _steps_in(copy: RunCopy) -> Iterator[tuple[str, str, str, str]]:
    """What each execution and each list of items is about: what it is, its frame, its node and its step."""
    for one in copy.executions:
        yield "an execution", one.frame_id, one.node_id, one.execution.step_id
    for items in copy.items:
        yield "items", items.frame_id, items.node_id, items.progress.step_id

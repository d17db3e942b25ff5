"""Carries out what the kernel plans for a run, until only results of members can move it on."""

from __future__ import annotations

from itertools import takewhile

from redis_mob.errors import shown
from redis_mob.fleet.carried import carried_iterations, carry_over, is_carried
from redis_mob.fleet.deadline import is_out_of_time
from redis_mob.fleet.dispatch import dispatch_step, is_wanted
from redis_mob.fleet.escalation import end_late_escalations, give_up_escalations, holds_up
from redis_mob.fleet.item_dispatch import begin_more
from redis_mob.fleet.run_end import abort, cancel, tell_end
from redis_mob.fleet.transition_builder import SYSTEM_MEMBER, TransitionBuilder
from redis_mob.fleet.waits import end_a_wait
from redis_mob.kernel.actions import (
    MOST_ACTIONS,
    AbortRun,
    Action,
    EvaluateUntil,
    ProjectStep,
    RunNode,
    StartBodyFrame,
    StartRun,
    Terminate,
)
from redis_mob.kernel.conditions import evaluate
from redis_mob.kernel.plan import next_actions
from redis_mob.kernel.seeds import body_frame_id
from redis_mob.kernel.told_reasons import LOOP_SKIPPED, exhausted_text
from redis_mob.kernel.topology import is_forbidden
from redis_mob.models.flow import FlowStepStatus, LoopPhase
from redis_mob.models.flow_events import FlowStarted, StepSkipped
from redis_mob.models.flow_spec import FrameSpec, RepeatUntilSpec
from redis_mob.models.ledger import FLOW_STEP, StepRunStatus
from redis_mob.models.transition import NodeKey

_ROW_STATUS = {
    FlowStepStatus.COMPLETED: StepRunStatus.COMPLETED,
    FlowStepStatus.FAILED: StepRunStatus.FAILED,
    FlowStepStatus.SKIPPED: StepRunStatus.SKIPPED,
}


def advance_fully(builder: TransitionBuilder) -> None:
    """Collect everything that can happen in a run without a result from a member, or as much as one decision takes."""
    view, left = builder.view, MOST_ACTIONS
    if not (view.cancel_requested or is_out_of_time(view)):
        begin_more(builder)
        end_late_escalations(builder)
    while not builder.machine.status.is_terminal:
        # Asked anew after each action, and before the plan: a run that must end must not dispatch one step more. The
        # request counts before the deadline, because a user's decision is the better reason for an end.
        if view.cancel_requested:
            cancel(builder)
        elif is_out_of_time(view) and not give_up_escalations(builder):
            abort(builder, "max flow duration exceeded")
        elif actions := next_actions(builder.machine, builder.flow):
            # Only the first is carried out, then the kernel plans again: an action may make others possible, and
            # these may come before the rest. No projection does, and there is one for each step of the run.
            # Before a step begins, or is recorded, a run is in order; elsewhere one action may need the next.
            if holds_up(builder, actions[0]):
                return
            if left <= 0 and isinstance(actions[0], RunNode | ProjectStep):
                builder.leave_the_rest()
                return
            together = tuple(takewhile(_is_projection, actions[: max(left, 1)])) or actions[:1]
            left -= len(together) + sum(_carry_out(builder, action) for action in together)
        elif not end_a_wait(builder):
            return


def _is_projection(action: Action) -> bool:
    return isinstance(action, ProjectStep)


def _carry_out(builder: TransitionBuilder, action: Action) -> int:
    """Carry out an action; how many more it is worth."""
    run = builder.view.run
    match action:
        case EvaluateUntil():
            _evaluate_until(builder, action)
            return 0
        case AbortRun(frame_id, node_id, reason):
            abort(builder, reason, failing=(frame_id, node_id))
            return 0
        case RunNode(frame_id, node_id, step_id) if _is_forbidden(builder, (frame_id, node_id), step_id):
            role = builder.flow.steps[step_id].role
            reason = f"the topology forbids step {shown(step_id)}: role {shown(role)} must not be addressed"
            abort(builder, reason, failing=(frame_id, node_id))
            return 0
        case StartBodyFrame(loop_instance_id):
            iteration = builder.machine.loop(loop_instance_id).current_iteration
            builder.iteration(loop_instance_id, iteration, body_frame_id(loop_instance_id, iteration))
        case StartRun():
            builder.tell(FlowStarted(run_id=run.run_id, flow_id=run.flow_id, params=run.activation_params))
        case Terminate(status):
            tell_end(builder, status)
        case _:
            pass
    builder.apply(action)
    match action:
        case RunNode(frame_id, node_id, step_id) if is_carried(builder, (frame_id, node_id)):
            return carry_over(builder, (frame_id, node_id), step_id)
        case RunNode(frame_id, node_id, step_id):
            dispatch_step(builder, frame_id, node_id, step_id)
        case ProjectStep():
            _record_projection(builder, action)
        case _:
            pass
    return 0


def _is_forbidden(builder: TransitionBuilder, node: NodeKey, step_id: str) -> bool:
    # A step that is going to be skipped, asks no member, or is carried over from another run, addresses none, so that
    # it breaks no rule.
    return (
        step_id not in builder.flow.without_members
        and is_forbidden(builder.definition, builder.flow.steps[step_id].role)
        and not is_carried(builder, node)
        and is_wanted(builder, step_id)
    )


def _evaluate_until(builder: TransitionBuilder, until: EvaluateUntil) -> None:
    spec = _loop_spec(builder, until.loop_instance_id)
    carried = carried_iterations(builder, until.loop_instance_id)
    met = evaluate(spec.until, builder.context()) if carried is None else until.iteration + 1 >= carried
    builder.decide_until(until, met=met)
    if builder.machine.loop(until.loop_instance_id).phase is LoopPhase.EXHAUSTED:
        builder.failure(FLOW_STEP, f"{exhausted_text(spec.loop_id)}{spec.max_iterations} iterations")


def _loop_spec(builder: TransitionBuilder, loop_instance_id: str) -> RepeatUntilSpec:
    loop_id = builder.machine.loop(loop_instance_id).loop_id
    return next(loop for loop in _loops(builder.flow.root_frame) if loop.loop_id == loop_id)


def _loops(frame: FrameSpec) -> list[RepeatUntilSpec]:
    own = [node for node in frame.nodes.values() if isinstance(node, RepeatUntilSpec)]
    return own + [inner for loop in own for inner in _loops(loop.body)]


def _record_projection(builder: TransitionBuilder, step: ProjectStep) -> None:
    """Add the row that tells how a step ended as a whole, at the end of its run (contract: engine-25)."""
    run_id = builder.view.run.run_id
    if step.status is FlowStepStatus.COMPLETED:
        output = builder.context().steps.get(step.step_id)
        builder.row(step.step_id, SYSTEM_MEMBER, StepRunStatus.COMPLETED, output)
    elif step.frame_id is not None:
        builder.row(step.step_id, SYSTEM_MEMBER, _ROW_STATUS[step.status])
    elif step.status is FlowStepStatus.SKIPPED:
        # A step without a node of its own is within a loop that was skipped: no frame has told that it was skipped.
        builder.row(step.step_id, SYSTEM_MEMBER, StepRunStatus.SKIPPED)
        builder.tell(StepSkipped(run_id=run_id, step_id=step.step_id, reason=LOOP_SKIPPED))

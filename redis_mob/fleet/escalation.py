"""Tells the supervisor of a mob that a step has failed. Its handler runs like one of a step (contract: engine-80).

An escalation is an execution that belongs to no node of its run. The commit in which the step fails dispatches it. It
waits in the queue of the supervisor's role, and is claimed, lost and taken over like each other execution, so that it
happens exactly once even if workers die. The run waits until its escalations are over; what they return does not
change how it ends (decision 0037).
"""

from __future__ import annotations

from random import Random

from redis_mob.errors import shown
from redis_mob.fleet.deadline import DEFAULT_STEP_TIMEOUT_MS, end_of_wait, must_end
from redis_mob.fleet.outcome import Failed, Succeeded
from redis_mob.fleet.retry import may_retry, retry_pause, try_again
from redis_mob.fleet.said import bounded
from redis_mob.fleet.transition_builder import TransitionBuilder, target
from redis_mob.kernel.actions import Action, ProjectStep, Terminate
from redis_mob.kernel.seeds import root_frame_id, supervisor_frame_id
from redis_mob.models.definition import SupervisorSpec
from redis_mob.models.execution import Escalation, Execution, ExecutionKey, ExecutionStatus, later
from redis_mob.models.flow import FramePhase, NodeStatus
from redis_mob.models.flow_events import StepTargetFailed, SupervisorEscalation
from redis_mob.models.order import natural_key

SUPERVISOR = "__flow_system_supervisor__"
"""What stands in the place of a step whose output is accepted: no schema is of that."""

_TELLS = "supervisor:"
"""What the target begins with of an event that the supervisor could not be told; no role gives a member such a name."""


def escalate(builder: TransitionBuilder, step_id: str, reason: str) -> None:
    """Tell the supervisor of a step that has just failed, if as many steps of the run have failed as its threshold
    says (contract: engine-80)."""
    view, spec = builder.view, builder.definition.supervisor
    if spec is None or not view.launch.escalates or must_end(view):
        return
    node = (supervisor_frame_id(view.run.run_id), step_id)
    if builder.executions_of(*node):
        return  # it has failed in an earlier iteration of its loop
    failures = len(_failed_steps(builder))
    if failures < spec.escalation_threshold:
        return
    members = sorted(view.launch.members.get(spec.role, ()), key=natural_key)
    # As for any step of one member: the least loaded, the first one among equals.
    member = min(members, key=builder.index.open_of) if members else None
    timeout = timeout_ms_of(spec)
    key = ExecutionKey(*node, spec.role if member is None else member)
    execution = Execution.unchecked(
        step_id=step_id,
        role=spec.role,
        message=f"step {step_id} of run {view.run.run_id} (flow {view.run.flow_id}) failed: {bounded(reason)}",
        due_at=builder.now,
        wait_until=later(builder.now, timeout),
        escalation=Escalation(step_id=step_id, reason=bounded(reason), failures=failures),
    )
    builder.put(key, execution)
    if member is None:
        _fail(builder, key, f"role {shown(spec.role)} has no members")


def settle_escalation(
    builder: TransitionBuilder, key: ExecutionKey, execution: Execution, outcome: Succeeded | Failed, random: Random
) -> None:
    """Take what came of an escalation. It decides nothing about the step: that has failed."""
    if isinstance(outcome, Succeeded):
        builder.close(
            key,
            status=ExecutionStatus.COMPLETED,
            suspect=False,
            output=outcome.output,
            failure=None,
            error_class=None,
            detail=None,
        )
        run_id = builder.view.run.run_id
        told = SupervisorEscalation(run_id=run_id, step_id=execution.step_id, escalated_to=key.target)
        builder.tell(told)
        return
    pause = retry_pause(builder, execution, outcome, random)
    if outcome.retryable and may_retry(builder, execution, pause):
        try_again(builder, key, execution, outcome, pause)
    else:
        _fail(builder, key, outcome.reason)


def is_late(builder: TransitionBuilder, execution: Execution) -> bool:
    """Whether an escalation must not begin any more, because its time is over."""
    return execution.escalation is not None and execution.wait_until is not None and execution.wait_until <= builder.now


def end_late_escalations(builder: TransitionBuilder) -> None:
    """Fail the escalations whose time is over, and which no worker has ended."""
    for key in list(builder.index.escalations()) if builder.view.launch.escalates else ():
        execution = builder.index.execution(key)
        end = end_of_wait(execution)
        if end is not None and end <= builder.now:
            timeout = f"timeout after {timeout_ms_of(builder.definition.supervisor)}ms"
            if execution.fencing_token == 0:
                reason = f"{timeout}: no worker that serves role {shown(execution.role)} has begun it"
            else:
                reason = timeout if execution.reason is None else f"{timeout}: {execution.reason}"
            _fail(builder, key, bounded(reason))


def give_up_escalations(builder: TransitionBuilder) -> bool:
    """Fail what is open of the escalations of a run whose time is over, if that waits for them alone.

    False if it does not: then the run has not come to its end in time.
    """
    root = builder.machine.frames.get(root_frame_id(builder.view.run.run_id))
    if not builder.view.launch.escalates or root is None or root.kernel_state.phase is FramePhase.RUNNING:
        return False
    for key in list(builder.index.escalations()):
        _fail(builder, key, "max flow duration exceeded")
    return True


def holds_up(builder: TransitionBuilder, action: Action) -> bool:
    """Whether an action has to wait until the supervisor was told: it belongs to the end of the run."""
    return (
        builder.view.launch.escalates
        and isinstance(action, ProjectStep | Terminate)
        and any(True for _ in builder.index.escalations())
    )


def _fail(builder: TransitionBuilder, key: ExecutionKey, reason: str) -> None:
    execution = builder.index.execution(key)
    builder.close(key, status=ExecutionStatus.FAILED, failure=None, reason=reason, error_class=None, detail=None)
    # A kind of its own would be refused by readers that do not know it (contract: json-11).
    builder.tell(
        StepTargetFailed(
            run_id=builder.view.run.run_id,
            step_id=execution.step_id,
            target=target(f"{_TELLS}{key.target}"),
            reason=reason,
        )
    )


def timeout_ms_of(spec: SupervisorSpec | None) -> int:
    """How long it may take to tell a supervisor, in milliseconds."""
    if spec is None:
        return DEFAULT_STEP_TIMEOUT_MS
    own = spec.meerkat_timeout_ms if spec.timeout_ms is None else spec.timeout_ms
    return DEFAULT_STEP_TIMEOUT_MS if own is None else own


def _failed_steps(builder: TransitionBuilder) -> set[str | None]:
    """The steps that have failed in any frame of the run, also one whose branch goes on with another member."""
    machine = builder.machine
    return {
        machine.step_of(frame_id, node_id)
        for frame_id, frame in machine.frames.items()
        for node_id, status in frame.kernel_state.node_status.items()
        if status is NodeStatus.FAILED
    } - {None}

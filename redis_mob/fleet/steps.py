"""One step of a run: to whom it goes, when its outcome is certain, and what its members' answers add up to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from random import Random
from typing import Any

from redis_mob.errors import TemplateError
from redis_mob.fleet.outcome import Failed, Outcome, Succeeded, taken
from redis_mob.fleet.progress import OPEN, Progress
from redis_mob.kernel.conditions import evaluate
from redis_mob.kernel.moves import complete_node, fail_node, skip_node
from redis_mob.kernel.templates import render
from redis_mob.models.base import json_text
from redis_mob.models.events import (
    StepCompleted,
    StepFailed,
    StepSkipped,
    StepTargetCompleted,
    StepTargetFailed,
    TopologyViolation,
)
from redis_mob.models.execution import Execution, ExecutionKey, ExecutionStatus
from redis_mob.models.failure import AgentErrorReport, TurnError
from redis_mob.models.flow_spec import CollectAll, CollectAny, CollectQuorum, DispatchMode, FlowStepSpec
from redis_mob.models.ids import AgentRuntimeId
from redis_mob.models.run import StepRunStatus

FIRST_PAUSE = timedelta(milliseconds=100)
LONGEST_PAUSE = timedelta(seconds=30)
"""Bounds of the pause before a retry (contract: engine-17)."""


def target(member: str) -> AgentRuntimeId:
    """A member as events name it."""
    return AgentRuntimeId(identity=member, generation=0)


def begin_step(progress: Progress, frame_id: str, node_id: str, step_id: str) -> None:
    """Start the step of a node that was just given its slot: skip it, fail it, or give it to its members."""
    run_id, spec = progress.run.run_id, progress.flow.steps[step_id]
    if not is_wanted(progress, step_id):
        progress.tell(StepSkipped(run_id=run_id, step_id=step_id, reason="its condition does not hold"))
        progress.move(skip_node(progress.machine, frame_id, node_id))
        return
    try:
        message = render(spec.message, progress.context())
    except TemplateError as error:
        fail_step(progress, frame_id, node_id, step_id, f"its message cannot be rendered: {error}")
        return
    members = _chosen(progress, spec)
    required = spec.collection_policy.n if isinstance(spec.collection_policy, CollectQuorum) else 1
    if len(members) < required:
        reason = f"insufficient targets: role {spec.role!r} has {len(members)} members, the step needs {required}"
        fail_step(progress, frame_id, node_id, step_id, reason)
        return
    _tell_violation(progress, spec.role)
    for member in members:
        key = ExecutionKey(frame_id, node_id, member)
        progress.put(key, Execution(step_id=step_id, role=spec.role, message=message, due_at=progress.now))


def is_wanted(progress: Progress, step_id: str) -> bool:
    """Whether the condition of a step holds; without one it always does."""
    condition = progress.flow.steps[step_id].condition
    return condition is None or evaluate(condition, progress.context())


def denied(progress: Progress, role: str) -> bool:
    """Whether the topology forbids the orchestrator to address this role; the last rule that fits decides."""
    topology, orchestrator = progress.definition.topology, progress.definition.orchestrator
    if topology is None or orchestrator is None:
        return False
    allowed = True
    for rule in topology.rules:
        if rule.from_role in ("*", orchestrator.profile) and rule.to_role in ("*", role):
            allowed = rule.allowed
    return not allowed


def _tell_violation(progress: Progress, role: str) -> None:
    if denied(progress, role) and progress.definition.orchestrator is not None:
        progress.tell(TopologyViolation(from_role=progress.definition.orchestrator.profile, to_role=role))


def _chosen(progress: Progress, spec: FlowStepSpec) -> tuple[str, ...]:
    """The members that a step goes to; one_to_one takes the least loaded (contract: engine-6)."""
    members = sorted(progress.view.launch.members.get(spec.role, ()))
    if spec.dispatch_mode is not DispatchMode.ONE_TO_ONE:
        return tuple(members)
    load = Counter(key.target for key, execution in progress.executions() if execution.status in OPEN)
    return tuple(sorted(members, key=lambda member: (load[member], member))[:1])


def settle_target(progress: Progress, key: ExecutionKey, outcome: Outcome, random: Random) -> None:
    """Take the outcome of an execution: it completes, is tried again later, or fails; then the step may be decided."""
    execution = progress.execution(key)
    if execution is None:
        return
    run_id, step_id = progress.run.run_id, execution.step_id
    match taken(outcome, step_id, progress.view.launch):
        case Succeeded(output):
            progress.close(key, status=ExecutionStatus.COMPLETED, output=output)
            progress.row(step_id, key.target, StepRunStatus.COMPLETED, output)
            progress.tell(StepTargetCompleted(run_id=run_id, step_id=step_id, target=target(key.target)))
        case Failed() as failed:
            _fail_target(progress, key, execution, failed, random)
    decide_step(progress, key.frame_id, key.node_id, step_id)


def _fail_target(progress: Progress, key: ExecutionKey, execution: Execution, failed: Failed, random: Random) -> None:
    pause = min(FIRST_PAUSE * 2 ** min(execution.attempt - 1, 16), LONGEST_PAUSE) * random.uniform(0.5, 1.0)
    again = failed.retryable and _may_retry(progress, execution, pause)
    report, error = _described(failed, final=not again)
    progress.tell(
        StepTargetFailed(
            run_id=progress.run.run_id,
            step_id=execution.step_id,
            target=target(key.target),
            reason=failed.reason,
            error_report=report,
            error=error,
        )
    )
    if again:
        progress.close(
            key,
            status=ExecutionStatus.WAITING,
            attempt=execution.attempt + 1,
            due_at=progress.now + pause,
            reason=failed.reason,
        )
        return
    progress.close(key, status=ExecutionStatus.FAILED, reason=failed.reason)
    progress.row(execution.step_id, key.target, StepRunStatus.FAILED)
    progress.failure(execution.step_id, failed.reason, report, error)


def _may_retry(progress: Progress, execution: Execution, pause: timedelta) -> bool:
    """Whether an attempt is left, and would start before the flow's deadline (contract: engine-16).

    Attempts that were lost with their worker are not counted against the step.
    """
    deadline = progress.view.deadline
    used = execution.attempt - execution.lost
    in_time = deadline is None or progress.now + pause < deadline
    return used <= progress.machine.flow_state.max_step_retries and in_time


def _described(failed: Failed, *, final: bool) -> tuple[AgentErrorReport | None, TurnError | None]:
    if failed.error_class is None:
        return None, None
    reason = {"exception": failed.error_class}
    if failed.detail is not None:
        reason["detail"] = failed.detail
    report = AgentErrorReport.model_validate({"class": "tool", "reason": reason, "message": failed.reason})
    text = failed.detail if isinstance(failed.detail, str | None) else json_text(failed.detail)
    error = TurnError(kind="tool_failure", terminal=final, detail=text, retryable=failed.retryable)
    return report, error


def decide_step(progress: Progress, frame_id: str, node_id: str, step_id: str) -> None:
    """End the step as soon as its outcome is certain, whatever its other members are doing (contract: engine-12)."""
    spec = progress.flow.steps[step_id]
    executions = progress.executions_of(frame_id, node_id)
    by_status = Counter(execution.status for execution in executions.values())
    successes, failures = by_status[ExecutionStatus.COMPLETED], by_status[ExecutionStatus.FAILED]
    match spec.collection_policy:
        case CollectAll():
            needed = len(executions)
        case CollectAny():
            needed = 1
        case CollectQuorum(n=n):
            needed = n
    if successes >= needed:
        complete_step(progress, frame_id, node_id, step_id, executions)
    elif len(executions) - failures < needed:
        reasons = [
            f"{member}: {execution.reason}"
            for member, execution in executions.items()
            if execution.status is ExecutionStatus.FAILED
        ]
        fail_step(progress, frame_id, node_id, step_id, "; ".join(reasons))
    else:
        # Whoever settles one of the others at the same time must see this result, or nobody ends the step.
        progress.rely_on(ExecutionKey(frame_id, node_id, member) for member in executions)


def complete_step(
    progress: Progress, frame_id: str, node_id: str, step_id: str, executions: Mapping[str, Execution]
) -> None:
    """The step succeeded: its aggregate is recorded, and members still at it are stopped."""
    cancel_open(progress, frame_id, node_id)
    progress.record_output(frame_id, step_id, aggregate(progress.flow.steps[step_id], executions))
    progress.tell(StepCompleted(run_id=progress.run.run_id, step_id=step_id))
    progress.move(complete_node(progress.machine, frame_id, node_id))


def fail_step(progress: Progress, frame_id: str, node_id: str, step_id: str, reason: str) -> None:
    """The step failed; members still at it are stopped. A failure that no member told is recorded here."""
    cancel_open(progress, frame_id, node_id)
    executions = progress.executions_of(frame_id, node_id).values()
    if not any(execution.status is ExecutionStatus.FAILED for execution in executions):
        progress.failure(step_id, reason)
    progress.tell(StepFailed(run_id=progress.run.run_id, step_id=step_id, reason=reason))
    progress.move(fail_node(progress.machine, frame_id, node_id))


def cancel_open(progress: Progress, frame_id: str | None = None, node_id: str | None = None) -> None:
    """Stop the executions of one node, or all of the run, that have given no result; their leases end now."""
    for key, execution in list(progress.executions()):
        if execution.status in OPEN and frame_id in (None, key.frame_id) and node_id in (None, key.node_id):
            progress.close(key, status=ExecutionStatus.CANCELED)
            progress.row(execution.step_id, key.target, StepRunStatus.CANCELED)


def aggregate(spec: FlowStepSpec, executions: Mapping[str, Execution]) -> Any:
    """What the successful answers add up to, ordered by member (contract: engine-14, engine-15).

    fan_in: an array of {target, output}. Otherwise with policy any the bare value of the first finisher, else an
    object from member to value.
    """
    outputs = {
        member: execution.output
        for member, execution in executions.items()
        if execution.status is ExecutionStatus.COMPLETED
    }
    if spec.dispatch_mode is DispatchMode.FAN_IN:
        return [{"target": member, "output": output} for member, output in outputs.items()]
    if isinstance(spec.collection_policy, CollectAny):
        return next(iter(outputs.values()))
    return outputs

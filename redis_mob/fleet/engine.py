"""Decides what happens next in a run, from what is stored alone; pure functions that make transitions.

Each takes a run as it was read and gives the transition to commit, or None when there is nothing to do. A transition
goes as far as it can: a result, what follows from it, and the grants that this makes possible are one commit.
"""

from __future__ import annotations

from datetime import timedelta
from random import Random

from redis_mob.fleet.ending import ending
from redis_mob.fleet.outcome import Failed, Outcome
from redis_mob.fleet.progress import FLOW_STEP, SYSTEM_MEMBER, Progress
from redis_mob.fleet.steps import begin_step, cancel_open, denied, is_wanted, settle_target, target
from redis_mob.kernel.actions import (
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
from redis_mob.kernel.moves import move_for, until_decided
from redis_mob.kernel.plan import next_actions
from redis_mob.kernel.seeds import body_frame_id
from redis_mob.kernel.settle import abort_run, cancel_run
from redis_mob.models.definition import MobDefinition, PolicyMode
from redis_mob.models.events import FlowFailed, FlowStarted, StepDispatched, StepSkipped
from redis_mob.models.execution import Execution, ExecutionKey, ExecutionStatus, Lease, later
from redis_mob.models.flow import FlowStepStatus, LoopPhase
from redis_mob.models.flow_spec import FrameSpec, RepeatUntilSpec
from redis_mob.models.run import MobRunStatus, StepRunStatus
from redis_mob.models.transition import RunView, Transition

DEFAULT_STEP_TIMEOUT_MS = 30_000
"""How long an execution may take when its step does not say (contract: engine-10)."""

MAX_LOST = 5
"""Workers that may vanish over one execution before it counts as the cause, and fails (decision 0012)."""

_ROW_STATUS = {
    FlowStepStatus.COMPLETED: StepRunStatus.COMPLETED,
    FlowStepStatus.FAILED: StepRunStatus.FAILED,
    FlowStepStatus.SKIPPED: StepRunStatus.SKIPPED,
}


def advance(view: RunView, definition: MobDefinition) -> Transition | None:
    """Everything that can happen in a run without a result from a member."""
    progress = Progress(view, definition)
    _advance(progress)
    return progress.transition()


def claim(
    view: RunView, definition: MobDefinition, key: ExecutionKey, *, owner: str, lease: timedelta, random: Random
) -> Transition | None:
    """Give an execution that waits, or whose lease has expired, to a worker for the time of `lease`.

    A worker that takes over counts as a new attempt. In a run that must end nothing is given any more: it ends. None
    if there is nothing to claim.
    """
    execution = view.executions.get(key)
    if execution is None or view.run.status is not MobRunStatus.RUNNING or not _claimable(execution, view):
        return None
    progress = Progress(view, definition)
    if view.cancel_requested or _out_of_time(view):
        _advance(progress)
        return progress.transition()
    if execution.lease is not None:
        lost = execution.lost + 1
        execution = execution.model_copy(update={"lost": lost, "attempt": execution.attempt + 1})
        progress.put(key, execution)
        if lost > MAX_LOST:
            reason = f"{lost} workers vanished while they executed it"
            settle_target(progress, key, Failed(reason, retryable=False), random)
            _advance(progress)
            return progress.transition()
    token = execution.fencing_token + 1
    timeout = progress.flow.steps[execution.step_id].timeout_ms
    deadline = later(view.now, DEFAULT_STEP_TIMEOUT_MS if timeout is None else timeout)
    if view.deadline is not None:
        deadline = min(deadline, view.deadline)
    taken = Lease(owner=owner, fencing_token=token, expires_at=view.now + lease, deadline=deadline)
    progress.put(
        key,
        execution.model_copy(update={"status": ExecutionStatus.LEASED, "fencing_token": token, "lease": taken}),
    )
    progress.row(execution.step_id, key.target, StepRunStatus.DISPATCHED, once=True)
    progress.tell(StepDispatched(run_id=view.run.run_id, step_id=execution.step_id, target=target(key.target)))
    return progress.transition()


def _claimable(execution: Execution, view: RunView) -> bool:
    if execution.lease is not None:
        return execution.lease.expires_at <= view.now
    return execution.status is ExecutionStatus.WAITING and execution.due_at <= view.now


def settle(
    view: RunView, definition: MobDefinition, key: ExecutionKey, outcome: Outcome, *, token: int, random: Random
) -> Transition | None:
    """Take the outcome of an execution from the worker that holds its lease, and go on from there.

    None if the lease is no longer the worker's: somebody else took over, or nobody needs the result any more.
    """
    execution = view.executions.get(key)
    if execution is None or execution.lease is None or execution.lease.fencing_token != token:
        return None
    progress = Progress(view, definition)
    settle_target(progress, key, outcome, random)
    _advance(progress)
    return progress.transition()


def _advance(progress: Progress) -> None:
    view = progress.view
    while not progress.machine.status.is_terminal:
        if view.cancel_requested:
            _cancel(progress)
        elif _out_of_time(view):
            _abort(progress, "max flow duration exceeded")
        elif actions := next_actions(progress.machine, progress.flow):
            _carry_out(progress, actions[0])
        else:
            return


def _out_of_time(view: RunView) -> bool:
    return view.deadline is not None and view.deadline <= view.now


def _carry_out(progress: Progress, action: Action) -> None:
    run = progress.view.run
    match action:
        case EvaluateUntil(loop_instance_id):
            _evaluate_until(progress, loop_instance_id)
            return
        case AbortRun(frame_id, node_id, reason):
            _abort(progress, reason, failing=(frame_id, node_id))
            return
        case RunNode(frame_id, node_id, step_id) if _forbidden(progress, step_id):
            role = progress.flow.steps[step_id].role
            reason = f"the topology forbids step {step_id!r}: role {role!r} must not be addressed"
            _abort(progress, reason, failing=(frame_id, node_id))
            return
        case StartBodyFrame(loop_instance_id):
            iteration = progress.machine.loop(loop_instance_id).current_iteration
            progress.iteration(loop_instance_id, iteration, body_frame_id(loop_instance_id, iteration))
        case StartRun():
            progress.tell(FlowStarted(run_id=run.run_id, flow_id=run.flow_id, params=run.activation_params))
        case Terminate(status):
            _tell_end(progress, status)
        case _:
            pass
    progress.move(move_for(action, progress.machine, progress.flow))
    match action:
        case RunNode(frame_id, node_id, step_id):
            begin_step(progress, frame_id, node_id, step_id)
        case ProjectStep():
            _record_projection(progress, action)
        case _:
            pass


def _forbidden(progress: Progress, step_id: str) -> bool:
    topology = progress.definition.topology
    strict = topology is not None and topology.mode is PolicyMode.STRICT
    return strict and denied(progress, progress.flow.steps[step_id].role) and is_wanted(progress, step_id)


def _evaluate_until(progress: Progress, loop_instance_id: str) -> None:
    spec = _loop_spec(progress, loop_instance_id)
    met = evaluate(spec.until, progress.context())
    progress.move(until_decided(progress.machine, loop_instance_id, met=met))
    if progress.machine.loop(loop_instance_id).phase is LoopPhase.EXHAUSTED:
        reason = f"loop {spec.loop_id!r}: its condition did not hold after {spec.max_iterations} iterations"
        progress.failure(FLOW_STEP, reason)


def _loop_spec(progress: Progress, loop_instance_id: str) -> RepeatUntilSpec:
    loop_id = progress.machine.loop(loop_instance_id).loop_id
    return next(loop for loop in _loops(progress.flow.root_frame) if loop.loop_id == loop_id)


def _loops(frame: FrameSpec) -> list[RepeatUntilSpec]:
    own = [node for node in frame.nodes.values() if isinstance(node, RepeatUntilSpec)]
    return own + [inner for loop in own for inner in _loops(loop.body)]


def _record_projection(progress: Progress, step: ProjectStep) -> None:
    """The row that tells how a step ended as a whole, at the end of its run (contract: engine-25)."""
    run_id = progress.view.run.run_id
    if step.status is FlowStepStatus.COMPLETED:
        output = progress.context().steps.get(step.step_id)
        progress.row(step.step_id, SYSTEM_MEMBER, StepRunStatus.COMPLETED, output)
    elif step.frame_id is not None:
        progress.row(step.step_id, SYSTEM_MEMBER, _ROW_STATUS[step.status])
    elif step.status is FlowStepStatus.SKIPPED:
        progress.row(step.step_id, SYSTEM_MEMBER, StepRunStatus.SKIPPED)
        progress.tell(StepSkipped(run_id=run_id, step_id=step.step_id, reason="the loop around it was skipped"))


def _cancel(progress: Progress) -> None:
    cancel_open(progress)
    progress.end(cancel_run(progress.machine, progress.flow))
    _tell_end(progress, MobRunStatus.CANCELED)


def _abort(progress: Progress, reason: str, *, failing: tuple[str, str] | None = None) -> None:
    run = progress.view.run
    cancel_open(progress)
    progress.failure(FLOW_STEP, reason)
    progress.end(abort_run(progress.machine, progress.flow, failing=failing))
    progress.tell_end(FlowFailed(run_id=run.run_id, flow_id=run.flow_id, reason=reason))


def _tell_end(progress: Progress, status: MobRunStatus) -> None:
    failures = (*progress.view.run.failure_ledger, *progress.failures)
    progress.tell_end(ending(progress.run, progress.flow, status, failures))

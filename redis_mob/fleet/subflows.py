"""Steps that run another flow: they begin to wait for their child, and take its end (contract: engine-70). Pure.

An execution of such a step awaits the run whose id it names. That is started after the commit of the execution, by any
worker that looks at the parent, and says that it is over by a signal to it (decision 0035).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from random import Random
from typing import Any, cast

from redis_mob.errors import TemplateError, shortened, shown
from redis_mob.fleet.absent_values import not_there
from redis_mob.fleet.child_ids import child_id_of
from redis_mob.fleet.conversation import conversation_in
from redis_mob.fleet.outcome import MAX_OUTPUT_DEPTH, Failed, Outcome, Succeeded, accepted, most_bytes, too_long
from redis_mob.fleet.run_end import why_failed
from redis_mob.fleet.run_start import new_run
from redis_mob.fleet.said import bounded
from redis_mob.fleet.schemas import check_schema
from redis_mob.fleet.settlement import settle_execution
from redis_mob.fleet.step_end import fail_step
from redis_mob.fleet.transition_builder import TransitionBuilder, target
from redis_mob.kernel.context import visible_context
from redis_mob.kernel.paths import MISSING, resolve
from redis_mob.kernel.templates import render_value
from redis_mob.models.base import MAX_VALUE_DEPTH, check_json
from redis_mob.models.definition import MobDefinition
from redis_mob.models.execution import Execution, ExecutionKey, ExecutionStatus, Item, RunLaunch
from redis_mob.models.flow_events import StepDispatched
from redis_mob.models.flow_spec import FlowSpec, FlowStepSpec
from redis_mob.models.ledger import StepRunStatus
from redis_mob.models.run import MobRun
from redis_mob.models.run_status import MobRunStatus
from redis_mob.models.signal import Signal
from redis_mob.models.subflow import CHILD_NEWS, MOST_NESTED, ChildRun, ParentRun, SubflowTerms
from redis_mob.models.transition import RunView, Transition

_NO_TERMS = SubflowTerms()

_NO_CHANCE = Random(0)  # noqa: S311  # what is not tried again needs none


def too_deep(builder: TransitionBuilder, flow: str) -> str | None:
    """Why a step of a run may not run a flow, as runs are nested too deeply; None if it may."""
    flows = (*_flows_above(builder.view), flow)
    if len(flows) <= MOST_NESTED:
        return None
    chain = " > ".join(map(shortened, flows))
    return f"runs may be nested {MOST_NESTED} deep, and this would be one more: {chain}"


def begin_child(builder: TransitionBuilder, key: ExecutionKey, step_id: str, item: Item | None = None) -> bool:
    """Let an execution wait for its child from now on; False if its step is over by that.

    Parameters that do not fit the schema of the flow fail the execution, without a retry.
    """
    spec = builder.flow.steps[step_id]
    flow = cast("str", spec.flow)
    try:
        params, absent = render_value(_params_of(spec), replace(builder.context(), item=item))
    except TemplateError as error:
        fail_step(builder, *key.node, step_id, f"its params cannot be rendered: {error}")
        return False
    if absent and builder.flow.is_strict(step_id):
        fail_step(builder, *key.node, step_id, not_there(absent))
        return False
    execution = Execution.unchecked(
        step_id=step_id,
        role="",
        message="",
        status=ExecutionStatus.AWAITING,
        due_at=builder.now,
        absent=tuple(dict.fromkeys(one.path for one in absent)),
        item=item,
        child=ChildRun(flow=flow, run_id=child_id_of(builder.view.run.run_id, key, 1), params=params),
        wait_until=builder.wait_end(step_id, builder.now),
    )
    builder.put(key, execution)
    builder.row(step_id, key.target, StepRunStatus.DISPATCHED, once=True)
    builder.tell(StepDispatched.unchecked(run_id=builder.view.run.run_id, step_id=step_id, target=target(key.target)))
    try:
        check_schema(check_json(params, MAX_VALUE_DEPTH), _terms(builder.view.launch, flow).params_schema)
    except ValueError as error:
        refused = Failed(bounded(f"flow {shown(flow)} refuses its params: {shortened(error)}"), retryable=False)
        settle_execution(builder, key, execution, refused, _NO_CHANCE)
        return builder.is_running(key.node)
    return True


def _params_of(spec: FlowStepSpec) -> Any:
    # what a step with for_each says nothing of is the item
    return "{{ item }}" if spec.params is None and spec.for_each is not None else spec.params


def take_ends(builder: TransitionBuilder, random: Random) -> None:
    """Take the ends of children that the run was told of; those that take too long fail their executions.

    What it was told and nothing waits for is dropped: of children that were canceled, say.
    """
    if not builder.flow.subflows:
        return
    for number, signal in builder.view.signals.items():
        if (ended := _ended_of(signal)) is None:
            continue
        key, child_id, told = ended
        execution = builder.execution(key)
        if execution is None or not _awaits(execution, child_id):
            builder.drop_signal(number)
            continue
        builder.put(key, execution := execution.model_copy(update={"signal": number}))
        outcome = accepted(_outcome(execution, told), execution.step_id, builder.view.launch)
        settle_execution(builder, key, execution, outcome, random)
    for key in list(builder.index.with_status(ExecutionStatus.AWAITING)):
        execution = builder.index.execution(key)
        if execution.child is not None and execution.wait_until is not None and execution.wait_until <= builder.now:
            spec = builder.flow.steps[execution.step_id]
            reason = f"timeout: {_named(execution.child)} was not over within {spec.timeout_ms} ms"
            settle_execution(builder, key, execution, Failed(reason), random)


def _awaits(execution: Execution, child_id: str) -> bool:
    child = execution.child
    return execution.status is ExecutionStatus.AWAITING and child is not None and child.run_id == child_id


def _outcome(execution: Execution, told: dict[str, Any]) -> Outcome:
    child = cast("ChildRun", execution.child)
    match told.get("status"):
        case MobRunStatus.COMPLETED:
            return Succeeded(told.get("output"))
        case MobRunStatus.CANCELED:
            # it was wanted: to begin again would undo it
            return Failed(f"{_named(child)} was canceled", retryable=False, error_class="RunFailedError")
        case MobRunStatus.FAILED:
            reason = bounded(f"{_named(child)} failed: {told.get('reason')}")
            return Failed(reason, error_class="RunFailedError", detail={"run_id": child.run_id})
        case _:
            return Failed(bounded(f"the output of {_named(child)} is refused: {told.get('reason')}"), retryable=False)


def _named(child: ChildRun) -> str:
    return f"run {child.run_id} of flow {shown(child.flow)}"


def news_of(view: RunView, flow: FlowSpec, parent: ParentRun) -> Signal:
    """What the parent of a run that is over is told of it."""
    run = view.run
    told: dict[str, Any] = {"key": list(parent.key), "run_id": run.run_id, "status": str(run.status)}
    if run.status is MobRunStatus.FAILED:
        told["reason"] = why_failed(run.failure_ledger)
    elif run.status is MobRunStatus.COMPLETED:
        try:
            output = check_json(output_of_flow(run, flow), MAX_OUTPUT_DEPTH)
            if (problem := too_long(output, most_bytes(view.launch), "let the flow give")) is not None:
                raise ValueError(f"it is {problem}")
            told["output"] = output
        except ValueError as error:
            told |= {"status": "refused", "reason": str(error)}
    return Signal(name=CHILD_NEWS, payload=told)


def output_of_flow(run: MobRun, flow: FlowSpec) -> Any:
    """What a step gets that runs this flow: what its `output` leads to, else an object from step to output."""
    context = visible_context(run, flow)
    if flow.output is None:
        return context.steps
    found = resolve(flow.output, context)
    return None if found is MISSING else found.value


def _ended_of(signal: Signal) -> tuple[ExecutionKey, str, dict[str, Any]] | None:
    """(execution, id of its child, what is told) of a signal that tells of the end of a child."""
    if signal.name != CHILD_NEWS or not isinstance(signal.payload, dict):
        return None
    told = cast("dict[str, Any]", signal.payload)
    return ExecutionKey(*told["key"]), told["run_id"], told


def is_told(view: RunView, child_id: str) -> bool:
    """Whether a run was told of the end of a child, and no decision has taken that."""
    return any((ended := _ended_of(one)) is not None and ended[1] == child_id for one in view.signals.values())


def begun_children(transition: Transition) -> dict[ExecutionKey, Execution]:
    """The executions that wait, from a transition on, for a child that is to be started."""
    return {
        key: execution
        for key, execution in transition.executions.items()
        if execution.child is not None
        and execution.status is ExecutionStatus.AWAITING
        and (
            (before := transition.before.executions.get(key)) is None
            or before.child is None
            or before.child.run_id != execution.child.run_id
        )
    }


def left_children(transition: Transition) -> dict[ExecutionKey, Execution]:
    """The executions as they were whose children are left by a transition before they are over: these must end, too."""
    left: dict[ExecutionKey, Execution] = {}
    for key, execution in transition.executions.items():
        before = transition.before.executions.get(key)
        if before is None or before.child is None or before.status is not ExecutionStatus.AWAITING:
            continue
        if execution.signal == before.signal and not _awaits(execution, before.child.run_id):
            left[key] = before
    return left


def open_children(view: RunView) -> dict[ExecutionKey, Execution]:
    """The executions of a run that wait for a child."""
    return {
        key: execution
        for key, execution in view.executions.items()
        if execution.child is not None and execution.status is ExecutionStatus.AWAITING
    }


def child_run(
    view: RunView, definition: MobDefinition, key: ExecutionKey, execution: Execution
) -> tuple[MobRun, RunLaunch, ParentRun, datetime | None]:
    """The run that an execution waits for: pending, with what it is started with, its parent, and when it begins."""
    child, parent, seen = cast("ChildRun", execution.child), view.launch, conversation_in(view)
    terms = _terms(parent, child.flow)
    run, launch = new_run(
        definition,
        child.flow,
        child.params,
        schemas=terms.schemas,
        members=parent.members,
        run_id=child.run_id,
        priority=parent.priority,
        release=parent.release,
        subflows=parent.subflows if definition.flows[child.flow].subflows else {},
    )
    above = ParentRun(
        run_id=view.run.run_id,
        step_id=execution.step_id,
        frame_id=key.frame_id,
        node_id=key.node_id,
        target=key.target,
        flows=_flows_above(view),
        conversation=None if seen is None else seen.id,
    )
    return run, launch, above, execution.due_at if execution.attempt > 1 else None


def _terms(launch: RunLaunch, flow: str) -> SubflowTerms:
    return launch.subflows.get(flow, _NO_TERMS)


def _flows_above(view: RunView) -> tuple[str, ...]:
    above = () if view.parent is None else view.parent.flows
    return (*above, view.run.flow_id)

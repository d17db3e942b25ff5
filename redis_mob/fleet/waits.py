"""Steps that wait for a signal: they begin to wait, take the next signal of their name, or run out of time."""

from __future__ import annotations

from typing import Any

from redis_mob.errors import shown
from redis_mob.fleet.step_end import complete_step, fail_step
from redis_mob.fleet.transition_builder import TransitionBuilder, target
from redis_mob.fleet.waiters import waiter
from redis_mob.models.execution import Execution, ExecutionKey, ExecutionStatus, later
from redis_mob.models.flow_events import StepDispatched, StepTargetCompleted, StepTargetFailed
from redis_mob.models.flow_spec import OnTimeout, WaitSpec
from redis_mob.models.ledger import StepRunStatus
from redis_mob.models.message import Message


def begin_to_wait(builder: TransitionBuilder, node: tuple[str, str], step_id: str, message: Message) -> None:
    """Let a step of a node (frame id, node id) wait from now on; its time counts from now too (contract: engine-55)."""
    wait = builder.flow.waits[step_id]
    key = ExecutionKey(*node, waiter(wait.signal))
    until = None if wait.timeout_ms is None else later(builder.now, wait.timeout_ms)
    waiting = Execution.unchecked(
        step_id=step_id,
        role="",
        message=message,
        status=ExecutionStatus.AWAITING,
        due_at=builder.now,
        wait_until=until,
    )
    builder.put(key, waiting)
    builder.row(step_id, key.target, StepRunStatus.DISPATCHED, once=True)
    builder.tell(StepDispatched.unchecked(run_id=builder.view.run.run_id, step_id=step_id, target=target(key.target)))


def end_a_wait(builder: TransitionBuilder) -> bool:
    """Let one step take its signal, or run out of time; False if none can.

    Of steps that wait for one name, the one that has waited longest is the first, and takes what was sent first. A
    signal that is there counts also after the time is over (contract: engine-57).
    """
    if not builder.flow.waits:
        return False
    index = builder.index
    waiting = [(index.execution(key), key) for key in index.with_status(ExecutionStatus.AWAITING)]
    waiting = [one for one in waiting if one[0].child is None]
    waiting.sort(key=lambda one: (one[0].due_at, one[1]))
    for execution, key in waiting:
        if (found := builder.next_signal(builder.flow.waits[execution.step_id].signal)) is not None:
            number, signal = found
            _complete(builder, key, execution.step_id, number, _output(signal.name, signal.payload, timed_out=False))
            return True
    for execution, key in waiting:
        if execution.wait_until is not None and execution.wait_until <= builder.now:
            _run_out_of_time(builder, key, execution.step_id, builder.flow.waits[execution.step_id])
            return True
    return False


def _output(signal: str, payload: Any, *, timed_out: bool) -> dict[str, Any]:
    # always with all three, so that a condition on any of them finds it
    return {"signal": signal, "payload": payload, "timed_out": timed_out}


def _complete(builder: TransitionBuilder, key: ExecutionKey, step_id: str, number: int | None, output: Any) -> None:
    if number is None:
        builder.close(key, status=ExecutionStatus.COMPLETED, output=output)
    else:
        builder.take_signal(key, number, output)
    builder.row(step_id, key.target, StepRunStatus.COMPLETED, output)
    run_id = builder.view.run.run_id
    builder.tell(StepTargetCompleted.unchecked(run_id=run_id, step_id=step_id, target=target(key.target)))
    complete_step(builder, key.frame_id, key.node_id, step_id)


def _run_out_of_time(builder: TransitionBuilder, key: ExecutionKey, step_id: str, wait: WaitSpec) -> None:
    if wait.on_timeout is OnTimeout.CONTINUE:
        _complete(builder, key, step_id, None, _output(wait.signal, None, timed_out=True))
        return
    reason = f"no signal {shown(wait.signal)} came within {wait.timeout_ms} ms"
    run_id = builder.view.run.run_id
    builder.tell(StepTargetFailed(run_id=run_id, step_id=step_id, target=target(key.target), reason=reason))
    builder.close(key, status=ExecutionStatus.FAILED, reason=reason)
    builder.row(step_id, key.target, StepRunStatus.FAILED)
    builder.failure(step_id, reason)
    fail_step(builder, key.frame_id, key.node_id, step_id, reason)

"""The run machine: step statuses, target counts, node and frame slots (contract: kernel-5)."""

from __future__ import annotations

from collections.abc import Callable

from redis_mob.errors import KernelError, shown
from redis_mob.kernel.commands import Run
from redis_mob.models.authority import RunCommand
from redis_mob.models.flow import FlowPhase, FlowRunState, FlowStepStatus, NodeStatus
from redis_mob.models.seed import saturated

PROJECTED = {
    NodeStatus.COMPLETED: FlowStepStatus.COMPLETED,
    NodeStatus.FAILED: FlowStepStatus.FAILED,
    NodeStatus.SKIPPED: FlowStepStatus.SKIPPED,
}
"""What a step becomes by projection of a node of this status; other statuses are not projected."""


def transition(state: FlowRunState, command: RunCommand) -> FlowRunState:
    """The state after a command.

    Guards that need frames or loops are not checked here but by `machine.apply`; projections are `project_step`.
    Counters saturate at 0 and at the greatest 32-bit number, except that no node slot can be given back when none
    is taken. Raises KernelError, naming what was wrong (contract: kernel-2, kernel-6, kernel-13).
    """
    handler = _HANDLERS.get(command.command)
    if handler is None:
        raise KernelError(f"run {command.run_id}: {shown(command.command)} is no command of the run machine")
    return handler(state, command)


def project_step(state: FlowRunState, command: RunCommand, node: NodeStatus) -> FlowRunState:
    """The state after a step took over the status of a finished node.

    A failure is counted; a completion sets the count of consecutive failures back to 0. Raises KernelError when the
    step is over already, or the node is not Completed, Failed or Skipped (contract: kernel-7).
    """
    step = _step(state, command)
    status = PROJECTED.get(node)
    if status is None:
        raise KernelError(
            f"step {shown(step)} cannot take over the status of node {shown(command.node_id)}, which is {node}"
        )
    if state.step_status[step] not in (None, FlowStepStatus.DISPATCHED):
        raise KernelError(f"step {shown(step)} is {state.step_status[step]} already")
    return _set_step(state, step, status)


def node_slot_free(state: FlowRunState) -> bool:
    """Whether another node may run now; a cap of 0 means there is always room."""
    return state.max_active_nodes == 0 or state.active_node_count < state.max_active_nodes


def _step(state: FlowRunState, command: RunCommand) -> str:
    if command.step_id is None or command.step_id not in state.step_status:
        raise KernelError(f"run {command.run_id} has no step {shown(command.step_id)} ({command.command})")
    return command.step_id


def _required(value: str | None, command: RunCommand, field: str) -> str:
    if value is None:
        raise KernelError(f"run {command.run_id}: {command.command} needs a {field}")
    return value


def _set_step(state: FlowRunState, step: str, status: FlowStepStatus) -> FlowRunState:
    update: dict[str, object] = {"step_status": state.step_status.set((step, status))}
    if status is FlowStepStatus.FAILED:
        update["failure_count"] = saturated(state.failure_count + 1)
        update["consecutive_failure_count"] = saturated(state.consecutive_failure_count + 1)
    elif status is FlowStepStatus.COMPLETED:
        update["consecutive_failure_count"] = 0
    return state.model_copy(update=update)


def _to_phase(phase: FlowPhase, required: FlowPhase) -> Callable[[FlowRunState, RunCommand], FlowRunState]:
    def handler(state: FlowRunState, command: RunCommand) -> FlowRunState:
        if state.phase is not required:
            raise KernelError(f"run {command.run_id} is {state.phase}, and {command.command} needs it {required}")
        return state.model_copy(update={"phase": phase})

    return handler


def _to_status(status: FlowStepStatus) -> Callable[[FlowRunState, RunCommand], FlowRunState]:
    def handler(state: FlowRunState, command: RunCommand) -> FlowRunState:
        return _set_step(state, _step(state, command), status)

    return handler


def _to_value(field: str, value: object) -> Callable[[FlowRunState, RunCommand], FlowRunState]:
    def handler(state: FlowRunState, command: RunCommand) -> FlowRunState:
        step = _step(state, command)
        changed = getattr(state, field).set((step, value))
        return state.model_copy(update={field: changed})

    return handler


def _count(field: str) -> Callable[[FlowRunState, RunCommand], FlowRunState]:
    def handler(state: FlowRunState, command: RunCommand) -> FlowRunState:
        step = _step(state, command)
        counts = getattr(state, field)
        changed = counts.set((step, saturated(counts.get(step, 0) + 1)))
        return state.model_copy(update={field: changed})

    return handler


def _register_targets(state: FlowRunState, command: RunCommand) -> FlowRunState:
    step = _step(state, command)
    if command.target_count is None:
        raise KernelError(f"step {shown(step)}: {command.command} needs a target count")
    counts = state.step_target_counts.set((step, saturated(command.target_count)))
    return state.model_copy(update={"step_target_counts": counts})


def _target_canceled(state: FlowRunState, command: RunCommand) -> FlowRunState:
    # Logs of the original engine hold this input, though it changes no state: it is checked and passed over.
    _step(state, command)
    return state


def _target_failure(state: FlowRunState, command: RunCommand) -> FlowRunState:
    # As above. Attempts are counted in the execution that has the lease, not in the state of the run.
    _step(state, command)
    _required(command.retry_key, command, "retry key")
    return state


def _with(members: tuple[str, ...], item: str) -> tuple[str, ...]:
    return tuple(sorted({*members, item}))


def _without(members: tuple[str, ...], item: str) -> tuple[str, ...]:
    return tuple(member for member in members if member != item)


def _ready_frames(state: FlowRunState, frames: tuple[str, ...], **more: object) -> FlowRunState:
    return state.model_copy(update={"ready_frames": frames, "ready_frame_membership": frames, **more})


def _pending_loops(state: FlowRunState, loops: tuple[str, ...], **more: object) -> FlowRunState:
    update = {"pending_body_frame_loops": loops, "pending_body_frame_loop_membership": loops, **more}
    return state.model_copy(update=update)


def without_pending(state: FlowRunState, loop_instance_id: str) -> FlowRunState:
    """The state in which this loop waits for no body frame any more."""
    if loop_instance_id not in state.pending_body_frame_loop_membership:
        return state
    return _pending_loops(state, _without(state.pending_body_frame_loop_membership, loop_instance_id))


def _register_ready_frame(state: FlowRunState, command: RunCommand) -> FlowRunState:
    frame = _required(command.frame_id, command, "frame id")
    if frame in state.ready_frame_membership:
        return state
    return _ready_frames(state, _with(state.ready_frame_membership, frame))


def _pump_node_scheduler(state: FlowRunState, command: RunCommand) -> FlowRunState:
    frame = _required(command.frame_id, command, "frame id")
    ready = state.ready_frame_membership
    if frame not in ready:
        raise KernelError(f"frame {shown(frame)} is not registered as ready")
    if frame != ready[0]:
        raise KernelError(f"frame {shown(frame)} must wait: the ready frame {shown(ready[0])} comes first")
    if not node_slot_free(state):
        raise KernelError(f"frame {shown(frame)} must wait: all {state.max_active_nodes} node slots are taken")
    return _ready_frames(
        state,
        ready[1:],
        active_node_count=saturated(state.active_node_count + 1),
        last_granted_frame=frame,
    )


def _register_pending_body_frame(state: FlowRunState, command: RunCommand) -> FlowRunState:
    loop = _required(command.loop_instance_id, command, "loop instance id")
    if loop in state.pending_body_frame_loop_membership:
        raise KernelError(f"loop {shown(loop)} waits for a body frame already")
    return _pending_loops(state, _with(state.pending_body_frame_loop_membership, loop))


def _pump_frame_scheduler(state: FlowRunState, command: RunCommand) -> FlowRunState:
    loop = _required(command.loop_instance_id, command, "loop instance id")
    pending = state.pending_body_frame_loop_membership
    if loop not in pending:
        raise KernelError(f"loop {shown(loop)} does not wait for a body frame")
    return _pending_loops(
        state,
        _without(pending, loop),
        active_frame_count=saturated(state.active_frame_count + 1),
        last_granted_loop=loop,
    )


def _node_execution_released(state: FlowRunState, command: RunCommand) -> FlowRunState:
    if state.active_node_count == 0:
        raise KernelError(f"run {command.run_id} holds no node slot that could be released")
    return state.model_copy(update={"active_node_count": state.active_node_count - 1})


def _frame_terminated(state: FlowRunState, command: RunCommand) -> FlowRunState:
    _required(command.frame_id, command, "frame id")
    if state.active_frame_count == 0:
        return state
    return state.model_copy(update={"active_frame_count": state.active_frame_count - 1})


_HANDLERS: dict[str, Callable[[FlowRunState, RunCommand], FlowRunState]] = {
    Run.START_RUN: _to_phase(FlowPhase.RUNNING, FlowPhase.PENDING),
    Run.DISPATCH_STEP: _to_status(FlowStepStatus.DISPATCHED),
    Run.COMPLETE_STEP: _to_status(FlowStepStatus.COMPLETED),
    Run.FAIL_STEP: _to_status(FlowStepStatus.FAILED),
    Run.SKIP_STEP: _to_status(FlowStepStatus.SKIPPED),
    Run.CANCEL_STEP: _to_status(FlowStepStatus.CANCELED),
    Run.RECORD_STEP_OUTPUT: _to_value("output_recorded", True),
    Run.CONDITION_PASSED: _to_value("step_condition_results", True),
    Run.CONDITION_REJECTED: _to_value("step_condition_results", False),
    Run.REGISTER_TARGETS: _register_targets,
    Run.RECORD_TARGET_SUCCESS: _count("step_target_success_counts"),
    Run.RECORD_TARGET_TERMINAL_FAILURE: _count("step_target_terminal_failure_counts"),
    Run.RECORD_TARGET_CANCELED: _target_canceled,
    Run.RECORD_TARGET_FAILURE: _target_failure,
    Run.REGISTER_READY_FRAME: _register_ready_frame,
    Run.PUMP_NODE_SCHEDULER: _pump_node_scheduler,
    Run.REGISTER_PENDING_BODY_FRAME: _register_pending_body_frame,
    Run.PUMP_FRAME_SCHEDULER: _pump_frame_scheduler,
    Run.NODE_EXECUTION_RELEASED: _node_execution_released,
    Run.FRAME_TERMINATED: _frame_terminated,
    Run.TERMINALIZE_COMPLETED: _to_phase(FlowPhase.COMPLETED, FlowPhase.RUNNING),
    Run.TERMINALIZE_FAILED: _to_phase(FlowPhase.FAILED, FlowPhase.RUNNING),
    Run.TERMINALIZE_CANCELED: _to_phase(FlowPhase.CANCELED, FlowPhase.RUNNING),
}

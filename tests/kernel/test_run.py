"""The run machine, command by command."""

from __future__ import annotations

import pytest

from redis_mob.errors import KernelError
from redis_mob.kernel import run as runs
from redis_mob.kernel.commands import Run
from redis_mob.kernel.machine import FlowMachine, apply
from redis_mob.models.authority import AuthorizeFlowRunReducerCommand, RunCommand
from redis_mob.models.base import U32_MAX
from redis_mob.models.definition import LimitsSpec
from redis_mob.models.flow import FlowPhase, FlowRunState, FlowStepStatus, NodeStatus
from redis_mob.models.run import MobRun
from redis_mob.models.seed import pending_flow_state, run_seed
from tests.kernel.flows import flow, frame, step
from tests.kernel.told import on_run, on_step

RUN = "4e6ee972-dac2-4483-8421-67329d40af1f"
FLOW = flow(frame(a=step("a"), b=step("b", "a")))


def running(limits: LimitsSpec | None = None, escalation_threshold: int = 0) -> FlowRunState:
    state = pending_flow_state(run_seed(RUN, FLOW, limits, escalation_threshold))
    return tell(state, on_run(RUN, Run.START_RUN))


def tell(state: FlowRunState, *inputs: AuthorizeFlowRunReducerCommand) -> FlowRunState:
    for told in inputs:
        state = runs.transition(state, told.payload)
    return state


def project(state: FlowRunState, step_id: str, status: NodeStatus) -> FlowRunState:
    told = on_step(RUN, Run.PROJECT_FRAME_STEP_STATUS, step_id, frame_id="f", node_id=step_id)
    return runs.project_step(state, told.payload, status)


def frame_turn(command: Run, frame_id: str) -> AuthorizeFlowRunReducerCommand:
    return on_run(RUN, command, frame_id=frame_id)


def loop_turn(command: Run, loop: str) -> AuthorizeFlowRunReducerCommand:
    return on_run(RUN, command, loop_instance_id=loop)


def test_a_run_starts_once() -> None:
    state = running()
    assert state.phase is FlowPhase.RUNNING
    with pytest.raises(KernelError, match=r"is Running, and StartRun needs it Pending"):
        tell(state, on_run(RUN, Run.START_RUN))


@pytest.mark.parametrize(
    ("command", "status", "failures"),
    [
        (Run.DISPATCH_STEP, FlowStepStatus.DISPATCHED, (3, 2)),
        (Run.COMPLETE_STEP, FlowStepStatus.COMPLETED, (3, 0)),
        (Run.FAIL_STEP, FlowStepStatus.FAILED, (4, 3)),
        (Run.SKIP_STEP, FlowStepStatus.SKIPPED, (3, 2)),
        (Run.CANCEL_STEP, FlowStepStatus.CANCELED, (3, 2)),
    ],
)
def test_step_commands_set_the_status_and_count_failures(
    command: Run, status: FlowStepStatus, failures: tuple[int, int]
) -> None:
    state = running().model_copy(update={"failure_count": 3, "consecutive_failure_count": 2})
    after = tell(state, on_step(RUN, command, "a"))
    assert after.step_status == {"a": status, "b": None}
    assert (after.failure_count, after.consecutive_failure_count) == failures


def test_step_commands_need_a_step_of_the_run() -> None:
    with pytest.raises(KernelError, match="has no step 'ghost'"):
        tell(running(), on_step(RUN, Run.COMPLETE_STEP, "ghost"))


def test_an_unknown_command_is_named() -> None:
    with pytest.raises(KernelError, match="'CreateRun' is no command"):
        runs.transition(running(), RunCommand(run_id=RUN, command="CreateRun"))


def test_projection_takes_the_nodes_status_once() -> None:
    state = project(running(), "a", NodeStatus.COMPLETED)
    assert state.step_status["a"] is FlowStepStatus.COMPLETED
    with pytest.raises(KernelError, match="'a' is Completed already"):
        project(state, "a", NodeStatus.FAILED)


@pytest.mark.parametrize("status", [NodeStatus.PENDING, NodeStatus.READY, NodeStatus.RUNNING, NodeStatus.CANCELED])
def test_projection_needs_a_decided_node(status: NodeStatus) -> None:
    with pytest.raises(KernelError, match=f"which is {status}"):
        project(running(), "a", status)


def test_projection_of_a_dispatched_step() -> None:
    state = project(tell(running(), on_step(RUN, Run.DISPATCH_STEP, "a")), "a", NodeStatus.SKIPPED)
    assert state.step_status["a"] is FlowStepStatus.SKIPPED
    assert state.failure_count == 0


def test_projected_failures_are_counted() -> None:
    state = project(project(running(), "a", NodeStatus.FAILED), "b", NodeStatus.FAILED)
    assert (state.failure_count, state.consecutive_failure_count) == (2, 2)


def test_target_counts() -> None:
    state = tell(
        running(),
        AuthorizeFlowRunReducerCommand(
            payload=RunCommand(run_id=RUN, command=Run.REGISTER_TARGETS, step_id="a", target_count=3)
        ),
        on_step(RUN, Run.RECORD_TARGET_SUCCESS, "a"),
        on_step(RUN, Run.RECORD_TARGET_SUCCESS, "a"),
        on_step(RUN, Run.RECORD_TARGET_TERMINAL_FAILURE, "a"),
        on_step(RUN, Run.RECORD_TARGET_CANCELED, "a"),
    )
    assert state.step_target_counts == {"a": 3, "b": 0}
    assert state.step_target_success_counts["a"] == 2
    assert state.step_target_terminal_failure_counts["a"] == 1


def test_targets_are_registered_with_a_number() -> None:
    with pytest.raises(KernelError, match="needs a target count"):
        tell(running(), on_step(RUN, Run.REGISTER_TARGETS, "a"))


def test_a_retryable_target_failure_changes_no_state() -> None:
    command = RunCommand(run_id=RUN, command=Run.RECORD_TARGET_FAILURE, step_id="a", retry_key="a::m1")
    state = running()
    assert runs.transition(state, command) is state
    with pytest.raises(KernelError, match="needs a retry key"):
        runs.transition(state, command.model_copy(update={"retry_key": None}))


def test_outputs_and_conditions_are_recorded() -> None:
    state = tell(
        running(),
        on_step(RUN, Run.RECORD_STEP_OUTPUT, "a"),
        on_step(RUN, Run.CONDITION_PASSED, "a"),
        on_step(RUN, Run.CONDITION_REJECTED, "b"),
    )
    assert state.output_recorded == {"a": True, "b": False}
    assert state.step_condition_results == {"a": True, "b": False}


def test_case_133_pump_smallest_first() -> None:
    state = tell(
        running(LimitsSpec(max_active_nodes=1)),
        frame_turn(Run.REGISTER_READY_FRAME, "b"),
        frame_turn(Run.REGISTER_READY_FRAME, "a"),
        frame_turn(Run.REGISTER_READY_FRAME, "a"),
    )
    assert state.ready_frames == state.ready_frame_membership == ("a", "b")
    with pytest.raises(KernelError, match="the ready frame 'a' comes first"):
        tell(state, frame_turn(Run.PUMP_NODE_SCHEDULER, "b"))
    with pytest.raises(KernelError, match="'c' is not registered as ready"):
        tell(state, frame_turn(Run.PUMP_NODE_SCHEDULER, "c"))

    granted = tell(state, frame_turn(Run.PUMP_NODE_SCHEDULER, "a"))
    assert (granted.ready_frames, granted.active_node_count, granted.last_granted_frame) == (("b",), 1, "a")
    with pytest.raises(KernelError, match="all 1 node slots are taken"):
        tell(granted, frame_turn(Run.PUMP_NODE_SCHEDULER, "b"))

    uncapped = granted.model_copy(update={"max_active_nodes": 0})
    assert tell(uncapped, frame_turn(Run.PUMP_NODE_SCHEDULER, "b")).active_node_count == 2
    released = tell(granted, frame_turn(Run.NODE_EXECUTION_RELEASED, "a"))
    assert tell(released, frame_turn(Run.PUMP_NODE_SCHEDULER, "b")).active_node_count == 1


def test_no_slot_can_be_returned_that_no_step_has() -> None:
    with pytest.raises(KernelError, match="holds no node slot"):
        tell(running(), frame_turn(Run.NODE_EXECUTION_RELEASED, "a"))


def test_body_frame_slots() -> None:
    state = tell(
        running(),
        loop_turn(Run.REGISTER_PENDING_BODY_FRAME, "m"),
        loop_turn(Run.REGISTER_PENDING_BODY_FRAME, "l"),
    )
    assert state.pending_body_frame_loops == ("l", "m")
    with pytest.raises(KernelError, match="'l' waits for a body frame already"):
        tell(state, loop_turn(Run.REGISTER_PENDING_BODY_FRAME, "l"))
    with pytest.raises(KernelError, match="'x' does not wait"):
        tell(state, loop_turn(Run.PUMP_FRAME_SCHEDULER, "x"))

    granted = tell(state, loop_turn(Run.PUMP_FRAME_SCHEDULER, "l"))
    assert (granted.pending_body_frame_loops, granted.active_frame_count, granted.last_granted_loop) == (("m",), 1, "l")
    returned = tell(granted, frame_turn(Run.FRAME_TERMINATED, "l::iter-0"))
    assert returned.active_frame_count == 0
    assert tell(returned, frame_turn(Run.FRAME_TERMINATED, "l::iter-0")) is returned


def test_scheduler_commands_need_their_subject() -> None:
    for command in (Run.REGISTER_READY_FRAME, Run.PUMP_NODE_SCHEDULER, Run.FRAME_TERMINATED):
        with pytest.raises(KernelError, match=f"{command} needs a frame id"):
            tell(running(), on_run(RUN, command))
    for command in (Run.REGISTER_PENDING_BODY_FRAME, Run.PUMP_FRAME_SCHEDULER):
        with pytest.raises(KernelError, match=f"{command} needs a loop instance id"):
            tell(running(), on_run(RUN, command))


def test_counters_saturate() -> None:
    full = running().model_copy(
        update={
            "failure_count": U32_MAX,
            "active_node_count": U32_MAX,
            "active_frame_count": U32_MAX,
            "ready_frames": ("f",),
            "ready_frame_membership": ("f",),
            "pending_body_frame_loops": ("l",),
            "pending_body_frame_loop_membership": ("l",),
        }
    )
    after = tell(
        full,
        on_step(RUN, Run.FAIL_STEP, "a"),
        frame_turn(Run.PUMP_NODE_SCHEDULER, "f"),
        loop_turn(Run.PUMP_FRAME_SCHEDULER, "l"),
    )
    assert after.failure_count == after.active_node_count == after.active_frame_count == U32_MAX


@pytest.mark.parametrize(
    ("command", "phase"),
    [
        (Run.TERMINALIZE_COMPLETED, FlowPhase.COMPLETED),
        (Run.TERMINALIZE_FAILED, FlowPhase.FAILED),
        (Run.TERMINALIZE_CANCELED, FlowPhase.CANCELED),
    ],
)
def test_a_run_ends_once_and_only_when_it_runs(command: Run, phase: FlowPhase) -> None:
    state = runs.transition(running(), on_run(RUN, command).payload)
    assert state.phase is phase
    for other in (Run.TERMINALIZE_COMPLETED, Run.TERMINALIZE_FAILED, Run.TERMINALIZE_CANCELED):
        with pytest.raises(KernelError, match=f"is {phase}"):
            tell(state, on_run(RUN, other))


def test_a_transition_leaves_unchanged_fields_the_same_objects() -> None:
    state = running()
    after = tell(state, on_step(RUN, Run.DISPATCH_STEP, "a"))
    changed = {name for name in FlowRunState.model_fields if getattr(after, name) is not getattr(state, name)}
    assert changed == {"step_status"}


def test_the_machine_guards_run_and_status() -> None:
    machine = FlowMachine.from_run(MobRun.pending("m", "f", FLOW, {}, run_id=RUN), FLOW)
    with pytest.raises(KernelError, match="is pending; CompleteStep needs it running"):
        apply(machine, on_step(RUN, Run.COMPLETE_STEP, "a"))
    with pytest.raises(KernelError, match="is about run other"):
        apply(machine, on_run("other", Run.START_RUN))
    machine = apply(machine, on_run(RUN, Run.START_RUN))
    with pytest.raises(KernelError, match="has no frame 'f'"):
        apply(machine, frame_turn(Run.REGISTER_READY_FRAME, "f"))
    with pytest.raises(KernelError, match="has no loop 'l'"):
        apply(machine, loop_turn(Run.REGISTER_PENDING_BODY_FRAME, "l"))
    with pytest.raises(KernelError, match="needs a frame id and a node id"):
        apply(machine, on_step(RUN, Run.PROJECT_FRAME_STEP_STATUS, "a"))

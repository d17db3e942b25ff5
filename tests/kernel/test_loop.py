"""The loop machine, and loops driven to their ends."""

from __future__ import annotations

import pytest

from redis_mob.errors import KernelError
from redis_mob.kernel import loop as loops
from redis_mob.kernel.commands import Loop
from redis_mob.models.authority import LoopSeed
from redis_mob.models.flow import FramePhase, LoopIterationState, LoopPhase, LoopStage, NodeStatus
from redis_mob.models.run_status import MobRunStatus
from tests.kernel.drive import Drive
from tests.kernel.flows import flow, frame, loop, step
from tests.kernel.told import on_loop

SEED = LoopSeed(
    loop_instance_id="r::l", parent_frame_id="r", parent_node_id="l", loop_id="loop", depth=1, max_iterations=2
)


def active(iteration: int = 0) -> LoopIterationState:
    state = loops.seeded(SEED).model_copy(update={"current_iteration": iteration})
    return loops.body_frame_started(state, f"r::l::iter-{iteration}", iteration)


def test_a_loop_goes_round() -> None:
    state = loops.seeded(SEED)
    assert (state.phase, state.stage, state.current_iteration) == (LoopPhase.RUNNING, LoopStage.AWAITING_BODY_FRAME, 0)
    state = loops.body_frame_started(state, "r::l::iter-0", 0)
    assert (state.stage, state.active_body_frame_id) == (LoopStage.BODY_FRAME_ACTIVE, "r::l::iter-0")
    state = loops.body_frame_completed(state, 0)
    assert (state.stage, state.last_completed_iteration, state.current_iteration, state.active_body_frame_id) == (
        LoopStage.AWAITING_UNTIL_EVALUATION,
        0,
        1,
        None,
    )
    again = loops.until_condition_failed(state, 0)
    assert (again.phase, again.stage) == (LoopPhase.RUNNING, LoopStage.AWAITING_BODY_FRAME)
    done = loops.until_condition_met(state, 0)
    assert done.phase is LoopPhase.COMPLETED


def test_iterations_run_out() -> None:
    state = loops.body_frame_completed(active(1), 1)
    exhausted = loops.until_condition_failed(state, 1)
    assert exhausted.phase is LoopPhase.EXHAUSTED


@pytest.mark.parametrize(
    ("command", "phase"), [(Loop.BODY_FRAME_FAILED, LoopPhase.FAILED), (Loop.BODY_FRAME_CANCELED, LoopPhase.CANCELED)]
)
def test_a_lost_body_ends_the_loop(command: Loop, phase: LoopPhase) -> None:
    state = loops.transition(active(1), on_loop("r::l", command, iteration=1).payload)
    assert (state.phase, state.last_completed_iteration, state.active_body_frame_id) == (phase, 1, None)
    assert (state.stage, state.current_iteration) == (LoopStage.BODY_FRAME_ACTIVE, 1)


def test_a_canceled_loop() -> None:
    state = loops.transition(loops.seeded(SEED), on_loop("r::l", Loop.CANCEL_LOOP).payload)
    assert state.phase is LoopPhase.CANCELED
    with pytest.raises(KernelError, match="is over: it is Canceled"):
        loops.transition(state, on_loop("r::l", Loop.CANCEL_LOOP).payload)


def test_what_does_not_fit_is_refused() -> None:
    waiting = loops.seeded(SEED)
    with pytest.raises(KernelError, match="is AwaitingBodyFrame; this needs it BodyFrameActive"):
        loops.body_frame_completed(waiting, 0)
    with pytest.raises(KernelError, match="about iteration 0, not 1"):
        loops.body_frame_started(waiting, "r::l::iter-1", 1)
    with pytest.raises(KernelError, match="about iteration 0, not 3"):
        loops.transition(active(), on_loop("r::l", Loop.BODY_FRAME_FAILED, iteration=3).payload)
    with pytest.raises(KernelError, match="needs it AwaitingUntilEvaluation"):
        loops.until_condition_met(active(), 0)
    completed = loops.body_frame_completed(active(), 0)
    with pytest.raises(KernelError, match="about iteration 0, not 1"):
        loops.until_condition_failed(completed, 1)
    with pytest.raises(KernelError, match="'StartLoop' is no command"):
        command = on_loop("r::l", Loop.CANCEL_LOOP).payload.model_copy(update={"command": "StartLoop"})
        loops.transition(waiting, command)


def test_case_126_loop_exhausts_after_max() -> None:
    drive = Drive(flow(frame(l=loop("loop", frame(b=step("b")), most=3), after=step("after", "l"))))
    machine = drive.to_end(met=lambda _iteration: False)
    root = f"{machine.run_id}-root"
    bodies = [f"{root}::l::iter-{iteration}" for iteration in range(3)]
    assert [frame_id for frame_id in machine.frames if frame_id != root] == bodies
    assert machine.loop(f"{root}::l").phase is LoopPhase.EXHAUSTED
    assert machine.frame(root).node_status == {"after": NodeStatus.SKIPPED, "l": NodeStatus.FAILED}
    assert machine.status is MobRunStatus.FAILED
    assert machine.flow_state.step_status == {"after": "Skipped", "b": "Completed"}


def test_case_127_until_true_first() -> None:
    machine = Drive(flow(frame(l=loop("loop", frame(b=step("b")), most=3)))).to_end()
    root = f"{machine.run_id}-root"
    assert list(machine.frames) == [root, f"{root}::l::iter-0"]
    assert machine.loop(f"{root}::l").phase is LoopPhase.COMPLETED
    assert machine.frame(root).phase is FramePhase.COMPLETED
    assert machine.status is MobRunStatus.COMPLETED


def test_a_failed_body_stops_the_loop() -> None:
    machine = Drive(flow(frame(l=loop("loop", frame(b=step("b")), most=3)))).to_end(lambda _step: "fail")
    root = f"{machine.run_id}-root"
    assert list(machine.frames) == [root, f"{root}::l::iter-0"]
    assert machine.loop(f"{root}::l").phase is LoopPhase.FAILED
    assert machine.status is MobRunStatus.FAILED

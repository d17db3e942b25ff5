"""The loop machine: which iteration of a loop waits for what (contract: kernel-24)."""

from __future__ import annotations

from redis_mob.errors import KernelError, shown
from redis_mob.kernel.commands import Loop
from redis_mob.models.authority import LoopCommand, LoopSeed
from redis_mob.models.flow import LoopIterationState, LoopPhase, LoopStage
from redis_mob.models.seed import saturated


def seeded(seed: LoopSeed) -> LoopIterationState:
    """The first state of a loop instance: it waits for the body frame of iteration 0."""
    return LoopIterationState(
        phase=LoopPhase.RUNNING,
        loop_instance_id=seed.loop_instance_id,
        parent_frame_id=seed.parent_frame_id,
        parent_node_id=seed.parent_node_id,
        loop_id=seed.loop_id,
        depth=saturated(seed.depth),
        stage=LoopStage.AWAITING_BODY_FRAME,
        current_iteration=0,
        last_completed_iteration=0,
        max_iterations=saturated(seed.max_iterations),
    )


def body_frame_started(state: LoopIterationState, body_frame_id: str, iteration: int) -> LoopIterationState:
    """The loop with the body of its current iteration under way; KernelError when it waits for something else."""
    _require(state, LoopStage.AWAITING_BODY_FRAME, iteration, state.current_iteration)
    return state.model_copy(update={"stage": LoopStage.BODY_FRAME_ACTIVE, "active_body_frame_id": body_frame_id})


def body_frame_completed(state: LoopIterationState, iteration: int) -> LoopIterationState:
    """The loop after the body of its current iteration was completed: its until condition is to be evaluated."""
    _require(state, LoopStage.BODY_FRAME_ACTIVE, iteration, state.current_iteration)
    return state.model_copy(
        update={
            "stage": LoopStage.AWAITING_UNTIL_EVALUATION,
            "last_completed_iteration": iteration,
            "current_iteration": iteration + 1,
            "active_body_frame_id": None,
        }
    )


def until_condition_met(state: LoopIterationState, iteration: int) -> LoopIterationState:
    """The loop after its until condition held: Completed."""
    _require(state, LoopStage.AWAITING_UNTIL_EVALUATION, iteration, state.last_completed_iteration)
    return _ended(state, LoopPhase.COMPLETED)


def until_condition_failed(state: LoopIterationState, iteration: int) -> LoopIterationState:
    """The loop after its until condition did not hold: it asks for another body, or is Exhausted."""
    _require(state, LoopStage.AWAITING_UNTIL_EVALUATION, iteration, state.last_completed_iteration)
    if state.current_iteration >= state.max_iterations:
        return _ended(state, LoopPhase.EXHAUSTED)
    return state.model_copy(update={"stage": LoopStage.AWAITING_BODY_FRAME})


def transition(state: LoopIterationState, command: LoopCommand) -> LoopIterationState:
    """The loop after a command: its body failed or was canceled, or the loop itself is canceled.

    Everything else that happens to a loop has an input of its own. Raises KernelError, naming the loop, when the
    command does not fit its phase, stage or iteration (contract: kernel-27).
    """
    match command.command:
        case Loop.BODY_FRAME_FAILED:
            return _body_frame_ended(state, command, LoopPhase.FAILED)
        case Loop.BODY_FRAME_CANCELED:
            return _body_frame_ended(state, command, LoopPhase.CANCELED)
        case Loop.CANCEL_LOOP:
            _require_running(state)
            return _ended(state, LoopPhase.CANCELED)
        case other:
            raise KernelError(f"loop {shown(state.loop_instance_id)}: {shown(other)} is no command of the loop machine")


def _body_frame_ended(state: LoopIterationState, command: LoopCommand, phase: LoopPhase) -> LoopIterationState:
    iteration = command.body_frame_iteration
    _require(state, LoopStage.BODY_FRAME_ACTIVE, iteration, state.current_iteration)
    return _ended(state, phase, last_completed_iteration=iteration)


def _ended(state: LoopIterationState, phase: LoopPhase, **more: object) -> LoopIterationState:
    return state.model_copy(update={"phase": phase, "active_body_frame_id": None, **more})


def _require_running(state: LoopIterationState) -> None:
    if state.phase is not LoopPhase.RUNNING:
        raise KernelError(f"loop {shown(state.loop_instance_id)} is over: it is {state.phase}")


def _require(state: LoopIterationState, stage: LoopStage, iteration: int | None, expected: int) -> None:
    _require_running(state)
    if state.stage is not stage:
        raise KernelError(f"loop {shown(state.loop_instance_id)} is {state.stage}; this needs it {stage}")
    if iteration != expected:
        raise KernelError(f"loop {shown(state.loop_instance_id)}: this is about iteration {expected}, not {iteration}")

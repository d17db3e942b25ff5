"""Inputs for tests that tell a machine single commands; a draft of the kernel makes them for a whole transition."""

from __future__ import annotations

from redis_mob.kernel.commands import Frame, Loop, Run
from redis_mob.models.authority import (
    AuthorizeFlowFrameReducerCommand,
    AuthorizeFlowRunReducerCommand,
    AuthorizeLoopIterationReducerCommand,
    FrameCommand,
    LoopCommand,
    RunCommand,
)
from redis_mob.models.flow import FramePhase


def on_run(
    run_id: str, command: Run, *, frame_id: str | None = None, loop_instance_id: str | None = None
) -> AuthorizeFlowRunReducerCommand:
    return AuthorizeFlowRunReducerCommand(
        payload=RunCommand(run_id=run_id, command=command.value, frame_id=frame_id, loop_instance_id=loop_instance_id)
    )


def on_step(
    run_id: str, command: Run, step_id: str, *, frame_id: str | None = None, node_id: str | None = None
) -> AuthorizeFlowRunReducerCommand:
    return AuthorizeFlowRunReducerCommand(
        payload=RunCommand(run_id=run_id, command=command.value, step_id=step_id, frame_id=frame_id, node_id=node_id)
    )


def on_node(frame_id: str, command: Frame, node_id: str) -> AuthorizeFlowFrameReducerCommand:
    return AuthorizeFlowFrameReducerCommand(
        payload=FrameCommand(frame_id=frame_id, command=command.value, node_id=node_id)
    )


def seal(frame_id: str, phase: FramePhase) -> AuthorizeFlowFrameReducerCommand:
    return AuthorizeFlowFrameReducerCommand(
        payload=FrameCommand(frame_id=frame_id, command=Frame.SEAL_FRAME.value, terminal_status=phase.value)
    )


def on_loop(loop_id: str, command: Loop, iteration: int | None = None) -> AuthorizeLoopIterationReducerCommand:
    return AuthorizeLoopIterationReducerCommand(
        payload=LoopCommand(loop_instance_id=loop_id, command=command.value, body_frame_iteration=iteration)
    )

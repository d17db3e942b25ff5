"""The commands that the machines understand, and the inputs that carry them."""

from __future__ import annotations

from enum import StrEnum

from redis_mob.models.authority import (
    AuthorizeFlowFrameReducerCommand,
    AuthorizeFlowRunReducerCommand,
    AuthorizeLoopIterationReducerCommand,
    FrameCommand,
    LoopCommand,
    RunCommand,
)
from redis_mob.models.flow import FramePhase, NodeStatus


class Run(StrEnum):
    """Commands to the run machine (contract: kernel-5)."""

    START_RUN = "StartRun"
    DISPATCH_STEP = "DispatchStep"
    COMPLETE_STEP = "CompleteStep"
    FAIL_STEP = "FailStep"
    SKIP_STEP = "SkipStep"
    CANCEL_STEP = "CancelStep"
    PROJECT_FRAME_STEP_STATUS = "ProjectFrameStepStatus"
    RECORD_STEP_OUTPUT = "RecordStepOutput"
    CONDITION_PASSED = "ConditionPassed"
    CONDITION_REJECTED = "ConditionRejected"
    REGISTER_TARGETS = "RegisterTargets"
    RECORD_TARGET_SUCCESS = "RecordTargetSuccess"
    RECORD_TARGET_TERMINAL_FAILURE = "RecordTargetTerminalFailure"
    RECORD_TARGET_CANCELED = "RecordTargetCanceled"
    RECORD_TARGET_FAILURE = "RecordTargetFailure"
    REGISTER_READY_FRAME = "RegisterReadyFrame"
    PUMP_NODE_SCHEDULER = "PumpNodeScheduler"
    REGISTER_PENDING_BODY_FRAME = "RegisterPendingBodyFrame"
    PUMP_FRAME_SCHEDULER = "PumpFrameScheduler"
    NODE_EXECUTION_RELEASED = "NodeExecutionReleased"
    FRAME_TERMINATED = "FrameTerminated"
    TERMINALIZE_COMPLETED = "TerminalizeCompleted"
    TERMINALIZE_FAILED = "TerminalizeFailed"
    TERMINALIZE_CANCELED = "TerminalizeCanceled"


class Frame(StrEnum):
    """Commands to a frame machine (contract: kernel-18)."""

    ADMIT_NEXT_READY_NODE = "AdmitNextReadyNode"
    COMPLETE_NODE = "CompleteNode"
    FAIL_NODE = "FailNode"
    SKIP_NODE = "SkipNode"
    CANCEL_NODE = "CancelNode"
    RECORD_NODE_OUTPUT = "RecordNodeOutput"
    SEAL_FRAME = "SealFrame"


class Loop(StrEnum):
    """Commands to a loop machine (contract: kernel-27)."""

    BODY_FRAME_FAILED = "BodyFrameFailed"
    BODY_FRAME_CANCELED = "BodyFrameCanceled"
    CANCEL_LOOP = "CancelLoop"


SETTLED_AS = {
    Frame.COMPLETE_NODE: NodeStatus.COMPLETED,
    Frame.FAIL_NODE: NodeStatus.FAILED,
    Frame.SKIP_NODE: NodeStatus.SKIPPED,
    Frame.CANCEL_NODE: NodeStatus.CANCELED,
}
"""The status that a node gets from the command that ends it."""

_STEP_STATUS = {
    Run.DISPATCH_STEP: "Dispatched",
    Run.COMPLETE_STEP: "Completed",
    Run.FAIL_STEP: "Failed",
    Run.SKIP_STEP: "Skipped",
    Run.CANCEL_STEP: "Canceled",
}


def on_run(run_id: str, command: Run) -> AuthorizeFlowRunReducerCommand:
    """A command that concerns the run as a whole."""
    return AuthorizeFlowRunReducerCommand(payload=RunCommand(run_id=run_id, command=command.value))


def on_step(
    run_id: str, command: Run, step_id: str, *, frame_id: str | None = None, node_id: str | None = None
) -> AuthorizeFlowRunReducerCommand:
    """A command about one step; a projection also names the frame and the node it is taken from."""
    return AuthorizeFlowRunReducerCommand(
        payload=RunCommand(
            run_id=run_id,
            command=command.value,
            step_id=step_id,
            run_step_key=f"{run_id}\0{step_id}",
            step_status=_STEP_STATUS.get(command),
            frame_id=frame_id,
            node_id=node_id,
        )
    )


def on_scheduler(
    run_id: str, command: Run, *, frame_id: str | None = None, loop_instance_id: str | None = None
) -> AuthorizeFlowRunReducerCommand:
    """A command about the run's slots and queues, for one frame or one loop."""
    return AuthorizeFlowRunReducerCommand(
        payload=RunCommand(run_id=run_id, command=command.value, frame_id=frame_id, loop_instance_id=loop_instance_id)
    )


def on_node(frame_id: str, command: Frame, node_id: str) -> AuthorizeFlowFrameReducerCommand:
    """A command about one node of a frame."""
    admitted = NodeStatus.RUNNING if command is Frame.ADMIT_NEXT_READY_NODE else None
    status = SETTLED_AS.get(command, admitted)
    return AuthorizeFlowFrameReducerCommand(
        payload=FrameCommand(
            frame_id=frame_id,
            command=command.value,
            node_id=node_id,
            frame_node_key=f"{frame_id}\0{node_id}",
            node_status=None if status is None else status.value,
        )
    )


def seal(frame_id: str, phase: FramePhase) -> AuthorizeFlowFrameReducerCommand:
    """The command that ends a frame."""
    return AuthorizeFlowFrameReducerCommand(
        payload=FrameCommand(frame_id=frame_id, command=Frame.SEAL_FRAME.value, terminal_status=phase.value)
    )


def on_loop(
    loop_instance_id: str, command: Loop, *, body_frame_id: str | None = None, iteration: int | None = None
) -> AuthorizeLoopIterationReducerCommand:
    """A command to a loop; the two about its body name the body's frame and iteration."""
    return AuthorizeLoopIterationReducerCommand(
        payload=LoopCommand(
            loop_instance_id=loop_instance_id,
            command=command.value,
            body_frame_id=body_frame_id,
            body_frame_iteration=iteration,
        )
    )

"""The words of the machines' commands: what a run, a frame and a loop can be told; `draft` builds inputs from them."""

from __future__ import annotations

from enum import StrEnum

from redis_mob.models.flow import NodeStatus


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

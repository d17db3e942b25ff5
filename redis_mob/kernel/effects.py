"""What a transition asks of its surroundings, beside the next state."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class EffectKind(StrEnum):
    """The kinds of effects; the subject says of what (contract: kernel-1)."""

    RUN_NOTICE = "run_notice"
    STEP_NOTICE = "step_notice"
    FLOW_TERMINALIZED = "flow_terminalized"
    ADMIT_STEP_WORK = "admit_step_work"
    START_LOOP_NODE = "start_loop_node"
    PERSIST_STEP_OUTPUT = "persist_step_output"
    APPEND_FAILURE_LEDGER = "append_failure_ledger"
    ESCALATE_SUPERVISOR = "escalate_supervisor"
    PROJECT_TARGET_SUCCESS = "project_target_success"
    PROJECT_TARGET_FAILURE = "project_target_failure"
    PROJECT_TARGET_CANCELED = "project_target_canceled"
    GRANT_NODE_SLOT = "grant_node_slot"
    GRANT_BODY_FRAME_START = "grant_body_frame_start"
    NODE_EXECUTION_RELEASED = "node_execution_released"
    FRAME_SEALED = "frame_sealed"
    REQUEST_BODY_FRAME_START = "request_body_frame_start"
    EVALUATE_UNTIL = "evaluate_until"
    LOOP_ENDED = "loop_ended"


class Effect(NamedTuple):
    """One effect; `subject` is the id of the run, step, node, frame or loop instance it is about, or a retry key."""

    kind: EffectKind
    subject: str


Effects = tuple[Effect, ...]
"""The effects of one transition, in order."""

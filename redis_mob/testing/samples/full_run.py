"""A run that has something of everything, and an authority input of every kind."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from redis_mob.models import AgentErrorReport, FlowAuthorityInput, MobRun, StepRunStatus, TurnError
from redis_mob.models.authority import FLOW_AUTHORITY_INPUT
from redis_mob.models.base import U32_MAX, U64_MAX
from redis_mob.models.flow import FlowStepStatus, FrameScope, LoopStage
from redis_mob.testing.samples.json_values import ANY_JSON
from redis_mob.testing.samples.states import (
    NOON,
    failure_entry,
    flow_state,
    frame,
    iteration_entry,
    loop,
    new_run,
    run_seed,
    step_entry,
)

_SEED = run_seed().model_dump()
_ITERATION = {"loop_instance_id": "loop-1", "iteration": U64_MAX}
_PAYLOADS: dict[str, dict[str, Any]] = {
    "RunFlow": _SEED,
    "CreateRunSeed": _SEED,
    "AuthorizeFlowRunReducerCommand": {
        "run_id": "run",
        "command": "RegisterTargets",
        "run_step_key": None,
        "target_count": 2,
    },
    "CreateFrameSeed": {
        "run_id": "run",
        "frame_id": "root",
        "frame_scope": "Root",
        "iteration": 0,
        "tracked_nodes": ("n1", "n2"),
        "ordered_nodes": ("n2", "n1"),
        "node_kind": {"n1": "Step", "n2": "Loop"},
        "node_dependencies": {"n1": ("n2",)},
        "node_dependency_modes": {"n1": "Any"},
        "node_branches": {"n1": None, "n2": "main"},
        "node_step_ids": {"n1": "build"},
        "node_loop_ids": {"n2": "refine"},
        "node_status": {"n2": "Ready"},
        "ready_queue": ("n2",),
    },
    "AuthorizeFlowFrameReducerCommand": {
        "frame_id": "root",
        "command": "StartRootFrame",
        "frame_node_key": None,
    },
    "CreateLoopSeed": {
        "loop_instance_id": "loop-1",
        "parent_frame_id": "root",
        "parent_node_id": "n2",
        "loop_id": "refine",
        "depth": 1,
        "max_iterations": 3,
    },
    "RecordLoopBodyFrameCompleted": _ITERATION,
    "RecordLoopUntilConditionMet": _ITERATION,
    "RecordLoopUntilConditionFailed": _ITERATION,
    "AuthorizeLoopIterationReducerCommand": {"loop_instance_id": "loop-1", "command": "BodyFrameStarted"},
}

EVERY_INPUT: tuple[FlowAuthorityInput, ...] = tuple(
    FLOW_AUTHORITY_INPUT.validate_python({"input": kind, "payload": payload}) for kind, payload in _PAYLOADS.items()
)
"""One of each kind that the log of a run may hold."""


def full_run(**changes: Any) -> MobRun:
    """A run with rows, outputs and inputs, the greatest numbers and odd texts, with these changes and a random id."""
    report = AgentErrorReport.model_validate({"class": "Timeout", "reason": ANY_JSON, "message": "too late\n"})
    state = flow_state(
        step_status={"build": FlowStepStatus.COMPLETED, "test": None},
        step_branches={"build": "main", "test": None, "é": ""},
        target_retry_counts={"run\0build": U32_MAX, "": 0},
        ready_frames=("b", "a", "b"),
        failure_count=U32_MAX,
        last_granted_frame="root",
    )
    body = frame("body", (), frame_scope=FrameScope.BODY, loop_instance_id="loop-1", iteration=U64_MAX)
    active = loop(stage=LoopStage.BODY_FRAME_ACTIVE, current_iteration=U64_MAX, active_body_frame_id="body")
    parts: dict[str, Any] = {
        "mob_id": "mób",
        "flow_state": state,
        "activation_params": ANY_JSON,
        "completed_at": NOON + timedelta(microseconds=1),
        "step_ledger": (
            step_entry(),
            step_entry(agent="", status=StepRunStatus.COMPLETED, output=ANY_JSON),
            step_entry(),
        ),
        "failure_ledger": (
            failure_entry(error_report=report, error=TurnError(kind="provider", detail="", retryable=False)),
            failure_entry(),
            failure_entry(),
        ),
        "frames": {"root": frame(node_condition_results={"n1": True, "n2": None}), "": frame(""), "body": body},
        "loops": {"loop-1": active, "é": loop("é")},
        "loop_iteration_ledger": (iteration_entry(iteration=U64_MAX), iteration_entry("")),
        "root_step_outputs": {"z": ANY_JSON, "a": None, "": [1, 1.0, True]},
        "loop_iteration_outputs": {"refine": ({}, {"y": ANY_JSON, "b": None}, {}), "empty": ()},
        "flow_authority_inputs": (*EVERY_INPUT, *reversed(EVERY_INPUT)),
    }
    return new_run(**{**parts, **changes})

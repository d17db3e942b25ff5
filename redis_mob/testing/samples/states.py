"""Small runs, kernel states, rows and inputs for tests that do not care what exactly they hold."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import uuid4

from redis_mob.models import (
    FailureLedgerEntry,
    FlowAuthorityInput,
    FlowFrameState,
    FlowRunState,
    FrameSnapshot,
    LoopIterationLedgerEntry,
    LoopIterationState,
    LoopSnapshot,
    MobRun,
    MobRunStatus,
    StepLedgerEntry,
    StepRunStatus,
)
from redis_mob.models.authority import LoopIterationRecord, RecordLoopBodyFrameCompleted, RunSeed
from redis_mob.models.flow import (
    DependencyMode,
    FlowPhase,
    FramePhase,
    FrameScope,
    LoopPhase,
    LoopStage,
    NodeKind,
    NodeStatus,
)
from redis_mob.models.seed import pending_flow_state

S = TypeVar("S", bound=FlowRunState | FlowFrameState | LoopIterationState)

NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)


def flow_state(steps: Sequence[str] = ("build", "test"), **changes: Any) -> FlowRunState:
    """The state of a run that has just begun, with these changes."""
    return rebuilt(pending_flow_state(run_seed(steps)), phase=FlowPhase.RUNNING, **changes)


def run_seed(steps: Sequence[str] = ("build", "test")) -> RunSeed:
    """What a run of these steps starts from."""
    return RunSeed.model_validate(
        {
            "run_id": "run",
            "step_ids": steps,
            "ordered_steps": steps,
            "step_has_conditions": {},
            "step_dependencies": {},
            "step_dependency_modes": {},
            "step_branches": {},
            "step_collection_policies": {},
            "step_quorum_thresholds": {},
            "escalation_threshold": 0,
            "max_step_retries": 0,
            "max_active_nodes": 2,
            "max_active_frames": 0,
            "max_frame_depth": 0,
        }
    )


def frame(frame_id: str = "root", nodes: Sequence[str] = ("n1", "n2"), **changes: Any) -> FrameSnapshot:
    """A root frame whose first node is ready, with these changes."""
    state = FlowFrameState.model_validate(
        {
            "phase": FramePhase.RUNNING,
            "frame_id": frame_id,
            "frame_scope": FrameScope.ROOT,
            "loop_instance_id": "",
            "iteration": 0,
            "last_admitted_node": "",
            "tracked_nodes": tuple(nodes),
            "ordered_nodes": tuple(nodes),
            "node_kind": dict.fromkeys(nodes, NodeKind.STEP),
            "node_dependencies": dict.fromkeys(nodes, ()),
            "node_dependency_modes": dict.fromkeys(nodes, DependencyMode.ALL),
            "node_branches": dict.fromkeys(nodes),
            "branch_winners": (),
            "node_status": dict.fromkeys(nodes, NodeStatus.PENDING),
            "ready_queue": tuple(nodes[:1]),
            "output_recorded": dict.fromkeys(nodes, False),
            "node_condition_results": dict.fromkeys(nodes),
        }
    )
    return FrameSnapshot(kernel_state=rebuilt(state, **changes))


def loop(loop_instance_id: str = "loop-1", **changes: Any) -> LoopSnapshot:
    """A loop that waits for its first body frame, with these changes."""
    state = LoopIterationState(
        phase=LoopPhase.RUNNING,
        loop_instance_id=loop_instance_id,
        parent_frame_id="root",
        parent_node_id="n1",
        loop_id="refine",
        depth=1,
        stage=LoopStage.AWAITING_BODY_FRAME,
        current_iteration=0,
        last_completed_iteration=0,
        max_iterations=3,
    )
    return LoopSnapshot(kernel_state=rebuilt(state, **changes))


def rebuilt(state: S, **changes: Any) -> S:
    """The state with these changes, validated, and made from nothing: it shares no object with the given one."""
    return type(state).model_validate_json(type(state).model_validate({**dict(state), **changes}).model_dump_json())


def new_run(**changes: Any) -> MobRun:
    """A running run without frames, loops and rows, with these changes and a random id unless one is given."""
    plain: dict[str, Any] = {
        "run_id": str(uuid4()),
        "mob_id": "mob",
        "flow_id": "review",
        "status": MobRunStatus.RUNNING,
        "flow_state": flow_state(),
        "activation_params": {},
        "created_at": NOON,
        "step_ledger": (),
        "failure_ledger": (),
        "schema_version": 6,
    }
    return MobRun(**{**plain, **changes})


def step_entry(
    step_id: str = "build",
    agent: str = "agent-1",
    status: StepRunStatus = StepRunStatus.DISPATCHED,
    *,
    output: Any = None,
    timestamp: datetime = NOON,
) -> StepLedgerEntry:
    return StepLedgerEntry(step_id=step_id, agent_identity=agent, status=status, output=output, timestamp=timestamp)


def failure_entry(
    step_id: str = "build", reason: str = "exit 1", *, timestamp: datetime = NOON, **more: Any
) -> FailureLedgerEntry:
    return FailureLedgerEntry(step_id=step_id, reason=reason, timestamp=timestamp, **more)


def iteration_entry(
    frame_id: str = "body", iteration: int = 0, loop_instance_id: str = "loop-1"
) -> LoopIterationLedgerEntry:
    return LoopIterationLedgerEntry(loop_instance_id=loop_instance_id, iteration=iteration, frame_id=frame_id)


def authority_input(iteration: int = 0) -> FlowAuthorityInput:
    """An input that tells itself apart from others by its iteration."""
    return RecordLoopBodyFrameCompleted(payload=LoopIterationRecord(loop_instance_id="loop-1", iteration=iteration))

"""A run as a whole: status, kernel states, outputs and ledgers (store contract 5.3)."""

from __future__ import annotations

from pydantic import Field

from redis_mob.models.authority import FlowAuthorityInput
from redis_mob.models.base import (
    U32,
    U64,
    FrozenDict,
    Items,
    JsonValue,
    Model,
    RunId,
    SortedDict,
    Timestamp,
    WireEnum,
    is_none,
)
from redis_mob.models.failure import AgentErrorReport, TurnError
from redis_mob.models.flow import FlowRunState, FrameSnapshot, LoopSnapshot

MAX_LOOP_ITERATION = 1_000_000
"""The greatest iteration for which an output may be recorded (decision 15)."""


class MobRunStatus(WireEnum):
    """The public status of a run."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"

    @property
    def is_terminal(self) -> bool:
        """Whether the run is over: completed, failed or canceled."""
        return self in (MobRunStatus.COMPLETED, MobRunStatus.FAILED, MobRunStatus.CANCELED)


class StepRunStatus(WireEnum):
    """The status in a step ledger row; spelled in lower case, unlike `FlowStepStatus` (store contract 5.0)."""

    DISPATCHED = "dispatched"
    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELED = "canceled"


class StepLedgerEntry(Model):
    """One row of a run's step ledger: what one agent did for one step."""

    step_id: str
    agent_identity: str
    status: StepRunStatus
    output: JsonValue | None = None
    timestamp: Timestamp


class FailureLedgerEntry(Model):
    """One row of a run's failure ledger."""

    step_id: str
    reason: str
    error_report: AgentErrorReport | None = Field(default=None, exclude_if=is_none)
    error: TurnError | None = Field(default=None, exclude_if=is_none)
    timestamp: Timestamp


class LoopIterationLedgerEntry(Model):
    """One row of a run's loop iteration ledger: which frame was the body of which iteration."""

    loop_instance_id: str
    iteration: U64
    frame_id: str


class MobRun(Model):
    """One run with everything that belongs to it, as `get_run` returns it."""

    run_id: RunId
    mob_id: str
    flow_id: str
    status: MobRunStatus
    flow_state: FlowRunState
    activation_params: JsonValue
    created_at: Timestamp
    completed_at: Timestamp | None = None
    step_ledger: Items[StepLedgerEntry]
    failure_ledger: Items[FailureLedgerEntry]
    frames: SortedDict[FrameSnapshot] = SortedDict()
    loops: SortedDict[LoopSnapshot] = SortedDict()
    loop_iteration_ledger: Items[LoopIterationLedgerEntry] = ()
    schema_version: U32 = 0
    root_step_outputs: FrozenDict[str, JsonValue] = FrozenDict()
    loop_iteration_outputs: SortedDict[Items[FrozenDict[str, JsonValue]]] = SortedDict()
    flow_authority_inputs: Items[FlowAuthorityInput] = ()

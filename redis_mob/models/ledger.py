"""The rows of a run's ledgers: what was done for its steps, what failed, which iterations its loops had."""

from pydantic import Field

from redis_mob.models.base import U64, JsonValue, Model, Timestamp, WireEnum, is_none
from redis_mob.models.failure import AgentErrorReport, TurnError

FLOW_STEP = "__flow__"
"""The step under which failures of the flow itself are recorded."""

MAX_LOOP_ITERATION = 1_000_000
"""The greatest iteration for which an output may be recorded (contract: runs-26)."""


class StepRunStatus(WireEnum):
    """The status in a step ledger row; spelled in lower case, unlike `FlowStepStatus` (contract: json-8)."""

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

"""What happened to a run and its steps: the kinds of events that a flow leaves (contract: json-11)."""

from typing import Literal

from pydantic import Field

from redis_mob.models.base import JsonValue, Model, RunId, is_none
from redis_mob.models.failure import AgentErrorReport, TurnError
from redis_mob.models.ids import AgentRuntimeId


class FlowStarted(Model):
    """A run began."""

    type: Literal["flow_started"] = "flow_started"
    run_id: RunId
    flow_id: str
    params: JsonValue


class FlowCompleted(Model):
    """A run ended well. A `structured_output` of null is the same as none."""

    type: Literal["flow_completed"] = "flow_completed"
    run_id: RunId
    flow_id: str
    structured_output: JsonValue | None = Field(default=None, exclude_if=is_none)


class FlowFailed(Model):
    """A run ended badly. `cause` is the class of the failure, which meerkat names since 0.7: "step_timeout", ..."""

    type: Literal["flow_failed"] = "flow_failed"
    run_id: RunId
    flow_id: str
    reason: str
    cause: str | None = Field(default=None, exclude_if=is_none)


class FlowCanceled(Model):
    """A run was called off. `cause` says why, as meerkat does since 0.8: "cancel_requested", ..."""

    type: Literal["flow_canceled"] = "flow_canceled"
    run_id: RunId
    flow_id: str
    cause: str | None = Field(default=None, exclude_if=is_none)


class StepDispatched(Model):
    """A step was handed to a member."""

    type: Literal["step_dispatched"] = "step_dispatched"
    run_id: RunId
    step_id: str
    target: AgentRuntimeId


class StepTargetCompleted(Model):
    """A member did its part of a step. meerkat tells its `output` here since 0.8; null is the same as none."""

    type: Literal["step_target_completed"] = "step_target_completed"
    run_id: RunId
    step_id: str
    target: AgentRuntimeId
    output: JsonValue | None = Field(default=None, exclude_if=is_none)


class StepTargetFailed(Model):
    """A member failed at its part of a step."""

    type: Literal["step_target_failed"] = "step_target_failed"
    run_id: RunId
    step_id: str
    target: AgentRuntimeId
    reason: str
    error_report: AgentErrorReport | None = Field(default=None, exclude_if=is_none)
    error: TurnError | None = Field(default=None, exclude_if=is_none)


class StepCompleted(Model):
    """A step is done."""

    type: Literal["step_completed"] = "step_completed"
    run_id: RunId
    step_id: str


class StepFailed(Model):
    """A step failed."""

    type: Literal["step_failed"] = "step_failed"
    run_id: RunId
    step_id: str
    reason: str


class StepSkipped(Model):
    """A step will not be done."""

    type: Literal["step_skipped"] = "step_skipped"
    run_id: RunId
    step_id: str
    reason: str


class TopologyViolation(Model):
    """Work was handed from one role to another against the rules."""

    type: Literal["topology_violation"] = "topology_violation"
    from_role: str
    to_role: str


class SupervisorEscalation(Model):
    """The supervisor was told of a step."""

    type: Literal["supervisor_escalation"] = "supervisor_escalation"
    run_id: RunId
    step_id: str
    escalated_to: str


class SupervisorEscalationFailed(Model):
    """The supervisor could not be told of a step; since meerkat 0.8."""

    type: Literal["supervisor_escalation_failed"] = "supervisor_escalation_failed"
    run_id: RunId
    step_id: str
    reason: str

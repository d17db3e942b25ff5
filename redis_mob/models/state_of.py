"""The state that people are told of a node, a step, a row of its ledger or an execution."""

from __future__ import annotations

from redis_mob.models.execution import ExecutionStatus
from redis_mob.models.flow import FlowStepStatus, NodeStatus
from redis_mob.models.ledger import StepRunStatus
from redis_mob.models.states import State

STATE_OF_NODE = {
    NodeStatus.PENDING: State.WAITING,
    NodeStatus.READY: State.WAITING,
    NodeStatus.RUNNING: State.RUNNING,
    NodeStatus.COMPLETED: State.COMPLETED,
    NodeStatus.FAILED: State.FAILED,
    NodeStatus.SKIPPED: State.SKIPPED,
    NodeStatus.CANCELED: State.CANCELED,
}

STATE_OF_STEP = {
    None: State.WAITING,
    FlowStepStatus.DISPATCHED: State.RUNNING,
    FlowStepStatus.COMPLETED: State.COMPLETED,
    FlowStepStatus.FAILED: State.FAILED,
    FlowStepStatus.SKIPPED: State.SKIPPED,
    FlowStepStatus.CANCELED: State.CANCELED,
}

STATE_OF_ROW = {
    StepRunStatus.DISPATCHED: State.RUNNING,
    StepRunStatus.COMPLETED: State.COMPLETED,
    StepRunStatus.FAILED: State.FAILED,
    StepRunStatus.SKIPPED: State.SKIPPED,
    StepRunStatus.CANCELED: State.CANCELED,
}

STATE_OF_EXECUTION = {
    ExecutionStatus.WAITING: State.WAITING,
    ExecutionStatus.LEASED: State.RUNNING,
    ExecutionStatus.REPORTED: State.RUNNING,  # its outcome shows when a decision has taken it
    ExecutionStatus.COMPLETED: State.COMPLETED,
    ExecutionStatus.FAILED: State.FAILED,
    ExecutionStatus.CANCELED: State.CANCELED,
    ExecutionStatus.AWAITING: State.WAITING,
    ExecutionStatus.ASKING: State.WAITING,
}

"""The failures of a run that no attempt has made good, each with the member whose it is. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

from redis_mob.models.execution import Execution, ExecutionKey, ExecutionStatus
from redis_mob.models.failure import AgentErrorReport
from redis_mob.models.ledger import FLOW_STEP, FailureLedgerEntry, StepLedgerEntry, StepRunStatus
from redis_mob.models.run import MobRun
from redis_mob.models.run_outputs import SYSTEM_MEMBER
from redis_mob.operations.error_reports import told_in, traceback_in
from redis_mob.operations.run_description import FailureDescription

Place = tuple[str, datetime]
"""A step, and when something of it failed."""


def failures_of(
    run: MobRun,
    ledger: Sequence[StepLedgerEntry],
    executions: Mapping[ExecutionKey, Execution],
    rounds: Mapping[str, tuple[int, ...]],
) -> tuple[FailureDescription, ...]:
    """Those of the failure ledger, in the order in which they came."""
    members: defaultdict[Place, list[str]] = defaultdict(list)
    for row in ledger:
        if row.status is StepRunStatus.FAILED and row.agent_identity != SYSTEM_MEMBER:
            members[row.step_id, row.timestamp].append(row.agent_identity)
    failures: defaultdict[Place, list[FailureLedgerEntry]] = defaultdict(list)
    for failure in run.failure_ledger:
        failures[failure.step_id, failure.timestamp].append(failure)
    # A member that fails gets a row in either ledger, in one commit and in one order.
    whose = {
        id(failure): member
        for place, told in failures.items()
        if len(told) == len(members[place])
        for failure, member in zip(told, members[place], strict=True)
    }
    return tuple(_described(row, whose.get(id(row)), executions, rounds) for row in run.failure_ledger)


def _described(
    row: FailureLedgerEntry,
    member: str | None,
    executions: Mapping[ExecutionKey, Execution],
    rounds: Mapping[str, tuple[int, ...]],
) -> FailureDescription:
    told = [
        (key, execution)
        for key, execution in (executions.items() if member is not None else ())
        if (execution.step_id, key.target) == (row.step_id, member)
        and execution.status is ExecutionStatus.FAILED
        and execution.reason == row.reason
    ]
    key, execution = told[0] if len(told) == 1 else (None, None)
    return FailureDescription.unchecked(
        step_id=None if row.step_id == FLOW_STEP else row.step_id,
        member=member,
        iteration=() if key is None else rounds.get(key.frame_id, ()),
        attempt=None if execution is None else execution.attempt,
        at=row.timestamp,
        reason=row.reason,
        error_class=_error_class(row.error_report),
        detail=told_in(row.error_report).get("detail"),
        traceback=traceback_in(row.error_report),
    )


def _error_class(report: AgentErrorReport | None) -> str | None:
    found = told_in(report).get("exception")
    return found if isinstance(found, str) else None

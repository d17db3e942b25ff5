"""What a worker executes, and since when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from redis_mob.codec.definitions import flow_of_run
from redis_mob.errors import NotFoundError
from redis_mob.fleet.deadline import DEFAULT_STEP_TIMEOUT_MS
from redis_mob.models.definition import MobDefinition
from redis_mob.models.execution import Execution, ExecutionKey
from redis_mob.models.transition import RunView
from redis_mob.storage import MobStorage


@dataclass(frozen=True, slots=True)
class HeldExecution:
    """An execution that a worker holds.

    `since` is when the attempt began; None if that cannot be told, because the end of the flow bounds it. It is out of
    time at `deadline`.
    """

    run_id: str
    flow_id: str
    key: ExecutionKey
    step_id: str
    role: str
    attempt: int
    since: datetime | None
    deadline: datetime


async def executions_of(storage: MobStorage, worker_id: str) -> tuple[HeldExecution, ...]:
    """See `FleetAdmin.executions_of`."""
    by_run: dict[str, list[ExecutionKey]] = {}
    for run_id, key in await storage.executions.held(worker_id):
        by_run.setdefault(run_id, []).append(key)
    found: list[HeldExecution] = []
    for run_id, keys in sorted(by_run.items()):
        view = await storage.executions.load(run_id)
        if view is None:
            continue
        definition = await _definition_of(storage, view)
        for key in sorted(keys):
            execution = view.executions.get(key)
            # it may have ended since, or be another one's
            if execution is not None and execution.lease is not None and execution.lease.owner == worker_id:
                found.append(_held(view, definition, key, execution, execution.lease.deadline))
    return tuple(found)


async def _definition_of(storage: MobStorage, view: RunView) -> MobDefinition | None:
    try:
        return await storage.executions.get_definition(view.launch.definition)
    except NotFoundError:
        return None


def _held(
    view: RunView, definition: MobDefinition | None, key: ExecutionKey, execution: Execution, deadline: datetime
) -> HeldExecution:
    since = None
    if definition is not None and deadline != view.deadline and execution.escalation is None:
        # it has from its beginning on as long as its step says
        step = flow_of_run(definition, view.run).steps[execution.step_id]
        timeout = DEFAULT_STEP_TIMEOUT_MS if step.timeout_ms is None else step.timeout_ms
        since = max(deadline - timedelta(milliseconds=timeout), execution.due_at)
    return HeldExecution(
        run_id=view.run.run_id,
        flow_id=view.run.flow_id,
        key=key,
        step_id=execution.step_id,
        role=execution.role,
        attempt=execution.attempt,
        since=since,
        deadline=deadline,
    )

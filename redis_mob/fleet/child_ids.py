"""The ids of the runs that steps with a sub-flow wait for. Pure."""

from __future__ import annotations

from redis_mob.fleet.run_start import run_id_of
from redis_mob.models.execution import Execution, ExecutionKey


def child_id_of(run_id: str, key: ExecutionKey, attempt: int) -> str:
    """The id of the run that an attempt of an execution waits for; however often it is started, there is one."""
    # of more parts than those of starts, forks and schedules: no idempotency key gives the same
    return run_id_of("child", run_id, *key, str(attempt), "flow")


def children_of(run_id: str, key: ExecutionKey, execution: Execution) -> tuple[str, ...]:
    """The ids of the runs that the attempts of an execution have waited for, in this order; none of another one."""
    if execution.child is None:
        return ()
    return tuple(child_id_of(run_id, key, attempt) for attempt in range(1, execution.attempt + 1))

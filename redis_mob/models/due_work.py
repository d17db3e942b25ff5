"""What a worker takes from the schedule."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from redis_mob.models.execution import ExecutionKey, Left, Loss


class DueExecution(NamedTuple):
    """An execution that a worker took to claim it, and how another one lost it, if one did."""

    run_id: str
    key: ExecutionKey
    loss: Loss | None = None


class DueWork(NamedTuple):
    """What a worker took: runs to look at, executions to claim; and when the next ones become due.

    `more` says that executions wait which it serves and did not take. `next_loss_at` is when the first lease of a
    worker expires unless it is renewed. `left` is what the worker leaves to others,
    `workers` is how many are known.
    """

    runs: tuple[str, ...]
    executions: tuple[DueExecution, ...]
    now: datetime
    next_run_at: datetime | None
    next_execution_at: datetime | None
    next_loss_at: datetime | None = None
    more: bool = False
    left: frozenset[Left] = frozenset()
    workers: int = 0

"""How long a caller waits for a run, and what to tell of one that is not over by then."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import timedelta

from redis_mob.errors import ValidationError, shown
from redis_mob.fleet.step_context import checked_pause
from redis_mob.fleet.unserved import named, unserved_work
from redis_mob.fleet.waits import signal_of
from redis_mob.models.execution import ExecutionStatus
from redis_mob.models.run import MobRunStatus
from redis_mob.models.transition import RunView
from redis_mob.models.worker import LiveWorker


def seconds_of(timeout: float | timedelta | None) -> float:
    """A timeout in seconds, infinite for None. Raises ValidationError for what is none."""
    try:
        pause = checked_pause(timeout)
    except TypeError:
        raise ValidationError(
            f"timeout must be a number of seconds, or a timedelta, up to a hundred years, not {shown(timeout)}"
        ) from None
    return math.inf if pause is None else pause.total_seconds()


def why_not_over(view: RunView, workers: Iterable[LiveWorker]) -> str:
    """What a run waits for: workers that do not exist, signals, handlers that are at work."""
    reasons = unserved_work(view, workers)
    steps: dict[str, set[str]] = {}
    for key, execution in view.executions.items():
        if execution.status is ExecutionStatus.AWAITING:
            steps.setdefault(f"waits for signal {shown(signal_of(key.target))}", set()).add(execution.step_id)
        elif execution.status is ExecutionStatus.LEASED:
            steps.setdefault("is under way", set()).add(execution.step_id)
    reasons += (f"step {named(sorted(names))} {what}" for what, names in steps.items())
    if not reasons and view.run.status is MobRunStatus.PENDING:
        reasons.append(f"it begins at {view.launched_at.isoformat()}")
    return "; ".join(reasons) or "it is under way"

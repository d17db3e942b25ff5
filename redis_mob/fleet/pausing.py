"""What a worker does not begin, because a run is paused. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from redis_mob.fleet.takeover import is_convicted, was_lost
from redis_mob.models.execution import Claim, ExecutionKey
from redis_mob.models.run_status import MobRunStatus
from redis_mob.models.transition import RunView


def held_back(view: RunView, claims: Iterable[Claim]) -> list[ExecutionKey]:
    """The executions among these claims that would begin; the others only fail, or are no one's to begin any more."""
    if view.run.status is not MobRunStatus.RUNNING:
        return []
    return [claim.key for claim in claims if _would_begin(view, claim)]


def _would_begin(view: RunView, claim: Claim) -> bool:
    execution = view.executions.get(claim.key)
    if execution is None:
        return False
    if claim.loss is not None and was_lost(execution, claim.loss):
        return not is_convicted(execution, claim.loss)
    return execution.waits(view.now)

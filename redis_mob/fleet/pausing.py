"""What a worker does not begin, because a run is paused. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from redis_mob.errors import shortened, shown
from redis_mob.fleet.takeover import is_convicted, was_lost
from redis_mob.models.execution import Claim, ExecutionKey
from redis_mob.models.pause import Pause, PauseScope
from redis_mob.models.run import MobRunStatus
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


def why_paused(pauses: Sequence[Pause]) -> list[str]:
    """A sentence for each of these pauses, as what a run waits for."""
    return [_sentence(pause) for pause in pauses]


def _sentence(pause: Pause) -> str:
    subject = {
        PauseScope.RUN: "it",
        PauseScope.FLOW: f"flow {shown(pause.flow_id)}",
        PauseScope.MOB: f"mob {shown(pause.mob_id)}",
    }[pause.scope]
    reason = "" if pause.reason is None else f": {_plain(pause.reason)}"
    return f"{subject} is paused since {pause.since.isoformat(timespec='seconds')}{reason}"


def _plain(text: str) -> str:
    return shortened(text) if text.isprintable() else shown(text)

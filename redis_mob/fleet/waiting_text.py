"""What runs and executions wait for, in words."""

from __future__ import annotations

from collections.abc import Sequence

from redis_mob.errors import shortened, shown
from redis_mob.models.ask import Ask
from redis_mob.models.pause import Pause, PauseScope

MOST_NAMED = 3
"""How many asks a sentence names."""


def asked_text(asks: Sequence[Ask]) -> str:
    """What an execution that asks waits for, in words."""
    named = ", ".join(f"{shown(ask.kind)} (ask {ask.id})" for ask in asks[:MOST_NAMED])
    more = len(asks) - MOST_NAMED
    return f"an answer to {named}" + (f" and {more:,} more" if more > 0 else "")


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

"""The attempts of the members of a run, by its events. Pure.

An event names step and member, and not the frame. Each time that a step is over is told, so that the events of one step
fall into its iterations.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from redis_mob.models.events import MobEvent
from redis_mob.models.flow_events import (
    FlowCanceled,
    FlowCompleted,
    FlowFailed,
    StepCompleted,
    StepDispatched,
    StepFailed,
    StepTargetCompleted,
    StepTargetFailed,
)
from redis_mob.operations.error_reports import traceback_in
from redis_mob.operations.run_description import Attempt


class RunAttempts:
    """The attempts that events of a run tell of; all of its events, in their order."""

    def __init__(self, events: Iterable[MobEvent]) -> None:
        self._rounds: defaultdict[str, list[dict[str, list[Attempt]]]] = defaultdict(lambda: [{}])
        for event in events:
            self._take(event)

    def of(self, step_id: str, number: int, member: str) -> tuple[Attempt, ...]:
        """Those of a member when the step was executed for the time of this number, counted from 0."""
        rounds = self._rounds.get(step_id, [])
        return tuple(rounds[number].get(member, ())) if number < len(rounds) else ()

    def _take(self, event: MobEvent) -> None:
        match event.kind:
            case StepDispatched() as told:
                attempts = self._rounds[told.step_id][-1].setdefault(told.target.identity, [])
                _end(attempts, event, "lost")
                attempts.append(Attempt.unchecked(began_at=event.timestamp))
            case StepTargetCompleted() as told:
                _end(self._rounds[told.step_id][-1].get(told.target.identity, []), event, "completed")
            case StepTargetFailed() as told:
                attempts = self._rounds[told.step_id][-1].get(told.target.identity, [])
                _end(attempts, event, "failed", reason=told.reason, traceback=traceback_in(told.error_report))
            case StepCompleted() | StepFailed() as told:
                for attempts in self._rounds[told.step_id][-1].values():
                    _end(attempts, event, "canceled")
                self._rounds[told.step_id].append({})
            case FlowCompleted() | FlowFailed() | FlowCanceled():
                for rounds in self._rounds.values():
                    for attempts in rounds[-1].values():
                        _end(attempts, event, "canceled")
            case _:
                pass


def _end(attempts: list[Attempt], event: MobEvent, outcome: str, **more: Any) -> None:
    """End the last attempt, if it is under way."""
    if attempts and attempts[-1].outcome == "running":
        attempts[-1] = attempts[-1].model_copy(update={"ended_at": event.timestamp, "outcome": outcome, **more})

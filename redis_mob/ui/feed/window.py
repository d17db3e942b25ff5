"""What the log tells of the last minutes: steps a second, latency, failures. Pure, and bounded."""

from __future__ import annotations

from collections import Counter, deque
from datetime import datetime, timedelta
from typing import NamedTuple

from redis_mob.models.events import MobEvent
from redis_mob.models.flow_events import (
    FlowCanceled,
    FlowCompleted,
    FlowFailed,
    FlowStarted,
    StepDispatched,
    StepTargetCompleted,
    StepTargetFailed,
)
from redis_mob.ui.feed.messages import LONGEST_REASON

RATE_SECONDS = 120
LATENCY_SPAN = timedelta(minutes=5)
FAILURE_SPAN = timedelta(hours=1)

MOST_LATENCIES = 5_000
MOST_FAILURES = 50
MOST_OPEN = 50_000
"""Executions whose begin is remembered; of more the oldest ones are forgotten, and not measured."""

MOST_RUNS = 10_000
"""Runs whose flows are remembered, and that they were there."""

_Execution = tuple[str, str]
"""A step, and its member."""


class Failure(NamedTuple):
    """A run that has failed."""

    run_id: str
    mob_id: str
    flow_id: str
    at: datetime
    reason: str


class Latency(NamedTuple):
    """Seconds that executions of steps have taken."""

    p50: float
    p99: float


class Window:
    """Takes the events of the log in turn."""

    def __init__(self) -> None:
        self._ended: Counter[int] = Counter()
        self._latencies: deque[tuple[datetime, float]] = deque(maxlen=MOST_LATENCIES)
        self._failures: deque[Failure] = deque(maxlen=MOST_FAILURES)
        self._open: dict[str, dict[_Execution, datetime]] = {}
        self._number_open = 0
        self._runs: dict[str, None] = {}

    def take(self, event: MobEvent) -> None:
        """Take the next event."""
        kind = event.kind
        if event.run_id is not None:
            self._runs[event.run_id] = None
            if len(self._runs) > MOST_RUNS:
                del self._runs[next(iter(self._runs))]
        match kind:
            case StepDispatched():
                self._began(kind.run_id, (kind.step_id, kind.target.identity), event.timestamp)
            case StepTargetCompleted() | StepTargetFailed():
                self._has_ended(kind.run_id, (kind.step_id, kind.target.identity), event.timestamp)
            case FlowFailed():
                failure = Failure(
                    kind.run_id, event.mob_id, kind.flow_id, event.timestamp, kind.reason[:LONGEST_REASON]
                )
                self._failures.appendleft(failure)
                self._forget(kind.run_id)
            case FlowCompleted() | FlowCanceled() | FlowStarted():
                self._forget(kind.run_id)
            case _:
                pass

    def steps_per_second(self, now: datetime) -> list[tuple[int, int]]:
        """How many executions of steps have ended in each of the last seconds, as far as any has."""
        newest = int(now.timestamp())
        for second in [second for second in self._ended if second <= newest - RATE_SECONDS]:
            del self._ended[second]
        return sorted(self._ended.items())

    def latency(self, now: datetime) -> Latency | None:
        """How long executions have taken that have ended in the last minutes; None if none has."""
        while self._latencies and self._latencies[0][0] < now - LATENCY_SPAN:
            self._latencies.popleft()
        found = sorted(seconds for _, seconds in self._latencies)
        return Latency(found[len(found) // 2], found[len(found) * 99 // 100]) if found else None

    def failures(self, now: datetime) -> list[Failure]:
        """The runs that have failed in the last hour, the newest first, as far as they are remembered."""
        return [failure for failure in self._failures if failure.at >= now - FAILURE_SPAN]

    def since(self, run_id: str, step_id: str, member: str) -> datetime | None:
        """Since when an execution is under way; None if that is not known."""
        return self._open.get(run_id, {}).get((step_id, member))

    def has_seen(self, run_id: str) -> bool:
        """Whether the log has told of a run lately."""
        return run_id in self._runs

    def _began(self, run_id: str, execution: _Execution, at: datetime) -> None:
        of_run = self._open.setdefault(run_id, {})
        self._number_open += execution not in of_run
        of_run[execution] = at
        while self._number_open > MOST_OPEN:
            self._forget(next(iter(self._open)))

    def _has_ended(self, run_id: str, execution: _Execution, at: datetime) -> None:
        self._ended[int(at.timestamp())] += 1
        if len(self._ended) > 2 * RATE_SECONDS:
            del self._ended[min(self._ended)]
        began = self._open.get(run_id, {}).pop(execution, None)
        if began is not None:
            self._number_open -= 1
            self._latencies.append((at, max((at - began).total_seconds(), 0.0)))

    def _forget(self, run_id: str) -> None:
        self._number_open -= len(self._open.pop(run_id, {}))

"""What is left to say when a run is over, or was left to others: a summary for people, one JSON object for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from redis_mob.cli.progress import excerpt
from redis_mob.fleet.absent_values import warnings_of
from redis_mob.fleet.said import bounded
from redis_mob.fleet.transition_builder import FLOW_STEP
from redis_mob.models.base import json_text
from redis_mob.models.events import MobEvent
from redis_mob.models.flow_events import FlowFailed
from redis_mob.models.run import FailureLedgerEntry, MobRun, MobRunStatus
from redis_mob.models.transition import RunView
from redis_mob.storage import MobStorage

EXCERPT = 160
"""Characters of an output that the summary shows."""

LONG_REASON = 2000
"""Bytes of the reason of a failure that the summary shows; the failure ledger has more."""

MOST_FAILURES = 50
"""Failures that the summary shows."""

_PAGE = 500


@dataclass(frozen=True, slots=True)
class RunReport:
    """A run that is over, or was left to others, with its events in order."""

    view: RunView
    events: Sequence[MobEvent]

    @property
    def run(self) -> MobRun:
        return self.view.run

    @property
    def seconds(self) -> float:
        """From the start of the run to its end, by the server's clock."""
        return ((self.run.completed_at or self.view.now) - self.view.launched_at).total_seconds()

    def as_json(self) -> str:
        """One JSON object on one line."""
        run = self.run.model_dump(mode="json", include={"root_step_outputs", "loop_iteration_outputs"})
        return json_text(
            {
                "run_id": self.run.run_id,
                "status": self.run.status,
                "outputs": run["root_step_outputs"],
                "loop_outputs": run["loop_iteration_outputs"],
                "steps": {
                    step: None if (status := self.run.flow_state.step_status.get(step)) is None else status.lower()
                    for step in self.run.flow_state.ordered_steps
                },
                "warnings": list(warnings_of(self.view.executions.values())),
                "events": len(self.events),
                "seconds": self.seconds,
            }
        )

    def summary(self) -> Iterator[str]:
        """Lines for people: how it ended and why, what failed, and the beginning of each output."""
        status = self.run.status
        ended = f"{status} in" if status.is_terminal else f"left {status} after"
        yield f"run {self.run.run_id} {ended} {self.seconds:.1f} s"
        if self.run.status is MobRunStatus.FAILED:
            yield from self._failures() or [self._reason()]
        yield from (f"warning: {line}" for line in warnings_of(self.view.executions.values()))
        for step, output in self.run.root_step_outputs.items():
            yield f"{step}: {_excerpt(output)}"
        for loop, iterations in self.run.loop_iteration_outputs.items():
            for step, output in iterations[-1].items():
                yield f"{loop}, iteration {len(iterations)}, {step}: {_excerpt(output)}"

    def _failures(self) -> list[str]:
        """What failed, each once, in the order in which it came."""
        told = list(dict.fromkeys(map(_failure, self.run.failure_ledger)))
        more = len(told) - MOST_FAILURES
        return [*told[:MOST_FAILURES], f"and {more} more failures"] if more > 0 else told

    def _reason(self) -> str:
        ends = [event.kind.reason for event in self.events if isinstance(event.kind, FlowFailed)]
        why = bounded(ends[-1], LONG_REASON) if ends else "its events were pruned, and no failure is recorded"
        return f"failed: {why}"


async def report(storage: MobStorage, view: RunView, after: int) -> RunReport:
    """The report on a run whose events come after this cursor."""
    events: list[MobEvent] = []
    page = await storage.events.poll(after, _PAGE)
    while page:
        events += (event for event in page if getattr(event.kind, "run_id", None) == view.run.run_id)
        page = await storage.events.poll(page[-1].cursor, _PAGE) if len(page) == _PAGE else []
    return RunReport(view, events)


def _failure(entry: FailureLedgerEntry) -> str:
    what = "failed" if entry.step_id == FLOW_STEP else f"failed: step {entry.step_id}"
    detail = f" ({excerpt(entry.error.detail, EXCERPT)})" if entry.error and entry.error.detail else ""
    return f"{what}: {bounded(entry.reason, LONG_REASON)}{detail}"


def _excerpt(output: Any) -> str:
    text = json_text(output)
    return text if len(text) <= EXCERPT else f"{text[: EXCERPT - 1]}…"

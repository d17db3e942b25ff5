"""What is left to say when a run is over, or was left to others: a summary for people, one JSON object for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from redis_mob.cli.failures import EXCERPT, LONG_REASON, Failure, failures_of, lines_of
from redis_mob.cli.words import duration_text
from redis_mob.fleet.absent_values import warnings_of
from redis_mob.fleet.said import bounded
from redis_mob.models.base import json_text
from redis_mob.models.events import MobEvent
from redis_mob.models.flow_events import FlowFailed
from redis_mob.models.flow_spec import FlowSpec
from redis_mob.models.run import MobRun
from redis_mob.models.run_status import MobRunStatus
from redis_mob.models.transition import RunView
from redis_mob.storage import MobStorage

_PAGE = 500


@dataclass(frozen=True, slots=True)
class RunReport:
    """A run that is over, or was left to others, with its events in order, and the first of its failures."""

    view: RunView
    events: Sequence[MobEvent]
    failures: Sequence[Failure] = ()

    @property
    def run(self) -> MobRun:
        return self.view.run

    @property
    def seconds(self) -> float:
        """From the start of the run to its end, by the server's clock."""
        return ((self.run.completed_at or self.view.now) - self.view.launched_at).total_seconds()

    def as_json(self, *, verbose: bool = False) -> str:
        """One JSON object on one line; `verbose` adds the tracebacks of what failed."""
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
                "failures": [failure.as_json(verbose=verbose) for failure in self.failures],
                "failures_left_out": len(self.run.failure_ledger) - len(self.failures),
                "warnings": list(warnings_of(self.view.executions.values())),
                "events": len(self.events),
                "seconds": self.seconds,
            }
        )

    def summary(self, *, verbose: bool = False) -> Iterator[str]:
        """Lines for people: how it ended and why, what failed, and the beginning of each output.

        With `verbose` also the tracebacks of what failed, whether the run did or not.
        """
        status = self.run.status
        ended = f"{status} in" if status.is_terminal else f"left {status} after"
        yield f"run {self.run.run_id} {ended} {duration_text(self.seconds)}"
        if self.run.status is MobRunStatus.FAILED or verbose:
            yield from lines_of(self.failures, len(self.run.failure_ledger), verbose=verbose)
        if self.run.status is MobRunStatus.FAILED and not self.failures:
            yield self._reason()
        yield from (f"warning: {line}" for line in warnings_of(self.view.executions.values()))
        for step, output in self.run.root_step_outputs.items():
            yield f"{step}: {_excerpt(output)}"
        for loop, iterations in self.run.loop_iteration_outputs.items():
            for step, output in iterations[-1].items():
                yield f"{loop}, iteration {len(iterations)}, {step}: {_excerpt(output)}"

    def _reason(self) -> str:
        ends = [event.kind.reason for event in self.events if isinstance(event.kind, FlowFailed)]
        why = bounded(ends[-1], LONG_REASON) if ends else "its events were pruned, and no failure is recorded"
        return f"failed: {why}"


async def report(storage: MobStorage, view: RunView, flow: FlowSpec, after: int) -> RunReport:
    """The report on a run of this flow whose events come after this cursor."""
    events: list[MobEvent] = []
    page = await storage.events.poll(after, _PAGE)
    while page:
        events += (event for event in page if event.run_id == view.run.run_id)
        page = await storage.events.poll(page[-1].cursor, _PAGE) if len(page) == _PAGE else []
    return RunReport(view, events, await failures_of(storage, view, flow, events))


def _excerpt(output: Any) -> str:
    text = json_text(output)
    return text if len(text) <= EXCERPT else f"{text[: EXCERPT - 1]}…"

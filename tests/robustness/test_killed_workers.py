"""Runs survive the death of their workers and of their server, and a judge that is shown one fault finds it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from redis_mob.storage import MobStorage
from tests.fleet.crew import effects_in
from tests.fleet.everything import EVERYTHING
from tests.fleet.simulation import told
from tests.fleet.worker_process import work
from tests.fleet.working import loaded, run_flow, with_ended
from tests.robustness import killed_workers
from tests.robustness.effects import Effect, Incidents, StoredRun, effects_of, judge
from tests.robustness.seeds import new_seed

Seen = tuple[StoredRun, list[Effect]]
"""A run and its effects."""


@pytest.mark.slow
async def test_runs_survive_the_death_of_their_workers_and_of_their_server() -> None:
    report = await killed_workers.run(seed=new_seed(), runs=20, workers=3, every=2, lease=3)
    assert report.broken == []
    assert report.figures["workers killed"]
    assert report.figures["server deaths"] == 1


@pytest.fixture
async def healthy(tmp_path: Path, namespace: str) -> Seen:
    """A run that nothing happened to."""
    file = tmp_path / "effects"
    async with MobStorage.open("memory:", namespace=namespace) as storage:
        run = await run_flow(storage, EVERYTHING, work, params={"effects": str(file)}, members={"worker": 3})
        events = [told(event.kind) for event in await storage.events.replay_all()]
        view = await with_ended(storage, await loaded(storage, run.run_id))
        return StoredRun(view, events), effects_of(effects_in(file))


def broken(stored: StoredRun, effects: list[Effect], incidents: Incidents | None = None) -> list[str]:
    return judge([stored], effects, incidents or Incidents(lease=10))[1]


def of_step(effects: list[Effect], step: str) -> Effect:
    return next(effect for effect in effects if effect.step == step)


def test_a_healthy_run_is_in_order(healthy: Seen) -> None:
    figures, found = judge([healthy[0]], healthy[1], Incidents(lease=10))
    assert found == []
    assert figures["called again: its attempt had failed"] == 1


def test_an_execution_is_called_again_for_a_reason(healthy: Seen) -> None:
    stored, effects = healthy
    first = of_step(effects, "gather")
    again = replace(first, token=first.token + 1, attempt=first.attempt + 1, pid=1, at=first.at + 12)
    twice = [*effects, again]
    no_reason = [f"run {first.run}: execution {first.key} of step gather was called again for no reason"]
    assert broken(stored, twice) == no_reason
    assert broken(stored, twice, Incidents(10, killed={first.pid: first.at + 0.5})) == []
    assert broken(stored, twice, Incidents(10, killed={first.pid: first.at - 5})) == no_reason
    assert broken(stored, twice, Incidents(10, killed={first.pid: again.at + 1})) == no_reason
    assert broken(stored, twice, Incidents(10, outages=[(first.at + 0.5, first.at + 1)])) == []
    assert broken(stored, twice, Incidents(10, outages=[(first.at + 5, first.at + 6)])) == no_reason


def with_run(stored: StoredRun, **changes: Any) -> StoredRun:
    """The same with another state of the run."""
    return replace(stored, view=replace(stored.view, run=stored.view.run.model_copy(update=changes)))


FAULTS: dict[str, Callable[[StoredRun, list[Effect]], Seen]] = {
    "an effect that did not happen": lambda run, effects: (run, [one for one in effects if one.step != "end"]),
    "an effect under two keys": lambda run, effects: (run, [*effects, replace(of_step(effects, "end"), key="other")]),
    "two calls with one token": lambda run, effects: (run, [*effects, of_step(effects, "end")]),
    "effects of another run": lambda run, effects: (run, [*effects, replace(effects[0], run="other")]),
    "a second end": lambda run, effects: (replace(run, events=[*run.events, "flow_failed"]), effects),
    "a second start": lambda run, effects: (replace(run, events=["flow_started", *run.events]), effects),
    "a step told twice": lambda run, effects: (replace(run, events=["step_completed join", *run.events]), effects),
    "a wrong output": lambda run, effects: (with_run(run, root_step_outputs={}), effects),
    "a run that is not over": lambda run, effects: (with_run(run, status="running"), effects),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_judge_finds(healthy: Seen, fault: str) -> None:
    assert broken(*FAULTS[fault](*healthy))

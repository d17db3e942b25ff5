"""Scores of steps, told within the traces of their runs (contract: telemetry-8)."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from redis_mob import NotFoundError, ValidationError
from redis_mob.fleet.fleet import Fleet
from redis_mob.storage import MobStorage
from redis_mob.sync import Fleet as SyncFleet
from redis_mob.sync import MobStorage as SyncStorage
from redis_mob.telemetry import providers
from tests.fleet.flows import FLOW, mob, step
from tests.telemetry.conftest import Told, id_of, parent_of, trace_of

DEFINITION = mob({"a": step()})


async def test_a_score_is_an_event_within_the_trace_of_the_run(storage: MobStorage, told: Told) -> None:
    fleet = Fleet(storage, DEFINITION)
    run_id = await fleet.start(FLOW)
    await fleet.score(run_id, "a", "relevance", 0.5, "fair")
    [event] = told.events()
    start = told.span(f"start {FLOW}")
    assert event.event_name == "gen_ai.evaluation.result"
    assert (event.trace_id, event.span_id) == (trace_of(start), id_of(start))
    assert dict(event.attributes) == {
        "redis_mob.mob": DEFINITION.id,
        "redis_mob.flow": FLOW,
        "redis_mob.run.id": run_id,
        "redis_mob.step.id": "a",
        "gen_ai.evaluation.name": "relevance",
        "gen_ai.evaluation.score.value": 0.5,
        "gen_ai.evaluation.score.label": "fair",
    }


async def test_without_a_provider_of_loggers_it_is_a_span(
    storage: MobStorage, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(providers, "set_logger_provider", lambda: None)
    fleet = Fleet(storage, DEFINITION)
    run_id = await fleet.start(FLOW)
    await fleet.score(run_id, "a", "relevance", 1)
    span = told.span("gen_ai.evaluation.result")
    assert parent_of(span) == id_of(told.span(f"start {FLOW}"))
    assert (span.attributes or {})["gen_ai.evaluation.score.value"] == 1.0


@pytest.mark.parametrize(
    ("step_id", "name", "value", "label", "error", "match"),
    [
        ("b", "n", 1, None, NotFoundError, "no step 'b'"),
        ("a", "", 1, None, ValidationError, "name"),
        ("a", "n" * 257, 1, None, ValidationError, "name"),
        ("a", "n", float("nan"), None, ValidationError, "value"),
        ("a", "n", True, None, ValidationError, "label"),
        ("a", "n", "1", None, ValidationError, "value"),
        ("a", "n", 1, "x" * 257, ValidationError, "label"),
    ],
)
async def test_a_score_that_makes_no_sense_is_refused(
    storage: MobStorage, told: Told, step_id: str, name: str, value: Any, label: Any, error: type[Exception], match: str
) -> None:
    fleet = Fleet(storage, DEFINITION)
    run_id = await fleet.start(FLOW)
    with pytest.raises(error, match=match):
        await fleet.score(run_id, step_id, name, value, label)
    assert not told.events()


async def test_a_run_that_does_not_exist_has_no_score(storage: MobStorage) -> None:
    with pytest.raises(NotFoundError):
        await Fleet(storage, DEFINITION).score(str(uuid4()), "a", "n", 1)


def test_its_twin_does_the_same(server_url: str, namespace: str, told: Told) -> None:
    with SyncStorage.open(server_url, namespace=namespace) as storage:
        fleet = SyncFleet(storage, DEFINITION)
        fleet.score(fleet.start(FLOW), "a", "relevance", 0.25)
    assert [event.attributes["gen_ai.evaluation.score.value"] for event in told.events()] == [0.25]

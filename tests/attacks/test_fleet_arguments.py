"""Arguments of the doors, of the fleet and of its transitions that are nearly right (contract: store-23)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from redis_mob import Fleet
from redis_mob.errors import InternalError, NotFoundError, RedisMobError, ValidationError
from redis_mob.models import FlowStarted, MobRunStatus, StepLedgerEntry
from redis_mob.models.transition import RecordedOutput, Transition
from redis_mob.storage import MobStorage
from redis_mob.testing.samples.driven_runs import FLOW, ONE_STEP
from redis_mob.testing.samples.new_events import new_event, numbered
from redis_mob.testing.samples.states import NOON, failure_entry, iteration_entry
from tests.attacks.nearly_right import NO_JSON, NUMBERS, TEXTS, THINGS, UUIDS, unvalidated
from tests.attacks.public_calls import FLEET_RUN, Scene, everything, prepared
from tests.differential.driver import twins
from tests.differential.said import outcome, said

NO_TEXTS = {**THINGS, **NUMBERS, **UUIDS}
DONE = "0191a6a0-0000-4000-8000-00000000000d"


def no(*kinds: type) -> list[Any]:
    """Values of other types than these."""
    return [
        value
        for value in {**THINGS, **NUMBERS, **TEXTS, **UUIDS}.values()
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds)
    ]


@pytest.fixture(params=["memory", "server"])
async def storage(request: pytest.FixtureRequest, server_url: str, namespace: str) -> AsyncIterator[MobStorage]:
    url = "memory:" if request.param == "memory" else server_url
    async with MobStorage.open(url, namespace=namespace) as opened:
        yield opened


@pytest.mark.parametrize(
    ("argument", "values"),
    [
        ("url", no(str, type(None))),
        ("namespace", [*no(str), "", "a b", "x" * 129, "\ud800"]),
        ("seal_key", no(type(None))),
        ("durability", [*no(str), "", "replicas:0", "replicas:x", f"replicas:{2**64}x"]),
        ("retry", no(type(None))),
    ],
)
async def test_what_a_storage_is_opened_with(argument: str, values: list[Any]) -> None:
    for value in values:
        with pytest.raises(RedisMobError) as caught:
            arguments: dict[str, Any] = {"url": "memory:", argument: value}
            async with MobStorage.open(**arguments):
                pass
        assert isinstance(caught.value, ValidationError | InternalError)
        assert len(str(caught.value)) < 800


async def test_a_password_in_a_url_of_bytes_is_not_shown() -> None:
    url: Any = b"redis://:hunter2@localhost"
    with pytest.raises(ValidationError) as caught:
        MobStorage.open(url)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("token", [*no(str), "", "x" * 10_000, "\ud800"], ids=lambda value: type(value).__name__)
@pytest.mark.filterwarnings("ignore::redis_mob.errors.UnsealedSecretsWarning")
async def test_what_is_no_token(storage: MobStorage, token: Any) -> None:
    with pytest.raises(RedisMobError) as caught:
        await storage.resolve(token)
    assert isinstance(caught.value, ValidationError | InternalError)


def handler(_context: Any) -> None:
    """Does nothing."""


@pytest.mark.parametrize(
    ("argument", "values"),
    [
        ("definition", no()),
        ("handlers", no(dict, type(None))),
        (
            "members",
            [*no(dict, type(None)), {"worker": True}, {"worker": 1.0}, {"worker": -1}, {"worker": 10**9}, {1: 1}],
        ),
        ("lease", [*no(timedelta), timedelta.max, timedelta(0), timedelta(days=-1)]),
    ],
)
def test_what_a_fleet_is_made_of(argument: str, values: list[Any]) -> None:
    no_storage: Any = None  # it is not looked at
    for value in values:
        arguments: dict[str, Any] = {"definition": ONE_STEP, "handlers": {"*": handler}, argument: value}
        with pytest.raises(ValidationError) as caught:
            Fleet(no_storage, **arguments)
        assert len(str(caught.value)) < 600


CALLS: dict[str, Callable[[Fleet, Any], Any]] = {
    "start.flow_id": lambda fleet, value: fleet.start(value),
    "start.idempotency_key": lambda fleet, value: fleet.start(FLOW, idempotency_key=value),
    "wait.run_id": lambda fleet, value: fleet.wait(value),
    "cancel.run_id": lambda fleet, value: fleet.cancel(value),
    "work.concurrency": lambda fleet, value: fleet.work(value, asyncio.Event()),
    "work.stop": lambda fleet, value: fleet.work(1, value),
    "work.name": lambda fleet, value: fleet.work(1, asyncio.Event(), value),
}
WRONG: dict[str, list[Any]] = {
    "start.flow_id": no(str),
    "start.idempotency_key": no(str, type(None)),
    "wait.run_id": [value for value in no() if value not in UUIDS.values()],
    "cancel.run_id": [value for value in no() if value not in UUIDS.values()],
    "work.concurrency": [*no(int), 0, -1, True],
    "work.stop": no(type(None)),
    "work.name": no(str, type(None)),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.filterwarnings("ignore::redis_mob.errors.UnsealedSecretsWarning")
async def test_a_call_of_the_fleet(storage: MobStorage, call: str) -> None:
    fleet = Fleet(storage, ONE_STEP, {"*": handler})
    for value in WRONG[call]:
        with pytest.raises(ValidationError) as caught:
            await CALLS[call](fleet, value)
        assert len(str(caught.value)) < 600
    assert await storage.runs.list_runs("mob") == []


DUMPED: dict[str, Any] = {
    "decimal": "1",
    "bytes": "YQ==",
    "bytearray": "YQ==",
    "set": [1],
    "timedelta": "P1D",
    "naive datetime": "2026-01-01T00:00:00",
    "key that is no text": {"a": [{"1": 2}]},
    "set in a list": [[1]],
}
"""What is no JSON, and pydantic dumps as this."""


@pytest.mark.parametrize("name", DUMPED)
@pytest.mark.filterwarnings("ignore::redis_mob.errors.UnsealedSecretsWarning")
async def test_parameters_that_are_dumped(storage: MobStorage, name: str) -> None:
    run = await storage.runs.get_run(await Fleet(storage, ONE_STEP, {"*": handler}).start(FLOW, NO_JSON[name]))
    assert run is not None
    assert run.activation_params == DUMPED[name]


@pytest.mark.parametrize("params", [pytest.param(NO_JSON[name], id=name) for name in NO_JSON if name not in DUMPED])
@pytest.mark.filterwarnings("ignore::redis_mob.errors.UnsealedSecretsWarning")
async def test_parameters_that_are_no_json(storage: MobStorage, params: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        await Fleet(storage, ONE_STEP, {"*": handler}).start(FLOW, params)
    assert len(str(caught.value)) < 600
    assert await storage.runs.list_runs("mob") == []


@pytest.mark.filterwarnings("ignore::redis_mob.errors.UnsealedSecretsWarning")
async def test_odd_texts_name_no_flow_and_make_no_two_runs(storage: MobStorage) -> None:
    fleet = Fleet(storage, ONE_STEP, {"*": handler})
    for text in TEXTS.values():
        with pytest.raises((NotFoundError, ValidationError)):
            await fleet.start(text)
    keys = [text for text in TEXTS.values() if text != "\ud800"]
    runs = [await fleet.start(FLOW, idempotency_key=key) for key in (*keys, *keys)]
    assert len(set(runs)) == len(set(keys)) == len(await storage.runs.list_runs("mob"))
    with pytest.raises(ValidationError):
        await fleet.start(FLOW, idempotency_key="\ud800")


def odd_transitions(scene: Scene) -> dict[str, Transition]:
    """Transitions of which one part could not be read back, or not be carried out to its end."""
    right = scene.driven.settled(scene.view, scene.key)
    before, run = right.before, right.run
    one: Any = 1.0  # no number of an iteration

    def with_run(**update: Any) -> Transition:
        return replace(right, run=run.model_copy(update=update))

    row = StepLedgerEntry.model_construct(step_id=1, agent_identity="a", status="bogus", timestamp=NOON)
    return {
        "status": with_run(status="bogus"),
        "no status": with_run(status=None),
        "flow state": with_run(flow_state=None),
        "count": with_run(flow_state=run.flow_state.model_copy(update={"failure_count": 1.5})),
        "frames": with_run(frames=dict.fromkeys(run.frames)),
        "status before": replace(right, before=replace(before, run=before.run.model_copy(update={"status": 7}))),
        "a run id": with_run(run_id="run"),
        "executions": replace(right, executions={scene.key: None}),
        "key": replace(right, executions={("root", 1): next(iter(right.executions.values()))}),
        "inputs": replace(right, inputs=(None,)),
        "outputs": replace(right, outputs=(RecordedOutput("a", {1}, None),)),
        "iteration": replace(right, outputs=(RecordedOutput("a", 1, ("l", one)),)),
        "step rows": replace(right, step_rows=(row,)),
        "step rows once": replace(right, step_rows_once=(row,)),
        "failures": replace(right, failure_rows=(failure_entry().model_copy(update={"reason": None}),)),
        "iterations": replace(right, iteration_rows=(iteration_entry().model_copy(update={"iteration": 1.0}),)),
        "event": replace(right, events=(None,)),
        "event that cannot be read": replace(
            right, events=(new_event(FlowStarted.model_construct(run_id="x", flow_id="f", params=float("nan"))),)
        ),
        "terminal event that ends nothing": replace(right, terminal_events=(numbered(1),)),
        "time": replace(right, look_again_at="soon"),
        "time without a zone": replace(right, look_again_at=NOON.replace(tzinfo=None)),
        "rows that are none": replace(right, step_rows=7),
    }


async def test_a_transition_that_is_nearly_right(server_url: str) -> None:
    async with twins(server_url) as storages:
        scenes = [await prepared(storage) for storage in storages]
        before = [said(await everything(storage)) for storage in storages]
        for label in odd_transitions(scenes[0]):
            answers = [
                await outcome(storage.executions.commit(odd_transitions(scene)[label]))
                for storage, scene in zip(storages, scenes, strict=True)
            ]
            assert isinstance(answers[0], InternalError | ValidationError), f"{label}: {said(answers[0])}"
            assert type(answers[0]) is type(answers[1]), f"{label}: {said(answers)}"
            assert [said(await everything(storage)) for storage in storages] == before
        for storage, scene in zip(storages, scenes, strict=True):
            assert await storage.executions.commit(scene.driven.settled(scene.view, scene.key))


async def test_executions_of_a_transition_that_were_not_validated(server_url: str) -> None:
    async with twins(server_url) as storages:
        scenes = [await prepared(storage) for storage in storages]
        rights = [scene.driven.settled(scene.view, scene.key) for scene in scenes]
        odd = [unvalidated(right.executions[scene.key]) for right, scene in zip(rights, scenes, strict=True)]
        for (label, one), (_, other) in zip(*odd, strict=True):
            answers: list[Any] = []
            for storage, scene, right, execution in zip(storages, scenes, rights, (one, other), strict=True):
                transition = replace(right, executions={scene.key: execution})
                answers.append(await outcome(storage.executions.commit(transition)))
            assert said(answers[0]) == said(answers[1]), label
            for storage in storages:
                assert await storage.executions.load(FLEET_RUN) is not None
                assert await storage.executions.status(FLEET_RUN) in MobRunStatus

"""The store of executions compared with the double used elsewhere in these tests, and fleets that share one."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime
from random import Random
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redis_mob.errors import NotFoundError, RedisMobError, ValidationError
from redis_mob.fleet.fleet import Fleet
from redis_mob.models.definition import MobDefinition
from redis_mob.models.labels import NO_LABELS, Labels
from redis_mob.models.run import MobRun
from redis_mob.models.signal import Sent, Signal
from redis_mob.models.transition import Commit, RunView, Transition
from redis_mob.storage import MobStorage
from redis_mob.testing.samples.driven_runs import FLOW, LONG_LEASE, STEPS_AND_LOOP, DrivenRun, waiting
from redis_mob.testing.samples.states import new_run
from redis_mob.testing.waiting import LONG
from tests.fleet.interleaving import Interleaving, moody
from tests.fleet.simulation import NOON, SimulatedStore
from tests.fleet.strategies import EVERYTHING, mobs
from tests.support.examples import examples
from tests.support.health_checks import ALL_HEALTH_CHECKS


class Recorder(SimulatedStore):
    """Writes down everything that is asked of the double, with its answers."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[str, Any, bool | Commit | Sent | str, RunView]] = []

    async def start_run(
        self,
        run: MobRun,
        launch: Any,
        definition: MobDefinition,
        *,
        at: datetime | None = None,
        labels: Labels = NO_LABELS,
    ) -> bool:
        answer = await super().start_run(run, launch, definition, at=at, labels=labels)
        self.calls.append(("start", (run, launch, definition), answer, self.view))
        return answer

    def commit(self, transition: Transition) -> Commit:
        answer = super().commit(transition)
        self.calls.append(("commit", transition, answer, self.view))
        return answer

    def request_cancel(self) -> bool:
        answer = super().request_cancel()
        self.calls.append(("cancel", None, answer, self.view))
        return answer

    def send_signal(self, signal: Signal, idempotency_key: str | None = None) -> Sent:
        argument = signal, idempotency_key
        try:
            answer = super().send_signal(signal, idempotency_key)
        except RedisMobError as error:
            self.calls.append(("signal", argument, str(error), self.view))
            raise
        self.calls.append(("signal", argument, answer, self.view))
        return answer


def at_noon(run: MobRun | None) -> MobRun:
    """Without the time that a real clock gives."""
    assert run is not None
    return run.model_copy(update={"completed_at": run.completed_at and NOON})


def comparable(view: RunView | None) -> RunView:
    """Without the times that a real clock gives."""
    assert view is not None
    return replace(view, run=at_noon(view.run), launched_at=NOON, now=NOON)


async def asked(storage: MobStorage, run_id: str, call: str, argument: Any) -> bool | Commit | Sent | str:
    match call:
        case "start":
            return await storage.executions.start_run(*argument)
        case "commit":
            return await storage.executions.commit(argument)
        case "signal":
            signal, idempotency_key = argument
            try:
                return await storage.executions.send_signal(run_id, signal, idempotency_key=idempotency_key)
            except RedisMobError as error:
                return str(error)
        case _:
            return await storage.executions.request_cancel(run_id)


async def compare(url: str, recorder: Recorder) -> None:
    async with MobStorage.open(url, namespace=f"test-{uuid4().hex}") as storage:
        run_id = recorder.view.run.run_id
        for call, argument, answer, view in recorder.calls:
            assert await asked(storage, run_id, call, argument) == answer, call
            assert at_noon(await storage.runs.get_run(run_id)) == at_noon(view.run), call
            core = replace(view, run=view.run.core(), items={}, ended={})
            assert comparable(await storage.executions.load(run_id)) == comparable(core), call
            assert await storage.executions.ended(run_id, list(view.ended)) == list(view.ended.values())
            for node, items in view.items.items():
                assert await storage.executions.items(run_id, *node) == items
        stored = await storage.events.replay_all()
        assert [event.kind for event in stored] == recorder.events
        assert [event.cursor for event in stored] == list(range(1, len(stored) + 1))
        work = await storage.executions.take_due(max_runs=9, max_executions=99, keep=LONG_LEASE)
        assert not any((work.runs, work.executions)), "a run that is over is still due"


@settings(max_examples=examples(40), deadline=None, suppress_health_check=ALL_HEALTH_CHECKS)
@given(
    definition=mobs(EVERYTHING),
    random=st.randoms(use_true_random=False),
    members=st.integers(0, 3),
    mood=st.integers(0, 1000),
    cancel=st.booleans(),
    signals=st.integers(0, 6),
)
def test_the_store_does_what_its_double_does(
    server_url: str, definition: MobDefinition, random: Random, mood: int, **more: Any
) -> None:
    recorder = Recorder()
    workers = Interleaving(definition, moody(mood), random, mishaps=3, store=recorder, **more)
    workers.to_end()
    asyncio.run(compare(server_url, recorder))


def fleet_on(storage: MobStorage, definition: MobDefinition = STEPS_AND_LOOP) -> Fleet:
    return Fleet(storage, definition, {"*": print})


async def test_the_same_key_gives_the_same_run(storage: MobStorage, other_storage: MobStorage) -> None:
    fleets = [fleet_on(one) for one in (storage, other_storage)]
    keyed = await asyncio.gather(*(fleets[n % 2].start(FLOW, {"n": 1}, "build-4711") for n in range(10)))
    [run_id] = set(keyed)
    with pytest.raises(ValidationError, match=f"'build-4711' belongs to run {run_id}, which was started with other"):
        await fleets[0].start(FLOW, {"n": 2}, "build-4711")
    assert await fleets[0].start(FLOW, None, "build-4712") != run_id
    assert await fleets[0].start(FLOW) != await fleets[0].start(FLOW)
    assert len(await storage.runs.list_runs("mob")) == 4


async def test_a_key_belongs_to_a_mob_and_a_flow(storage: MobStorage) -> None:
    other = STEPS_AND_LOOP.model_copy(update={"id": "other"})
    ids = [await fleet_on(storage, definition).start(FLOW, None, "key") for definition in (STEPS_AND_LOOP, other)]
    assert len(set(ids)) == 2


async def test_cancel_of_a_run_that_is_over_or_unknown(storage: MobStorage) -> None:
    fleet, run = fleet_on(storage), await waiting(storage.executions, STEPS_AND_LOOP)
    assert await fleet.cancel(run.run_id) is True
    await run.advance()
    assert await fleet.cancel(run.run_id) is False
    with pytest.raises(NotFoundError):
        await fleet.cancel(str(uuid4()))
    with pytest.raises(ValidationError, match="'nonsense'"):
        await fleet.cancel("nonsense")


async def test_what_does_not_exist_is_said(storage: MobStorage) -> None:
    run = new_run()
    await storage.runs.create_run(run)
    with pytest.raises(NotFoundError, match=f"{run.run_id} was not started by a fleet"):
        await storage.executions.load(run.run_id)
    with pytest.raises(NotFoundError, match="no definition has the digest abc"):
        await storage.executions.get_definition("abc")
    with pytest.raises(NotFoundError):
        await fleet_on(storage).wait(str(uuid4()))


async def test_what_is_due_wakes_workers_and_each_change_those_who_wait_for_the_run(
    storage: MobStorage, other_storage: MobStorage
) -> None:
    fleet = fleet_on(other_storage)
    async with storage.executions.listen() as due:
        assert await due.wait(LONG), "it does not say that it hears"
        run_id = await fleet.start(FLOW)
        assert await due.wait(LONG)
        async with (
            storage.executions.listen(run_id.upper()) as changed,
            storage.executions.listen(str(uuid4())) as other,
        ):
            assert await changed.wait(LONG)
            assert await other.wait(LONG)
            await DrivenRun(other_storage.executions, STEPS_AND_LOOP, run_id).advance()
            assert await changed.wait(LONG)
            assert await due.wait(LONG), "members wait for a worker"
            assert not await other.wait(0)
        await fleet.cancel(run_id)
        assert await due.wait(LONG)

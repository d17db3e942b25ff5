"""A namespace that release 0.1 left, with runs under way, is opened by this one, and the runs end as they should."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid5

import pytest

from redis_mob import Fleet, MobEvent, MobRun, MobRunStatus, MobStorage, StepContext, ValidationError
from redis_mob.connection.calls.client import connect
from redis_mob.connection.calls.keys import Keys
from redis_mob.kernel.reconcile import reconcile
from redis_mob.models.execution import ExecutionStatus
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.testing.waiting import LONG
from redis_mob.version import NAMESPACE_SCHEMA
from tests.fleet.first_form import FLOW, LOOP_OUTPUTS, MEMBERS, NAMESPACE, OUTPUTS, STATES, answer, definition
from tests.fleet.working import loaded
from tests.support.golden import read_jsonl

ABOUT, *COMMANDS = read_jsonl("first_form.jsonl")
RUNS: dict[str, str] = ABOUT["runs"]
FINISHED = MobRun.model_validate_json(json.dumps(ABOUT["finished"]))
OPEN = [*STATES, "keyed"]
"""The runs that are not over."""


@pytest.fixture(params=["server_url", "redis7_url"])
def any_url(request: pytest.FixtureRequest) -> str:
    """A server of each kind."""
    return request.getfixturevalue(request.param)


@pytest.fixture
async def old(any_url: str, namespace: str) -> AsyncIterator[MobStorage]:
    """The namespace as it was left, opened by this release."""
    client = await connect(any_url)
    for line in COMMANDS:
        name, key, *rest = line["command"]
        renamed = key.replace(f"{{rm:{NAMESPACE}}}", f"{{rm:{namespace}}}")
        await client.router.request(name, renamed, *(part.encode("latin-1") for part in rest))
    try:
        async with MobStorage.open(any_url, namespace=namespace) as storage:
            assert await client.router.request("HGET", Keys(namespace).meta, "schema") == str(NAMESPACE_SCHEMA).encode()
            yield storage
    finally:
        await client.aclose()


def fleet_of(storage: MobStorage, effects: list[str]) -> Fleet:
    def handle(ctx: StepContext) -> Any:
        effects.append(ctx.idempotency_key)
        return answer(ctx)

    return Fleet(storage, definition(), {"*": handle}, members=MEMBERS)


async def begun(storage: MobStorage) -> list[str]:
    """The keys of the executions that the killed worker held; its handlers had had their effects."""
    views = [await loaded(storage, RUNS[name]) for name in OPEN]
    return [
        str(uuid5(UUID(view.run.run_id), "\0".join(key)))
        for view in views
        for key, execution in view.executions.items()
        if execution.status is ExecutionStatus.LEASED
    ]


async def test_what_is_over_reads_as_it_was_written(old: MobStorage) -> None:
    assert await old.runs.get_run(RUNS["finished"]) == FINISHED
    stored = [MobEvent.model_validate_json(json.dumps(event)) for event in ABOUT["events"]]
    assert await old.events.replay_all() == stored
    assert await old.events.poll(stored[9].cursor, 1000) == stored[10:]
    assert await old.events.latest_cursor() == stored[-1].cursor
    assert {run.run_id for run in await old.runs.list_runs("office")} == set(RUNS.values())


async def test_a_key_that_was_used_gives_its_run(old: MobStorage) -> None:
    fleet = fleet_of(old, [])
    assert await fleet.start(FLOW, {"name": "keyed"}, "keyed") == RUNS["keyed"]
    with pytest.raises(ValidationError, match="other params"):
        await fleet.start(FLOW, {"name": "other"}, "keyed")


async def test_every_run_goes_on_and_ends_as_if_its_worker_had_lived(old: MobStorage) -> None:
    effects: list[str] = list(ABOUT["effects"])
    fleet, stop = fleet_of(old, effects), asyncio.Event()
    twice = await begun(old)
    assert len(twice) == 2
    before = await old.events.replay_all()
    async with asyncio.timeout(LONG), asyncio.TaskGroup() as group:
        workers = [group.create_task(fleet.work(stop=stop)) for _ in range(2)]
        runs = [await fleet.wait(RUNS[name]) for name in OPEN]
        stop.set()
        await asyncio.gather(*workers)
    for run in runs:
        assert (run.status, run.failure_ledger) == (MobRunStatus.COMPLETED, ())
        assert run.root_step_outputs == OUTPUTS
        assert run.loop_iteration_outputs == LOOP_OUTPUTS
        assert reconcile(run) == ()
    assert Counter(effects) == {key: 1 + (key in twice) for key in effects}
    assert len(set(effects)) == len(RUNS) * 5
    events = await old.events.replay_all()
    assert events[: len(before)] == before
    assert [event.cursor for event in events] == list(range(1, len(events) + 1))
    ends = Counter(event.kind.run_id for event in events if event.kind.type == "flow_completed")
    assert ends == dict.fromkeys(RUNS.values(), 1)
    assert await old.runs.get_run(RUNS["finished"]) == FINISHED


async def test_a_run_whose_worker_was_killed_can_be_canceled(old: MobStorage) -> None:
    fleet, stop = fleet_of(old, []), asyncio.Event()
    assert await fleet.cancel(RUNS["held"])
    async with asyncio.timeout(LONG), asyncio.TaskGroup() as group:
        group.create_task(fleet.work(stop=stop))
        run = await fleet.wait(RUNS["held"])
        stop.set()
    assert run.status is MobRunStatus.CANCELED


async def test_an_operator_sees_every_run(old: MobStorage) -> None:
    admin = FleetAdmin(old)
    for run_id in RUNS.values():
        run = await admin.describe(run_id, outputs=True, attempts=True)
        assert sum(run.steps.values()) == len(list(run.each_step()))
        ended = [member for _, step in run.each_step() for member in step.members if member.state.is_final]
        assert all(member.ended_at is not None for member in ended)


@pytest.mark.parametrize(("from_step", "calls"), [("check", 1), ("polishing", 3)])
async def test_a_run_that_was_over_can_be_forked(old: MobStorage, from_step: str, calls: int) -> None:
    fleet = fleet_of(old, [])
    run_id = await FleetAdmin(old).fork(RUNS["finished"], from_step)
    async with asyncio.timeout(LONG), fleet.working():
        run = await fleet.wait(run_id)
    assert (run.status, run.root_step_outputs, run.loop_iteration_outputs) == ("completed", OUTPUTS, LOOP_OUTPUTS)
    assert len((await loaded(old, run_id)).executions) == calls
    assert reconcile(run) == ()

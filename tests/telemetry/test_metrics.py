"""Metrics of a process: what it has started, executed, committed and sent (contract: telemetry-4, telemetry-5)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from redis_mob.connection.calls import calls
from redis_mob.connection.calls.answers import Answer
from redis_mob.errors import WriteFailedError
from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.step_context import StepContext
from redis_mob.fleet.traced_commits import tell_lost
from redis_mob.models.transition import Transition
from redis_mob.storage import MobStorage
from redis_mob.telemetry import names
from redis_mob.telemetry.store_calls import observed
from redis_mob.testing.samples.driven_runs import waiting
from redis_mob.testing.waiting import LONG
from tests.fleet.flows import FLOW, mob, step
from tests.fleet.working import at_work, run_flow
from tests.telemetry.conftest import Told
from tests.telemetry.hand_back import handed_back_once


async def fails_at_first(ctx: StepContext) -> int:
    if ctx.attempt == 1:
        raise ValueError("not yet")
    return 1


async def test_runs_and_steps_are_counted_and_measured(storage: MobStorage, told: Told) -> None:
    definition = mob({"a": step()}, limits={"max_step_retries": 1})
    run = await run_flow(storage, definition, fails_at_first)
    flow = {"mob": run.mob_id, "flow": run.flow_id}
    role = {**flow, "role": "worker"}
    assert told.points("redis_mob.run.started") == [(flow, 1)]
    assert told.points("redis_mob.run.completed") == [({**flow, "status": "completed"}, 1)]
    assert told.points("redis_mob.run.duration") == [({**flow, "status": "completed"}, 1)]
    assert told.points("redis_mob.step.schedule_to_start") == [(role, 2)]
    assert told.points("redis_mob.step.retries") == [({**role, "error.type": "ValueError"}, 1)]
    assert told.points("redis_mob.step.duration") == [
        ({**role, "status": "failed", "error.type": "ValueError"}, 1),
        ({**role, "status": "completed"}, 1),
    ]
    assert told.points("redis_mob.step.redelivered") == []


async def test_what_a_worker_hands_back_is_delivered_again(storage: MobStorage, told: Told) -> None:
    await handed_back_once(storage)
    assert [number for _, number in told.points("redis_mob.step.redelivered")] == [1]
    assert [number for _, number in told.points("redis_mob.step.schedule_to_start")] == [1]


async def test_an_attempt_that_is_taken_away_is_a_lost_lease(storage: MobStorage, told: Told) -> None:
    begun = asyncio.Event()

    async def hangs(ctx: StepContext) -> None:
        begun.set()
        await asyncio.Event().wait()

    fleet = Fleet(storage, mob({"a": step()}), {"*": hangs})
    async with at_work(storage, {"*": hangs}), asyncio.timeout(LONG):
        run_id = await fleet.start(FLOW)
        await begun.wait()
        await fleet.cancel(run_id)
        await fleet.wait(run_id)
    assert [number for _, number in told.points("redis_mob.lease.lost")] == [1]
    assert (told.span("step a").attributes or {})["error.type"] == "lease_lost"


async def test_limits_are_waited_for(storage: MobStorage, told: Told) -> None:
    async def work(ctx: StepContext) -> int:
        return 1

    await run_flow(storage, mob({"a": step(concurrency={"limit": 1})}), work)
    assert [number for _, number in told.points("redis_mob.limit.wait")] == [1]


async def test_slots_of_workers_are_told_as_long_as_these_exist(storage: MobStorage, told: Told) -> None:
    inside, goes_on = asyncio.Event(), asyncio.Event()

    async def holds(ctx: StepContext) -> int:
        inside.set()
        await goes_on.wait()
        return 1

    fleet = Fleet(storage, mob({"a": step()}), {"*": holds})
    async with at_work(storage, {"*": holds}, concurrency=5), asyncio.timeout(LONG):
        run_id = await fleet.start(FLOW)
        await inside.wait()
        assert told.points("redis_mob.worker.slots.used") == [({}, 1)]
        assert told.points("redis_mob.worker.slots.available") == [({}, 4)]
        goes_on.set()
        await fleet.wait(run_id)


async def test_calls_of_the_store_and_the_wire_are_measured(storage: MobStorage, told: Told) -> None:
    assert await storage.runs.list_runs("m") == []
    points = told.points("db.client.operation.duration")
    assert points
    assert {labels["db.system.name"] for labels, _ in points} == {"redis"}
    assert all(set(labels) == {"db.system.name", "db.stored_procedure.name"} for labels, _ in points)
    [(labels, number)] = told.points("redis_mob.wire.round_trip")
    assert (labels, number >= 1) == ({}, True)


async def test_of_seven_round_trips_one_is_measured(storage: MobStorage, told: Told) -> None:
    """See contract: telemetry-5."""
    await storage.runs.list_runs("m")
    [(_, before)] = told.points("redis_mob.wire.round_trip")
    for _ in range(7):
        await storage.runs.list_runs("m")
    assert told.points("redis_mob.wire.round_trip") == [({}, before + 1)]


async def test_a_call_that_fails_says_why_and_not_with_what(told: Told) -> None:
    class RefusedError(Exception):
        code = "OOM"

    async def fails(error: Exception) -> None:
        raise error

    for error in (RefusedError("secret"), WriteFailedError("secret")):
        with pytest.raises(type(error)):
            await observed("runs/create", fails(error))
    points = told.points("db.client.operation.duration")
    assert [labels["error.type"] for labels, _ in points] == ["OOM", "WriteFailedError"]
    assert "secret" not in repr(points)


async def test_commits_that_were_lost_are_counted(storage: MobStorage, told: Told) -> None:
    run = await waiting(storage.executions, mob({"a": step()}))
    view = await run.view()
    tell_lost(Transition(before=view, run=view.run))
    assert told.points("redis_mob.commits.lost") == [({"mob": view.run.mob_id, "flow": view.run.flow_id}, 1)]


async def test_a_run_of_a_release_says_so_and_no_metric_has_the_id_of_a_run(storage: MobStorage, told: Told) -> None:
    async def work(ctx: StepContext) -> int:
        return 1

    definition = mob({"a": step()})
    fleet = Fleet(storage, definition, {"*": work}, release="r1")
    async with fleet.working(), asyncio.timeout(LONG):
        run_id = await fleet.start(FLOW, release="r1")
        await fleet.wait(run_id)
    labels = [point for metric in names.METRICS for point, _ in told.points(metric.name)]
    assert sum(one.get("release") == "r1" for one in labels) >= 5
    assert run_id not in repr(labels)
    known = {*names.LABELS, names.DB_SYSTEM_NAME, names.DB_STORED_PROCEDURE_NAME}
    assert {name for one in labels for name in one} <= known


async def test_a_receipt_that_is_used_is_counted(
    storage: MobStorage, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = calls.read_answer

    def repeated(reply: Any) -> Answer:
        return read(reply)._replace(repeated=True)

    monkeypatch.setattr(calls, "read_answer", repeated)
    fleet = Fleet(storage, mob({"a": step()}))
    await fleet.start(FLOW)
    assert ({"db.stored_procedure.name": "executions/start_run"}, 1) in told.points("redis_mob.receipts.used")

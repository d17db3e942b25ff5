"""What an operator is told of a run, in every state of it (contract: operations-20, operations-21, operations-22)."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from redis_mob.errors import NotFoundError, ValidationError
from redis_mob.fleet.fleet import Fleet
from redis_mob.models.conditions import EqCondition
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.storage import MobStorage
from redis_mob.testing.waiting import LONG
from tests.fleet.flows import FLOW, loop, mob, node, step, wait
from tests.fleet.working import run_flow
from tests.operations.scenes import (
    CHAIN,
    LATER,
    OVER_ITEMS,
    ROUNDS,
    count_rounds,
    described,
    fail,
    failed_chain,
    only,
    steps_of,
    the_loop,
    under_way,
)

UNKNOWN = "0191a6a0-0000-4000-8000-0000000000ff"


async def test_what_failed_and_why(storage: MobStorage) -> None:
    run = await described(storage, await failed_chain(storage))
    assert (run.status, dict(run.steps)) == ("failed", {"completed": 1, "failed": 1, "skipped": 1})
    [failure] = run.failures
    assert (failure.step_id, failure.member, failure.attempt) == ("b", "judge-1", 3)
    assert (failure.error_class, failure.reason) == ("ValueError", "ValueError: no ink\x1b[31m in attempt 3")
    assert failure.traceback is not None
    assert "in fail" in failure.traceback
    assert run.completed_at is not None
    _, judge = only(run, "b")
    assert (judge.state, judge.attempt, judge.ended_at, judge.reason) == ("failed", 3, failure.at, failure.reason)
    done, worker = only(run, "a")
    assert (done.output_bytes, worker.output_bytes, done.output) == (74, 61, None)
    assert run.begins_at <= worker.began_at <= worker.ended_at <= run.completed_at  # type: ignore[operator]
    assert run.waits_for == ()


async def test_outputs_and_attempts_are_told_when_they_are_asked_for(storage: MobStorage) -> None:
    run = await described(storage, await failed_chain(storage), outputs=True, attempts=True)
    done, _ = only(run, "a")
    assert done.output == {"worker-1": {"text": "x" * 50}}
    assert run.has_attempts
    _, judge = only(run, "b")
    assert [one.outcome for one in judge.attempts] == ["failed"] * 3
    for number, attempt in enumerate(judge.attempts, 1):
        assert attempt.reason == f"ValueError: no ink\x1b[31m in attempt {number}"
        assert attempt.traceback is not None
        assert "in fail" in attempt.traceback
    times = [time for one in judge.attempts for time in (one.began_at, one.ended_at)]
    assert times == sorted(times, key=lambda time: time or datetime.max.replace(tzinfo=UTC))


async def test_attempts_are_not_known_once_the_events_are_gone(storage: MobStorage) -> None:
    run_id = await failed_chain(storage)
    await storage.events.prune(datetime.now(UTC) + timedelta(days=1))
    run = await described(storage, run_id, attempts=True)
    assert not run.has_attempts
    assert only(run, "b")[1].attempts == ()


async def test_events_of_other_runs_are_not_among_the_attempts(storage: MobStorage) -> None:
    ids = [await failed_chain(storage) for _ in range(3)]
    for run_id in ids:
        run = await described(storage, run_id, attempts=True)
        assert len(only(run, "b")[1].attempts) == 3


async def test_each_iteration_of_a_loop_has_its_own_times_and_attempts(storage: MobStorage) -> None:
    ended = await run_flow(storage, ROUNDS, count_rounds)
    run = await described(storage, ended.run_id, attempts=True)
    found = the_loop(run)
    assert (found.loop_id, found.state, found.max_iterations) == ("polishing", "completed", 5)
    assert [one.number for one in found.iterations] == [1, 2, 3]
    members = [one.members[0] for one in steps_of(run, "polish")]
    assert [one.attempt for one in members] == [1, 2, 1]
    assert [[one.outcome for one in member.attempts] for member in members] == [
        ["completed"],
        ["failed", "completed"],
        ["completed"],
    ]
    times = [time for one in members for time in (one.began_at, one.ended_at)]
    assert None not in times
    assert [one.ended_at for one in members] == sorted(one.ended_at for one in members if one.ended_at)
    assert (await described(storage, ended.run_id)).failures == ()


async def test_a_loop_in_a_loop(storage: MobStorage) -> None:
    inner = loop("inner", EqCondition(path="steps.a.worker-1", value=-1), 2, x=node("a"))
    nested = mob({"a": step()}, {"o": loop("outer", EqCondition(path="steps.a.worker-1", value=-1), 2, i=inner)})
    ended = await run_flow(storage, nested, lambda _: 1)
    run = await described(storage, ended.run_id)
    assert ended.status == "failed"
    assert [rounds for rounds, _ in run.each_step()] == [(1, 1), (1, 2)]
    assert the_loop(run).iterations[0].nodes[0].state == "failed"
    assert [failure.step_id for failure in run.failures] == [None]
    ends = [one.ended_at for one in steps_of(run, "a")]
    assert ends == sorted(end for end in ends if end is not None)


async def test_a_step_over_items_tells_how_far_it_is(storage: MobStorage) -> None:
    async def read(ctx: Any) -> Any:
        if ctx.index == 1:
            raise ValueError("unreadable")
        if ctx.index > 2:
            await asyncio.sleep(3600)

    definition = mob({"each": step(for_each="params.items", max_parallel=2, policy=8)}, limits={"max_step_retries": 0})
    async with under_way(
        storage,
        definition,
        {"worker": read},
        lambda view: (
            all(one.completed + one.failed == 3 and one.begun == 5 for one in view.progress.values())
            and len([one for one in view.executions.values() if one.lease]) == 2
        ),
        params={"items": list(range(9))},
    ) as run_id:
        run = await described(storage, run_id)
        [each] = steps_of(run, "each")
        assert each.items is not None
        assert (each.items.items, each.items.completed, each.items.failed) == (9, 2, 1)
        assert (each.items.open, each.items.not_begun) == (2, 4)
        assert each.items.reasons == ("worker-1#1: ValueError: unreadable",)
        assert [one.member for one in each.members] == ["worker-1#3", "worker-1#4"]
        assert (each.state, each.ended_at) == ("running", None)
        assert each.began_at is not None
        [failure] = run.failures
        assert (failure.step_id, failure.member) == ("each", "worker-1#1")


async def test_times_of_a_step_over_items(storage: MobStorage) -> None:
    ended = await run_flow(storage, OVER_ITEMS, lambda _: 1, params={"items": [1, 2, 3]})
    [each] = steps_of(await described(storage, ended.run_id), "each")
    assert each.began_at is not None
    assert each.ended_at is not None
    assert ended.created_at <= each.began_at <= each.ended_at
    assert each.output_bytes == len(b"[1,1,1]")


async def test_what_is_to_be_tried_again(storage: MobStorage) -> None:
    definition = mob({"a": step(retry=LATER)})
    async with under_way(
        storage, definition, {"worker": fail}, lambda view: any(one.attempt == 2 for one in view.executions.values())
    ) as run_id:
        run = await described(storage, run_id, attempts=True)
        found, member = only(run, "a")
        assert (found.state, member.state, member.attempt, run.failures) == ("waiting", "waiting", 2, ())
        assert member.waits_for is not None
        assert member.waits_for.kind == "retry"
        assert member.waits_for.until is not None
        assert member.waits_for.until > run.now
        assert member.reason == "ValueError: no ink\x1b[31m in attempt 1"
        assert [one.outcome for one in member.attempts] == ["failed"]


async def test_a_step_that_waits_for_a_signal(storage: MobStorage) -> None:
    schema = '{"type": "object"}'
    definition = mob({"a": wait(signal="go", timeout_ms=3_600_000, schema_ref=schema), "b": step("a")})
    async with under_way(storage, definition, {"worker": fail}, lambda view: view.executions) as run_id:
        run = await described(storage, run_id)
        _, member = only(run, "a")
        assert member.waits_for is not None
        assert (member.waits_for.kind, member.waits_for.signal) == ("signal", "go")
        assert member.waits_for.payload_schema == {"type": "object"}
        assert member.waits_for.until is not None
        [after] = steps_of(run, "b")
        assert after.waits_for is not None
        assert (after.waits_for.kind, after.waits_for.text) == ("dependency", "'a'")


async def test_the_worker_that_executes_is_named(storage: MobStorage) -> None:
    async def for_ever(_ctx: Any) -> None:
        await asyncio.sleep(3600)

    async with under_way(
        storage, mob({"a": step()}), {"*": for_ever}, lambda view: any(one.lease for one in view.executions.values())
    ) as run_id:
        run = await described(storage, run_id)
        [worker] = await FleetAdmin(storage).workers()
        _, member = only(run, "a")
        assert member.worker is not None
        assert (member.worker.id, member.worker.pid) == (worker.record.id, worker.record.pid)
        assert member.deadline is not None
        assert member.deadline > run.now
        assert member.seconds is not None


async def test_what_waits_for_a_worker_that_does_not_exist(storage: MobStorage) -> None:
    fleet = Fleet(storage, mob({"a": step()}))
    run = await described(storage, await fleet.start(FLOW))
    assert [one.kind for one in run.waits_for] == ["worker"]
    assert run.waits_for[0].text == "it waits for a worker, and none is alive: start one for mob 'mob'"
    async with under_way(
        storage, mob({"a": step(role="ghost")}), {"worker": fail}, lambda view: view.executions, params=1
    ) as run_id:
        run = await described(storage, run_id)
        found = only(run, "a")[1].waits_for
        assert found is not None
        assert (found.kind, found.workers) == ("worker", ())
        assert any("serves role 'ghost'" in one.text for one in run.waits_for)


async def test_a_run_that_begins_later_and_one_that_was_canceled(storage: MobStorage) -> None:
    fleet = Fleet(storage, CHAIN)
    run_id = await fleet.start(FLOW, at=datetime.now(UTC) + timedelta(hours=1), priority=5, release="v3")
    run = await described(storage, run_id)
    assert (run.status, run.priority, run.release, run.seconds) == ("pending", 5, "v3", 0.0)
    assert [one.kind for one in run.waits_for] == ["begin"]
    async with under_way(
        storage, mob({"a": wait(), "b": step("a")}), {"*": fail}, lambda view: view.executions
    ) as other:
        await fleet.cancel(other)
        async with asyncio.timeout(LONG):
            await fleet.wait(other)
        canceled = await described(storage, other)
        assert (canceled.status, dict(canceled.steps)) == ("canceled", {"canceled": 2})
        assert only(canceled, "a")[1].ended_at is not None


async def test_signals_that_no_step_has_taken_are_counted(storage: MobStorage) -> None:
    fleet = Fleet(storage, mob({"a": wait()}))
    run_id = await fleet.start(FLOW)
    for _ in range(2):
        await fleet.signal(run_id, "go")
    assert dict((await described(storage, run_id)).signals) == {"go": 2}


async def test_what_is_refused(storage: MobStorage) -> None:
    admin = FleetAdmin(storage)
    with pytest.raises(NotFoundError, match="does not exist"):
        await admin.describe(UNKNOWN)
    nonsense: Any = 7
    for wrong in ("nonsense", nonsense):
        with pytest.raises(ValidationError):
            await admin.describe(wrong)
    with pytest.raises(ValidationError, match="outputs must be True or False"):
        await admin.describe(UNKNOWN, outputs=nonsense)


async def test_a_large_run_is_described(storage: MobStorage) -> None:
    many = mob({f"s{number}": step() for number in range(300)}, limits={"max_active_nodes": 0})
    ended = await run_flow(storage, many, lambda _: "x", concurrency=32)
    run = await described(storage, ended.run_id, attempts=True)
    assert dict(run.steps) == {"completed": 300}
    assert all(one.members[0].attempts for _, one in run.each_step())
    assert all(one.seconds is not None for _, one in run.each_step())

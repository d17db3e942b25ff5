"""Limits of steps and flows: what is under way of a key, what begins, whose turn it is, and what is left in the end."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from random import Random
from typing import Any, cast

import pytest

from redis_mob.fleet import engine
from redis_mob.fleet.fleet import Fleet
from redis_mob.models.due_work import DueExecution
from redis_mob.models.flow_events import StepDispatched
from redis_mob.models.limits import ConcurrencySpec, RateSpec
from redis_mob.models.run_status import MobRunStatus
from redis_mob.models.transition import Commit
from redis_mob.storage import MobStorage
from redis_mob.testing.samples.driven_runs import a_worker
from redis_mob.testing.waiting import LONG
from tests.fleet.flows import FLOW, mob, step
from tests.fleet.limited_floor import BRIEF, LEASE, Floor, each, with_limits
from tests.fleet.working import at_work, loaded, run_flow


@pytest.mark.parametrize("seed", range(4))
async def test_no_key_has_ever_more_under_way_than_it_may(storage: MobStorage, seed: int) -> None:
    random = Random(seed)
    floor = Floor(storage.executions, random)
    for _ in range(3):
        await floor.hire()
    for number in range(3):
        await floor.start(f"t{number % 2}", [random.choice("abc") for _ in range(8)])
    async with asyncio.timeout(LONG):
        while await floor.statuses() != {MobRunStatus.COMPLETED}:
            for _ in range(20):
                await floor.move()
    # a lane that is empty is closed by the worker that comes upon it, and the last one may have come before it was
    await storage.executions.take_due(max_runs=0, max_executions=9, keep=BRIEF)
    assert await left_over(storage) == []


async def left_over(storage: MobStorage, *keys: str) -> list[bytes]:
    """What is left of executions with limits on a server."""
    if storage.url == "memory:":
        return []
    from redis.asyncio import Redis

    async with cast("Any", Redis).from_url(storage.url) as client:
        found = [await client.zrange(f"{{rm:{storage.namespace}}}:{key}", 0, -1) for key in keys or ("gated",)]
    return [member for members in found for member in members]


async def test_a_claim_that_comes_too_late_is_lost(storage: MobStorage) -> None:
    definition = mob({"a": step(concurrency=ConcurrencySpec(limit=1))})
    fleet, store, random = Fleet(storage, definition, {"*": print}), storage.executions, Random(1)
    for _ in range(2):
        await fleet.start(FLOW)
    for run_id in (await store.take_due(max_runs=2, max_executions=0, keep=LEASE)).runs:
        transition = engine.advance(await loaded(storage, run_id), definition)
        assert transition is not None
        assert await store.commit(transition)
    (first,) = (await store.take_due(max_runs=0, max_executions=9, keep=BRIEF)).executions
    await asyncio.sleep(2 * BRIEF.total_seconds())
    (second,) = (await store.take_due(max_runs=0, max_executions=9, keep=LEASE)).executions
    assert first.run_id != second.run_id  # it is the turn of the next one

    async def claimed(due: DueExecution) -> bool:
        view = await loaded(storage, due.run_id)
        transition = engine.claim(view, definition, due.key, owner="one", random=random)
        assert transition is not None
        return bool(await store.commit(transition))

    assert not await claimed(first)
    assert await claimed(second)


async def test_a_claim_that_is_handed_on_is_no_beginning(storage: MobStorage) -> None:
    """Its worker was let go of, and executes nothing (engine-63)."""
    definition = mob({"a": step(rate=RateSpec(limit=1, per="1h"))})
    fleet, store = Fleet(storage, definition, {"*": print}), storage.executions
    await fleet.start(FLOW)
    (run_id,) = (await store.take_due(max_runs=1, max_executions=0, keep=LEASE)).runs
    transition = engine.advance(await loaded(storage, run_id), definition)
    assert transition is not None
    assert await store.commit(transition)
    await store.join_workers(a_worker("gone"), LEASE)
    await store.leave_workers("gone", is_orderly=False)
    for owner, ended in (("gone", Commit.HANDED_ON), ("other", Commit.WON)):
        (due,) = (await store.take_due(max_runs=0, max_executions=1, keep=LEASE)).executions
        view = await loaded(storage, run_id)
        claim = engine.claim(view, definition, due.key, owner=owner, random=Random(1), loss=due.loss)
        assert claim is not None
        assert await store.commit(claim) is ended


async def test_a_worker_gives_up_a_claim_that_comes_too_late(storage: MobStorage) -> None:
    """Or it would try again for ever, and keep its slot."""
    definition = mob({"a": each(concurrency=ConcurrencySpec(limit=2))})

    async def work(_ctx: Any) -> str:
        await asyncio.sleep(0.01)
        return "done"

    run = await run_flow(
        storage, definition, work, params={"items": list(range(30))}, workers=3, lease=timedelta(seconds=0.1)
    )
    assert run.status is MobRunStatus.COMPLETED


async def test_keys_take_turns(storage: MobStorage) -> None:
    definition = mob({"a": each(concurrency=ConcurrencySpec(limit=1, key="{{ item.key }}"))})
    order: list[str] = []

    async def work(ctx: Any) -> str:
        order.append(ctx.item["key"])
        await asyncio.sleep(0)
        return "done"

    items = [{"key": "many", "n": n} for n in range(60)] + [{"key": "few", "n": n} for n in range(3)]
    run = await run_flow(storage, definition, work, params={"items": items}, concurrency=1)
    assert run.status is MobRunStatus.COMPLETED
    assert max(number for number, key in enumerate(order) if key == "few") < 12


async def test_steps_of_a_flow_share_its_limit(storage: MobStorage) -> None:
    definition = with_limits(mob({"a": each(), "b": each(role="other")}), concurrency={"limit": 2})
    now, most = 0, 0

    async def work(_ctx: Any) -> str:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.002)
        now -= 1
        return "done"

    # each of two workers serves one of the roles: what one of them ends lets the other one begin
    fleet = Fleet(storage, definition, {"*": work})
    async with at_work(storage, {"worker": work}), at_work(storage, {"other": work}):
        ids = [await fleet.start(FLOW, {"items": list(range(20))}) for _ in range(3)]
        async with asyncio.timeout(LONG):
            runs = [await fleet.wait(run_id) for run_id in ids]
    assert {run.status for run in runs} == {MobRunStatus.COMPLETED}
    assert most == 2


async def test_a_rate_holds_in_every_window(storage: MobStorage) -> None:
    definition = mob({"a": each(rate=RateSpec(limit=10, per="200ms"))})

    async def work(_ctx: Any) -> str:
        return "done"

    run = await run_flow(storage, definition, work, params={"items": list(range(45))})
    assert run.status is MobRunStatus.COMPLETED
    events = await storage.events.replay_all()
    times = [one.timestamp.timestamp() for one in events if isinstance(one.kind, StepDispatched)]
    assert len(times) == 45
    for at in times:
        assert sum(at <= other < at + 0.2 for other in times) <= 10


async def test_what_a_rate_counts_is_forgotten(storage: MobStorage) -> None:
    definition = mob({"a": each(rate=RateSpec(limit=5, per="20ms", key="{{ item }}"))})

    async def work(_ctx: Any) -> str:
        return "done"

    async with at_work(storage, {"*": work}):
        fleet = Fleet(storage, definition, {"*": work})
        async with asyncio.timeout(LONG):
            await fleet.wait(await fleet.start(FLOW, {"items": [f"key-{n}" for n in range(50)]}))
            while await left_over(storage):  # noqa: ASYNC110  # nothing tells of it
                await asyncio.sleep(0.05)


async def test_a_key_that_leads_nowhere_is_null_or_fails_a_strict_step(storage: MobStorage) -> None:
    async def work(_ctx: Any) -> str:
        return "done"

    keyed = ConcurrencySpec(limit=1, key="{{ params.tenant }}")
    run = await run_flow(storage, mob({"a": step(concurrency=keyed)}), work, params={})
    assert run.status is MobRunStatus.COMPLETED
    strict = await run_flow(storage, mob({"a": step(concurrency=keyed, strict=True)}), work, params={})
    assert strict.status is MobRunStatus.FAILED
    assert "params.tenant" in strict.failure_ledger[0].reason
    too_long = await run_flow(storage, mob({"a": step(concurrency=keyed)}), work, params={"tenant": "x" * 2000})
    assert too_long.status is MobRunStatus.FAILED
    assert "key of its concurrency has 2,000 bytes" in too_long.failure_ledger[0].reason

"""What waits and what is under way, as an operator sees it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta

from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.step_context import StepContext
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.operations.queue_report import QueueReport
from redis_mob.storage import MobStorage
from redis_mob.testing.waiting import LONG as LONG_SECONDS
from tests.fleet.flows import FLOW, mob, step
from tests.fleet.working import at_work

TWO_ROLES = mob({"a": step(timeout_ms=600_000), "b": step(role="other", timeout_ms=600_000)})


@asynccontextmanager
async def working(storage: MobStorage, *, concurrency: int = 1) -> AsyncGenerator[None]:
    """A worker of role `worker` whose handler goes on until the block ends."""
    end = asyncio.Event()

    async def work(_ctx: StepContext) -> str:
        await end.wait()
        return "done"

    async with at_work(storage, {"worker": work}, concurrency=concurrency):
        try:
            yield
        finally:
            end.set()


async def seen(storage: MobStorage, role: str, **expected: int) -> QueueReport:
    """The queues of a role, once they are as expected."""
    admin, found = FleetAdmin(storage), None
    async with asyncio.timeout(LONG_SECONDS):
        while True:
            found = next((one for one in await admin.queues() if one.role == role and not one.release), None)
            if found is not None and all(getattr(found, name) == number for name, number in expected.items()):
                return found
            await asyncio.sleep(0.02)


async def test_no_queue_is_told_where_nothing_waits(storage: MobStorage) -> None:
    assert await FleetAdmin(storage).queues() == ()


async def test_what_waits_and_what_is_under_way_is_counted_by_role(storage: MobStorage) -> None:
    fleet = Fleet(storage, TWO_ROLES, {})
    async with working(storage):
        for _ in range(3):
            await fleet.start(FLOW)
        served = await seen(storage, "worker", waiting=2, running=1)
        assert (served.mob_id, served.workers, served.unserved, served.delayed) == ("mob", 1, 0, 0)
        unserved = await seen(storage, "other", waiting=3)
        assert (unserved.workers, unserved.unserved, unserved.running) == (0, 3, 0)
        assert unserved.oldest_seconds is not None
        assert unserved.is_oldest_certain
        runs = await storage.runs.list_runs("mob")
        for run in runs:
            await FleetAdmin(storage).terminate(run.run_id)
        assert await FleetAdmin(storage).queues() == ()


async def test_a_release_has_queues_of_its_own(storage: MobStorage) -> None:
    fleet = Fleet(storage, TWO_ROLES, {})
    async with working(storage):
        await fleet.start(FLOW, release="v2")
        await fleet.start(FLOW)
        await seen(storage, "worker", running=1)
        async with asyncio.timeout(LONG_SECONDS):
            while not any(one.release for one in await FleetAdmin(storage).queues()):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        by_release = {one.release: one for one in await FleetAdmin(storage).queues() if one.role == "worker"}
        assert (by_release["v2"].waiting, by_release["v2"].workers, by_release["v2"].unserved) == (1, 0, 1)


async def test_a_retry_before_its_time_is_delayed(storage: MobStorage) -> None:
    retrying = mob({"a": step(retry={"attempts": 3, "first": 600, "most": 600})})

    async def fail(_ctx: StepContext) -> str:
        raise ValueError("again")

    fleet = Fleet(storage, retrying, {"worker": fail})
    async with at_work(storage, {"*": fail}):
        await fleet.start(FLOW)
        delayed = await seen(storage, "worker", delayed=1)
    assert (delayed.waiting, delayed.running, delayed.oldest_since) == (0, 0, None)


async def test_what_no_worker_looks_at_waits_from_its_time_on(storage: MobStorage) -> None:
    retrying = mob({"a": step(retry={"attempts": 3, "first": 0.5, "most": 0.5})})

    async def fail(_ctx: StepContext) -> str:
        raise ValueError("again")

    async with at_work(storage, {"*": fail}):
        await Fleet(storage, retrying, {}).start(FLOW)
        await seen(storage, "worker", delayed=1)
    waiting = await seen(storage, "worker", waiting=1, delayed=0)
    assert (waiting.running, waiting.workers, waiting.unserved) == (0, 0, 1)
    assert waiting.oldest_since is not None


async def test_of_many_the_oldest_is_one_of_those_that_were_looked_at(storage: MobStorage) -> None:
    fleet = Fleet(storage, TWO_ROLES, {})
    async with working(storage):
        for _ in range(45):
            await fleet.start(FLOW)
        many = await seen(storage, "other", waiting=45)
    assert many.oldest_since is not None
    assert many.is_oldest_certain is storage.url.startswith("memory")


async def test_what_a_worker_executes_is_told(storage: MobStorage) -> None:
    admin = FleetAdmin(storage)
    fleet = Fleet(storage, TWO_ROLES, {})
    async with working(storage, concurrency=4):
        runs = {await fleet.start(FLOW) for _ in range(2)}
        await seen(storage, "worker", running=2)
        [worker] = await admin.workers()
        held = await admin.executions_of(worker.record.id)
        assert {one.run_id for one in held} == runs
        for one in held:
            assert (one.step_id, one.role, one.attempt, one.key.target) == ("a", "worker", 1, "worker-1")
            assert one.since is not None
            assert timedelta() <= one.deadline - one.since <= timedelta(minutes=10)
        assert await admin.executions_of("unknown") == ()

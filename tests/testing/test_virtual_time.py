"""Time that is skipped: in the event loop, in namespaces in memory, and not where something is at work."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from redis_mob import Fleet, MobStorage, ValidationError
from redis_mob.fleet.step_context import StepContext
from redis_mob.testing import VirtualClock, run_flow, virtual_time
from redis_mob.testing.samples.driven_runs import a_worker
from tests.fleet.flows import FLOW, mob, step

HOUR = timedelta(hours=1)


async def test_sleeping_is_over_at_once_and_the_loop_and_the_storage_agree(mob_storage: MobStorage) -> None:
    loop, began = asyncio.get_running_loop(), time.monotonic()
    await mob_storage.executions.join_workers(a_worker("lost"), timedelta(minutes=59))
    await mob_storage.executions.join_workers(a_worker("there"), timedelta(minutes=61))
    with virtual_time() as clock:
        at = loop.time()
        await clock.move(HOUR)
        assert loop.time() - at >= HOUR.total_seconds()
        assert clock.skipped + timedelta(seconds=time.monotonic() - began) >= HOUR
        assert [worker.record.id for worker in await mob_storage.executions.workers()] == ["there"]


async def test_timers_come_in_their_order() -> None:
    told: list[int] = []

    async def tell(number: int) -> None:
        await asyncio.sleep(number * 100)
        told.append(number)

    with virtual_time():
        await asyncio.gather(*map(tell, (3, 1, 2)))
    assert told == [1, 2, 3]


async def test_a_worker_at_work_keeps_its_lease_however_far_time_is_skipped(mob_storage: MobStorage) -> None:
    with virtual_time() as clock:
        async with Fleet(mob_storage, mob({"a": step()}), {"*": print}).working():
            await clock.move(timedelta(seconds=1))
            [before] = await mob_storage.executions.workers()
            await clock.leap(HOUR)
            await clock.move(HOUR)
            [after] = await mob_storage.executions.workers()
            assert before.record.id == after.record.id


async def test_a_run_that_begins_later_begins_after_a_leap(mob_storage: MobStorage) -> None:
    fleet = Fleet(mob_storage, mob({"a": step()}), {"*": lambda _: "done"})
    with virtual_time() as clock:
        async with fleet.working():
            run_id = await fleet.start(FLOW, at=clock.now() + 24 * HOUR)
            await clock.move(1)
            assert await mob_storage.executions.status(run_id) == "pending"
            await clock.leap(24 * HOUR)
            assert (await fleet.wait(run_id)).status == "completed"


async def test_nothing_is_skipped_while_a_function_runs_in_a_thread() -> None:
    moments: list[datetime] = []

    def slow(ctx: StepContext) -> None:
        moments.append(ctx.deadline)
        time.sleep(0.3)
        assert not ctx.cancelled.is_set(), "its time was skipped"

    run = await run_flow(mob({"a": step(timeout_ms=20_000)}), slow)
    assert run.status == "completed"
    with virtual_time() as clock:
        async with asyncio.timeout(60):
            await asyncio.to_thread(time.sleep, 0.1)
        assert clock.skipped == timedelta()


async def test_nothing_is_skipped_while_a_connection_is_open(server_url: str) -> None:
    async with MobStorage.open(server_url, namespace="virtual-time"):
        with virtual_time() as clock:
            await asyncio.sleep(0.05)
            assert clock.skipped == timedelta()


async def test_time_goes_on_from_where_it_is_after_the_block() -> None:
    loop = asyncio.get_running_loop()
    with virtual_time() as clock:
        await clock.move(HOUR)
        at = loop.time()
    assert loop.time() >= at
    waiting = asyncio.create_task(asyncio.sleep(HOUR.total_seconds()))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    waiting.cancel()
    with virtual_time() as again:
        await again.move(HOUR)
        assert loop.time() >= at + HOUR.total_seconds()


async def test_one_block_is_enough() -> None:
    with virtual_time(), pytest.raises(ValidationError, match="in use in this event loop already"), virtual_time():
        pass


async def test_a_loop_without_a_selector_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    loop: Any = asyncio.get_running_loop()
    with monkeypatch.context() as without:
        without.setattr(loop, "_selector", None)
        with pytest.raises(ValidationError, match="needs the event loop of asyncio"), virtual_time():
            pass


async def test_the_clock_tells_the_time_that_it_was_put_to(mob_clock: VirtualClock) -> None:
    await mob_clock.move(HOUR)
    assert mob_clock.now() > datetime.now(UTC) + HOUR - timedelta(minutes=1)

"""A worker for the length of a block, and one that returns when there is nothing left for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from redis_mob.errors import MobStoreError, ReadFailedError, ValidationError
from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.step_context import Handler, StepContext, StepFailed
from redis_mob.fleet.working import at_work
from redis_mob.models.definition import MobDefinition
from redis_mob.models.flow_spec import RetrySpec
from redis_mob.storage import MobStorage
from redis_mob.testing import virtual_time
from redis_mob.testing.waiting import LONG
from tests.fleet.flows import FLOW, mob, step

TWO = mob({"a": step(), "b": step("a")})


@pytest.fixture
async def patient() -> AsyncIterator[None]:
    """Fails a test that hangs."""
    async with asyncio.timeout(LONG):
        yield


def done(_ctx: StepContext) -> str:
    return "done"


def a_fleet(storage: MobStorage, definition: MobDefinition = TWO, handler: Handler = done) -> Fleet:
    return Fleet(storage, definition, {"*": handler})


async def status(storage: MobStorage, run_id: str) -> str | None:
    return await storage.executions.status(run_id)


async def test_a_block_has_a_worker_and_drains_at_its_end(storage: MobStorage) -> None:
    began, ended = asyncio.Event(), asyncio.Event()

    async def handler(_ctx: StepContext) -> None:
        began.set()
        await asyncio.sleep(0.05)
        ended.set()

    fleet = a_fleet(storage, handler=handler)
    async with asyncio.timeout(LONG):
        async with fleet.working():
            await fleet.start(FLOW)
            await began.wait()
        assert ended.is_set()
    assert await storage.executions.workers() == ()


async def test_what_a_worker_raises_ends_the_block(storage: MobStorage) -> None:
    with pytest.raises(ValidationError, match="concurrency"):
        async with asyncio.timeout(LONG), a_fleet(storage).working(concurrency=0):
            await asyncio.Event().wait()
    current = asyncio.current_task()
    assert current is not None
    assert not current.cancelling()


async def fails(_stop: asyncio.Event) -> None:
    raise ReadFailedError("no server")


async def test_a_block_that_waits_for_nothing_gets_the_error_too() -> None:
    with pytest.raises(ReadFailedError):
        async with at_work(fails):
            for _ in range(3):
                await asyncio.sleep(0)
    with pytest.raises(ReadFailedError):
        async with at_work(fails):
            pass
    await asyncio.sleep(0)  # no cancellation is left over


async def test_the_error_of_the_block_is_the_one_that_is_told(storage: MobStorage) -> None:
    began, drained = asyncio.Event(), asyncio.Event()

    async def handler(_ctx: StepContext) -> None:
        began.set()
        await asyncio.sleep(0.05)
        drained.set()

    fleet = a_fleet(storage, handler=handler)
    with pytest.raises(KeyError):
        async with asyncio.timeout(LONG), fleet.working():
            await fleet.start(FLOW)
            await began.wait()
            raise KeyError
    assert drained.is_set()


async def test_a_cancelled_block_hands_back_at_once(storage: MobStorage) -> None:
    began, was_cancelled = asyncio.Event(), asyncio.Event()

    async def handler(_ctx: StepContext) -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            was_cancelled.set()
            raise

    async def block() -> None:
        fleet = a_fleet(storage, handler=handler)
        async with fleet.working(drain_timeout=None):
            await fleet.wait(await fleet.start(FLOW))

    task = asyncio.create_task(block())
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert was_cancelled.is_set()


async def test_work_returns_when_all_runs_are_over(storage: MobStorage) -> None:
    fleet = a_fleet(storage)
    runs = [await fleet.start(FLOW) for _ in range(3)]
    async with asyncio.timeout(LONG):
        await fleet.work(until_idle=True)
    assert {await status(storage, run) for run in runs} == {"completed"}


async def test_work_returns_at_once_when_there_is_none(storage: MobStorage) -> None:
    async with asyncio.timeout(LONG):
        await a_fleet(storage).work(until_idle=True)


async def test_work_until_idle_ends_when_it_is_stopped(storage: MobStorage) -> None:
    stop = asyncio.Event()

    async def handler(_ctx: StepContext) -> None:
        stop.set()
        await asyncio.sleep(60)

    fleet = a_fleet(storage, handler=handler)
    await fleet.start(FLOW)
    async with asyncio.timeout(LONG):
        await fleet.work(stop=stop, drain_timeout=timedelta(), until_idle=True)


async def test_work_until_idle_refuses_what_is_no_flag(storage: MobStorage) -> None:
    wrong: Any = "yes"
    with pytest.raises(ValidationError, match="until_idle"):
        await a_fleet(storage).work(until_idle=wrong)


async def test_retries_are_waited_for_and_what_begins_later_is_not(mob_storage: MobStorage) -> None:
    def moody(ctx: StepContext) -> str:
        if ctx.attempt < 3:
            raise StepFailed("busy", retry_after=300)
        return "done"

    fleet = a_fleet(mob_storage, mob({"a": step(retry=RetrySpec(attempts=3))}), moody)
    with virtual_time() as clock:
        now, later = await fleet.start(FLOW), await fleet.start(FLOW, at=clock.now() + timedelta(days=1))
        await fleet.work(until_idle=True)
        assert await status(mob_storage, now) == "completed"
        assert await status(mob_storage, later) == "pending"
        await clock.leap(timedelta(days=1))
        await fleet.work(until_idle=True)
        assert await status(mob_storage, later) == "completed"


async def test_steps_of_roles_that_are_not_served_are_not_waited_for(mob_storage: MobStorage) -> None:
    definition = mob({"a": step(), "b": step("a", role="other")})
    starter, one = a_fleet(mob_storage, definition), Fleet(mob_storage, definition, {"worker": done})
    run_id = await starter.start(FLOW)
    with virtual_time():
        await one.work(until_idle=True)
        assert await status(mob_storage, run_id) == "running"
        await starter.work(until_idle=True)
    assert await status(mob_storage, run_id) == "completed"


async def test_what_another_worker_executes_of_a_served_role_is_waited_for(mob_storage: MobStorage) -> None:
    began, go_on = asyncio.Event(), asyncio.Event()

    async def handler(_ctx: StepContext) -> None:
        began.set()
        await go_on.wait()

    fleet = a_fleet(mob_storage, mob({"a": step(timeout_ms=10**8)}), handler)
    async with fleet.working():
        run_id = await fleet.start(FLOW)
        await began.wait()
        second = asyncio.create_task(fleet.work(until_idle=True))
        with virtual_time() as clock:
            await clock.move(100)
            assert not second.done()
            go_on.set()
            await second
    assert await status(mob_storage, run_id) == "completed"


async def test_a_canceled_run_is_brought_to_its_end(mob_storage: MobStorage) -> None:
    fleet = a_fleet(mob_storage)
    with virtual_time() as clock:
        run_id = await fleet.start(FLOW, at=clock.now() + timedelta(days=1))
        await fleet.cancel(run_id)
        await fleet.work(until_idle=True)
    assert await status(mob_storage, run_id) == "canceled"


async def test_a_read_that_fails_is_left_to_the_worker_to_bear(
    mob_storage: MobStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed, failures = mob_storage.runs.list_runs, list[MobStoreError]([ReadFailedError("no server")])

    async def list_runs(mob_id: str, flow_id: str | None = None) -> Any:
        if failures:
            raise failures.pop()
        return await listed(mob_id, flow_id)

    monkeypatch.setattr(mob_storage.runs, "list_runs", list_runs)
    fleet = a_fleet(mob_storage)
    run_id = await fleet.start(FLOW)
    with virtual_time():
        await fleet.work(until_idle=True)
    assert await status(mob_storage, run_id) == "completed"
    failures.append(MobStoreError("damaged"))
    with pytest.raises(MobStoreError, match="damaged"):
        await fleet.work(until_idle=True)

"""What handlers publish of their run while they are at work, and those who wait for it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from redis_mob.errors import CasConflictError, NotFoundError, ValidationError, WaitTimeoutError
from redis_mob.fleet import published as publishing
from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.isolation import isolated
from redis_mob.fleet.lease import LeaseLostError
from redis_mob.fleet.step_context import StepContext
from redis_mob.models.execution import ExecutionKey, ExecutionStatus, HowLost, Loss
from redis_mob.storage import MobStorage
from redis_mob.testing.samples.driven_runs import ONE_STEP, keys_of, waiting
from redis_mob.testing.waiting import LONG
from tests.fleet import isolated_handlers
from tests.fleet.flows import FLOW, mob, step
from tests.fleet.test_signals import UNKNOWN
from tests.fleet.working import at_work, loaded, run_step


async def test_what_a_handler_publishes_is_there_while_it_is_at_work(
    storage: MobStorage, other_storage: MobStorage
) -> None:
    seen = asyncio.Event()

    async def handler(ctx: StepContext) -> None:
        for number in range(3):
            await ctx.publish("draft", {"number": number})
        await ctx.publish("ready", True)
        await seen.wait()

    fleet = Fleet(storage, mob({"a": step()}), {"*": handler})
    async with asyncio.timeout(LONG), at_work(storage, {"*": handler}):
        run_id = await fleet.start(FLOW)
        other = Fleet(other_storage, mob({"a": step()}), {})
        assert await other.get(run_id, "ready", timeout=LONG) is True
        assert await other.get(run_id, "draft") == {"number": 2}
        seen.set()
        await fleet.wait(run_id)
    assert await fleet.get(run_id, "draft", timeout=timedelta()) == {"number": 2}


async def test_a_value_that_is_not_there_in_time_is_an_error(storage: MobStorage) -> None:
    fleet = Fleet(storage, mob({"a": step()}), {"*": print})
    run_id = await fleet.start(FLOW)
    for timeout in (0, timedelta(milliseconds=20)):
        with pytest.raises(WaitTimeoutError, match=f"run {run_id} has published nothing as 'k' within 0"):
            await fleet.get(run_id, "k", timeout)
    with pytest.raises(TimeoutError):
        await fleet.get(run_id, "k", 0)


async def test_a_run_that_is_over_publishes_nothing_more(storage: MobStorage) -> None:
    run = await run_step(storage, lambda _ctx: None)
    fleet = Fleet(storage, mob({"a": step()}), {})
    with pytest.raises(NotFoundError, match=f"run {run.run_id} is over, and has published nothing as 'k'"):
        await fleet.get(run.run_id, "k")
    with pytest.raises(NotFoundError, match=f"run {UNKNOWN} does not exist"):
        await fleet.get(UNKNOWN, "k")


@pytest.mark.parametrize("timeout", [-1, "1", True, float("nan")])
async def test_a_timeout_that_is_none(storage: MobStorage, timeout: Any) -> None:
    with pytest.raises(ValidationError, match="timeout must be a number of seconds"):
        await Fleet(storage, mob({"a": step()}), {}).get(UNKNOWN, "k", timeout)


async def test_what_cannot_be_published_is_refused(storage: MobStorage) -> None:
    refused: list[str] = []

    async def handler(ctx: StepContext) -> None:
        wrong: Any = 1
        for key, value in (("k", object()), ("k", "x" * 99), ("", 1), ("x" * 257, 1), (wrong, 1)):
            with pytest.raises(ValidationError) as error:
                await ctx.publish(key, value)
            refused.append(str(error.value))

    definition = mob({"a": step()}, limits={"max_output_bytes": 100})
    fleet = Fleet(storage, definition, {"*": handler})
    async with asyncio.timeout(LONG), at_work(storage, {"*": handler}):
        run = await fleet.wait(await fleet.start(FLOW))
    assert (run.status, len(refused)) == ("completed", 5), run.failure_ledger
    assert "the value published as 'k' is refused: $" in refused[0]
    assert "is 101 bytes of JSON, more than the 100" in refused[1]
    assert all("key must be a text" in one for one in refused[2:])


async def test_a_run_has_so_many_values_and_no_more(storage: MobStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("stores", "memory"):
        monkeypatch.setattr(f"redis_mob.{module}.signals.MOST_PUBLISHED", 2)

    async def handler(ctx: StepContext) -> None:
        for key in ("a", "b", "a"):
            await ctx.publish(key, key)
        with pytest.raises(CasConflictError, match="1,000 other values, so that there is no room for 'c'"):
            await ctx.publish("c", 1)

    assert (await run_step(storage, handler)).status == "completed"


async def test_a_worker_that_was_overtaken_publishes_nothing(storage: MobStorage) -> None:
    run = await waiting(storage.executions, ONE_STEP)
    view = await run.view()
    key = keys_of(view)[0]
    await run.claim(key, owner="one")
    held = (await run.view()).executions[key]
    await run.claim(key, owner="two", loss=Loss(HowLost.HANDED_BACK, "one", "host", view.now))
    assert await _put(storage, run.run_id, key, held) is False
    newest = (await run.view()).executions[key]
    assert await _put(storage, run.run_id, key, newest) is True
    await run.settle(key)
    assert await _put(storage, run.run_id, key, newest) is False


async def _put(storage: MobStorage, run_id: str, key: ExecutionKey, execution: Any) -> bool:
    launch = (await loaded(storage, run_id)).launch
    return await publishing.publish(storage.executions, launch, run_id, key, execution, "k", 1)


async def test_a_handler_whose_execution_was_canceled_is_told(storage: MobStorage) -> None:
    begun, told = asyncio.Event(), asyncio.Event()

    async def handler(ctx: StepContext) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            with pytest.raises(LeaseLostError, match="'k' was not published"):
                await ctx.publish("k", 1)
            told.set()

    fleet = Fleet(storage, mob({"a": step()}), {"*": handler})
    async with asyncio.timeout(LONG), at_work(storage, {"*": handler}):
        run_id = await fleet.start(FLOW)
        await begun.wait()
        await fleet.cancel(run_id)
        await told.wait()
    [canceled] = (await loaded(storage, run_id)).executions.values()
    assert canceled.status is ExecutionStatus.CANCELED


async def test_a_plain_function_publishes_in_an_event_loop_of_its_own(storage: MobStorage) -> None:
    def handler(ctx: StepContext) -> None:
        asyncio.run(asyncio.wait_for(_publish(ctx), LONG))

    async def _publish(ctx: StepContext) -> None:
        await ctx.publish("k", 1)

    run = await run_step(storage, handler)
    assert await Fleet(storage, mob({"a": step()}), {}).get(run.run_id, "k") == 1


async def test_an_isolated_handler_publishes_by_way_of_its_worker(storage: MobStorage) -> None:
    run = await run_step(storage, isolated(isolated_handlers.publish))
    assert run.status == "completed", run.failure_ledger
    fleet = Fleet(storage, mob({"a": step()}), {})
    assert await fleet.get(run.run_id, "k") == [1]
    assert run.root_step_outputs["a"]["worker-1"] == ["ValidationError", "ValidationError"]

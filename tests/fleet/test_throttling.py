"""Executions whose service asks to be left alone: they wait, use up no attempt, and close the rates that bound them."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from redis_mob import StepThrottled, isolated
from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.outcome import Failed, Throttled
from redis_mob.fleet.step_context import StepContext
from redis_mob.fleet.throttling import MOST_IN_TURN, pause_of
from redis_mob.models.execution import Execution, ExecutionStatus
from redis_mob.models.flow_events import StepDispatched, StepTargetFailed
from redis_mob.models.limits import ConcurrencySpec, RateSpec, TokenUse
from redis_mob.models.run_status import MobRunStatus
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.storage import MobStorage
from redis_mob.testing.waiting import LONG
from tests.fleet import isolated_handlers
from tests.fleet.flows import FLOW, mob, step
from tests.fleet.limited_floor import LEASE
from tests.fleet.test_limits import left_over
from tests.fleet.test_token_limits import AN_HOUR, Taker
from tests.fleet.working import at_work, loaded, run_flow, run_step

HOUR = timedelta(hours=1)
RATE = RateSpec(limit=100, per="1h")


async def test_a_throttled_execution_uses_up_no_attempt(storage: MobStorage) -> None:
    """It begins once, its checkpoints are kept, and nothing has failed."""
    calls, attempts = 0, list[int]()

    async def work(ctx: StepContext) -> int:
        attempts.append(ctx.attempt)

        async def pay() -> int:
            nonlocal calls
            calls += 1
            return calls

        paid = await ctx.once("pay", pay)
        if len(attempts) < 3:
            raise StepThrottled("429 Too Many Requests", retry_after=0.01)
        return paid

    run = await run_step(storage, work)
    assert run.status is MobRunStatus.COMPLETED
    assert attempts == [1, 1, 1]
    assert run.root_step_outputs == {"a": {"worker-1": 1}}
    events = [one.kind for one in await storage.events.replay_all()]
    assert sum(isinstance(one, StepDispatched) for one in events) == 1
    assert not any(isinstance(one, StepTargetFailed) for one in events)
    assert run.failure_ledger == ()


@pytest.mark.parametrize("form", ["plain", "isolated", "grouped"])
async def test_any_handler_may_say_so(storage: MobStorage, form: str) -> None:
    async def grouped(ctx: StepContext) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.to_thread(isolated_handlers.throttled, ctx))

    handler: Any = isolated_handlers.throttled
    handler = {"plain": handler, "isolated": isolated(handler), "grouped": grouped}[form]
    fleet = Fleet(storage, mob({"a": step()}), {"*": print})
    async with at_work(storage, {"*": handler}), asyncio.timeout(LONG):
        run_id = await fleet.start(FLOW)
        while not (execution := await only(storage, run_id)) or not execution.throttled:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    assert (execution.status, execution.attempt, execution.throttled) == (ExecutionStatus.WAITING, 1, 1)


async def only(storage: MobStorage, run_id: str) -> Execution | None:
    """The only execution of a run, if it has one yet."""
    return next(iter((await loaded(storage, run_id)).executions.values()), None)


@pytest.mark.parametrize("rate", [RATE, AN_HOUR])
async def test_a_throttle_closes_the_rate_for_the_whole_fleet(storage: MobStorage, rate: RateSpec) -> None:
    taker = Taker(storage, rate)
    await taker.start(3)
    due = await taker.begin()
    await taker.end(due, outcome=Throttled("429", HOUR), used=TokenUse())
    assert await taker.take() is None  # although nothing counts
    load = await taker.load()
    execution = await only(storage, due.run_id)
    assert execution is not None
    assert load.closed_until is not None
    # whole milliseconds
    assert timedelta() <= load.closed_until - execution.due_at < timedelta(milliseconds=1)
    assert (load.is_full, load.room_at) == (True, load.closed_until)
    assert load.under_way == 0
    assert load.said(FLOW) == "step 'a' is throttled by its service"
    assert (execution.attempt, execution.lease) == (1, None)
    if rate is AN_HOUR:
        assert load.begun == 0


async def test_the_latest_end_of_a_throttle_counts_and_then_all_go_on(storage: MobStorage) -> None:
    short = timedelta(milliseconds=150)
    taker = Taker(storage, RATE)
    await taker.start(3)
    first, second = await taker.begin(), await taker.begin()
    await taker.end(first, outcome=Throttled("429", short))
    closed = (await taker.load()).closed_until
    await taker.end(second, outcome=Throttled("429", timedelta()))
    load = await taker.load()
    assert load.closed_until == closed
    assert await taker.take() is None
    looked = await storage.executions.take_due(max_runs=0, max_executions=9, keep=LEASE)
    assert looked.next_execution_at == closed
    await asyncio.sleep(short.total_seconds())
    found = await storage.executions.take_due(max_runs=0, max_executions=9, keep=LEASE)
    assert len(found.executions) == 3
    assert (await taker.load()).closed_until is None
    assert [one for one in await left_over(storage, "gated", "gated:times") if one[:1] == b"c"] == []


async def test_a_key_that_is_throttled_closes_no_other(storage: MobStorage) -> None:
    taker = Taker(storage, RateSpec(limit=100, per="1h", key="{{ params.tenant }}"))
    await taker.start(2, tenant="one")
    await taker.end(await taker.begin(), outcome=Throttled("429", HOUR))
    await taker.start(1, tenant="other")
    due = await taker.take()
    assert due is not None
    assert due.run_id == taker.runs[2]
    assert await taker.take() is None


async def test_a_throttle_gives_back_its_place_and_closes_no_limit_of_concurrency(storage: MobStorage) -> None:
    definition = mob({"a": step(concurrency=ConcurrencySpec(limit=1))})
    taker = Taker(storage)
    taker.definition = definition
    await taker.start(2)
    due = await taker.begin()
    assert await taker.take() is None
    await taker.end(due, outcome=Throttled("429", HOUR))
    other = await taker.take()
    assert other is not None
    assert other.run_id != due.run_id


async def test_what_throttled_calls_have_used_before_counts(storage: MobStorage) -> None:
    taker = Taker(storage, AN_HOUR)
    await taker.start()
    await taker.end(await taker.begin(), TokenUse(7, 0), Throttled("429", HOUR))
    assert await taker.counts() == (0, 7)


def test_a_pause_that_is_not_said_doubles_up_to_a_minute() -> None:
    execution = Execution.unchecked(step_id="a", role="r", message="m", due_at=None)
    pauses = [
        pause_of(execution.model_copy(update={"throttled": number}), Throttled("429")).total_seconds()
        for number in range(8)
    ]
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]
    assert pause_of(execution, Throttled("429", timedelta(days=3000))) == timedelta(days=1)


async def test_after_too_many_throttles_in_turn_the_attempt_has_failed(storage: MobStorage) -> None:
    calls: list[int] = []

    async def work(ctx: StepContext) -> str:
        calls.append(ctx.attempt)
        if ctx.attempt == 2:
            assert ctx.previous_failure is not None
            return ctx.previous_failure.reason
        raise StepThrottled("429", retry_after=0)

    run = await run_step(storage, work, retries=1)
    assert calls == [1] * MOST_IN_TURN + [2]
    assert run.root_step_outputs == {"a": {"worker-1": "it was throttled 100 times in turn, the last time so: 429"}}


async def test_an_attempt_that_ends_begins_to_count_anew(storage: MobStorage) -> None:
    taker = Taker(storage)
    await taker.start()
    await taker.end(await taker.begin(), outcome=Throttled("429", timedelta()))
    await taker.end(await taker.begin(), outcome=Failed("no", retry_after=timedelta()))
    execution = await only(storage, taker.runs[0])
    assert execution is not None
    assert (execution.throttled, execution.attempt, execution.reason) == (0, 2, "no")


async def test_a_throttle_beyond_the_end_of_the_flow_fails(storage: MobStorage) -> None:
    async def work(_ctx: StepContext) -> str:
        raise StepThrottled("429 Too Many Requests", retry_after=3600)

    definition = mob({"a": step()}, limits={"max_flow_duration_ms": 600_000, "max_step_retries": 5})
    run = await run_flow(storage, definition, work)
    assert run.status is MobRunStatus.FAILED
    assert run.failure_ledger[0].reason == "429 Too Many Requests"


async def test_a_throttled_run_can_be_cancelled(storage: MobStorage) -> None:
    taker = Taker(storage, AN_HOUR)
    await taker.start()
    await taker.end(await taker.begin(), outcome=Throttled("429", HOUR))
    async with at_work(storage, {"*": print}):
        fleet = Fleet(storage, taker.definition, {})
        await fleet.cancel(taker.runs[0])
        assert (await fleet.wait(taker.runs[0], LONG)).status is MobRunStatus.CANCELED


async def test_watchers_and_operators_are_told(storage: MobStorage) -> None:
    def work(_ctx: StepContext) -> None:
        raise StepThrottled("429 Too Many Requests", retry_after=3600)

    fleet, admin = Fleet(storage, mob({"a": step()}), {"*": print}), FleetAdmin(storage)
    async with at_work(storage, {"*": work}), asyncio.timeout(LONG):
        run_id = await fleet.start(FLOW)
        while not (execution := await only(storage, run_id)) or not execution.throttled:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    page = await storage.progress.read_after(run_id, 0, 10)
    assert "throttled: 429 Too Many Requests" in repr(page)
    described = await admin.describe(run_id)
    [waits] = [
        member.waits_for for _, one in described.each_step() for member in one.members if member.waits_for is not None
    ]
    assert (waits.kind, waits.text) == ("throttle", "its service, which has throttled it once")
    assert waits.until == execution.due_at


@pytest.mark.parametrize("pause", [-1, "soon", float("nan"), timedelta(days=40_000)])
def test_a_pause_that_is_none_is_refused(pause: Any) -> None:
    with pytest.raises(TypeError, match="retry_after must be a number of seconds"):
        StepThrottled("429", retry_after=pause)

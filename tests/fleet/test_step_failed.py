"""How a handler says that it failed, and how its next attempt learns of that (contract: engine-17, engine-38)."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import Any

import pytest

from redis_mob import PreviousFailure, RetrySpec, StepContext, StepFailed
from redis_mob.fleet.executor import previous_failure
from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.worker import Worker
from redis_mob.models.execution import Execution
from redis_mob.storage import MobStorage
from redis_mob.testing.waiting import LONG
from tests.fleet.flows import FLOW, mob, step
from tests.fleet.working import SHORT_LEASE, at_work, failure_of, run_flow, run_step

WRONG = r"^retry_after must be a number of seconds from 0 to 3153600000, or a timedelta, not "
SCORE = '{"type": "object", "properties": {"score": {"type": "integer"}}, "required": ["score"]}'


@pytest.mark.parametrize("plain", [True, False])
async def test_the_next_attempt_learns_why_the_one_before_failed(storage: MobStorage, plain: bool) -> None:
    seen: list[PreviousFailure | None] = []
    errors: list[Exception] = [
        ValueError("no"),
        StepFailed("short"),
        StepFailed("too short", detail={"words": [1, None]}),
    ]

    def work(ctx: StepContext) -> object:
        seen.append(ctx.previous_failure)
        if ctx.attempt == 1:
            return '{"score": "high"}'
        if errors:
            raise errors.pop(0)
        return '{"score": 3}'

    async def coroutine(ctx: StepContext) -> object:
        return work(ctx)

    run = await run_step(storage, work if plain else coroutine, retries=9, expected_schema_ref=SCORE)
    assert run.root_step_outputs == {"a": {"worker-1": {"score": 3}}}
    assert seen == [
        None,
        PreviousFailure(
            "the output of step 'a' is refused: it does not fit its schema at $.score: 'high' is not of type 'integer'"
        ),
        PreviousFailure("ValueError: no", "ValueError"),
        PreviousFailure("short", "StepFailed"),
        PreviousFailure("too short", "StepFailed", {"words": [1, None]}),
    ]
    view = await storage.executions.load(run.run_id)
    assert view is not None
    [execution] = view.executions.values()
    assert (execution.error_class, execution.detail) == (None, None), "nothing needs them any more"


async def test_each_member_has_failures_of_its_own(storage: MobStorage) -> None:
    seen: dict[tuple[str, int], str | None] = {}

    def handler(ctx: StepContext) -> None:
        seen[ctx.member, ctx.attempt] = ctx.previous_failure and ctx.previous_failure.reason
        if ctx.attempt == 1 and ctx.member == "worker-1":
            raise StepFailed("mine")

    await run_flow(storage, mob({"a": step()}, limits={"max_step_retries": 1}), handler, members={"worker": 2})
    assert seen == {("worker-1", 1): None, ("worker-1", 2): "mine", ("worker-2", 1): None}


async def test_another_worker_learns_it_too(storage: MobStorage, other_storage: MobStorage) -> None:
    """The worker of the failed attempt leaves during the second one; its successor has only what is stored."""
    under_way = asyncio.Event()
    seen: list[tuple[int, PreviousFailure | None]] = []

    async def fails_then_hangs(ctx: StepContext) -> None:
        if ctx.attempt == 1:
            raise StepFailed("too short", detail=["x"])
        under_way.set()
        await asyncio.Event().wait()

    definition = mob({"a": step(retry=RetrySpec(attempts=2, first=0, most=0))})
    fleet = Fleet(storage, definition, {"*": fails_then_hangs})
    run_id = await fleet.start(FLOW)
    leaving = asyncio.create_task(Worker(storage.executions, {"*": fails_then_hangs}, lease=SHORT_LEASE).run())
    await asyncio.wait_for(under_way.wait(), LONG)
    leaving.cancel()
    await asyncio.wait([leaving])
    async with at_work(other_storage, {"*": lambda ctx: seen.append((ctx.attempt, ctx.previous_failure))}):
        run = await asyncio.wait_for(fleet.wait(run_id), LONG)
    assert run.status == "completed"
    assert seen == [(2, PreviousFailure("too short", "StepFailed", ["x"]))]


def test_a_record_of_before_reads_and_gives_its_reason() -> None:
    record = (
        '{"step_id":"a","role":"worker","message":"do it","status":"waiting","attempt":2,"lost":0,'
        '"due_at":"2025-01-01T12:00:00Z","fencing_token":1,"output":null,"reason":"broken"}'
    )
    execution = Execution.model_validate_json(record)
    assert previous_failure(execution) == PreviousFailure("broken")
    assert execution.model_dump_json() == record


@pytest.mark.parametrize("retry_after", [-1, float("nan"), float("inf"), 10**400, 1e300, True, "20", [], timedelta(-1)])
def test_a_wait_that_is_none_is_a_type_error(retry_after: Any) -> None:
    with pytest.raises(TypeError, match=WRONG):
        StepFailed("busy", retry_after=retry_after)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (None, None),
        (0, timedelta()),
        (2, timedelta(seconds=2)),
        (0.5, timedelta(milliseconds=500)),
        (timedelta(minutes=1), timedelta(minutes=1)),
    ],
)
def test_a_wait_is_seconds_or_a_timedelta(given: Any, kept: timedelta | None) -> None:
    assert StepFailed("busy", retry_after=given).retry_after == kept


@pytest.mark.parametrize("retryable", [1, None, "no"])
def test_retryable_is_true_or_false(retryable: Any) -> None:
    with pytest.raises(TypeError, match=r"^retryable must be True or False, not "):
        StepFailed("busy", retryable)


@pytest.mark.parametrize("plain", [True, False])
@pytest.mark.parametrize("wrong", [{"retry_after": "20"}, {"retryable": "no"}])
async def test_a_wrong_argument_of_step_failed_is_a_failed_attempt(
    storage: MobStorage, plain: bool, wrong: dict[str, Any]
) -> None:
    def work(_ctx: StepContext) -> None:
        raise StepFailed("busy", **wrong)

    async def coroutine(ctx: StepContext) -> None:
        work(ctx)

    failure = await failure_of(storage, work if plain else coroutine)
    [name] = wrong
    assert failure.reason.startswith(f"TypeError: {name} must be ")
    assert failure.error.retryable is True


async def test_attributes_that_are_set_wrong_later_are_a_failed_attempt(storage: MobStorage) -> None:
    def work(_ctx: StepContext) -> None:
        error: Any = StepFailed("busy")
        error.retry_after = "20"
        raise error

    assert (await failure_of(storage, work)).reason == "StepFailed: busy"


@pytest.mark.parametrize("plain", [True, False])
async def test_the_next_attempt_waits_as_long_as_the_handler_was_told(storage: MobStorage, plain: bool) -> None:
    began: list[float] = []

    def work(ctx: StepContext) -> str:
        began.append(time.monotonic())
        if ctx.attempt == 1:
            raise StepFailed("429 Too Many Requests", retry_after=0.7)
        return "answer"

    async def coroutine(ctx: StepContext) -> str:
        return work(ctx)

    run = await run_step(storage, work if plain else coroutine, retry=RetrySpec(attempts=2, first=0, most=0))
    assert run.root_step_outputs == {"a": {"worker-1": "answer"}}
    assert began[1] - began[0] >= 0.69, "clocks of two processes differ by less than 10 ms"

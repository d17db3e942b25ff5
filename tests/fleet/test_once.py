"""Calls that a handler makes once: a later attempt gets what was kept, and calls nothing again."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from pydantic import BaseModel

from redis_mob.errors import CasConflictError, NotFoundError, ValidationError
from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.isolation import isolated
from redis_mob.fleet.lease import LeaseLostError
from redis_mob.fleet.once import KeptCheckpoints
from redis_mob.fleet.outcome import MAX_OUTPUT_DEPTH
from redis_mob.fleet.step_context import StepContext, StepFailed
from redis_mob.models.checkpoint import Checkpoint
from redis_mob.models.execution import HowLost, Loss
from redis_mob.models.progress import ProgressReport
from redis_mob.storage import MobStorage
from redis_mob.testing import step_context
from redis_mob.testing.samples.driven_runs import ONE_STEP, keys_of, waiting
from redis_mob.testing.waiting import LONG
from tests.fleet import isolated_handlers
from tests.fleet.flows import FLOW, mob, step
from tests.fleet.test_signals import UNKNOWN
from tests.fleet.working import at_work, run_step


class Called:
    """Functions that count how often they are called."""

    def __init__(self) -> None:
        self.times: Counter[str] = Counter()

    async def model(self, prompt: str, *, heat: float = 0.0) -> dict[str, Any]:
        self.times[prompt] += 1
        return {"answer": prompt.upper(), "heat": heat}

    def plain(self, number: int) -> int:
        self.times[str(number)] += 1
        return number * 2


async def test_a_further_attempt_makes_no_call_again(storage: MobStorage) -> None:
    called = Called()

    async def handler(ctx: StepContext) -> Any:
        answers = [await ctx.once("model", called.model, text) for text in ("a", "b")]
        answers.append(await ctx.once("model", called.model, "c", heat=0.5))
        number = await ctx.once("plain", called.plain, 4)
        if ctx.attempt < 3:
            raise RuntimeError("again")
        return [answers, number]

    run = await run_step(storage, handler, retries=3)
    heats = (("A", 0.0), ("B", 0.0), ("C", 0.5))
    assert run.root_step_outputs["a"]["worker-1"] == [[{"answer": text, "heat": heat} for text, heat in heats], 8]
    assert called.times == {"a": 1, "b": 1, "c": 1, "4": 1}


async def test_calls_of_one_name_are_told_apart_by_their_order(storage: MobStorage) -> None:
    called = Called()

    async def handler(ctx: StepContext) -> Any:
        answers = await asyncio.gather(*(ctx.once("plain", called.plain, 1) for _ in range(3)))
        if ctx.attempt == 1:
            raise RuntimeError("again")
        return [*answers, await ctx.once("plain", called.plain, 1)]

    run = await run_step(storage, handler, retries=1)
    assert run.root_step_outputs["a"]["worker-1"] == [2, 2, 2, 2]
    assert called.times == {"1": 4}


async def test_what_a_function_raises_is_not_kept(storage: MobStorage) -> None:
    times = 0

    async def unsteady() -> str:
        nonlocal times
        times += 1
        if times == 1:
            raise ConnectionError("cut")
        return "done"

    async def handler(ctx: StepContext) -> str:
        return await ctx.once("unsteady", unsteady)

    assert (await run_step(storage, handler, retries=1)).root_step_outputs["a"]["worker-1"] == "done"
    assert times == 2


async def test_changed_arguments_call_again_and_are_told(storage: MobStorage, caplog: pytest.LogCaptureFixture) -> None:
    called = Called()

    async def handler(ctx: StepContext) -> Any:
        first = await ctx.once("plain", called.plain, ctx.attempt)
        second = await ctx.once("plain", called.plain, 7)
        if ctx.attempt == 1:
            raise RuntimeError("again")
        return [first, second]

    fleet = Fleet(storage, mob({"a": step()}, limits={"max_step_retries": 1}), {"*": handler})
    reports: list[ProgressReport] = []
    with caplog.at_level(logging.WARNING, logger="redis_mob.fleet.step_context"):
        async with asyncio.timeout(LONG), at_work(storage, {"*": handler}):
            run_id = await fleet.start(FLOW)
            async with fleet.watch(run_id) as progress:
                reports = [one async for one in progress if isinstance(one, ProgressReport)]
        run = await fleet.wait(run_id)
    assert run.root_step_outputs["a"]["worker-1"] == [4, 14]
    assert called.times == {"1": 1, "2": 1, "7": 1}
    assert [one.data for one in reports] == [{"once": "plain", "ordinal": 0, "changed": True}]
    said = f"member worker-1 at step 'a' of run {run_id}: the call 'plain' is made again: its arguments are others"
    assert said in caplog.text


async def test_the_next_attempt_finds_what_the_last_one_has_kept_anew(storage: MobStorage) -> None:
    called = Called()

    async def handler(ctx: StepContext) -> Any:
        value = await ctx.once("plain", called.plain, min(ctx.attempt, 2))
        if ctx.attempt < 4:
            raise RuntimeError("again")
        return value

    assert (await run_step(storage, handler, retries=3)).root_step_outputs["a"]["worker-1"] == 4
    assert called.times == {"1": 1, "2": 1}


class Answer(BaseModel):
    text: str
    at: datetime


@dataclass
class Part:
    numbers: set[int]


NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def answered(text: str) -> Answer:
    return Answer(text=text, at=NOON)


async def parts() -> list[Part]:
    return [Part({1, 2})]


def several(count: int) -> tuple[int, ...]:
    return tuple(range(count))


def unsaid() -> Any:
    return (1, 2)


async def test_a_value_is_of_the_same_type_from_the_call_and_from_what_was_kept() -> None:
    kept = KeptCheckpoints()
    for attempt in (1, 2):
        ctx = step_context(attempt=attempt, checkpoints=kept)
        answer = await ctx.once("answered", answered, "a")
        assert (type(answer), answer.at) == (Answer, NOON)
        assert await ctx.once("parts", parts) == [Part({1, 2})]
        assert await ctx.once("several", several, 3) == (0, 1, 2)
        assert await ctx.once("partial", partial(several, 2)) == [0, 1]
        assert await ctx.once("unsaid", unsaid) == [1, 2]
    assert len(kept.kept) == 5


async def test_a_result_that_is_nested_too_deeply_is_refused_by_name(storage: MobStorage) -> None:
    """contract: checkpoint-6. However long the path into it is, the failure says what is wrong there."""
    endless: list[Any] = []
    endless.append(endless)

    async def handler(ctx: StepContext) -> Any:
        return await ctx.once("endless", lambda: endless)

    run = await run_step(storage, handler, retries=1)
    [failure] = run.failure_ledger
    assert failure.reason.startswith("the result of the call 'endless' cannot be kept: $[0][0]")
    assert failure.reason.endswith(f"nested deeper than {MAX_OUTPUT_DEPTH} levels")


async def test_plain_functions_call_once_in_their_threads(storage: MobStorage) -> None:
    called = Called()

    def handler(ctx: StepContext) -> Any:
        value = ctx.call_once("plain", called.plain, 3)
        with pytest.raises(TypeError, match="'model' is a coroutine function"):
            _ = ctx.call_once("model", called.model, "a")
        if ctx.attempt == 1:
            raise RuntimeError("again")
        return value

    assert (await run_step(storage, handler, retries=1)).root_step_outputs["a"]["worker-1"] == 6
    assert called.times == {"3": 1}


async def test_an_isolated_handler_calls_once_by_way_of_its_worker(storage: MobStorage) -> None:
    run = await run_step(storage, isolated(isolated_handlers.call_once), retries=2)
    assert run.status == "completed", run.failure_ledger
    first, second, refused = run.root_step_outputs["a"]["worker-1"]
    assert (first, second) == (1, [2])
    assert "is 2,097,154 bytes of JSON, more than the 1,048,576" in refused


@pytest.mark.parametrize("value", [object(), float("nan"), "x" * 2000], ids=["object", "nan", "too long"])
async def test_a_result_that_cannot_be_kept_fails_the_step_for_good(storage: MobStorage, value: Any) -> None:
    times = 0

    def paid() -> Any:
        nonlocal times
        times += 1
        return value

    async def handler(ctx: StepContext) -> Any:
        return await ctx.once("paid", paid)

    definition = mob({"a": step()}, limits={"max_step_retries": 5, "max_output_bytes": 1000})
    fleet = Fleet(storage, definition, {"*": handler})
    async with asyncio.timeout(LONG), at_work(storage, {"*": handler}):
        run = await fleet.wait(await fleet.start(FLOW))
    assert run.status == "failed"
    assert "the call 'paid'" in run.failure_ledger[-1].reason
    assert times == 1


@pytest.mark.parametrize(
    ("name", "function", "arguments", "said"),
    [
        ("", several, (1,), "name must be a text of 1 to 256 bytes, not ''"),
        ("x" * 257, several, (1,), "name must be a text of 1 to 256 bytes"),
        (1, several, (1,), "name must be a text"),
        ("model", 5, (), "once needs a function to call, not 5"),
        ("model", print, (object(),), r"the arguments of 'model' cannot be told apart: \$\[0\]\[0\]: a value of type"),
    ],
)
async def test_what_is_no_call_is_refused_before_it_is_made(
    name: Any, function: Any, arguments: tuple[Any, ...], said: str
) -> None:
    with pytest.raises(ValidationError, match=said):
        await step_context().once(name, function, *arguments)


async def test_a_call_that_cannot_be_kept_in_a_test_says_so_too() -> None:
    with pytest.raises(StepFailed, match="the result of call 1 of 'n' cannot be kept") as error:
        ctx = step_context()
        await ctx.once("n", unsaid)
        await ctx.once("n", object)
    assert error.value.retryable is False


async def test_a_handler_whose_execution_was_canceled_keeps_nothing(storage: MobStorage) -> None:
    begun, told = asyncio.Event(), asyncio.Event()

    async def handler(ctx: StepContext) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            with pytest.raises(LeaseLostError, match="the call 'k' was not kept"):
                await ctx.once("k", unsaid)
            told.set()

    fleet = Fleet(storage, mob({"a": step()}), {"*": handler})
    async with asyncio.timeout(LONG), at_work(storage, {"*": handler}):
        run_id = await fleet.start(FLOW)
        await begun.wait()
        await fleet.cancel(run_id)
        await told.wait()
    assert await storage.checkpoints.of_run(run_id) == {}


async def test_only_the_owner_of_an_execution_keeps(storage: MobStorage) -> None:
    """Of the workers of an execution only the newest keeps, and none once it is over (contract: checkpoint-2)."""
    run = await waiting(storage.executions, ONE_STEP, members=1)
    [key] = keys_of(await run.view())
    await run.claim(key, owner="one")
    view = await run.view()
    held, store = view.executions[key], storage.checkpoints
    first, second = (Checkpoint(name="n", ordinal=0, arguments="d", value=value) for value in (1, {"é": [None]}))
    assert await store.keep(run.run_id, key, held, first) is True
    assert await store.find(run.run_id, key, "n", 0) == first
    await run.claim(key, owner="two", loss=Loss(HowLost.HANDED_BACK, "one", "host", view.now))
    assert await store.keep(run.run_id, key, held, second) is False
    assert await store.find(run.run_id, key, "n", 0) == first
    newest = (await run.view()).executions[key]
    assert await store.keep(run.run_id, key, newest, second) is True
    assert await store.find(run.run_id, key, "n", 0) == second
    assert await store.find(run.run_id, key, "n", 1) is None
    assert await store.find(run.run_id, key._replace(target="other"), "n", 0) is None
    await run.settle(key)
    assert await store.keep(run.run_id, key, newest, first) is False
    assert await store.of_run(run.run_id) == {key: [second]}
    with pytest.raises(NotFoundError):
        await store.keep(UNKNOWN, key, newest, first)
    with pytest.raises(NotFoundError):
        await store.find(UNKNOWN, key, "n", 0)
    with pytest.raises(NotFoundError):
        await store.of_run(UNKNOWN)


async def test_a_run_has_so_many_checkpoints_and_no_more(storage: MobStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("stores", "memory"):
        monkeypatch.setattr(f"redis_mob.{module}.checkpoints.MOST_CHECKPOINTS", 8)
    run = await waiting(storage.executions, ONE_STEP, members=1)
    [key] = keys_of(await run.view())
    await run.claim(key, owner="one")
    held = (await run.view()).executions[key]

    async def keep(ordinal: int) -> bool:
        checkpoint = Checkpoint(name="n", ordinal=ordinal, arguments="d")
        return await storage.checkpoints.keep(run.run_id, key, held, checkpoint)

    with pytest.raises(CasConflictError, match="records of steps and checkpoints, so that there is no room for 'n'"):
        for ordinal in range(9):
            assert await keep(ordinal)
    assert await keep(0), "one that is there may change"


async def test_many_checkpoints_of_a_run_are_read_in_parts(storage: MobStorage) -> None:
    run = await waiting(storage.executions, ONE_STEP, members=1)
    [key] = keys_of(await run.view())
    await run.claim(key, owner="one")
    held = (await run.view()).executions[key]
    kept = [Checkpoint(name="n", ordinal=number, arguments="d", value=number) for number in range(1200)]
    await asyncio.gather(*(storage.checkpoints.keep(run.run_id, key, held, one) for one in reversed(kept)))
    assert await storage.checkpoints.of_run(run.run_id) == {key: kept}


async def test_a_worker_that_hands_back_leaves_what_it_has_kept(storage: MobStorage) -> None:
    called, begun = Called(), asyncio.Event()

    async def handler(ctx: StepContext) -> Any:
        value = await ctx.once("plain", called.plain, 1)
        if ctx.fencing_token == 1:
            begun.set()
            await asyncio.Event().wait()
        return [ctx.attempt, value]

    fleet = Fleet(storage, mob({"a": step()}), {"*": handler})
    run_id = await fleet.start(FLOW)
    async with asyncio.timeout(LONG):
        leaving = asyncio.create_task(fleet.work(drain_timeout=timedelta()))
        await begun.wait()
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        async with fleet.working():
            run = await fleet.wait(run_id)
    assert run.root_step_outputs["a"]["worker-1"] == [1, 2]
    assert called.times == {"1": 1}

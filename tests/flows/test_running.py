"""A flow in Python is run by one call: a server, a worker, and the run in the end."""

from __future__ import annotations

import asyncio
import pickle
from typing import Annotated

import pytest
from pydantic import BaseModel

from redis_mob import Depends, Mob, MobStorage, RunFailedError, StepContext, loop, step
from redis_mob.errors import RedisMobError, ValidationError
from redis_mob.flows import gt
from tests.fleet.typed_handlers import Source, Verdict


class Order(BaseModel):
    path: str
    lines: int = 3


mob = Mob("reviews")


@mob.handler("reader")
async def read(path: str, lines: int) -> Source:
    return Source(path=path, lines=lines)


@mob.handler("reviewer", members=2, retries=1)
async def review(ctx: StepContext, source: Source) -> Verdict:
    return Verdict(label=ctx.member, lines=source.lines)


@mob.handler
def total(reviews: dict[str, Verdict]) -> int:
    return sum(verdict.lines for verdict in reviews.values())


flow = mob.flow(
    "review",
    [step("source", role="reader"), step("reviews", role="reviewer", after="source"), step("total", after="reviews")],
)


async def test_a_flow_runs_on_a_storage_of_its_own() -> None:
    run = await mob.run(flow, {"path": "a.py", "lines": 2}, url="memory:")
    assert run.output("source", Source) == Source(path="a.py", lines=2)
    assert run.outputs("reviews", Verdict)["reviewer-2"] == Verdict(label="reviewer-2", lines=2)
    assert run.output("total", int) == 4


async def test_params_may_be_a_model_and_the_flow_its_name(storage: MobStorage) -> None:
    run = await mob.run("review", Order(path="b.py"), storage=storage)
    assert run.activation_params == {"path": "b.py", "lines": 3}
    assert run.output("total", int) == 6
    assert await mob.run("review", Order(path="b.py"), storage=storage, idempotency_key="k") == await mob.run(
        "review", Order(path="b.py"), storage=storage, idempotency_key="k"
    )
    with pytest.raises(ValidationError, match=r"params: \$: a value of type object is no JSON"):
        await mob.run("review", object(), storage=storage)


async def test_more_members_may_be_asked_for(storage: MobStorage) -> None:
    run = await mob.run(flow, Order(path="c"), storage=storage, members={"reviewer": 4})
    assert len(run.outputs("reviews")) == 4


def test_a_program_without_an_event_loop_runs_a_flow() -> None:
    assert mob.run_sync(flow, Order(path="c"), url="memory:").output("total", int) == 6


def test_run_sync_adds_nothing_to_what_a_handler_raised(caplog: pytest.LogCaptureFixture) -> None:
    failing = Mob("failing")

    @failing.handler
    async def fails() -> None:
        raise ValueError("no paper")

    with pytest.raises(RunFailedError):
        failing.run_sync(failing.flow("f", [step("fails")]), url="memory:")
    assert "ValueError: no paper" in caplog.text
    assert "event loop" not in caplog.text


async def test_run_sync_says_what_to_write_where_a_loop_runs() -> None:
    with pytest.raises(RedisMobError, match=r"await mob\.run"):
        mob.run_sync(flow)


async def test_a_run_that_fails_raises_with_its_reasons_and_the_run() -> None:
    failing = Mob("failing")

    @failing.handler
    def fails() -> None:
        raise ValueError("no paper")

    made = failing.flow("f", [step("fails")])
    with pytest.raises(RunFailedError, match="has failed: step 'fails': ValueError: no paper") as caught:
        await failing.run(made, url="memory:")
    assert caught.value.run.status == "failed"
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)  # noqa: S301


async def test_a_run_that_is_cancelled_is_canceled(storage: MobStorage) -> None:
    began = asyncio.Event()
    waiting = Mob("waiting")

    @waiting.handler
    async def waits(ctx: StepContext) -> None:
        began.set()
        await ctx.cancelled.wait()

    waiting.flow("f", [step("waits")])
    running = asyncio.create_task(waiting.run("f", storage=storage))
    await began.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    [run] = await storage.runs.list_runs("waiting")
    view = await storage.executions.load(run.run_id)
    assert view is not None
    assert run.status == "canceled" or view.cancel_requested


async def test_dependencies_are_shared_by_all_handlers_and_closed_when_the_run_is_over() -> None:
    told: list[str] = []

    async def make_client() -> object:
        told.append("made")
        return told

    sharing = Mob("sharing")

    @sharing.handler
    async def first(client: Annotated[list[str], Depends(make_client)]) -> int:
        return len(client)

    @sharing.handler
    def second(first: int, client: Annotated[list[str], Depends(make_client)]) -> int:
        return first + len(client)

    run = await sharing.run(sharing.flow("f", [step("first"), step("second", after="first")]), url="memory:")
    assert run.output("second", int) == 2
    assert told == ["made"]


async def test_a_loop_runs_until_its_condition_holds() -> None:
    turning = Mob("turning")

    @turning.handler
    async def turn(ctx: StepContext, turn: int = 0) -> int:
        assert ctx.iteration is not None
        return turn + 1

    made = turning.flow("f", [loop("l", [step("turn")], until=gt("steps.turn", 2), max_iterations=5)])
    assert (await turning.run(made, url="memory:")).output("turn", int) == 3


async def test_what_breaks_the_schema_of_a_step_is_tried_again() -> None:
    answering = Mob("answering")

    @answering.handler
    async def answer(ctx: StepContext) -> str:
        return "prose" if ctx.attempt == 1 else '{"label": "ok", "lines": 1}'

    made = answering.flow("f", [step("answer", schema=Verdict, retry={"attempts": 2, "first": 0})])
    run = await answering.run(made, url="memory:")
    assert run.output("answer", Verdict) == Verdict(label="ok", lines=1)


async def test_a_fleet_of_the_mob_serves_those_who_bring_a_storage(storage: MobStorage) -> None:
    fleet = mob.fleet(storage)
    stop = asyncio.Event()
    worker = asyncio.create_task(fleet.work(stop=stop))
    run = await fleet.wait(await fleet.start("review", {"path": "p", "lines": 1}))
    stop.set()
    await worker
    assert run.output("total", int) == 2

"""What callers and handlers give may be what pydantic dumps as JSON, at every entrance."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel

from redis_mob import Mob, StepContext, step, wait_for
from redis_mob.errors import DefinitionError, NotFoundError, ValidationError, WaitTimeoutError
from redis_mob.fleet.fleet import Fleet
from redis_mob.flows import eq
from redis_mob.models.progress import ProgressReport, StreamChunk
from redis_mob.storage import MobStorage
from tests.fleet.flows import FLOW, mob, wait
from tests.fleet.flows import step as spec
from tests.fleet.working import run_flow


class Topic(BaseModel):
    name: str
    since: datetime


@dataclass
class Part:
    number: int


TOPIC = Topic(name="x", since=datetime(2026, 1, 2, tzinfo=UTC))
DUMPED = {"name": "x", "since": "2026-01-02T00:00:00Z"}


async def give(ctx: StepContext) -> Any:
    await ctx.stream(Part(1))
    await ctx.report(0.5, data={"part": Part(2)})
    await ctx.publish("topic", TOPIC)
    return [ctx.params, ctx.outputs["ask"]["payload"]]


async def test_models_are_taken_as_params_payloads_chunks_reports_and_published_values(storage: MobStorage) -> None:
    fleet = Fleet(storage, mob({"ask": wait(), "a": spec("ask", policy="any")}), {"*": give})
    async with fleet.working():
        run_id = await fleet.start(FLOW, TOPIC)
        await fleet.signal(run_id, "go", {"parts": (Part(1), Part(2))})
        run = await fleet.wait(run_id)
    assert run.root_step_outputs["a"] == [DUMPED, {"parts": [{"number": 1}, {"number": 2}]}]
    assert await fleet.get(run_id, "topic") == DUMPED
    async with fleet.watch(run_id) as entries:
        told = [entry async for entry in entries]
    assert [one.value for one in told if isinstance(one, StreamChunk)] == [{"number": 1}]
    assert [one.data for one in told if isinstance(one, ProgressReport)] == [{"part": {"number": 2}}]


async def test_what_pydantic_cannot_dump_is_refused_with_its_path(storage: MobStorage) -> None:
    fleet = Fleet(storage, mob({"ask": wait(), "a": spec("ask")}), {"*": give})
    with pytest.raises(ValidationError, match=r"^params: \$\.a\[0\]: a value of type object is no JSON; give JSON, or"):
        await fleet.start(FLOW, {"a": [object()]})
    run_id = await fleet.start(FLOW)
    with pytest.raises(ValidationError, match=r"signal 'go' is refused: \$\.a: a value of type object is no"):
        await fleet.signal(run_id, "go", {"a": object()})


async def test_a_flow_of_a_mob_is_started_as_it_was_returned(storage: MobStorage) -> None:
    papers, other = Mob("papers"), Mob("other")

    @papers.handler
    @other.handler
    async def read() -> str:
        return "read"

    flow, foreign = papers.flow("one", [step("read")]), other.flow("one", [step("read")])
    fleet = papers.fleet(storage)
    async with fleet.working():
        assert (await fleet.wait(await fleet.start(flow))).output("read") == "read"
    with pytest.raises(NotFoundError, match="flow 'one' belongs to mob 'other', not to 'papers'"):
        await fleet.start(foreign)
    with pytest.raises(NotFoundError, match=r"mob 'papers' has no flow 'ONE'; it has: 'one'; did you mean 'one'\?"):
        await fleet.start("ONE")
    with pytest.raises(ValidationError, match="flow must be a text, not 7"):
        await fleet.start(7)  # type: ignore[arg-type]


async def test_a_wait_that_ends_says_what_the_run_waits_for(storage: MobStorage) -> None:
    steps = {"ask": wait(), "ask too": wait(), "a": spec()}
    fleet = Fleet(storage, mob(steps), {"*": give})
    run_id = await fleet.start(FLOW)
    with pytest.raises(WaitTimeoutError, match=rf"^run {run_id} is not over after 0\.05 s: run .* waits for a worker"):
        await fleet.wait(run_id, 0.05)
    with pytest.raises(ValidationError, match="timeout must be a number of seconds"):
        await fleet.wait(run_id, -1)
    with pytest.raises(NotFoundError):
        await fleet.wait("00000000-0000-4000-8000-000000000000", 5)


async def test_a_wait_that_ends_names_signals(storage: MobStorage) -> None:
    papers = Mob("papers")
    flow = papers.flow("one", [wait_for("approved", id="ask")])
    fleet = papers.fleet(storage)
    async with fleet.working():
        run_id = await fleet.start(flow)
        while (await storage.executions.status(run_id)) != "running":  # noqa: ASYNC110 - a worker has to begin
            await asyncio.sleep(0)
        with pytest.raises(WaitTimeoutError, match=r"after 0\.01 s: step 'ask' waits for signal 'approved'$"):
            await fleet.wait(run_id, 0.01)
        await fleet.signal(run_id, "approved")
        run = await fleet.wait(run_id, 20)
    assert {event.run_id for event in await storage.events.replay_all()} == {run_id}
    assert run.output("ask", default=7) != 7


async def test_the_output_of_a_step_that_was_skipped_may_have_a_default(storage: MobStorage) -> None:
    papers = Mob("papers")

    @papers.handler
    async def read(number: int) -> int | None:
        return None if number else 1

    flow = papers.flow("one", [step("read"), step("more", role="read", after="read", when=eq("steps.read", 2))])
    fleet = papers.fleet(storage)
    async with fleet.working():
        run = await fleet.wait(await fleet.start(flow, {"number": 1}))
    assert run.output("more", int, default=None) is None
    assert run.output("read", default=7) is None
    with pytest.raises(NotFoundError, match="has no output: it is skipped"):
        run.output("more")
    with pytest.raises(NotFoundError, match="has no step 'mores'"):
        run.output("mores", default=7)


LONE = "\ud800"


async def test_a_name_with_a_lone_surrogate_is_refused_before_anything_else(storage: MobStorage) -> None:
    made = Mob("m")
    made.role("a")
    made.flow("f", [wait_for("go"), step("a", after="go")])
    fleet = made.fleet(storage)
    run_id = await fleet.start("f")
    unknown = "00000000-0000-4000-8000-000000000000"
    refused: dict[str, Awaitable[Any]] = {
        "flow": fleet.start(LONE),
        "idempotency_key": fleet.start("no such flow", idempotency_key=LONE),
        "release": fleet.start("no such flow", release=LONE),
        "name": fleet.signal(unknown, LONE),
        "idempotency_key ": fleet.signal(unknown, "no such signal", idempotency_key=LONE),
        "key": fleet.get(unknown, LONE),
        "topic": fleet.watch(unknown, LONE).__aenter__(),
        "name ": Fleet(storage, made.definition(), {"a": str}).work(name=LONE),
    }
    for name, call in refused.items():
        with pytest.raises(
            ValidationError, match=rf"^{name.strip()} '\\ud800' cannot be stored: surrogates not allowed"
        ):
            await call
    with pytest.raises(ValidationError, match=r"^release"):
        made.fleet(storage, release=LONE)
    assert (await storage.runs.get_run(run_id)) is not None


async def test_a_handler_is_told_of_a_lone_surrogate_where_it_gives_it(storage: MobStorage) -> None:
    said: list[str] = []

    async def gives(ctx: StepContext) -> None:
        for call in (
            lambda: ctx.stream(1, topic=LONE),
            lambda: ctx.report(0.5, message=LONE),
            lambda: ctx.publish(LONE, 1),
            lambda: ctx.stream(LONE),
        ):
            with pytest.raises(ValidationError) as caught:
                await call()
            said.append(str(caught.value))

    run = await run_flow(storage, mob({"a": spec()}), gives)
    assert run.status == "completed"
    assert [one.partition(" ")[0] for one in said] == ["topic", "message", "key", "the"]


async def test_a_definition_that_cannot_be_stored_is_refused_when_it_is_given(storage: MobStorage) -> None:
    for definition in (
        mob({LONE: spec()}),
        mob({"a": spec(message=LONE)}),
        mob({"a": spec()}).model_copy(update={"id": LONE}),
    ):
        with pytest.raises(DefinitionError, match="has a lone surrogate, which cannot be stored"):
            Fleet(storage, definition)

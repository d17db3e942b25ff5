"""Calling handlers, and running flows, as tests of a fleet do."""

from __future__ import annotations

import asyncio
import dataclasses
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import BaseModel

from redis_mob import DefinitionError, Mob, PreviousFailure, StepContext, StepFailed, wait_for
from redis_mob import step as written_step
from redis_mob.errors import HandlerError, ValidationError
from redis_mob.flows import Flow, eq, not_
from redis_mob.models.flow_spec import FlowSpec, RetrySpec
from redis_mob.testing import run_flow, step_context
from tests.fleet.flows import FLOW, mob, step


async def test_every_field_of_a_context_has_a_value_and_can_be_given() -> None:
    context = step_context()
    assert context.member == "worker-1"
    assert context.outputs == context.loops == {}
    assert not context.cancelled.is_set()
    assert await context.heartbeat()
    assert context.deadline > datetime.now(UTC)
    given = {
        field.name: getattr(context, field.name) for field in dataclasses.fields(StepContext) if field.name != "message"
    }
    given["conversation"] = given.pop("talk")
    assert step_context(**given, message="read it") == dataclasses.replace(context, message="read it")


def test_a_context_says_what_a_run_would() -> None:
    first = step_context(run_id="run", role="judge", step_id="vote")
    again = step_context(
        run_id="run", role="judge", step_id="vote", attempt=2, previous_failure=PreviousFailure("too short")
    )
    other = step_context(run_id="run", role="judge", step_id="vote", member="judge-2")
    assert first.idempotency_key == again.idempotency_key != other.idempotency_key
    assert (first.node_id, first.member, again.fencing_token) == ("vote", "judge-1", 2)


def test_a_context_of_an_item_says_what_a_run_would() -> None:
    first, last = step_context(run_id="run", item="x"), step_context(run_id="run", item="x", index=2)
    assert [(one.item, one.index, one.items) for one in (first, last)] == [("x", 0, 1), ("x", 2, 3)]
    assert step_context(index=1, items=5).item is None
    assert step_context().index is None
    assert first.idempotency_key != last.idempotency_key
    assert first.member == last.member


async def test_items_stand_in_a_context_as_in_one_of_a_run() -> None:
    seen: list[StepContext] = []
    await run_flow(mob({"a": step(for_each="params")}), seen.append, params=["x", None])
    for real in seen:
        made = step_context(item=real.item, index=real.index, items=real.items)
        assert (made.member, made.item, made.index, made.items) == (real.member, real.item, real.index, 2)


async def test_a_flow_alone_may_have_a_step_that_waits() -> None:
    flow = FlowSpec.model_validate(
        {
            "steps": {
                "said": {"wait_for": {"signal": "word", "timeout_ms": 60_000}},
                "a": {"role": "worker", "message": "", "depends_on": ["said"]},
            }
        }
    )
    run = await run_flow(flow, lambda ctx: ctx.outputs["said"]["timed_out"])
    assert run.output("a") == {"worker-1": True}


async def test_a_context_has_the_fields_of_a_real_one() -> None:
    seen: list[StepContext] = []
    await run_flow(mob({"a": step()}), seen.append)
    made = step_context()
    abstract = {
        "outputs",
        "loops",
        "teller",
        "heartbeat",
        "publish",
        "label",
    }  # given by a Protocol, an abstract class or a method
    for name in {field.name for field in dataclasses.fields(StepContext)} - abstract:
        assert isinstance(getattr(made, name), type(getattr(seen[0], name))), name
    await made.report(0.5)


async def test_a_flow_is_tried_again_without_waiting() -> None:
    attempts: list[int] = []

    async def moody(ctx: StepContext) -> str:
        attempts.append(ctx.attempt)
        if ctx.attempt == 1:
            raise StepFailed("overloaded", retry_after=600)
        if ctx.attempt == 2:
            await asyncio.sleep(3600)  # longer than its timeout
        return f"after {ctx.previous_failure and ctx.previous_failure.reason}"

    again = RetrySpec(attempts=3, first=60, most=600)
    run = await run_flow(mob({"a": step(timeout_ms=120_000, retry=again)}), moody)
    assert run.root_step_outputs["a"] == {"worker-1": "after timeout after 120000ms"}
    assert attempts == [1, 2, 3]


async def test_a_flow_alone_is_run_with_its_parameters_and_members() -> None:
    flow = mob({"a": step(), "b": step("a")}).flows[FLOW]
    run = await run_flow(flow, {"worker": lambda ctx: ctx.params["n"]}, params={"n": 7}, members={"worker": 2})
    assert run.root_step_outputs["b"] == {"worker-1": 7, "worker-2": 7}
    assert isinstance(flow, FlowSpec)


async def test_the_flow_of_a_definition_with_several_is_named() -> None:
    definition = mob({"a": step()})
    two = definition.model_copy(update={"flows": definition.flows.set(("other", definition.flows[FLOW]))})
    with pytest.raises(DefinitionError, match="name one with flow_id"):
        await run_flow(two, print)
    assert (await run_flow(two, print, flow_id="other")).flow_id == "other"


async def test_a_run_that_does_not_end_says_what_it_waits_for() -> None:
    flow = mob({"a": step(role="worker", timeout_ms=10**9)})
    forever = asyncio.Event()

    async def waits(_ctx: StepContext) -> None:
        await forever.wait()

    with pytest.raises(TimeoutError, match=r"not over after 60 s: step 'a' is under way$"):
        await run_flow(flow, waits, timeout=timedelta(minutes=1))


async def test_a_failed_run_is_returned() -> None:
    def refuse(_ctx: StepContext) -> None:
        raise StepFailed("no such customer", retryable=False)

    run = await run_flow(mob({"a": step()}), refuse)
    assert (run.status, run.failure_ledger[0].reason) == ("failed", "no such customer")


class Order(BaseModel):
    path: str


def reviews() -> tuple[Mob, Flow]:
    mob = Mob("reviews")

    @mob.handler(members=2)
    async def review(ctx: StepContext, path: str) -> str:
        return f"{ctx.member} has read {path}"

    @mob.handler
    def report(review: dict[str, str]) -> str:
        return "; ".join(review.values())

    return mob, mob.flow("review", [written_step("review"), written_step("report", after="review")])


async def test_a_flow_of_a_mob_has_its_handlers_and_members() -> None:
    _, flow = reviews()
    run = await run_flow(flow, params=Order(path="a.py"))
    assert run.output("report") == "review-1 has read a.py; review-2 has read a.py"


async def test_handlers_and_members_stand_in_the_place_of_those_of_the_mob() -> None:
    mob, flow = reviews()
    run = await run_flow(flow, {"review": lambda ctx: f"{ctx.member} slept"}, members={"review": 1})
    assert run.output("report") == "review-1 slept"
    run = await run_flow(flow, lambda ctx: ctx.step_id)
    assert (run.outputs("review"), run.output("report")) == ({"review-1": "review", "review-2": "review"}, "report")
    assert mob.members == {"review": 2}


async def test_a_handler_for_a_role_that_the_mob_lacks_is_refused_with_the_nearest() -> None:
    _, flow = reviews()
    with pytest.raises(HandlerError, match=r"mob 'reviews' has no role 'revew'; .* did you mean 'review'\?"):
        await run_flow(flow, {"revew": print})
    with pytest.raises(ValidationError, match="flow_id 'other' is another flow than the one that is given, 'review'"):
        await run_flow(flow, flow_id="other")


def approved() -> Flow:
    mob = Mob("releases")

    @mob.handler("publisher")
    def publish(ctx: StepContext) -> str:
        return ctx.step_id

    approves = eq("steps.approval.payload.ok", True)
    return mob.flow(
        "release",
        [
            wait_for("approval", timeout=timedelta(minutes=20), schema={"type": "object", "required": ["ok"]}),
            written_step("publish", role="publisher", after="approval", when=approves, branch="decision"),
            written_step("withdraw", role="publisher", after="approval", when=not_(approves), branch="decision"),
        ],
    )


async def test_signals_are_there_before_the_steps_that_wait_and_time_passes_without_them() -> None:
    run = await run_flow(approved(), signals=[("approval", {"ok": True, "by": "anna"})])
    assert set(run.root_step_outputs) == {"approval", "publish"}
    run = await run_flow(approved())
    assert set(run.root_step_outputs) == {"approval", "withdraw"}
    alone = await run_flow(approved().spec, lambda ctx: ctx.role, signals=[("approval", {"ok": True})])
    assert alone.output("publish") == "publisher"
    with pytest.raises(ValidationError, match="'ok' is a required property"):
        await run_flow(approved(), signals=[("approval", {})])

"""Spans of runs: the start, each attempt, the end, and how they hang together (contract: telemetry-2, telemetry-3)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.trace import StatusCode

from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.step_context import StepContext, StepFailed
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.storage import MobStorage
from redis_mob.telemetry.spans import MOST_SAID
from redis_mob.testing.waiting import LONG
from tests.fleet.asking import asked
from tests.fleet.flows import FLOW, mob, runs, step, wait, with_flows
from tests.fleet.working import at_work, run_flow
from tests.telemetry import traced_handlers
from tests.telemetry.conftest import Told, id_of, linked, parent_of, trace_of
from tests.telemetry.hand_back import handed_back_once


def current() -> int:
    return trace.get_current_span().get_span_context().span_id


def other_async(seen: dict[str, int]) -> Any:
    async def see(ctx: StepContext) -> int:
        seen[ctx.step_id] = await asyncio.create_task(_later())
        return 1

    async def _later() -> int:
        return current()

    return see


async def test_attempts_are_children_of_the_start_which_is_within_the_span_of_the_caller(
    storage: MobStorage, told: Told
) -> None:
    seen: dict[str, int] = {}

    def plain(ctx: StepContext) -> int:
        seen[ctx.step_id] = current()
        return 1

    handlers = {"worker": other_async(seen), "lead": plain}
    definition = mob({"a": step(), "b": step("a", role="lead")})
    tracer = told.tracers.get_tracer("application")
    with tracer.start_as_current_span("application"):
        run = await run_flow(storage, definition, handlers)
    start, end, app = told.span(f"start {FLOW}"), told.span(f"end {FLOW}"), told.span("application")
    a, b = told.span("step a"), told.span("step b")
    assert parent_of(start) == id_of(app)
    assert {parent_of(one) for one in (a, b, end)} == {id_of(start)}
    assert {trace_of(one) for one in (start, a, b, end)} == {trace_of(app)}
    # the current span of the handler, also in its tasks and its thread
    assert seen == {"a": id_of(a), "b": id_of(b)}
    assert linked(a) == []
    assert linked(b) == [id_of(a)]
    assert a.attributes is not None
    assert {name: a.attributes[name] for name in ("redis_mob.run.id", "redis_mob.step.id", "redis_mob.role")} == {
        "redis_mob.run.id": run.run_id,
        "redis_mob.step.id": "a",
        "redis_mob.role": "worker",
    }
    assert (end.attributes or {})["redis_mob.run.status"] == "completed"


async def test_a_further_attempt_has_a_link_to_the_one_before_and_a_failure_is_bounded(
    storage: MobStorage, told: Told
) -> None:
    async def fails_at_first(ctx: StepContext) -> int:
        if ctx.attempt == 1:
            raise ValueError("x" * 100_000)
        return 1

    await run_flow(storage, mob({"a": step()}, limits={"max_step_retries": 1}), fails_at_first)
    first, second = told.spans("step a")
    assert (first.status.status_code, second.status.status_code) == (StatusCode.ERROR, StatusCode.UNSET)
    assert (first.attributes or {})["error.type"] == "ValueError"
    assert len(first.status.description or "") == MOST_SAID
    assert linked(second) == [id_of(first)]
    assert parent_of(first) == parent_of(second) == id_of(told.span(f"start {FLOW}"))


async def test_a_step_after_a_signal_has_a_link_to_the_span_before_the_wait(storage: MobStorage, told: Told) -> None:
    async def work(ctx: StepContext) -> int:
        return 1

    fleet = Fleet(storage, mob({"a": step(), "gate": wait("a"), "b": step("gate")}), {"*": work})
    async with at_work(storage, {"*": work}), asyncio.timeout(LONG):
        run_id = await fleet.start(FLOW)
        await fleet.signal(run_id, "go", wait=True)
        await fleet.wait(run_id)
    assert linked(told.span("step b")) == [id_of(told.span("step a"))]


async def test_what_goes_on_after_an_answer_has_a_link_to_what_has_asked(storage: MobStorage, told: Told) -> None:
    async def asks(ctx: StepContext) -> bool:
        return (await ctx.ask("ok", "really?")).approved

    fleet = Fleet(storage, mob({"a": step()}), {"*": asks})
    async with at_work(storage, {"*": asks}), asyncio.timeout(LONG):
        run_id = await fleet.start(FLOW)
        [ask] = await asked(storage, 1)
        assert await FleetAdmin(storage).answer(ask.ask.id)
        await fleet.wait(run_id)
    before, went_on = told.spans("step a")
    assert (before.attributes or {})["redis_mob.step.outcome"] == "suspended"
    assert linked(went_on) == [id_of(before)]


async def test_a_sub_flow_is_within_its_step_in_the_trace_of_the_run_above(storage: MobStorage, told: Told) -> None:
    async def work(ctx: StepContext) -> int:
        return 1

    definition = with_flows(mob({"before": step(), "a": runs("child", "before")}), child={"c": step()})
    await run_flow(storage, definition, work)
    start, child, inner = told.span(f"start {FLOW}"), told.span("start child"), told.span("step c")
    assert parent_of(child) == id_of(start)
    assert linked(child) == [id_of(told.span("step before"))]
    assert parent_of(inner) == id_of(child)
    assert (child.attributes or {})["redis_mob.step.id"] == "a"
    assert {trace_of(one) for one in (start, child, inner)} == {trace_of(start)}


async def test_an_isolated_handler_is_told_the_span_of_its_attempt(storage: MobStorage, told: Told) -> None:
    run = await run_flow(storage, mob({"a": step()}), traced_handlers.traced)
    assert run.root_step_outputs["a"] == {"worker-1": f"{id_of(told.span('step a')):016x}"}


async def test_an_attempt_that_is_handed_back_ends_with_its_worker(storage: MobStorage, told: Told) -> None:
    await handed_back_once(storage)
    first, second = told.spans("step a")
    assert (first.attributes or {})["error.type"] == "handed_back"
    assert linked(second) == [id_of(first)]


async def test_a_run_that_fails_says_so_and_tells_no_second_start(storage: MobStorage, told: Told) -> None:
    async def fails(ctx: StepContext) -> int:
        raise StepFailed("no", retryable=False)

    fleet = Fleet(storage, mob({"a": step()}), {"*": fails})
    async with at_work(storage, {"*": fails}), asyncio.timeout(LONG):
        run_id = await fleet.start(FLOW, idempotency_key="k")
        await fleet.wait(run_id)
    assert await fleet.start(FLOW, idempotency_key="k") == run_id
    first, again = told.spans("start")
    assert "redis_mob.run.is_new" not in (first.attributes or {})
    assert (again.attributes or {})["redis_mob.run.is_new"] is False
    assert told.span(f"end {FLOW}").status.status_code is StatusCode.ERROR


async def test_calls_of_the_store_have_spans_within_others_alone(storage: MobStorage, told: Told) -> None:
    async def beats(ctx: StepContext) -> int:
        assert await ctx.heartbeat()
        return 1

    await run_flow(storage, mob({"a": step()}), beats)
    calls = [one for one in told.exporter.get_finished_spans() if "db.system.name" in (one.attributes or {})]
    by_id = {id_of(one): one.name for one in told.spans()}
    within = {(one.name, by_id.get(parent_of(one) or 0)) for one in calls}
    assert ("executions/start_run", f"start {FLOW}") in within
    assert all(parent is not None for _, parent in within), "a worker that looks for work tells spans"
    assert all((one.attributes or {})["db.system.name"] == "redis" for one in calls)


@pytest.mark.parametrize("stored", ["", "00-0-0-0", "nonsense"])
def test_a_stored_context_that_cannot_be_read_is_none(told: Told, stored: str) -> None:
    from redis_mob.telemetry.spans import context_of, span_context_of

    assert span_context_of(stored) is None
    assert not context_of(stored)

"""Supervisors at work: what their handlers are called with, on a server and in memory, and what is kept of it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from redis_mob import StepContext, StepFailed
from redis_mob.codec.definitions import decode_definition, encode_definition
from redis_mob.errors import SerializationError
from redis_mob.fleet.fleet import Fleet
from redis_mob.models.definition import MobDefinition
from redis_mob.models.execution import ExecutionStatus
from redis_mob.models.flow_events import StepTargetFailed, SupervisorEscalation
from redis_mob.models.flow_spec import Isolation
from redis_mob.models.run_status import MobRunStatus
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.storage import MobStorage
from redis_mob.testing.waiting import LONG
from tests.fleet.flows import FLOW, mob, step, supervisor
from tests.fleet.working import SHORT_LEASE, at_work, check_told_once, loaded, run_flow, whole

TWO = mob({"first": step(policy="any"), "second": step("first")}, supervisor=supervisor())


async def work(ctx: StepContext) -> str:
    if ctx.step_id == "second":
        raise StepFailed("out of paper", retryable=False)
    return "done"


async def test_the_handler_of_the_supervisor_is_called_with_the_failure(storage: MobStorage) -> None:
    calls: list[StepContext] = []

    async def lead(ctx: StepContext) -> dict[str, Any]:
        calls.append(ctx)
        await ctx.publish("paged", "anna")
        await ctx.report(0.5, "paging")
        return {"paged": "anna"}

    run = await run_flow(storage, TWO, {"worker": work, "lead": lead}, workers=2, lease=timedelta(seconds=30))
    assert run.status is MobRunStatus.FAILED
    [ctx] = calls
    assert (ctx.role, ctx.member, ctx.step_id, ctx.iteration, ctx.attempt) == ("lead", "lead-1", "second", None, 1)
    assert ctx.message == f"step second of run {run.run_id} (flow flow) failed: worker-1: out of paper"
    assert ctx.escalation is not None
    assert (ctx.escalation.reason, ctx.escalation.failures) == ("worker-1: out of paper", 1)
    assert ctx.outputs == {"first": "done"}
    assert ctx.profile.model == "model"
    assert await Fleet(storage, TWO).get(run.run_id, "paged") == "anna"
    events = [event.kind for event in await storage.events.replay_all()]
    assert events[-2] == SupervisorEscalation(run_id=run.run_id, step_id="second", escalated_to="lead-1")
    await check_told_once(storage, run)
    assert {row.agent_identity for row in run.step_ledger} == {"worker-1", "__flow_system_member__"}


async def test_a_supervisor_that_fails_changes_no_status_and_is_told(storage: MobStorage) -> None:
    async def lead(_ctx: StepContext) -> None:
        raise ValueError("the pager is down")

    run = await run_flow(storage, TWO, {"worker": work, "lead": lead})
    assert run.status is MobRunStatus.FAILED
    assert [(row.step_id, row.reason) for row in run.failure_ledger] == [("second", "out of paper")]
    events = [event.kind for event in await storage.events.replay_all()]
    assert isinstance(events[-2], StepTargetFailed)
    assert (events[-2].target.identity, events[-2].reason) == ("supervisor:lead-1", "ValueError: the pager is down")
    assert getattr(events[-1], "reason", None) == "step 'second': out of paper"


async def test_a_supervisor_that_hangs_or_is_not_served_holds_up_the_end_for_its_timeout(storage: MobStorage) -> None:
    definition = TWO.model_copy(update={"supervisor": supervisor(timeout_ms=300)})

    async def lead(_ctx: StepContext) -> None:
        await asyncio.Event().wait()

    for handlers, reason in (
        ({"worker": work, "lead": lead}, "timeout after "),
        ({"worker": work}, "timeout after 300ms: no worker that serves role 'lead' has begun it"),
    ):
        run = await run_flow(storage, definition, handlers)
        assert run.status is MobRunStatus.FAILED
        [told] = (await FleetAdmin(storage).describe(run.run_id)).escalations
        assert told.told.state == "failed"
        assert told.told.reason is not None
        assert told.told.reason.startswith(reason)


async def test_an_escalation_is_described_while_it_waits_and_when_it_is_over(storage: MobStorage) -> None:
    goes_on, is_called = asyncio.Event(), asyncio.Event()

    async def lead(_ctx: StepContext) -> str:
        is_called.set()
        await goes_on.wait()
        return "paged anna"

    fleet, admin = Fleet(storage, TWO), FleetAdmin(storage)
    async with at_work(storage, {"worker": work, "lead": lead}):
        run_id = await fleet.start(FLOW)
        async with asyncio.timeout(LONG):
            await is_called.wait()
            described = await admin.describe(run_id)
            assert described.status is MobRunStatus.RUNNING
            [one] = described.escalations
            assert (one.step_id, one.role, one.failures, one.told.member) == ("second", "lead", 1, "lead-1")
            assert one.told.state == "running"
            assert one.until is not None
            assert [step.step_id for _, step in described.each_step()] == ["first", "second"]
            goes_on.set()
            await fleet.wait(run_id)
    [over] = (await admin.describe(run_id, outputs=True)).escalations
    assert (over.told.state, over.answer) == ("completed", "paged anna")


async def test_a_supervisor_is_taken_over_from_a_worker_that_leaves(storage: MobStorage) -> None:
    called = 0
    is_called = asyncio.Event()

    async def lead(_ctx: StepContext) -> str:
        nonlocal called
        called += 1
        if called == 1:
            is_called.set()
            await asyncio.Event().wait()
        return "told"

    fleet = Fleet(storage, TWO)
    handlers = {"worker": work, "lead": lead}
    async with asyncio.timeout(LONG):
        first = asyncio.create_task(Fleet(storage, TWO, handlers, lease=SHORT_LEASE).work())
        run_id = await fleet.start(FLOW)
        await is_called.wait()
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        async with at_work(storage, handlers):
            assert (await fleet.wait(run_id)).status is MobRunStatus.FAILED
    assert called == 2
    [execution] = [one for one in (await loaded(storage, run_id)).executions.values() if one.escalation is not None]
    assert (execution.status, execution.output, execution.fencing_token) == (ExecutionStatus.COMPLETED, "told", 2)


async def test_the_supervisor_is_bounded_like_its_role(storage: MobStorage) -> None:
    steps = {f"s{number}": step() for number in range(6)}
    definition = mob(steps, limits={"max_concurrency": {"lead": 1}}, supervisor=supervisor())
    at_once = most = 0

    async def lead(_ctx: StepContext) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.01)
        at_once -= 1

    async def fails(_ctx: StepContext) -> None:
        raise StepFailed("broken", retryable=False)

    run = await run_flow(storage, definition, {"worker": fails, "lead": lead}, members={"lead": 3}, workers=2)
    told = (await FleetAdmin(storage).describe(run.run_id)).escalations
    assert [one.told.state for one in told] == ["completed"] * 6
    assert {one.told.member for one in told} == {"lead-1", "lead-2", "lead-3"}
    assert most == 1


@pytest.mark.parametrize("isolation", [None, Isolation.PROCESS])
async def test_the_isolation_of_the_step_is_not_that_of_the_supervisor(
    storage: MobStorage, isolation: Isolation | None
) -> None:
    definition = mob({"a": step(isolation=isolation)}, supervisor=supervisor())
    told: list[str] = []

    async def lead(ctx: StepContext) -> None:  # a closure, which no process could import
        told.append(ctx.step_id)

    run = await run_flow(storage, definition, {"worker": print_nothing, "lead": lead})
    assert run.status is MobRunStatus.FAILED
    assert told == ["a"]


def print_nothing(_ctx: StepContext) -> None:
    raise StepFailed("broken", retryable=False)


async def test_a_run_with_an_escalation_reads_back_and_is_deleted_as_a_whole(storage: MobStorage) -> None:
    run = await run_flow(storage, TWO, work)
    assert (await whole(storage, run.run_id)) == run
    await FleetAdmin(storage).delete(run.run_id)
    assert await storage.runs.get_run(run.run_id) is None


def test_a_definition_that_escalates_is_for_releases_that_know_it() -> None:
    silent = mob({"a": step()}, supervisor=supervisor(0))
    assert encode_definition(silent)[1].startswith(b'{"id":')
    digest, record = encode_definition(TWO)
    assert record.startswith(b'{"needs":["escalation"],')
    assert decode_definition(digest, record) == TWO
    with pytest.raises(SerializationError, match="which this release does not know"):
        decode_definition(digest, record.replace(b'["escalation"]', b'["escalation","later"]'))


def test_a_timeout_of_the_supervisor_is_read_and_written() -> None:
    text = '[mob]\nid = "m"\n[profiles.lead]\nmodel = "x"\n[supervisor]\nrole = "lead"\nescalation_threshold = 2\n'
    without = MobDefinition.from_toml(text)
    assert without.supervisor is not None
    assert "timeout_ms" not in without.model_dump_json()
    with_timeout = MobDefinition.from_toml(text + "timeout_ms = 2000\n")
    assert with_timeout.supervisor is not None
    assert with_timeout.supervisor.timeout_ms == 2000
    assert MobDefinition.from_toml(with_timeout.to_toml()) == with_timeout

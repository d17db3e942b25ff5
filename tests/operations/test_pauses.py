"""Runs, flows and mobs are paused: nothing new begins, what is under way ends, and all goes on when resumed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from redis_mob.errors import NotFoundError, ValidationError, WaitTimeoutError
from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.step_context import StepContext
from redis_mob.models.execution import ExecutionStatus
from redis_mob.models.pause import PauseChange, PauseScope
from redis_mob.models.run_status import MobRunStatus
from redis_mob.models.run_summary import RunSummary
from redis_mob.operations import bulk
from redis_mob.operations.bulk import SteeredRun
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.storage import MobStorage
from redis_mob.testing.samples.compound import scene
from redis_mob.testing.waiting import LONG
from tests.fleet.flows import FLOW, mob, step, wait
from tests.fleet.working import at_work

MOB = "mob"
CHAIN = mob({"a": step(), "b": step("a"), "c": step("b")})
SCOPES = ["run", "flow", "mob"]
KEEP = timedelta(seconds=30)
UNKNOWN = "0191a6a0-0000-4000-8000-000000000001"


async def pause(admin: FleetAdmin, scope: str, run_id: str, reason: str | None = None) -> bool:
    """Pause the run, its flow, or its mob; whether it was not paused before."""
    if scope == "run":
        return await admin.pause(run_id, reason) is PauseChange.DONE
    if scope == "flow":
        return await admin.pause_flow(MOB, FLOW, reason)
    return await admin.pause_mob(MOB, reason)


async def resume(admin: FleetAdmin, scope: str, run_id: str) -> bool:
    """Resume it; whether it was paused."""
    if scope == "run":
        return await admin.resume(run_id) is PauseChange.DONE
    if scope == "flow":
        return await admin.resume_flow(MOB, FLOW)
    return await admin.resume_mob(MOB)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Return once it holds."""
    async with asyncio.timeout(LONG):
        while not await condition():  # noqa: ASYNC110 - the storage is what it watches
            await asyncio.sleep(0.01)


class Handlers:
    """A handler whose calls begin, and end when they may."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.may_end = asyncio.Event()

    async def __call__(self, ctx: StepContext) -> str:
        self.begun.append(ctx.step_id)
        await self.may_end.wait()
        return "done"

    async def has_begun(self, number: int) -> None:
        """Return once so many have begun."""

        async def enough() -> bool:
            return len(self.begun) >= number

        await until(enough)


async def waits_for_nothing_new(storage: MobStorage, run_id: str, step_id: str) -> None:
    """Return once the run has an execution of a step that waits: what came before is decided."""

    async def is_dispatched() -> bool:
        view = await storage.executions.load(run_id)
        assert view is not None
        waiting = (one for one in view.executions.values() if one.status is ExecutionStatus.WAITING)
        return any(one.step_id == step_id for one in waiting)

    await until(is_dispatched)


@pytest.mark.parametrize("scope", SCOPES)
async def test_what_is_under_way_ends_and_nothing_else_begins_until_it_is_resumed(
    storage: MobStorage, other_storage: MobStorage, scope: str
) -> None:
    handlers, admin, fleet = Handlers(), FleetAdmin(other_storage), Fleet(storage, CHAIN, {})
    async with at_work(storage, {"*": handlers}, lease=KEEP):
        run_id = await fleet.start(FLOW)
        await handlers.has_begun(1)
        assert await pause(admin, scope, run_id, "the model is down")
        handlers.may_end.set()
        await waits_for_nothing_new(storage, run_id, "b")
        assert handlers.begun == ["a"]
        assert await resume(admin, scope, run_id)
        assert (await fleet.wait(run_id, LONG)).status is MobRunStatus.COMPLETED
    assert handlers.begun == ["a", "b", "c"]


@pytest.mark.parametrize("scope", SCOPES)
async def test_a_run_that_waits_in_its_queue_stays_there(
    storage: MobStorage, other_storage: MobStorage, scope: str
) -> None:
    handlers, admin, fleet = Handlers(), FleetAdmin(other_storage), Fleet(storage, CHAIN, {})
    handlers.may_end.set()
    paused = await fleet.start(FLOW)
    async with at_work(storage, {"other": handlers}, lease=KEEP):  # it dispatches what it does not serve
        await waits_for_nothing_new(storage, paused, "a")
    assert await pause(admin, scope, paused)
    [queue] = await admin.queues()
    assert (queue.waiting, queue.paused, queue.unserved) == (0, 1, 0)
    async with at_work(storage, {"*": handlers}, lease=KEEP):
        if scope == "run":  # what is beside it goes on
            assert (await fleet.wait(await fleet.start(FLOW), LONG)).status is MobRunStatus.COMPLETED
            assert len(handlers.begun) == 3
        else:
            started = await fleet.start(FLOW)
            await waits_for_nothing_new(storage, started, "a")
            assert handlers.begun == []
        handlers.begun.clear()
        assert await resume(admin, scope, paused)
        assert (await fleet.wait(paused, LONG)).status is MobRunStatus.COMPLETED
    assert await admin.pauses() == ()


@pytest.mark.parametrize("scope", SCOPES)
async def test_it_is_seen_where_runs_are_seen(storage: MobStorage, scope: str) -> None:
    admin, fleet = FleetAdmin(storage), Fleet(storage, CHAIN, {})
    run_id = await fleet.start(FLOW)
    assert await pause(admin, scope, run_id, "the model is down")
    assert not await pause(admin, scope, run_id, "another reason")
    [run] = (await admin.runs()).runs
    assert run.paused == (PauseScope(scope),)
    described = await admin.describe(run_id)
    [one] = described.pauses
    assert (one.scope, one.reason) == (PauseScope(scope), "the model is down")
    assert described.begins_at <= one.since <= described.now
    assert "paused since" in described.waits_for[0].text
    with pytest.raises(WaitTimeoutError, match=r"is paused since .*the model is down"):
        await fleet.wait(run_id, 0)
    assert [pause.scope for pause in await admin.pauses()] == ([] if scope == "run" else [PauseScope(scope)])
    assert await resume(admin, scope, run_id)
    assert not await resume(admin, scope, run_id)
    [run] = (await admin.runs()).runs
    assert run.paused == ()


async def test_a_run_goes_on_when_all_by_which_it_is_paused_are_resumed(storage: MobStorage) -> None:
    handlers, admin, fleet = Handlers(), FleetAdmin(storage), Fleet(storage, CHAIN, {})
    handlers.may_end.set()
    run_id = await fleet.start(FLOW)
    async with at_work(storage, {"other": handlers}, lease=KEEP):
        await waits_for_nothing_new(storage, run_id, "a")
    for scope in SCOPES:
        assert await pause(admin, scope, run_id)
    assert (await admin.runs()).runs[0].paused == tuple(PauseScope)
    async with at_work(storage, {"*": handlers}, lease=KEEP):
        for scope in ("run", "mob"):
            assert await resume(admin, scope, run_id)
        other = await fleet.start(FLOW)
        await waits_for_nothing_new(storage, other, "a")
        assert handlers.begun == []
        assert await pause(admin, "run", run_id)
        assert await resume(admin, "flow", run_id)
        assert (await fleet.wait(other, LONG)).status is MobRunStatus.COMPLETED
        assert len(handlers.begun) == 3
        assert await resume(admin, "run", run_id)
        assert (await fleet.wait(run_id, LONG)).status is MobRunStatus.COMPLETED


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("way", ["cancel", "terminate", "delete"])
async def test_a_paused_run_can_be_ended(storage: MobStorage, scope: str, way: str) -> None:
    admin, fleet = FleetAdmin(storage), Fleet(storage, CHAIN, {})
    run_id = await fleet.start(FLOW)
    async with at_work(storage, {"other": Handlers()}, lease=KEEP):
        await waits_for_nothing_new(storage, run_id, "a")
    assert await pause(admin, scope, run_id)
    if way == "delete":
        await admin.delete(run_id, cancel=True)
        assert await storage.executions.status(run_id) is None
    else:
        assert await getattr(admin, way)(run_id)
        assert await storage.executions.status(run_id) is MobRunStatus.CANCELED
        assert (await admin.runs()).runs[0].paused == ()
        assert await admin.pause(run_id) is PauseChange.OVER
        assert await admin.resume(run_id) is PauseChange.OVER
        assert (await admin.describe(run_id)).pauses == ()
    assert [queue.paused for queue in await admin.queues()] == []
    if scope != "run":
        assert await resume(admin, scope, run_id)
    assert await admin.queues() == ()


async def test_a_paused_run_takes_signals_and_begins_nothing_by_them(storage: MobStorage) -> None:
    handlers, admin = Handlers(), FleetAdmin(storage)
    handlers.may_end.set()
    fleet = Fleet(storage, mob({"a": wait(), "b": step("a")}), {})
    async with at_work(storage, {"*": handlers}, lease=KEEP):
        run_id = await fleet.start(FLOW)
        assert await admin.pause(run_id) is PauseChange.DONE
        await fleet.signal(run_id, "go")
        await waits_for_nothing_new(storage, run_id, "b")
        assert handlers.begun == []
        await admin.resume(run_id)
        assert (await fleet.wait(run_id, LONG)).status is MobRunStatus.COMPLETED


async def test_a_retry_waits_until_it_is_resumed(storage: MobStorage) -> None:
    admin = FleetAdmin(storage)
    begun: list[int] = []
    go_on = asyncio.Event()

    async def fails_once(ctx: StepContext) -> str:
        begun.append(ctx.attempt)
        await go_on.wait()
        if ctx.attempt == 1:
            raise ValueError("not the first time")
        return "done"

    fleet = Fleet(storage, mob({"a": step()}, limits={"max_step_retries": 2}), {})
    async with at_work(storage, {"*": fails_once}, lease=KEEP):
        run_id = await fleet.start(FLOW)
        await until(lambda: _returns(bool(begun)))
        assert await admin.pause(run_id) is PauseChange.DONE
        go_on.set()

        async def is_aside() -> bool:
            return any(queue.paused == 1 for queue in await admin.queues())

        await until(is_aside)
        assert begun == [1]
        await admin.resume(run_id)
        assert (await fleet.wait(run_id, LONG)).status is MobRunStatus.COMPLETED
    assert begun == [1, 2]


async def _returns(value: bool) -> bool:
    return value


@pytest.mark.parametrize("way", ["pause", "resume"])
async def test_an_unknown_run_and_one_of_no_fleet_are_refused(storage: MobStorage, way: str) -> None:
    act: Any = getattr(FleetAdmin(storage), way)
    with pytest.raises(NotFoundError, match="does not exist"):
        await act(UNKNOWN)
    run = scene()
    await storage.runs.create_run(run)
    with pytest.raises(NotFoundError, match="was not started by a fleet"):
        await act(run.run_id)
    with pytest.raises(ValidationError):
        await act("no id")


async def test_a_reason_that_is_too_long_is_refused(storage: MobStorage) -> None:
    admin = FleetAdmin(storage)
    with pytest.raises(ValidationError, match="1001 characters"):
        await admin.pause_mob(MOB, "x" * 1001)
    assert await admin.pauses() == ()


async def test_what_a_worker_holds_is_not_put_aside(storage: MobStorage) -> None:
    handlers, admin, fleet = Handlers(), FleetAdmin(storage), Fleet(storage, CHAIN, {})
    async with at_work(storage, {"*": handlers}, lease=KEEP):
        run_id = await fleet.start(FLOW)
        await handlers.has_begun(1)
        assert await admin.pause(run_id) is PauseChange.DONE
        view = await storage.executions.load(run_id)
        assert view is not None
        assert await storage.executions.put_aside(view, list(view.executions))
        [queue] = await admin.queues()
        assert (queue.running, queue.paused) == (1, 0)
        await admin.resume(run_id)
        assert not await storage.executions.put_aside(view, list(view.executions))
        handlers.may_end.set()
        assert (await fleet.wait(run_id, LONG)).status is MobRunStatus.COMPLETED


async def test_many_runs_are_steered_by_what_applies_to_them(storage: MobStorage) -> None:
    admin, fleet = FleetAdmin(storage), Fleet(storage, CHAIN, {})
    runs = [await fleet.start(FLOW, {"number": number}) for number in range(40)]

    async def steered(results: AsyncIterator[SteeredRun]) -> list[tuple[str, bool]]:
        return [(one.run.run_id, one.is_done) async for one in results]

    newest_first = runs[::-1]
    assert await steered(admin.pause_all(text='"number":3')) == [
        (run_id, True) for run_id in newest_first if runs.index(run_id) == 3 or runs.index(run_id) >= 30
    ]
    assert await steered(admin.pause_all(text='"number":39')) == [(runs[39], False)]
    assert len(await steered(admin.resume_all(mob_id=MOB))) == 11
    assert await steered(admin.resume_all(mob_id=MOB)) == []
    assert await steered(admin.terminate_all(text='"number":3')) == [
        (run_id, True) for run_id in newest_first if runs.index(run_id) == 3 or runs.index(run_id) >= 30
    ]
    assert len(await steered(admin.cancel_all(mob_id=MOB))) == 29
    assert await steered(admin.cancel_all(mob_id=MOB)) == []
    assert await steered(admin.delete_all(mob_id=MOB)) == [(run_id, True) for run_id in newest_first]
    assert (await admin.runs()).runs == ()


async def test_a_run_that_is_gone_does_not_end_the_others(storage: MobStorage) -> None:
    admin, fleet = FleetAdmin(storage), Fleet(storage, CHAIN, {})
    runs = [await fleet.start(FLOW) for _ in range(3)]
    found = [run async for run in admin.all_runs()]
    await admin.delete(runs[1], cancel=True)

    async def as_read() -> AsyncIterator[RunSummary]:
        for run in found:
            yield run

    async def cancel(run: RunSummary) -> str | None:
        return None if await admin.cancel(run.run_id) else "over"

    results = [one async for one in bulk.steered(as_read(), cancel)]
    assert [one.is_done for one in results] == [True, False, True]
    assert "does not exist" in (results[1].problem or "")

"""Once a pause has returned nothing begins: with four workers under load, and with processes that are killed."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from pathlib import Path

import pytest

from redis_mob.bench.meters import ServerMeter
from redis_mob.connection.calls.client import Client
from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.step_context import StepContext
from redis_mob.models.execution import ExecutionStatus, Serves
from redis_mob.models.flow_events import StepDispatched
from redis_mob.models.flow_spec import DispatchMode
from redis_mob.models.pause import PauseChange
from redis_mob.models.run_status import MobRunStatus
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.storage import MobStorage
from redis_mob.testing.waiting import LONG
from tests.fleet.crew import crew
from tests.fleet.flows import FLOW, mob, step
from tests.fleet.working import at_work
from tests.operations.test_pauses import KEEP, MOB, pause, resume, until, waits_for_nothing_new

STEPS = mob(
    {name: step(*needs) for name, needs in {"a": (), "b": ("a",), "c": ("b",), "d": ("c",), "e": ("d",)}.items()}
)
OVER = MobRunStatus.COMPLETED
ONE = mob({"a": step(policy="any", dispatch_mode=DispatchMode.ONE_TO_ONE, timeout_ms=60_000), "b": step("a")})


async def begun(storage: MobStorage, run_ids: Collection[str]) -> int:
    """How many executions of these runs ever began, by the log, which is written with each claim."""
    kinds = [event.kind for event in await storage.events.replay_all()]
    return sum(isinstance(kind, StepDispatched) and kind.run_id in run_ids for kind in kinds)


async def all_is_recorded(storage: MobStorage, run_ids: Collection[str]) -> None:
    """Return once nothing of these runs is under way, and no outcome waits for a decision."""

    async def is_so() -> bool:
        views = [await storage.executions.load(run_id) for run_id in run_ids]
        states = {one.status for view in views if view is not None for one in view.executions.values()}
        begun_all = all(view is not None and view.run.status is not MobRunStatus.PENDING for view in views)
        return begun_all and not states & {ExecutionStatus.LEASED, ExecutionStatus.REPORTED}

    await until(is_so)


@pytest.mark.parametrize("scope", ["run", "flow", "mob"])
@pytest.mark.parametrize("seed", range(3))
async def test_no_execution_begins_after_a_pause_has_returned(
    storage: MobStorage, other_storage: MobStorage, scope: str, seed: int
) -> None:
    admin = FleetAdmin(other_storage)
    some, all_are_started = asyncio.Event(), asyncio.Event()
    calls = 0

    async def work(_ctx: StepContext) -> str:
        nonlocal calls
        calls += 1
        if calls == 10 + 7 * seed:
            some.set()
        if some.is_set():  # else a machine that is slow at starting would have nothing left to pause
            await all_are_started.wait()
        await asyncio.sleep(0.001)
        return "done"

    async with at_work(storage, {"*": work}, workers=4, concurrency=4, lease=KEEP):
        fleet = Fleet(storage, STEPS, {})
        runs = [await fleet.start(FLOW) for _ in range(20)]
        await some.wait()
        all_are_started.set()
        if scope == "run":
            paused = [run_id for run_id in runs if await admin.pause(run_id) is PauseChange.DONE]
        else:
            paused = runs
            assert await pause(admin, scope, runs[0])
        number = await begun(other_storage, paused)
        assert paused
        assert number < 5 * len(runs)
        await all_is_recorded(other_storage, paused)
        late = await fleet.start(FLOW)  # what starts now is taken by the workers, or waits behind the others
        if scope != "run":
            await waits_for_nothing_new(storage, late, "a")
        assert await begun(other_storage, paused) == number
        for run_id in paused if scope == "run" else runs[:1]:
            # one whose last step was under way is over
            assert await resume(admin, scope, run_id) or await storage.executions.status(run_id) is OVER
        for run_id in (*runs, late):
            assert (await fleet.wait(run_id, LONG)).status is MobRunStatus.COMPLETED
    assert await begun(other_storage, [*runs, late]) == 5 * (len(runs) + 1)
    assert await admin.queues() == ()


@pytest.mark.parametrize("scope", ["run", "flow", "mob"])
async def test_what_a_killed_worker_had_waits_until_it_is_resumed(server_url: str, tmp_path: Path, scope: str) -> None:
    async with crew(server_url, tmp_path, 1) as hired:
        admin = FleetAdmin(hired.storage)
        run_id = await hired.start(ONE, "be_paused")  # its first owner stops where it stands
        await until(lambda: returned(len(hired.told()) == 1))
        assert await pause(admin, scope, run_id)
        [victim] = hired.processes
        victim.kill()
        await victim.wait()
        await hired.hire(2)

        async def is_held_back() -> bool:
            return any(queue.paused == 1 and queue.running == 0 for queue in await admin.queues())

        await until(is_held_back)
        other = await hired.start(ONE, "be_paused")
        if scope == "run":  # the others go on
            await admin.cancel(other)
        else:
            await waits_for_nothing_new(hired.storage, other, "a")
        assert [effect["run"] for effect in hired.told() if effect["run"] == run_id] == [run_id]
        await admin.terminate(other)
        assert await resume(admin, scope, run_id)
        run = await hired.wait(run_id)
        assert run.root_step_outputs["a"] == "owner 2"
        view = await hired.storage.executions.load(run_id)
        assert view is not None
        assert sum(one.lost + one.lost_with_others for one in view.executions.values()) == 1
        for process in hired.alive():  # one may stand still in the other run
            process.kill()
            await process.wait()


async def returned(value: bool) -> bool:
    return value


async def test_what_is_paused_makes_no_taking_dearer(server_url: str, namespace: str, connection: Client) -> None:
    """However much a paused flow has waiting: a worker of its mob makes the server do the same."""
    definition = mob({"a": step()})
    async with MobStorage.open(server_url, namespace=namespace) as storage:
        admin, meter = FleetAdmin(storage), ServerMeter(connection)
        fleet = Fleet(storage, definition, {}, members={"worker": 50})

        async def commands() -> int:
            before = await meter.read()
            work = await storage.executions.take_due(max_runs=0, max_executions=5, keep=KEEP, serves=Serves())
            after = await meter.read()
            assert work.executions == ()
            assert before is not None
            assert after is not None
            return after.commands - before.commands

        await admin.pause_flow(MOB, "another")
        without = await commands()
        runs = [await fleet.start(FLOW) for _ in range(30)]
        async with at_work(storage, {"other": print}, lease=KEEP):
            for run_id in runs:
                await waits_for_nothing_new(storage, run_id, "a")
        assert await admin.pause_flow(MOB, FLOW)
        await commands()  # the first one notes the time, and that the worker is gone
        assert await commands() <= without + 1
        [queue] = await admin.queues()
        assert (queue.paused, queue.waiting) == (1500, 0)
        assert await admin.resume_flow(MOB, FLOW)
        [queue] = await admin.queues()
        assert (queue.paused, queue.waiting) == (0, 1500)
        assert await admin.pauses() == (await storage.pauses.pauses())


async def test_a_pausing_and_a_resuming_that_were_interrupted_are_finished_by_workers(storage: MobStorage) -> None:
    """A client that is gone after the first script: workers put aside, and bring back, what it has left."""
    done: list[str] = []

    async def work(ctx: StepContext) -> str:
        done.append(ctx.run_id)
        return "done"

    fleet, admin = Fleet(storage, mob({"a": step()}), {}, members={"worker": 3}), FleetAdmin(storage)
    run_id = await fleet.start(FLOW)
    async with at_work(storage, {"other": work}, lease=KEEP):
        await waits_for_nothing_new(storage, run_id, "a")
    assert await storage.pauses.pause_flow(MOB, FLOW) is PauseChange.DONE
    async with at_work(storage, {"*": work}, lease=KEEP):

        async def is_aside() -> bool:
            return [queue.paused for queue in await admin.queues()] == [3]

        await until(is_aside)
        assert done == []
        assert await storage.pauses.resume_flow(MOB, FLOW) is PauseChange.DONE
        assert (await fleet.wait(run_id, LONG)).status is MobRunStatus.COMPLETED
    assert done == [run_id] * 3

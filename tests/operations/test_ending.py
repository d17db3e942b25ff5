"""An operator ends runs from another process, with workers and without."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from redis_mob.errors import CasConflictError, NotFoundError, SerializationError
from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.step_context import StepContext
from redis_mob.models.run_status import MobRunStatus
from redis_mob.operations import ending
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.storage import MobStorage
from redis_mob.testing.samples.compound import scene
from redis_mob.testing.samples.driven_runs import ONE_STEP, a_worker, pending
from tests.fleet.flows import FLOW, mob, step, wait
from tests.fleet.working import at_work

LONG = mob({"a": step(timeout_ms=600_000), "b": step("a")})
WAITING = mob({"a": wait(), "b": step("a")})


async def ends(storage: MobStorage, run_id: str) -> list[str]:
    """The terminal events of a run."""
    events = [event.kind for event in await storage.events.replay_all()]
    return [kind.type for kind in events if getattr(kind, "run_id", "") == run_id and kind.type.startswith("flow_c")]


@pytest.mark.parametrize("definition", [LONG, WAITING], ids=["a step", "a wait"])
async def test_a_run_without_a_worker_is_canceled_at_once(storage: MobStorage, definition: Any) -> None:
    admin = FleetAdmin(storage)
    run_id = await Fleet(storage, definition, {}).start(FLOW)
    assert await admin.cancel(run_id)
    assert await storage.executions.status(run_id) is MobRunStatus.CANCELED
    assert await ends(storage, run_id) == ["flow_canceled"]
    assert not await admin.cancel(run_id)
    assert not await admin.terminate(run_id)


async def test_a_worker_carries_it_out_where_one_is_alive(storage: MobStorage, other_storage: MobStorage) -> None:
    begun = asyncio.Event()

    async def work(_ctx: StepContext) -> None:
        begun.set()
        await asyncio.Event().wait()

    async with at_work(storage, {"*": work}), asyncio.timeout(30):
        run_id = await Fleet(storage, LONG, {"worker": work}).start(FLOW)
        await begun.wait()
        assert await FleetAdmin(other_storage).cancel(run_id, wait=True)
        assert await storage.executions.status(run_id) is MobRunStatus.CANCELED
        assert await ends(storage, run_id) == ["flow_canceled"]


async def test_a_worker_that_stands_still_is_not_waited_for_long(
    storage: MobStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ending, "WORKER_SECONDS", 0.1)
    await storage.executions.join_workers(a_worker("stuck"), timedelta(hours=1))
    admin = FleetAdmin(storage)
    run_id = await Fleet(storage, LONG, {}).start(FLOW)
    assert await admin.cancel(run_id)
    assert await storage.executions.status(run_id) is MobRunStatus.PENDING
    assert await admin.cancel(run_id, wait=True)
    assert await storage.executions.status(run_id) is MobRunStatus.CANCELED


async def test_a_terminated_run_is_over_while_its_handler_goes_on(storage: MobStorage) -> None:
    begun, go_on, late = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def stubborn(_ctx: StepContext) -> str:
        begun.set()
        try:
            await go_on.wait()
        except asyncio.CancelledError:
            await go_on.wait()
        late.set()
        return "too late"

    admin = FleetAdmin(storage)
    async with at_work(storage, {"*": stubborn}), asyncio.timeout(30):
        run_id = await Fleet(storage, LONG, {"worker": stubborn}).start(FLOW)
        await begun.wait()
        assert await admin.terminate(run_id)
        assert await storage.executions.status(run_id) is MobRunStatus.CANCELED
        go_on.set()
        await late.wait()
        await asyncio.sleep(0.2)
    run = await storage.runs.get_run(run_id)
    assert run is not None
    assert run.root_step_outputs == {}
    assert await ends(storage, run_id) == ["flow_canceled"]


async def test_runs_that_are_ended_by_many_end_once(storage: MobStorage, other_storage: MobStorage) -> None:
    admins = [FleetAdmin(storage), FleetAdmin(other_storage)]
    async with at_work(storage, {"*": lambda _ctx: "done"}), asyncio.timeout(60):
        for _ in range(5):
            run_id = await Fleet(storage, LONG, {}).start(FLOW)
            await asyncio.gather(
                *(admin.terminate(run_id) for admin in admins), *(admin.cancel(run_id) for admin in admins)
            )
            run = await Fleet(storage, LONG, {}).wait(run_id)
            assert run.status.is_terminal
            assert len(await ends(storage, run_id)) == 1


@pytest.mark.parametrize("way", ["cancel", "terminate"])
async def test_a_run_that_no_fleet_has_started_is_canceled(storage: MobStorage, way: str) -> None:
    admin, run = FleetAdmin(storage), scene()
    await storage.runs.create_run(run)
    assert await getattr(admin, way)(run.run_id)
    assert await storage.executions.status(run.run_id) is MobRunStatus.CANCELED
    assert await ends(storage, run.run_id) == ["flow_canceled"]
    assert not await getattr(admin, way)(run.run_id)


@pytest.mark.parametrize("way", ["cancel", "terminate", "delete"])
async def test_an_unknown_run_is_told(storage: MobStorage, way: str) -> None:
    with pytest.raises(NotFoundError, match="does not exist"):
        await getattr(FleetAdmin(storage), way)("0191a6a0-0000-4000-8000-000000000001")


async def test_a_run_whose_flow_its_definition_lacks_is_told_and_deleted(storage: MobStorage) -> None:
    """As an older release has imported one."""
    run, launch = pending(ONE_STEP)
    run = run.model_copy(update={"flow_id": "nope"})
    assert await storage.executions.start_run(run, launch, ONE_STEP)
    admin = FleetAdmin(storage)
    with pytest.raises(CasConflictError, match="is not over"):
        await admin.delete(run.run_id)
    for refused in (admin.cancel, admin.terminate, admin.describe):
        with pytest.raises(SerializationError, match="is one of flow 'nope', which its definition, of mob"):
            await refused(run.run_id)
    await admin.delete(run.run_id, cancel=True)
    assert await storage.executions.status(run.run_id) is None
    assert await storage.events.replay_all() == []

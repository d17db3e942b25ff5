"""A deleted run leaves nothing: no key, no member, no event, in every state in which it can be deleted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from redis_mob.errors import CasConflictError, NotFoundError, WriteFailedError
from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.step_context import StepContext, StepFailed
from redis_mob.models.run_status import MobRunStatus
from redis_mob.models.unknown_event import UnknownEvent
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.storage import MobStorage
from redis_mob.testing.samples.compound import scene
from redis_mob.testing.samples.new_events import completed, new_event, step_failed
from tests.fleet.flows import FLOW, mob, step, wait
from tests.fleet.working import at_work

TWO = mob({"a": step(), "b": step("a")})
FAILING = mob({"a": step()})
WAITING = mob({"a": wait()})
LONG = mob({"a": step(timeout_ms=600_000)})


async def answer(ctx: StepContext) -> str:
    await ctx.publish("at", ctx.step_id)
    await ctx.stream("a chunk")
    return "done"


async def fail(_ctx: StepContext) -> str:
    raise StepFailed("no", retryable=False)


async def started(storage: MobStorage, definition: Any, handler: Any, **more: Any) -> str:
    """A run that is over."""
    fleet = Fleet(storage, definition, {"worker": handler})
    async with at_work(storage, {"*": handler}):
        run_id = await fleet.start(FLOW, {"x": 1}, **more)
        await fleet.wait(run_id)
    return run_id


async def left_in_memory(storage: MobStorage, run_id: str) -> str:
    """All that the namespace holds and that names the run."""
    events = [event for event in await storage.events.replay_all() if getattr(event.kind, "run_id", "") == run_id]
    runs = [run.run_id for run in await storage.runs.list_runs("mob")]
    return f"{events} {[one for one in runs if one == run_id]} {await storage.steering.deletions()}"


async def test_a_deleted_run_is_gone(storage: MobStorage) -> None:
    admin = FleetAdmin(storage)
    kept, gone = await started(storage, TWO, answer), await started(storage, TWO, answer)
    events = len(await storage.events.replay_all())
    await admin.delete(gone)
    assert await storage.runs.get_run(gone) is None
    assert [run.run_id for run in await storage.runs.list_runs("mob")] == [kept]
    assert await left_in_memory(storage, gone) == "[] [] ()"
    assert len(await storage.events.replay_all()) == events / 2
    for call in (admin.delete, admin.cancel, admin.terminate, storage.executions.request_cancel):
        with pytest.raises(NotFoundError):
            await call(gone)
    assert (await storage.runs.get_run(kept)) is not None
    assert await storage.executions.get_definition((await view_of(storage, kept)).launch.definition)


async def view_of(storage: MobStorage, run_id: str) -> Any:
    view = await storage.executions.load(run_id)
    assert view is not None
    return view


async def test_a_run_that_is_not_over_is_refused_unless_it_is_to_be_canceled(storage: MobStorage) -> None:
    admin = FleetAdmin(storage)
    run_id = await Fleet(storage, TWO, {}).start(FLOW)
    with pytest.raises(CasConflictError, match="is not over: cancel it first, or delete it with --cancel"):
        await admin.delete(run_id)
    assert await storage.executions.status(run_id) is MobRunStatus.PENDING
    await admin.delete(run_id, cancel=True)
    assert await storage.executions.status(run_id) is None
    assert await left_in_memory(storage, run_id) == "[] [] ()"


async def test_a_definition_goes_with_its_last_run(storage: MobStorage) -> None:
    admin = FleetAdmin(storage)
    runs = [await started(storage, TWO, answer) for _ in range(2)] + [await started(storage, FAILING, fail)]
    digests = [(await view_of(storage, run_id)).launch.definition for run_id in runs]
    await admin.delete(runs[0])
    assert await storage.executions.get_definition(digests[1])
    await admin.delete(runs[1])
    with pytest.raises(NotFoundError):
        await storage.executions.get_definition(digests[1])
    assert await storage.executions.get_definition(digests[2])


async def test_an_idempotency_key_is_free_again_or_kept(storage: MobStorage) -> None:
    admin, fleet = FleetAdmin(storage), Fleet(storage, TWO, {"worker": answer})
    run_id = await started(storage, TWO, answer, idempotency_key="k")
    await admin.delete(run_id)
    assert await fleet.start(FLOW, {"x": 2}, idempotency_key="k") == run_id
    assert await storage.executions.status(run_id) is MobRunStatus.PENDING
    async with at_work(storage, {"*": answer}):
        assert (await fleet.wait(run_id)).status is MobRunStatus.COMPLETED
    # its end is told although a run of its id has ended before
    assert [event.kind.type for event in await storage.events.replay_all()][-1] == "flow_completed"
    await admin.delete(run_id, keep_key=True, keep_for=timedelta(milliseconds=300))
    assert await fleet.start(FLOW, {"x": 3}, idempotency_key="k") == run_id
    assert await storage.executions.status(run_id) is None
    async with asyncio.timeout(30):
        while await storage.executions.status(run_id) is None:
            await asyncio.sleep(0.05)
            await fleet.start(FLOW, {"x": 3}, idempotency_key="k")


async def test_a_run_that_no_fleet_has_started_is_deleted_with_events_of_callers(storage: MobStorage) -> None:
    admin, run = FleetAdmin(storage), scene()
    await storage.runs.create_run(run)
    await storage.events.append(completed(run.run_id))
    await storage.events.append_step_failed_event_if_absent(step_failed(run_id=run.run_id))
    for kind in ("é-2", 'a "b\\', "\\"):
        await storage.events.append(new_event(UnknownEvent(type=kind, later=1, run_id=run.run_id)))
    other = scene()
    await storage.runs.create_run(other)
    await storage.events.append(completed(other.run_id))
    with pytest.raises(CasConflictError):
        await admin.delete(run.run_id)
    await admin.delete(run.run_id, cancel=True)
    assert await left_in_memory(storage, run.run_id) == "[] [] ()"
    assert [getattr(event.kind, "run_id", "") for event in await storage.events.replay_all()] == [other.run_id]
    # what happened once is forgotten with it
    assert await storage.events.append_step_failed_event_if_absent(step_failed(run_id=run.run_id)) is not None


async def test_a_worker_that_has_it_in_hand_loses(storage: MobStorage) -> None:
    """The handler is under way when the run goes, and reports when it is gone."""
    begun, go_on, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def stubborn(_ctx: StepContext) -> str:
        begun.set()
        try:
            await asyncio.shield(asyncio.create_task(go_on.wait()))
        except asyncio.CancelledError:
            await go_on.wait()
        ended.set()
        return "too late"

    admin, fleet = FleetAdmin(storage), Fleet(storage, LONG, {"worker": stubborn})
    async with at_work(storage, {"*": stubborn}):
        run_id = await fleet.start(FLOW)
        async with asyncio.timeout(30):
            await begun.wait()
            await admin.delete(run_id, cancel=True)
            go_on.set()
            await ended.wait()
        await asyncio.sleep(0.3)
    assert await storage.executions.status(run_id) is None
    assert await left_in_memory(storage, run_id) == "[] [] ()"


async def test_deletions_at_once_leave_nothing_either(storage: MobStorage, other_storage: MobStorage) -> None:
    admins = [FleetAdmin(storage), FleetAdmin(other_storage)]
    runs = [await started(storage, TWO, answer) for _ in range(3)]
    calls = [admin.delete(run_id) for run_id in runs for admin in admins]
    for told in await asyncio.gather(*calls, return_exceptions=True):
        assert told is None or isinstance(told, NotFoundError)
    for run_id in runs:
        assert await left_in_memory(storage, run_id) == "[] [] ()"
    assert await storage.runs.list_runs("mob") == []


async def interrupted_at(storage: MobStorage, number: int, delete: Callable[[], Awaitable[None]]) -> bool:
    """Whether a deletion came to its end before the call of this number, which was not made."""
    store: Any = storage.steering
    client, made = store._client, 0

    class Interrupted:
        read, payloads = client.read, client.payloads

        async def call(self, *arguments: Any) -> Any:
            nonlocal made
            made += 1
            if made > number:
                raise WriteFailedError("interrupted")
            return await client.call(*arguments)

    store._client = Interrupted()
    try:
        await delete()
    except WriteFailedError as error:
        assert number == 0 or any("is gone; what is left" in note for note in error.__notes__)
        return False
    else:
        return True
    finally:
        store._client = client

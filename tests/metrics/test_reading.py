"""What is read of a namespace for its metrics (contract: metrics-1, metrics-2)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest

from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.step_context import StepContext
from redis_mob.metrics import reading
from redis_mob.metrics.reading import FlowOfMob, NamespaceReader, NamespaceReading, RoleOfMob, Slots
from redis_mob.models.limits import ConcurrencySpec
from redis_mob.models.run_status import MobRunStatus
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.storage import MobStorage
from redis_mob.testing.waiting import LONG
from tests.fleet.flows import FLOW, mob, step, with_flows
from tests.fleet.working import at_work

TWO_ROLES = mob({"a": step(timeout_ms=600_000), "b": step(role="other", timeout_ms=600_000)})
WORKER, OTHER, LEAD = RoleOfMob("mob", "worker"), RoleOfMob("mob", "other"), RoleOfMob("mob", "lead")


async def read_until(storage: MobStorage, holds: Callable[[NamespaceReading], bool]) -> NamespaceReading:
    """A reading of which this holds."""
    reader = NamespaceReader(storage)
    async with asyncio.timeout(LONG):
        while not holds(found := await reader.read()):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return found


def of_role(found: NamespaceReading, role: str) -> tuple[int, int, int, float | None]:
    """What waits in the queue of a role, how much of it no worker takes, how many workers there are, since when."""
    [one] = [one for one in found.queues if one.role == role]
    return one.waiting, one.unserved, one.workers, one.oldest_seconds


async def test_a_new_namespace_has_nothing(storage: MobStorage) -> None:
    found = await NamespaceReader(storage).read()
    assert set(found.runs.values()) == {0}
    assert set(found.runs) == set(MobRunStatus)
    assert (found.queues, found.slots, found.overdue, found.workers, found.asks) == ([], {}, {}, {"": 0}, 0)


async def test_what_waits_is_told_by_role_and_what_is_under_way_takes_slots(storage: MobStorage) -> None:
    end = asyncio.Event()

    async def work(_ctx: StepContext) -> str:
        await end.wait()
        return "done"

    fleet = Fleet(storage, TWO_ROLES, {})
    async with at_work(storage, {"worker": work}, concurrency=3):
        for _ in range(2):
            await fleet.start(FLOW)
        found = await read_until(
            storage, lambda one: one.slots.get(WORKER, Slots(0, 0)).used == 2 and OTHER in one.slots
        )
        end.set()
    assert found.runs[MobRunStatus.RUNNING] == 2
    waiting, unserved, workers, since = of_role(found, "other")
    assert (waiting, unserved, workers) == (2, 2, 0)
    assert since is not None
    assert of_role(found, "worker") == (0, 0, 1, None)
    assert found.slots == {WORKER: Slots(2, 1), OTHER: Slots(0, 0), LEAD: Slots(0, 0)}
    assert found.workers == {"": 1}


async def test_what_other_workers_may_have_in_hand_is_not_told_as_free(storage: MobStorage) -> None:
    end = asyncio.Event()

    async def work(_ctx: StepContext) -> str:
        await end.wait()
        return "done"

    everything = {"worker": work, "other": work}
    async with at_work(storage, everything, concurrency=2), at_work(storage, {"other": work}, concurrency=2):
        await Fleet(storage, TWO_ROLES, {}).start(FLOW)
        found = await read_until(
            storage, lambda one: {WORKER, OTHER} <= {role for role, slots in one.slots.items() if slots.used}
        )
        end.set()
    # the execution of `other` is of one of the two workers
    assert (found.slots[WORKER], found.slots[OTHER]) == (Slots(1, 0), Slots(1, 2))


async def test_the_queues_of_a_role_go_on_when_they_are_empty(storage: MobStorage) -> None:
    async def work(_ctx: StepContext) -> str:
        return "done"

    async with at_work(storage, {"*": work}):
        fleet = Fleet(storage, TWO_ROLES, {})
        await fleet.wait(await fleet.start(FLOW))
        found = await NamespaceReader(storage).read()
    assert of_role(found, "other") == (0, 0, 1, None)
    assert found.runs[MobRunStatus.COMPLETED] == 1


async def test_definitions_are_read_once(storage: MobStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    await Fleet(storage, TWO_ROLES, {}).start(FLOW)
    reader = NamespaceReader(storage)
    first = await reader.read()

    async def refuse(_digest: str) -> None:
        raise AssertionError("it was read again")

    monkeypatch.setattr(storage.executions, "get_definition", refuse)
    assert [one.role for one in (await reader.read()).queues] == [one.role for one in first.queues]


async def test_what_waits_for_a_limit_is_told_by_flow(storage: MobStorage) -> None:
    end = asyncio.Event()

    async def work(_ctx: StepContext) -> str:
        await end.wait()
        return "done"

    fleet = Fleet(storage, mob({"a": step(concurrency=ConcurrencySpec(limit=1))}), {})
    async with at_work(storage, {"*": work}):
        for _ in range(3):
            await fleet.start(FLOW)
        found = await read_until(storage, lambda one: sum(one.limited.values()) == 2)
        end.set()
    assert found.limited == {(FlowOfMob("mob", FLOW), "worker"): 2}


async def test_the_schedule_that_is_latest_is_told(storage: MobStorage) -> None:
    fleet = Fleet(storage, TWO_ROLES, {})
    await fleet.schedule("in time", FLOW, every=timedelta(days=1))
    record = await fleet.schedule("late", FLOW, every=timedelta(days=1))
    stored = await storage.schedules.get("late")
    assert stored is not None
    late = record.model_copy(update={"next_at": await storage.schedules.now() - timedelta(seconds=50)})
    assert await storage.schedules.put(late, revision=stored.revision)
    [(flow, seconds)] = (await NamespaceReader(storage).read()).overdue.items()
    assert flow == FlowOfMob("mob", FLOW)
    assert 50 <= seconds < 1000
    await FleetAdmin(storage).pause_schedule("late")
    assert (await NamespaceReader(storage).read()).overdue == {flow: 0.0}


async def test_of_many_flows_with_schedules_the_latest_are_told(
    storage: MobStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MOST_FLOWS", 2)
    now = await storage.schedules.now()
    flows = [f"flow{number}" for number in range(4)]
    fleet = Fleet(storage, with_flows(mob({"a": step()}), **{flow: {"a": step()} for flow in flows}), {})
    for number, flow in enumerate(flows):
        record = await fleet.schedule(flow, flow, every=timedelta(days=1))
        stored = await storage.schedules.get(flow)
        assert stored is not None
        late = record.model_copy(update={"next_at": now - timedelta(seconds=1000 * number)})
        assert await storage.schedules.put(late, revision=stored.revision)
    found = (await NamespaceReader(storage).read()).overdue
    assert [(flow.flow_id, seconds // 1000) for flow, seconds in found.items()] == [("flow3", 3), ("flow2", 2), ("", 1)]


async def test_asks_are_counted_up_to_a_bound(storage: MobStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(ctx: StepContext) -> bool:
        return (await ctx.ask("send it")).approved

    async with at_work(storage, {"*": work}):
        for _ in range(3):
            await Fleet(storage, mob({"a": step(timeout_ms=600_000)}), {"*": work}).start(FLOW)
        await read_until(storage, lambda one: one.asks == 3)
        monkeypatch.setattr("redis_mob.operations.asks._PAGE", 1)
        monkeypatch.setattr(reading, "MOST_ASKS", 2)
        assert (await NamespaceReader(storage).read()).asks == 2


async def test_queues_beyond_a_bound_are_told_as_one_without_names(
    storage: MobStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MOST_QUEUES", 2)
    steps = {name: step(role=name, timeout_ms=600_000) for name in ("a", "b", "c", "d")}
    await Fleet(storage, mob(steps), {}).start(FLOW)
    async with at_work(storage, {}):
        found = await read_until(storage, lambda one: sum(queue.waiting for queue in one.queues) == 4)
    assert sorted((bool(one.role), one.waiting) for one in found.queues) == [(False, 2), (True, 1), (True, 1)]


async def test_the_server_tells_its_memory(storage: MobStorage) -> None:
    memory = (await NamespaceReader(storage).read()).memory
    assert (memory.used is None) == storage.url.startswith("memory")
    assert memory.used is None or memory.used > 100_000

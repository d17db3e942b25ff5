"""Runs with limits that are paused, moved, exported or deleted while they wait for their turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from random import Random
from typing import Any, cast

import pytest

from redis_mob.codec.schedule import encode_entry, encode_limits, encode_queue, queue_of
from redis_mob.fleet import deadline, engine, takeover
from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.step_context import StepContext
from redis_mob.memory import schedule as memory_schedule
from redis_mob.models.execution import ExecutionStatus, Serves
from redis_mob.models.limits import ConcurrencySpec
from redis_mob.models.run_status import MobRunStatus
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.storage import MobStorage
from redis_mob.stores import schedule as store_schedule
from redis_mob.testing.waiting import LONG
from tests.fleet.flows import FLOW, mob, step
from tests.fleet.limited_floor import Floor, each
from tests.fleet.test_limits import left_over
from tests.fleet.working import at_work, loaded, run_flow
from tests.operations.test_pauses import KEEP, MOB, SCOPES, Handlers, pause, resume, until, waits_for_nothing_new

ONE = mob({"a": step(concurrency=ConcurrencySpec(limit=1))})
SOON = timedelta(milliseconds=50)
MANY_MOVES = 10 * LONG
"""Seconds after which the moves of a floor come to no end."""


@pytest.fixture
async def target(url: str, namespace: str) -> AsyncIterator[MobStorage]:
    """Another namespace on the same server."""
    async with MobStorage.open(url, namespace=f"{namespace}-target") as opened:
        yield opened


class SteeredFloor(Floor):
    """Workers of two releases, and an operator who pauses, resumes and moves what they work on."""

    def __init__(self, storage: MobStorage, random: Random) -> None:
        super().__init__(storage.executions, random)
        self.admin, self.steering = FleetAdmin(storage), storage.steering
        self.releases = ["", "one", "one"]

    def moves(self) -> list[tuple[Callable[[str], Awaitable[None]], int]]:
        return [*super().moves(), (self.pause, 1), (self.resume, 4), (self.give, 2)]

    async def pause(self, _worker: str) -> None:
        await pause(self.admin, self.random.choice(SCOPES), self.random.choice(self.runs))

    async def resume(self, _worker: str) -> None:
        await resume(self.admin, self.random.choice(SCOPES), self.random.choice(self.runs))

    async def give(self, _worker: str) -> None:
        release = self.random.choice([None, "one"])
        await self.steering.move_run(self.random.choice(self.runs), release)


@pytest.mark.parametrize("seed", range(4))
async def test_limits_hold_while_runs_are_paused_and_moved(storage: MobStorage, seed: int) -> None:
    random = Random(seed)
    floor = SteeredFloor(storage, random)
    for _ in range(3):
        await floor.hire()
    for number in range(3):
        await floor.start(f"t{number % 2}", [random.choice("abc") for _ in range(5)])
    async with asyncio.timeout(MANY_MOVES):
        while await floor.statuses() != {MobRunStatus.COMPLETED}:
            for _ in range(20):
                await floor.move()
    assert await floor.admin.queues() == ()
    for release in ("", "one"):  # lanes that are empty are closed by those who come upon them
        await storage.executions.take_due(max_runs=0, max_executions=9, keep=SOON, serves=Serves(release=release))
    assert await left_over(storage, "gated", "queued", "ready") == []


async def waiting_one(storage: MobStorage, handlers: Handlers, fleet: Fleet) -> tuple[str, str]:
    """A run that is under way, and one that waits for its limit."""
    first = await fleet.start(FLOW)
    await handlers.has_begun(1)
    second = await fleet.start(FLOW)
    await waits_for_nothing_new(storage, second, "a")
    return first, second


async def waiting_in_lanes(storage: MobStorage) -> int:
    return sum(member[:1] in (b"v", b"t") for member in await left_over(storage))


@pytest.mark.parametrize("scope", SCOPES)
async def test_what_waits_for_a_limit_is_paused_and_goes_on(storage: MobStorage, scope: str) -> None:
    handlers, admin, fleet = Handlers(), FleetAdmin(storage), Fleet(storage, ONE, {})
    async with at_work(storage, {"*": handlers}, lease=KEEP):
        first, second = await waiting_one(storage, handlers, fleet)
        third = await fleet.start(FLOW)
        await waits_for_nothing_new(storage, third, "a")
        assert await pause(admin, scope, second, "for now")
        [queue] = await admin.queues()
        paused = {"run": 1, "flow": 2, "mob": 2}[scope]
        assert (queue.running, queue.paused, queue.waiting) == (1, paused, 2 - paused)
        if scope != "mob" and storage.url != "memory:":
            assert await waiting_in_lanes(storage) == 2 - paused
        handlers.may_end.set()
        assert (await fleet.wait(first, LONG)).status is MobRunStatus.COMPLETED
        if scope == "run":
            assert (await fleet.wait(third, LONG)).status is MobRunStatus.COMPLETED
        await asyncio.sleep(SOON.total_seconds())
        assert len(handlers.begun) == (2 if scope == "run" else 1)
        assert await resume(admin, scope, second)
        for run_id in (second, third):
            assert (await fleet.wait(run_id, LONG)).status is MobRunStatus.COMPLETED
        assert len(handlers.begun) == 3
    assert await admin.queues() == ()
    await nothing_is_left(storage)


async def nothing_is_left(storage: MobStorage) -> None:
    """Nothing in the schedule, once a worker has looked."""
    await storage.executions.take_due(max_runs=0, max_executions=9, keep=SOON)
    assert await left_over(storage, "gated", "queued", "ready") == []


@pytest.mark.parametrize("scope", SCOPES)
async def test_what_was_taken_of_what_is_paused_counts_no_longer(storage: MobStorage, scope: str) -> None:
    """It is put aside, and another run has its place; what comes back waits in its lane."""
    store, admin, fleet = storage.executions, FleetAdmin(storage), Fleet(storage, ONE, {"*": print})
    paused, other = await fleet.start(FLOW), await fleet.start(FLOW)
    for run_id in (await store.take_due(max_runs=9, max_executions=0, keep=KEEP)).runs:
        transition = engine.advance(await loaded(storage, run_id), ONE)
        assert transition is not None
        assert await store.commit(transition)

    async def taken() -> list[str]:
        due = await store.take_due(max_runs=0, max_executions=9, keep=KEEP)
        return [one.run_id for one in due.executions]

    (first,) = await taken()
    paused, other = (paused, other) if first == paused else (other, paused)
    assert await taken() == []
    await pause(admin, scope, paused)
    view = await loaded(storage, paused)
    assert await store.put_aside(view, list(view.executions))
    assert await taken() == ([other] if scope == "run" else [])
    if scope == "run":
        await resume(admin, scope, paused)
        assert await taken() == []
        await storage.executions.request_cancel(other)
    else:
        await resume(admin, scope, paused)
        assert await taken() != []
    async with at_work(storage, {"*": lambda _: 1}):
        await storage.executions.request_cancel(paused)
        await storage.executions.request_cancel(other)
        for run_id in (paused, other):
            assert (await fleet.wait(run_id, LONG)).status is MobRunStatus.CANCELED
    await nothing_is_left(storage)


async def test_a_paused_run_that_waits_for_a_limit_can_be_canceled(storage: MobStorage) -> None:
    handlers, admin, fleet = Handlers(), FleetAdmin(storage), Fleet(storage, ONE, {})
    async with at_work(storage, {"*": handlers}, lease=KEEP):
        first, second = await waiting_one(storage, handlers, fleet)
        await pause(admin, "run", second)
        await storage.executions.request_cancel(second)
        assert (await fleet.wait(second, LONG)).status is MobRunStatus.CANCELED
        handlers.may_end.set()
        await fleet.wait(first, LONG)
    await nothing_is_left(storage)


async def test_a_run_that_waits_for_a_limit_is_moved(storage: MobStorage) -> None:
    """It waits for the same limit there, and its lane is gone where it was: no worker of that release may be left."""
    admin, handlers = FleetAdmin(storage), Handlers()
    fleet = Fleet(storage, ONE, {})
    old, new = (at_work(storage, {"*": handlers}, lease=KEEP, release=name) for name in ("old", "new"))
    async with new, old:
        first = await fleet.start(FLOW, release="old")
        await handlers.has_begun(1)
        second = await fleet.start(FLOW, release="old")
        await waits_for_nothing_new(storage, second, "a")
        assert await admin.move(second, "new", force=True)
        queues = {queue.release: queue for queue in await admin.queues()}
        assert (queues["old"].running, queues["old"].waiting, queues["new"].waiting) == (1, 0, 1)
        assert not [one for one in await left_over(storage) if one[:1] in b"vt" and b"old" in one]
        await asyncio.sleep(SOON.total_seconds())
        assert len(handlers.begun) == 1
        # what is under way counts by its new name
        assert await admin.move(first, "new", force=True)
        assert not [one for one in await left_over(storage, "gated", "queued", "ready") if b"\x03old" in one]
        await asyncio.sleep(SOON.total_seconds())
        assert len(handlers.begun) == 1
        handlers.may_end.set()
        for run_id in (first, second):
            assert (await fleet.wait(run_id, LONG)).status is MobRunStatus.COMPLETED
    assert await admin.queues() == ()
    await storage.executions.take_due(max_runs=0, max_executions=9, keep=SOON, serves=Serves(release="new"))
    assert await left_over(storage, "gated", "queued", "ready") == []


async def test_what_was_taken_of_a_run_that_is_moved_counts_no_longer(storage: MobStorage) -> None:
    store, fleet = storage.executions, Fleet(storage, ONE, {"*": print})
    run_id = await fleet.start(FLOW, release="old")
    for one in (await store.take_due(max_runs=9, max_executions=0, keep=KEEP)).runs:
        transition = engine.advance(await loaded(storage, one), ONE)
        assert transition is not None
        assert await store.commit(transition)

    async def taken(release: str) -> list[str]:
        due = await store.take_due(max_runs=0, max_executions=9, keep=KEEP, serves=Serves(release=release))
        return [one.run_id for one in due.executions]

    assert await taken("old") == [run_id]
    assert await storage.steering.move_run(run_id, "new")
    assert await taken("old") == []
    assert await taken("new") == [run_id]
    assert await storage.steering.move_run(run_id, None)
    async with at_work(storage, {"*": lambda _: 1}):
        assert (await fleet.wait(run_id, LONG)).status is MobRunStatus.COMPLETED
    await nothing_is_left(storage)


async def test_an_unfinished_run_is_imported_with_its_limits(storage: MobStorage, target: MobStorage) -> None:
    definition, now, most = mob({"a": each(concurrency=ConcurrencySpec(limit=2))}), 0, 0
    fleet = Fleet(storage, definition, {})
    async with at_work(storage, {"other": lambda _: 1}):  # it dispatches what it does not serve
        run_id = await fleet.start(FLOW, {"items": list(range(12))})
        await waits_for_nothing_new(storage, run_id, "a")
    lines = [line async for line in FleetAdmin(storage).export([run_id])]
    [_ async for _ in FleetAdmin(target).import_runs(lines, include_unfinished=True)]
    waiting = [one for one in (await loaded(target, run_id)).executions.values() if one.limits]
    assert {one.status for one in waiting} == {ExecutionStatus.WAITING}
    if target.url != "memory:":
        assert await waiting_in_lanes(target) == len(waiting)

    async def work(_ctx: StepContext) -> str:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.005)
        now -= 1
        return "done"

    async with at_work(target, {"*": work}, workers=2):
        assert (await Fleet(target, definition).wait(run_id, LONG)).status is MobRunStatus.COMPLETED
    assert most == 2
    await nothing_is_left(target)


async def test_a_deleted_run_leaves_nothing_that_counts(storage: MobStorage) -> None:
    """Nothing is there of one that is over, but for what damage has left."""
    if storage.url == "memory:":
        return
    from redis.asyncio import Redis

    run = await run_flow(storage, ONE, lambda _: "done")
    view = await loaded(storage, run.run_id)
    (key, execution), *_ = view.executions.items()
    queue = encode_queue(queue_of(MOB, execution.role, view.launch))
    limits = encode_limits(MOB, FLOW, execution.limits)
    entry = encode_entry(queue, view.launch.priority, run.run_id, key, limits)
    gate = limits[2:19]
    async with cast("Any", Redis).from_url(storage.url) as client:
        for key_name, members in (
            ("gated", (b"v" + entry, b"k" + gate + entry)),
            ("queued", (b"w" + entry, b"o" + entry, b"pr" + run.run_id.encode() + entry)),
            ("ready", (entry,)),
        ):
            await client.zadd(f"{{rm:{storage.namespace}}}:{key_name}", dict.fromkeys(members, 0))
    await storage.steering.begin_deletion(run.run_id)
    assert await left_over(storage, "gated", "queued", "ready") == []


async def test_a_run_that_waits_in_many_lanes_is_paused(storage: MobStorage) -> None:
    definition = mob({"a": each(concurrency=ConcurrencySpec(limit=1, key="{{ item }}"))})
    admin, fleet = FleetAdmin(storage), Fleet(storage, definition, {})
    async with at_work(storage, {"other": lambda _: 1}):  # it dispatches what it does not serve
        runs = [await fleet.start(FLOW, {"items": [f"{n}" for n in range(300)]}) for _ in range(2)]
        for run_id in runs:
            await waits_for_nothing_new(storage, run_id, "a")
    for scope in ("run", "flow"):
        await pause(admin, scope, runs[0])

        async def is_aside(number: int = 1 if scope == "run" else 2) -> bool:
            [queue] = await admin.queues()
            waiting = [len((await loaded(storage, run_id)).executions) for run_id in runs]
            return queue.paused == sum(waiting[:number])

        await until(is_aside)
        if scope == "flow":
            assert await waiting_in_lanes(storage) == 0
    await resume(admin, "run", runs[0])
    assert await waiting_in_lanes(storage) == 0
    await resume(admin, "flow", runs[0])
    async with at_work(storage, {"*": lambda _: 1}):
        for run_id in runs:
            assert (await fleet.wait(run_id, LONG)).status is MobRunStatus.COMPLETED
    await nothing_is_left(storage)


@pytest.mark.parametrize("scope", ["run", "flow"])
async def test_what_is_out_of_time_on_its_worker_is_ended_while_paused(
    storage: MobStorage, scope: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its worker lives, and does not end it; what waits behind it for the limit has its place after that."""
    for module in (deadline, takeover, memory_schedule, store_schedule):
        monkeypatch.setattr(module, "OVERDUE", SOON)
    definition = mob({"a": step(concurrency=ConcurrencySpec(limit=1), timeout_ms=1)})
    store, admin, fleet = storage.executions, FleetAdmin(storage), Fleet(storage, definition, {"*": print})
    run_id = await fleet.start(FLOW)
    for one in (await store.take_due(max_runs=9, max_executions=0, keep=KEEP)).runs:
        transition = engine.advance(await loaded(storage, one), definition)
        assert transition is not None
        assert await store.commit(transition)
    (due,) = (await store.take_due(max_runs=0, max_executions=9, keep=KEEP)).executions
    claimed = engine.claim(await loaded(storage, run_id), definition, due.key, owner="one", random=Random(1))
    assert claimed is not None
    assert await store.commit(claimed)
    while True:
        looked = await store.take_due(max_runs=0, max_executions=0, keep=KEEP)
        if looked.next_execution_at is None:
            break  # it waits to be ended
        await asyncio.sleep((looked.next_execution_at - looked.now).total_seconds())
    await pause(admin, scope, run_id)
    taken = (await store.take_due(max_runs=0, max_executions=9, keep=KEEP)).executions
    assert [one.key for one in taken] == [due.key]
    await resume(admin, scope, run_id)
    await store.request_cancel(run_id)
    async with at_work(storage, {"*": lambda _: 1}):
        await fleet.wait(run_id, LONG)
    await nothing_is_left(storage)

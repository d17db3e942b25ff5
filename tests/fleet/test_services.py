"""Which work goes to which worker, and what is told of work that goes to none."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from redis_mob import Fleet, Mob, StepContext
from redis_mob import step as define_step
from redis_mob.errors import ValidationError
from redis_mob.fleet import unserved as unserved_module
from redis_mob.fleet.step_context import Handler
from redis_mob.models.definition import MobDefinition
from redis_mob.models.run_status import MobRunStatus
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.storage import MobStorage
from redis_mob.testing.waiting import LONG, until
from tests.fleet.asking import asked
from tests.fleet.flows import FLOW, mob, step

ONE_STEP = mob({"a": step()})


async def ended(fleet: Fleet, run_id: str) -> object:
    async with asyncio.timeout(LONG):
        run = await fleet.wait(run_id)
    assert run.status is MobRunStatus.COMPLETED
    return run.root_step_outputs["a"]["worker-1"]


def fleet_of(storage: MobStorage, says: str, definition: MobDefinition = ONE_STEP, release: str | None = None) -> Fleet:
    return Fleet(storage, definition, {"*": lambda _ctx: says}, release=release)


async def test_a_fleet_without_handlers_starts_waits_and_cancels(
    storage: MobStorage, other_storage: MobStorage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(unserved_module, "UNSERVED_SECONDS", 0.01)
    definition = mob({"a": step(role="gpu", policy="any"), "b": step("a", role="cpu", policy="any")})
    service = Fleet(storage, definition)
    abandoned = await service.start(FLOW)
    assert await service.cancel(abandoned)
    run_id = await service.start(FLOW)
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        gpu = Fleet(other_storage, definition, {"gpu": lambda _ctx: 1})
        group.create_task(gpu.work(stop=stop))
        waiting = group.create_task(service.wait(run_id))
        await until(lambda: any("serves role 'cpu'" in line for line in caplog.messages))
        assert [line for line in await service.unserved(run_id) if "step 'b' waits for a worker" in line]
        group.create_task(Fleet(other_storage, definition, {"cpu": lambda _ctx: 2}).work(stop=stop))
        assert (await waiting).root_step_outputs == {"a": 1, "b": 2}
        # a worker that has handlers for some roles alone starts runs of all
        assert (await gpu.wait(await gpu.start(FLOW))).status is MobRunStatus.COMPLETED
        assert (await service.wait(abandoned)).status is MobRunStatus.CANCELED
        stop.set()


async def test_workers_serve_their_own_mob(storage: MobStorage, other_storage: MobStorage) -> None:
    shop = fleet_of(storage, "shop")
    bank = fleet_of(other_storage, "bank", ONE_STEP.model_copy(update={"id": "bank"}))
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for one in (shop, bank):
            group.create_task(one.work(stop=stop))
        for _ in range(10):
            assert await ended(shop, await shop.start(FLOW)) == "shop"
            assert await ended(bank, await bank.start(FLOW)) == "bank"
        stop.set()


async def test_a_run_goes_to_workers_of_its_release_and_one_without_to_any(
    storage: MobStorage, other_storage: MobStorage
) -> None:
    old, new = fleet_of(storage, "old", release="1"), fleet_of(other_storage, "new", release="2")
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for one in (old, new):
            group.create_task(one.work(stop=stop))
        said = Counter([await ended(old, await old.start(FLOW, release=release)) for release in ("1", "2") * 5])
        assert said == {"old": 5, "new": 5}
        assert await ended(new, await new.start(FLOW)) in ("old", "new")
        stop.set()


async def test_a_definition_goes_to_the_workers_that_have_it_and_is_not_stranded_without_them(
    storage: MobStorage, other_storage: MobStorage
) -> None:
    old = fleet_of(storage, "old")
    new = fleet_of(other_storage, "new", mob({"a": step(message="another")}))
    old_stop, new_stop = asyncio.Event(), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(old.work(stop=old_stop))
        working = group.create_task(new.work(stop=new_stop))
        async with storage.executions.listen() as wake_up:
            while len(await storage.executions.workers()) < 2:
                await wake_up.wait(1)
        assert {await ended(new, await new.start(FLOW)) for _ in range(10)} == {"new"}
        new_stop.set()
        await working
        assert await ended(new, await new.start(FLOW)) == "old"
        old_stop.set()


@pytest.mark.parametrize("has_role_too", [False, True], ids=["split", "overlapping"])
async def test_handlers_may_be_spread_over_programs_whose_definitions_differ(
    storage: MobStorage, other_storage: MobStorage, has_role_too: bool
) -> None:
    """A definition is left to the workers that are made for it only as far as they serve its roles."""
    flow = {"a": step(role="gpu", policy="any"), "b": step("a", role="cpu", policy="any")}
    other_flow = {**flow, "b": step("a", role="cpu", policy="any", message="another")}
    gpu: dict[str, Handler] = {"gpu": lambda _ctx: "gpu"}
    if has_role_too:
        gpu["cpu"] = lambda _ctx: "first"
    first = Fleet(storage, mob(flow), gpu)
    second = Fleet(other_storage, mob(other_flow), {"cpu": lambda _ctx: "second"})
    async with first.working(), second.working():
        async with storage.executions.listen() as wake_up:
            while len(await storage.executions.workers()) < 2:
                await wake_up.wait(1)
        run = await first.wait(await first.start(FLOW), LONG)
        assert run.root_step_outputs == {"a": "gpu", "b": "first" if has_role_too else "second"}
        run = await second.wait(await second.start(FLOW), LONG)
        assert run.root_step_outputs == {"a": "gpu", "b": "second"}


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=-12))], ids=str)
async def test_a_run_that_begins_at_the_end_of_time_harms_no_worker(storage: MobStorage, zone: timezone) -> None:
    fleet = fleet_of(storage, "x")
    async with fleet.working():
        never = await fleet.start(FLOW, at=datetime.max.replace(tzinfo=zone))
        for _ in range(3):
            assert await ended(fleet, await fleet.start(FLOW)) == "x"
        assert await storage.executions.status(never) is MobRunStatus.PENDING
        assert await fleet.cancel(never)
        assert (await fleet.wait(never, LONG)).status is MobRunStatus.CANCELED


async def test_a_large_run_does_not_keep_a_small_one_waiting(storage: MobStorage) -> None:
    begun: Counter[str] = Counter()

    async def handler(ctx: StepContext) -> None:
        begun[ctx.run_id] += 1
        await asyncio.sleep(0.002)

    fleet = Fleet(storage, ONE_STEP, {"*": handler}, members={"worker": 400})
    small = Fleet(storage, ONE_STEP, {"*": handler})
    stop = asyncio.Event()
    working = asyncio.create_task(fleet.work(4, stop))
    large_id = await fleet.start(FLOW)
    await until(lambda: begun[large_id] > 20)
    await small.wait(await small.start(FLOW))
    assert begun[large_id] < 400, "the large run was done first"
    await fleet.cancel(large_id)
    await fleet.wait(large_id)
    stop.set()
    await working


async def test_a_limit_of_a_role_holds_over_all_workers(storage: MobStorage, other_storage: MobStorage) -> None:
    under_way, most = 0, 0

    async def handler(_ctx: StepContext) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.005)
        under_way -= 1

    definition = mob({"a": step()}, limits={"max_concurrency": {"worker": 3}})
    fleets = [Fleet(one, definition, {"*": handler}, members={"worker": 10}) for one in (storage, other_storage)]
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for fleet in fleets:
            group.create_task(fleet.work(stop=stop))
        async with asyncio.timeout(LONG):
            for run_id in [await fleet.start(FLOW) for fleet in fleets]:
                assert (await fleets[0].wait(run_id)).status is MobRunStatus.COMPLETED
        stop.set()
    assert most == 3


async def test_a_run_that_begins_later_is_pending_until_then_and_may_be_canceled(storage: MobStorage) -> None:
    fleet = fleet_of(storage, "x")
    stop = asyncio.Event()
    working = asyncio.create_task(fleet.work(stop=stop))
    later = await fleet.start(FLOW, at=datetime.now(UTC) + timedelta(hours=1))
    soon = await fleet.start(FLOW, at=datetime.now(UTC) + timedelta(milliseconds=50))
    assert await ended(fleet, soon) == "x"
    assert await storage.executions.status(later) is MobRunStatus.PENDING
    assert await fleet.cancel(later)
    assert (await fleet.wait(later)).status is MobRunStatus.CANCELED
    stop.set()
    await working


async def test_those_who_wait_are_told_of_asks_and_pauses_also_of_a_child(
    storage: MobStorage, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unserved_module, "UNSERVED_SECONDS", 0.0)

    async def ask(ctx: StepContext) -> Any:
        return (await ctx.ask("ok", None)).approved

    own = Mob("mob")
    own.handler("clerk")(ask)
    own.flow("child", [define_step("inner", role="clerk")])
    own.flow("parent", [define_step("outer", flow="child")])
    fleet, admin = own.fleet(storage), FleetAdmin(storage)
    async with fleet.working():
        run_id = await fleet.start("parent")
        [pending] = await asked(storage)
        await admin.pause(run_id, reason="the night")
        with caplog.at_level(logging.WARNING, logger="redis_mob"):
            waiting = asyncio.create_task(fleet.wait(run_id))
            of_child = f"run {pending.run_id}: step 'inner' waits for an answer to 'ok' (ask {pending.ask.id})"
            await until(lambda: of_child in caplog.messages)
        assert [line for line in caplog.messages if line.startswith(f"run {run_id}: it is paused since ")]
        assert await admin.answer(pending.ask.id)
        await admin.resume(run_id)
        assert (await waiting).status is MobRunStatus.COMPLETED


async def test_work_that_no_worker_serves_is_told(
    storage: MobStorage, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unserved_module, "UNSERVED_SECONDS", 0.0)
    fleet = fleet_of(storage, "x")
    run_id = await fleet.start(FLOW, release="7")
    assert await fleet.unserved(run_id) == [
        f"run {run_id} waits for a worker, and none is alive: start one for mob 'mob'"
    ]
    stop = asyncio.Event()
    working = asyncio.create_task(fleet.work(stop=stop))
    line = (
        f"run {run_id}: step 'a' waits for a worker that serves role 'worker' of mob 'mob' and release '7'; of 1 "
        "that are alive none does: start one, or cancel the run"
    )
    with caplog.at_level(logging.WARNING, logger="redis_mob"):
        waiting = asyncio.create_task(fleet.wait(run_id))
        await until(lambda: line in caplog.messages)
    assert await fleet.unserved(run_id) == [line]
    await fleet.cancel(run_id)
    assert (await waiting).status is MobRunStatus.CANCELED
    assert await fleet.unserved(run_id) == []
    assert caplog.messages.count(line) == 1
    stop.set()
    await working


async def test_what_a_worker_held_that_is_gone_waits_for_one_too(storage: MobStorage) -> None:
    is_begun = asyncio.Event()

    async def hang(_ctx: StepContext) -> None:
        is_begun.set()
        await asyncio.Event().wait()

    old = Fleet(storage, ONE_STEP, {"*": hang}, release="old")
    run_id = await old.start(FLOW, release="old")
    stop, no_time = asyncio.Event(), timedelta()
    async with asyncio.TaskGroup() as group:
        group.create_task(old.work(stop=stop, drain_timeout=no_time))
        await is_begun.wait()
        assert await old.unserved(run_id) == []
        stop.set()
    [line] = await old.unserved(run_id)
    assert "step 'a' waits for a worker that serves role 'worker' of mob 'mob' and release 'old'; of 0" in line


async def test_a_worker_that_has_no_more_time_names_ten_of_the_executions_that_have_not_ended(
    storage: MobStorage, caplog: pytest.LogCaptureFixture
) -> None:
    begun: list[str] = []

    async def hang(ctx: StepContext) -> None:
        begun.append(ctx.member)
        await asyncio.Event().wait()

    fleet = Fleet(storage, ONE_STEP, {"*": hang}, members={"worker": 12})
    run_id = await fleet.start(FLOW)
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(fleet.work(stop=stop, drain_timeout=timedelta()))
        await until(lambda: len(begun) == 12)
        stop.set()
    [line] = [text for text in caplog.messages if "have not ended in time" in text]
    assert ": 12 executions have not ended in time; they are handed back: member worker-" in line
    assert line.endswith(" and 2 more")
    assert line.count(f" at step a of run {run_id}") == 10


async def test_a_priority_that_is_none_is_refused(storage: MobStorage) -> None:
    with pytest.raises(ValidationError, match="priority must be from -63 to 63, not 64"):
        await fleet_of(storage, "x").start(FLOW, priority=64)
    with pytest.raises(ValidationError, match="at must be a time with a zone"):
        await fleet_of(storage, "x").start(FLOW, at=datetime(2026, 1, 1))  # noqa: DTZ001


@pytest.mark.parametrize(
    ("handlers", "told"),
    [
        (
            {"worker": print, "wroker": print},
            ["mob 'mob' has no role 'wroker' (nearest: 'worker', 'lead'): no step of it calls the handler"],
        ),
        (
            {"*": print} | {f"x{number}": print for number in range(6)},
            [
                "mob 'mob' has no role "
                + ", ".join(f"'x{number}' (nearest: 'worker', 'lead')" for number in range(5))
                + " and others: no step of it calls the handler"
            ],
        ),
        ({"worker": print, "*": print}, []),
    ],
)
async def test_a_worker_tells_once_of_handlers_for_roles_that_its_mob_does_not_have(
    storage: MobStorage, caplog: pytest.LogCaptureFixture, handlers: dict[str, Handler], told: list[str]
) -> None:
    stop = asyncio.Event()
    stop.set()
    await Fleet(storage, ONE_STEP, handlers).work(stop=stop)
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == told

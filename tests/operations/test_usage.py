"""Which definitions and releases are in use, and runs that go to another release."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from random import choice
from typing import Any
from uuid import uuid4

import pytest

from redis_mob.codec.definitions import digests_of
from redis_mob.errors import CasConflictError, NotFoundError, ValidationError
from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.step_context import Handler, StepContext
from redis_mob.models.execution import Execution, ExecutionKey, ExecutionStatus, Serves
from redis_mob.models.run_status import MobRunStatus
from redis_mob.models.worker import WorkerRecord
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.operations.usage import DefinitionUse, ReleaseUse
from redis_mob.storage import MobStorage
from redis_mob.testing.samples.compound import scene
from redis_mob.testing.samples.driven_runs import STEPS_AND_LOOP, keys_of, waiting
from redis_mob.testing.samples.states import NOON
from redis_mob.testing.waiting import LONG
from tests.fleet.flows import FLOW, mob, step
from tests.fleet.working import check_told_once, loaded, whole

TWO = mob({"a": step(), "b": step("a")})
OTHER = mob({"a": step(message="another")})


@asynccontextmanager
async def working(
    storage: MobStorage, handler: Handler, release: str | None = None, concurrency: int = 4
) -> AsyncGenerator[Fleet]:
    """A worker of a release."""
    fleet = Fleet(storage, TWO, {"worker": handler}, release=release)
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(fleet.work(concurrency=concurrency, stop=stop))
        try:
            yield fleet
        finally:
            stop.set()


async def over(storage: MobStorage, run_id: str) -> MobRunStatus:
    async with asyncio.timeout(LONG):
        return (await Fleet(storage, TWO).wait(run_id)).status


async def under_way(storage: MobStorage, run_id: str) -> dict[ExecutionKey, Execution]:
    """The executions of a run, once one is under way."""
    async with asyncio.timeout(LONG):
        while True:
            found = (await loaded(storage, run_id)).executions
            if any(one.status is ExecutionStatus.LEASED for one in found.values()):
                return dict(found)
            await asyncio.sleep(0.01)


def counts(use: DefinitionUse | ReleaseUse) -> dict[str, int]:
    return {str(status): number for status, number in use.runs.items() if number}


async def known(storage: MobStorage, **more: Any) -> None:
    """Make a worker known that does nothing."""
    worker = WorkerRecord(id="one", host="host", pid=1, slots=1, started_at=NOON, **more)
    await storage.executions.join_workers(worker, timedelta(hours=1))


async def until_known(storage: MobStorage, number: int) -> None:
    async with asyncio.timeout(LONG):
        while len(await storage.executions.workers()) < number:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_an_empty_namespace_uses_nothing(storage: MobStorage) -> None:
    assert await FleetAdmin(storage).definitions() == ()
    assert await FleetAdmin(storage).releases() == ()


async def test_definitions_are_told_with_their_runs_workers_and_schedules(storage: MobStorage) -> None:
    admin, fleet = FleetAdmin(storage), Fleet(storage, TWO)
    before = datetime.now(UTC) - timedelta(seconds=5)
    first = await fleet.start(FLOW)
    await fleet.start(FLOW)
    await Fleet(storage, OTHER).start(FLOW)
    await storage.runs.create_run(scene())  # no fleet has started it: it has none
    await admin.terminate(first)
    await fleet.schedule("nightly", FLOW, cron="0 3 * * *")
    async with working(storage, lambda _: "done"):
        await until_known(storage, 1)
        [worker] = await admin.workers()
        found = {one.digest: one for one in await admin.definitions()}
    assert set(found) == {digests_of(TWO)[0], digests_of(OTHER)[0]}
    two, other = found[digests_of(TWO)[0]], found[digests_of(OTHER)[0]]
    assert (two.mob_id, two.flows, two.problem, two.for_forks) == ("mob", (FLOW,), None, False)
    assert counts(two).get("canceled") == 1
    assert sum(two.runs.values()) == 2
    assert sum(other.runs.values()) == 1
    assert (two.workers, other.workers) == ((worker.record.id,), ())
    assert (two.schedules, other.schedules) == (("nightly",), ())
    assert two.since is not None
    assert before < two.since < datetime.now(UTC) + timedelta(seconds=5)


async def test_the_definition_of_forked_runs_is_another_record(storage: MobStorage) -> None:
    admin = FleetAdmin(storage)
    async with working(storage, lambda _: "done") as fleet:
        run_id = await fleet.start(FLOW)
        assert await over(storage, run_id) is MobRunStatus.COMPLETED
        await admin.fork(run_id, "b")
        found = {one.digest: one for one in await admin.definitions()}
    plain, forked = digests_of(TWO)
    assert (found[plain].for_forks, found[forked].for_forks) == (False, True)
    assert sum(found[forked].runs.values()) == 1


async def test_a_definition_is_found_by_what_its_digest_begins_with(storage: MobStorage) -> None:
    admin = FleetAdmin(storage)
    await Fleet(storage, TWO).start(FLOW)
    digest = digests_of(TWO)[0]
    assert await admin.definition(digest[:4].upper()) == TWO
    assert await admin.definition(digest) == TWO
    with pytest.raises(NotFoundError, match="no definition has a digest that begins with"):
        await admin.definition("".join("0" if digit != "0" else "1" for digit in digest[:8]))
    for wrong in ("", "abc", "x" * 8, "a" * 33):
        with pytest.raises(ValidationError, match="is no digest of a definition"):
            await admin.definition(wrong)


async def test_releases_are_told_with_their_runs_and_workers(storage: MobStorage) -> None:
    admin, fleet = FleetAdmin(storage), Fleet(storage, TWO)
    await fleet.start(FLOW)
    ended = await fleet.start(FLOW, release="v1")
    await fleet.start(FLOW, release="v2")
    await admin.terminate(ended)
    await known(storage, release="v3")
    found = {one.release: one for one in await admin.releases()}
    assert list(found) == [None, "v1", "v2", "v3"]
    assert {release: one.is_drained for release, one in found.items()} == {
        None: False,
        "v1": True,
        "v2": False,
        "v3": True,
    }
    assert (found["v2"].under_way, found["v1"].under_way) == (1, 0)
    assert found["v3"].workers == ("one",)


async def test_a_run_that_waits_goes_to_the_workers_of_another_release(storage: MobStorage) -> None:
    admin = FleetAdmin(storage)
    run_id = await Fleet(storage, TWO).start(FLOW, release="old")
    members: list[str] = []

    async def work(ctx: StepContext) -> str:
        members.append(ctx.step_id)
        return "done"

    async with working(storage, work, "new"):
        await until_known(storage, 1)
        async with asyncio.timeout(LONG):
            while not any(one.release == "old" for one in await admin.queues()):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert await admin.move(run_id, "new")
        assert await over(storage, run_id) is MobRunStatus.COMPLETED
    assert members == ["a", "b"]
    assert (await loaded(storage, run_id)).launch.release == "new"
    assert await admin.queues() == ()
    assert not await admin.move(run_id, "old")


async def test_what_is_under_way_ends_where_it_is(storage: MobStorage) -> None:
    admin, end = FleetAdmin(storage), asyncio.Event()
    by: list[tuple[str, str]] = []

    async def old(ctx: StepContext) -> str:
        by.append(("old", ctx.step_id))
        await end.wait()
        return "done"

    async def new(ctx: StepContext) -> str:
        by.append(("new", ctx.step_id))
        return "done"

    async with working(storage, old, "old"), working(storage, new, "new"):
        await until_known(storage, 2)
        run_id = await Fleet(storage, TWO).start(FLOW, release="old")
        await under_way(storage, run_id)
        assert await admin.move(run_id, "new")
        [queue] = await admin.queues()
        assert (queue.release, queue.running, queue.waiting) == ("new", 1, 0)
        held = [await admin.executions_of(live.record.id) for live in await admin.workers()]
        assert sum(map(len, held)) == 1
        end.set()
        assert await over(storage, run_id) is MobRunStatus.COMPLETED
    assert by == [("old", "a"), ("new", "b")]
    assert await admin.queues() == ()


async def test_a_run_of_a_release_may_be_given_to_any(storage: MobStorage) -> None:
    admin = FleetAdmin(storage)
    run_id = await Fleet(storage, TWO).start(FLOW, release="gone")
    async with working(storage, lambda _: "done"):
        await until_known(storage, 1)
        assert await admin.move(run_id, None)
        assert await admin.move(run_id, None)  # it is there already
        assert await over(storage, run_id) is MobRunStatus.COMPLETED


async def test_a_run_is_not_moved_to_where_no_worker_is_made_for_it(storage: MobStorage) -> None:
    admin = FleetAdmin(storage)
    run_id = await Fleet(storage, TWO).start(FLOW, release="old")
    with pytest.raises(CasConflictError, match="no worker of release 'new' is alive"):
        await admin.move(run_id, "new")
    await known(storage, release="new", definitions=digests_of(OTHER))
    with pytest.raises(CasConflictError, match=f"started with definition {digests_of(TWO)[0][:12]}"):
        await admin.move(run_id, "new")
    assert (await loaded(storage, run_id)).launch.release == "old"
    assert await admin.move(run_id, "new", force=True)
    assert (await loaded(storage, run_id)).launch.release == "new"


async def test_what_cannot_be_moved(storage: MobStorage) -> None:
    admin = FleetAdmin(storage)
    await storage.runs.create_run(run := scene())
    with pytest.raises(NotFoundError, match="was not started by a fleet"):
        await admin.move(run.run_id, "new")
    with pytest.raises(NotFoundError, match="was not started by a fleet"):
        await storage.steering.move_run(run.run_id, "new")
    for absent in (lambda: admin.move(str(uuid4()), "new"), lambda: storage.steering.move_run(str(uuid4()), "new")):
        with pytest.raises(NotFoundError):
            await absent()
    with pytest.raises(ValidationError, match="a release has a name"):
        await admin.move(run.run_id, "")


async def test_who_has_read_a_run_before_it_was_moved_loses_its_commit(storage: MobStorage) -> None:
    """A decision and a fact: else what waits would be entered into queues of the release before."""
    run = await waiting(storage.executions, STEPS_AND_LOOP)
    view = await run.view()
    key = keys_of(view, "a")[0]
    claim = run.claimed(view, key)
    assert await storage.steering.move_run(run.run_id, "new")
    assert not await storage.executions.commit(claim)
    moved = await run.view()
    assert (moved.moves, moved.version) == (view.moves + 1, view.version + 1)
    due = await storage.executions.take_due(
        max_runs=0, max_executions=9, keep=timedelta(hours=1), serves=Serves(release="new")
    )
    assert (run.run_id, key) in {(one.run_id, one.key) for one in due.executions}
    assert await storage.executions.commit(run.claimed(moved, key))


async def test_runs_that_are_moved_again_and_again_lose_and_repeat_nothing(storage: MobStorage) -> None:
    """Moves race with claims, reports and decisions of the workers of both releases."""
    admin, called = FleetAdmin(storage), Counter[tuple[str, str]]()
    releases = ("one", "two", None)

    async def work(ctx: StepContext) -> str:
        called[ctx.run_id, ctx.step_id] += 1
        await asyncio.sleep(0.02)
        return "done"

    chain = mob({"a": step(), **{str(n): step("a", role="worker") for n in range(4)}, "z": step(*"0123")})
    fleets = [Fleet(storage, chain, {"worker": work}, release=release) for release in ("one", "two")]
    async with fleets[0].working(2), fleets[1].working(2):
        await until_known(storage, 2)
        runs = [await fleets[0].start(FLOW, release=releases[n % 3]) for n in range(6)]
        moved = 0
        async with asyncio.timeout(LONG):
            while left := [run_id for run_id in runs if not await is_over(storage, run_id)]:
                moved += await admin.move(choice(left), choice(releases))
                await asyncio.sleep(0.001)
        assert moved
        for run_id in runs:
            assert await over(storage, run_id) is MobRunStatus.COMPLETED
            await check_told_once(storage, await whole(storage, run_id))
    assert called == Counter({(run_id, name): 1 for run_id in runs for name in chain.flows[FLOW].steps})
    assert await admin.queues() == ()


async def is_over(storage: MobStorage, run_id: str) -> bool:
    status = await storage.executions.status(run_id)
    return status is not None and status.is_terminal


async def test_what_a_lost_worker_held_waits_for_the_release_that_the_run_was_moved_to(storage: MobStorage) -> None:
    run = await waiting(storage.executions, STEPS_AND_LOOP)
    key = keys_of(await run.view(), "a")[0]
    for name in ("held", "taken over"):
        worker = WorkerRecord(id=name, host="host", pid=1, slots=1, started_at=NOON, release="new")
        await storage.executions.join_workers(worker, timedelta(hours=1))
    await run.claim(key, owner="held")
    assert await storage.steering.move_run(run.run_id, "new")
    assert (run.run_id, key) in await storage.executions.held("held")
    await storage.executions.leave_workers("held", is_orderly=False)
    for release, found in (("", False), ("new", True)):
        due = await storage.executions.take_due(
            max_runs=0, max_executions=9, keep=timedelta(hours=1), serves=Serves(release=release)
        )
        taken = {(one.run_id, one.key): one.loss for one in due.executions}
        assert ((run.run_id, key) in taken) is found
    assert taken[run.run_id, key] is not None
    assert await storage.steering.move_run(run.run_id, "third")  # hidden, and with the note of its loss
    assert await storage.executions.held("held") == frozenset()

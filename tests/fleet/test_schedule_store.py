"""The store of schedules: compare-and-swap, what is due, and definitions that are kept; on a server and in memory."""

from __future__ import annotations

from datetime import timedelta

import pytest

from redis_mob.errors import NotFoundError, ValidationError
from redis_mob.fleet.fleet import Fleet
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.storage import MobStorage
from redis_mob.testing.samples.driven_runs import ONE_STEP
from redis_mob.testing.samples.schedules import schedule
from redis_mob.testing.samples.states import NOON
from tests.fleet.flows import FLOW, mob, step

KEEP = timedelta(seconds=10)
DAY = timedelta(days=1)


async def test_a_put_compares_the_revision_and_gives_a_new_one(storage: MobStorage) -> None:
    first = await storage.schedules.put(schedule(), ONE_STEP, revision=0)
    assert first is not None
    assert await storage.schedules.put(schedule(), revision=0) is None
    assert await storage.schedules.put(schedule(fired=1), revision=first + 1) is None
    second = await storage.schedules.put(schedule(fired=2), revision=first)
    assert second is not None
    stored = await storage.schedules.get("nightly")
    assert stored is not None
    assert (stored.record, stored.revision) == (schedule(fired=2), second)
    assert await storage.schedules.put(schedule(fired=3)) not in (None, first, second)
    assert await storage.schedules.get("other") is None


async def test_no_revision_is_given_twice_in_a_namespace(storage: MobStorage) -> None:
    given = [await storage.schedules.put(schedule(name), ONE_STEP) for name in "abab"]
    assert await storage.schedules.delete("a")
    given += [await storage.schedules.put(schedule("a"))]
    assert len(set(given)) == 5
    assert not await storage.schedules.advance(schedule("a", fired=1), given[0] or 0)


async def test_schedules_are_listed_by_name(storage: MobStorage) -> None:
    assert await storage.schedules.list() == ()
    names = [f"s{number:03}" for number in range(300)]
    for name in reversed(names):
        await storage.schedules.put(schedule(name))
    assert [stored.record.name for stored in await storage.schedules.list()] == names


async def test_a_deleted_one_is_gone(storage: MobStorage) -> None:
    revision = await storage.schedules.put(schedule(), ONE_STEP)
    assert revision is not None
    assert not await storage.schedules.delete("nightly", revision=revision + 1)
    assert await storage.schedules.delete("nightly", revision=revision)
    assert not await storage.schedules.delete("nightly")
    assert await storage.schedules.get("nightly") is None
    assert (await storage.schedules.take_due(most=10, keep=KEEP)).schedules == ()
    assert not await storage.schedules.advance(schedule(), revision)


async def test_what_is_due_is_taken_once_until_it_is_moved_on(storage: MobStorage) -> None:
    now = await storage.schedules.now()
    for name, next_at in (("late", NOON), ("soon", now + DAY), ("never", None)):
        await storage.schedules.put(schedule(name, next_at=next_at), ONE_STEP)
    await storage.schedules.put(schedule("paused", paused=True))
    due = await storage.schedules.take_due(most=10, keep=KEEP)
    assert [one.record.name for one in due.schedules] == ["late"]
    assert due.next_at is not None
    assert due.now < due.next_at <= due.now + KEEP
    assert not due.more
    assert (await storage.schedules.take_due(most=10, keep=KEEP)).schedules == ()
    [late] = due.schedules
    assert await storage.schedules.advance(schedule("late", fired=1), late.revision)
    assert not await storage.schedules.advance(schedule("late", fired=2), late.revision)
    due = await storage.schedules.take_due(most=10, keep=timedelta())
    assert [one.record.fired for one in due.schedules] == [1]
    assert await storage.schedules.advance(
        schedule("late", fired=2), due.schedules[0].revision, look_at=due.now + 2 * DAY
    )
    assert (await storage.schedules.take_due(most=10, keep=KEEP)).next_at == now + DAY


async def test_no_more_are_taken_than_asked_for_and_the_first_ones_first(storage: MobStorage) -> None:
    for number in range(5):
        await storage.schedules.put(schedule(f"s{number}", next_at=NOON + timedelta(seconds=number)))
    due = await storage.schedules.take_due(most=3, keep=KEEP)
    assert [one.record.name for one in due.schedules] == ["s0", "s1", "s2"]
    assert due.more
    due = await storage.schedules.take_due(most=3, keep=KEEP)
    assert [one.record.name for one in due.schedules] == ["s3", "s4"]
    assert not due.more


async def test_a_put_wakes_who_listens(storage: MobStorage, other_storage: MobStorage) -> None:
    async with storage.schedules.listen() as wake_up:
        await wake_up.wait(10)
        await other_storage.schedules.put(schedule())
        assert await wake_up.wait(10)


async def test_a_definition_that_is_not_its_own_is_refused(storage: MobStorage) -> None:
    with pytest.raises(ValidationError, match="names another definition"):
        await storage.schedules.put(schedule(), mob({"other": step()}))


async def test_a_definition_stays_as_long_as_a_schedule_names_it(storage: MobStorage) -> None:
    definition = mob({"a": step()})
    fleet, admin = Fleet(storage, definition, {}), FleetAdmin(storage)
    record = await fleet.schedule("nightly", FLOW, cron="0 3 * * *")
    digest = record.schedule.definition

    async def run_and_delete() -> None:
        run_id = await fleet.start(FLOW)
        await admin.delete(run_id, cancel=True)

    await run_and_delete()
    assert await storage.executions.get_definition(digest) == definition
    # another definition takes its place: the first one goes with its last run
    other = mob({"a": step(), "b": step()})
    await Fleet(storage, other, {}).schedule("nightly", FLOW, cron="0 3 * * *", replace=True)
    await run_and_delete()
    with pytest.raises(NotFoundError):
        await storage.executions.get_definition(digest)
    assert await storage.executions.get_definition((await admin.schedule("nightly")).schedule.definition) == other
    await admin.unschedule("nightly")
    await Fleet(storage, other, {}).start(FLOW)
    await admin.delete((await admin.runs()).runs[0].run_id, cancel=True)
    with pytest.raises(NotFoundError):
        await storage.executions.get_definition((await fleet.schedule("x", FLOW, cron="0 3 * * *")).name)

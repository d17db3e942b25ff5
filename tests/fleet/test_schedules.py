"""Schedules are fired by workers: each due time once, also if workers are killed or the clock is moved."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from redis_mob.connection.calls.client import connect
from redis_mob.connection.calls.keys import Keys
from redis_mob.errors import ValidationError
from redis_mob.fleet.duties import duties_of
from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.scheduling import Scheduler, run_id_of
from redis_mob.models.flow_schedule import ScheduleRecord
from redis_mob.models.run_status import MobRunStatus
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.storage import MobStorage
from redis_mob.testing import virtual_time
from redis_mob.testing.waiting import LONG
from tests.fleet.crew import crew
from tests.fleet.flows import FLOW, mob, step
from tests.fleet.working import at_work

ONE = mob({"a": step()})
HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)


def scheduler(storage: MobStorage) -> Scheduler:
    return Scheduler(storage.schedules, storage.executions)


async def made(storage: MobStorage, **when: Any) -> ScheduleRecord:
    """A schedule that is due every second, unless it is said when."""
    options: dict[str, Any] = {"every": SECOND, **when}
    return await Fleet(storage, ONE, {}).schedule("s", FLOW, **options)


async def fire(storage: MobStorage, now: datetime) -> ScheduleRecord:
    """Fire what is due at a time, and return the schedule as it is then."""
    stored = await storage.schedules.get("s")
    assert stored is not None
    await scheduler(storage).fire(stored, now)
    return await FleetAdmin(storage).schedule("s")


async def started(storage: MobStorage) -> list[str]:
    return [run.run_id for run in await storage.runs.list_runs("mob")]


async def end(storage: MobStorage, run_id: str) -> None:
    await FleetAdmin(storage).terminate(run_id)


async def test_a_worker_fires_each_due_time(storage: MobStorage) -> None:
    async def nothing(_ctx: Any) -> None: ...

    record = await made(storage)
    async with (
        at_work(storage, {"*": nothing}, workers=3, duties=duties_of(storage)),
        asyncio.timeout(LONG),
    ):
        while (await FleetAdmin(storage).schedule("s")).fired < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    record = await FleetAdmin(storage).schedule("s")
    begin = record.schedule.created_at
    assert sorted(await started(storage)) == sorted(
        run_id_of(record.schedule, begin + number * SECOND) for number in range(1, record.fired + 1)
    )


async def test_a_due_time_that_is_fired_again_gives_no_other_run(storage: MobStorage) -> None:
    record = await made(storage)
    stored = await storage.schedules.get("s")
    assert stored is not None
    now = record.schedule.created_at + 3 * SECOND
    await asyncio.gather(*(scheduler(storage).fire(stored, now) for _ in range(5)))
    assert len(await started(storage)) == 3
    after = await FleetAdmin(storage).schedule("s")
    assert (after.fired, after.next_at) == (3, now + SECOND)
    # as after a crash between the starts and the move
    assert await storage.schedules.put(stored.record) is not None
    await fire(storage, now)
    assert len(await started(storage)) == 3


async def test_the_run_has_what_the_schedule_says(storage: MobStorage) -> None:
    fleet = Fleet(storage, ONE, {}, members={"worker": 3})
    record = await fleet.schedule("s", FLOW, {"x": [1]}, every=SECOND, priority=5, release="r2")
    await fire(storage, record.schedule.created_at + SECOND)
    [run_id] = await started(storage)
    view = await storage.executions.load(run_id)
    assert view is not None
    assert view.run.activation_params == {"x": [1]}
    assert (view.launch.priority, view.launch.release) == (5, "r2")
    assert view.launch.members["worker"] == ("worker-1", "worker-2", "worker-3")


async def test_skip_lets_due_times_pass_while_the_run_goes_on(storage: MobStorage) -> None:
    record = await made(storage, overlap="skip")
    begin = record.schedule.created_at
    record = await fire(storage, begin + SECOND)
    record = await fire(storage, begin + 3 * SECOND)
    assert (record.fired, record.skipped, record.next_at) == (1, 2, begin + 4 * SECOND)
    [run_id] = await started(storage)
    await end(storage, run_id)
    record = await fire(storage, begin + 4 * SECOND)
    assert (record.fired, record.skipped, len(await started(storage))) == (2, 2, 2)


async def test_queue_starts_it_when_the_run_before_is_over(storage: MobStorage) -> None:
    record = await made(storage, overlap="queue", every=HOUR, catch_up="none")
    begin = record.schedule.created_at
    await fire(storage, begin + HOUR)
    record = await fire(storage, begin + 2 * HOUR)
    assert (record.fired, record.waits, record.next_at) == (1, True, begin + 2 * HOUR)
    record = await fire(storage, begin + 2 * HOUR + timedelta(minutes=30))
    assert record.fired == 1
    await end(storage, (await started(storage))[0])
    record = await fire(storage, begin + 2 * HOUR + timedelta(minutes=40))
    assert (record.fired, record.waits, record.next_at) == (2, False, begin + 3 * HOUR)
    assert record.last_due_at == begin + 2 * HOUR


async def test_cancel_running_cancels_it_and_starts_the_newest(storage: MobStorage) -> None:
    record = await made(storage, overlap="cancel_running")
    begin = record.schedule.created_at
    await fire(storage, begin + SECOND)
    [first] = await started(storage)
    record = await fire(storage, begin + 4 * SECOND)
    assert (record.fired, record.waits, record.next_at) == (1, True, begin + 4 * SECOND)
    view = await storage.executions.load(first)
    assert view is not None
    assert view.cancel_requested
    await end(storage, first)
    record = await fire(storage, begin + 5 * SECOND)
    assert (record.fired, record.last_due_at, record.waits) == (2, begin + 5 * SECOND, False)


async def test_a_deleted_run_holds_up_nothing(storage: MobStorage) -> None:
    record = await made(storage, overlap="cancel_running")
    begin = record.schedule.created_at
    await fire(storage, begin + SECOND)
    await FleetAdmin(storage).delete((await started(storage))[0], cancel=True)
    assert (await fire(storage, begin + 2 * SECOND)).fired == 2


async def test_without_its_definition_it_is_paused_and_says_why(
    storage: MobStorage, caplog: pytest.LogCaptureFixture
) -> None:
    record = await made(storage)
    lost = record.schedule.model_copy(update={"definition": "0" * 32})
    await storage.schedules.put(record.model_copy(update={"schedule": lost}))
    with caplog.at_level(logging.WARNING):
        record = await fire(storage, record.schedule.created_at + SECOND)
    assert record.paused
    assert record.note is not None
    assert "no definition has the digest" in record.note
    assert "schedule 's' is paused" in caplog.text
    assert (await storage.schedules.take_due(most=10, keep=SECOND)).next_at is None
    # it is mended by replacing it
    assert not (await made(storage, replace=True)).paused


async def test_a_schedule_that_is_out_of_order_does_not_hold_up_others(
    storage: MobStorage, caplog: pytest.LogCaptureFixture
) -> None:
    record = await made(storage)
    flow = record.schedule.model_copy(update={"name": "bad", "timezone": "No/Where"})
    await storage.schedules.put(record.model_copy(update={"schedule": flow}))

    async def nothing(_ctx: Any) -> None: ...

    with caplog.at_level(logging.WARNING):
        async with (
            at_work(storage, {"*": nothing}, duties=duties_of(storage)),
            asyncio.timeout(LONG),
        ):
            while (await FleetAdmin(storage).schedule("s")).fired < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    assert "cannot fire schedules: 'No time zone found with key No/Where'" in caplog.text


async def test_pause_resume_and_next_times(storage: MobStorage) -> None:
    admin = FleetAdmin(storage)
    record = await made(storage, every=HOUR)
    first, second = await admin.next_times("s", 2)
    assert (first, second) == (record.next_at, first + HOUR)
    assert (await admin.pause_schedule("s")).paused
    assert (await storage.schedules.take_due(most=10, keep=SECOND)).next_at is None
    resumed = await admin.resume_schedule("s")
    assert (resumed.paused, resumed.next_at) == (False, first)
    assert await admin.resume_schedule("s") == resumed
    assert [one.name for one in await admin.schedules()] == ["s"]


async def test_the_same_again_changes_nothing_and_another_is_refused(storage: MobStorage) -> None:
    fleet = Fleet(storage, ONE, {})
    record = await fleet.schedule("s", FLOW, {"a": 1}, cron="0 9 * * *")
    assert await fleet.schedule("s", FLOW, {"a": 1}, cron="0 9 * * *") == record
    with pytest.raises(ValidationError, match="with another params, cron: replace it with --replace"):
        await fleet.schedule("s", FLOW, {"a": 2}, cron="0 8 * * *")
    replaced = await fleet.schedule("s", FLOW, {"a": 2}, cron="0 8 * * *", replace=True)
    assert (await FleetAdmin(storage).schedule("s")) == replaced


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "give it either cron or every"),
        ({"cron": "0 9 * * *", "every": SECOND}, "give it either cron or every"),
        ({"every": timedelta(milliseconds=999)}, "every must be at least 1 s"),
        ({"every": -HOUR}, "every must be at least 1 s"),
        ({"cron": "0 9 32 * *"}, "its day of month is wrong"),
        ({"cron": "0 9 30 2 *"}, "is never due"),
        ({"cron": "0 9 * * *", "timezone": "Europe/Berlim"}, "did you mean 'Europe/Berlin'?"),
        ({"every": HOUR, "jitter": timedelta(days=2)}, "jitter must be at most 1 day"),
        ({"every": HOUR, "catch_up": "some"}, "catch_up must be one of none, last, all"),
        ({"every": HOUR, "priority": 99}, "priority must be from"),
        ({"every": HOUR, "ends_at": datetime(2020, 1, 1, tzinfo=UTC)}, "is never due before it ends"),
        ({"every": HOUR, "starts_at": datetime(2020, 1, 1)}, "starts_at must be a time with a zone"),  # noqa: DTZ001
        ({"every": HOUR, "starts_at": datetime.min.replace(tzinfo=UTC)}, "starts_at must be in the years 1970 to 8999"),
        ({"cron": "0 9 * * *", "starts_at": datetime.max.replace(tzinfo=UTC)}, "starts_at must be in the years"),
    ],
)
async def test_what_cannot_be_meant_is_refused(storage: MobStorage, given: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError) as raised:
        await Fleet(storage, ONE, {}).schedule("s", FLOW, **given)
    assert told in str(raised.value)
    assert await storage.schedules.list() == ()


async def test_in_virtual_time_a_week_of_mornings_passes() -> None:
    async def nothing(_ctx: Any) -> None: ...

    async with MobStorage.open("memory:", namespace="mornings") as storage:
        with virtual_time() as clock:
            fleet = Fleet(storage, ONE, {"worker": nothing})
            await fleet.schedule("s", FLOW, cron="0 9 * * *", timezone="Europe/Berlin")
            async with fleet.working():
                for _ in range(7 * 24):  # exactly a week: with more, an eighth morning comes at some times of day
                    await clock.leap(HOUR - 15 * SECOND)
                    await asyncio.sleep(15)
            assert (await FleetAdmin(storage).schedule("s")).fired == 7


@pytest.mark.parametrize(("before", "after"), [(HOUR, timedelta()), (timedelta(), HOUR)], ids=["back", "forward"])
async def test_a_clock_that_is_moved_by_an_hour_fires_each_due_time_once(
    server_url: str, namespace: str, before: timedelta, after: timedelta
) -> None:
    async def nothing(_ctx: Any) -> None: ...

    keys, every = Keys(namespace), SECOND if before else 5 * SECOND
    client = await connect(server_url, namespace)

    async def set_clock(ahead: timedelta) -> None:
        """As if the clock of the server were so much ahead."""
        await client.router.request("HSET", keys.meta, "clock_ahead_ms", str(int(ahead.total_seconds() * 1000)))

    async def fired(storage: MobStorage, number: int) -> ScheduleRecord:
        async with asyncio.timeout(2 * LONG):
            while (record := await FleetAdmin(storage).schedule("s")).fired < number:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        return record

    try:
        async with MobStorage.open(server_url, namespace=namespace) as storage:
            await set_clock(before)
            record = await made(storage, catch_up="all", every=every)
            async with at_work(storage, {"*": nothing}, workers=2, duties=duties_of(storage)):
                record = await fired(storage, 1)
                await set_clock(after)
                await fired(storage, record.fired + (2 if before else 720))
            await FleetAdmin(storage).pause_schedule("s")
            record, runs = await FleetAdmin(storage).schedule("s"), await started(storage)
            begin = record.schedule.created_at
            wanted = [run_id_of(record.schedule, begin + number * every) for number in range(1, record.fired + 1)]
            assert sorted(runs) == sorted(wanted)
    finally:
        await client.aclose()


async def test_each_due_time_is_fired_once_while_workers_are_killed(server_url: str, tmp_path: Path) -> None:
    """Four processes, of which one is killed every two seconds, and a schedule that is due every second."""
    random = Random(7)
    async with crew(server_url, tmp_path, 4) as hired:
        fleet = Fleet(hired.storage, ONE, {})
        params = {"handler": "work", "effects": str(hired.effects)}
        record = await fleet.schedule("s", FLOW, params, every=SECOND, catch_up="all")
        admin, begin = FleetAdmin(hired.storage), record.schedule.created_at
        for _ in range(5):
            await asyncio.sleep(2)
            await hired.kill_one(random)
            await hired.hire(1)
        async with asyncio.timeout(LONG):
            while (await admin.schedule("s")).fired < 12:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        await admin.pause_schedule("s")
        record = await admin.schedule("s")
        runs = await hired.storage.runs.list_runs("mob")
        wanted = {run_id_of(record.schedule, begin + number * SECOND) for number in range(1, record.fired + 1)}
        assert {run.run_id for run in runs} == wanted
        for run in runs:
            assert (await hired.wait(run.run_id)).status is MobRunStatus.COMPLETED
        assert Counter(effect["run"] for effect in hired.told()).keys() == wanted

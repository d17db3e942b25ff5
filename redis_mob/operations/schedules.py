"""What operators do with the schedules of a namespace."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from itertools import islice

from redis_mob.codec.schedules import schedule_named
from redis_mob.contracts import ScheduleStore
from redis_mob.errors import NotFoundError, ValidationError, nearest, shown
from redis_mob.fleet.due_times import DueTimes
from redis_mob.models.flow_schedule import ScheduleRecord, StoredSchedule

MOST_TIMES = 1000
"""Due times that are told at once."""


async def schedule(store: ScheduleStore, name: str) -> StoredSchedule:
    """A schedule. Raises NotFoundError, with the nearest name, if there is none."""
    stored = await store.get(name)
    if stored is None:
        known = [one.record.name for one in await store.list()]
        raise NotFoundError(f"{schedule_named(name)} does not exist; {nearest(name, known)}")
    return stored


async def unschedule(store: ScheduleStore, name: str) -> None:
    """See `FleetAdmin.unschedule`."""
    if not await store.delete(name):
        await schedule(store, name)  # which says so


async def pause(store: ScheduleStore, name: str) -> ScheduleRecord:
    """See `FleetAdmin.pause_schedule`."""

    def paused(record: ScheduleRecord, _: datetime) -> ScheduleRecord:
        return record.model_copy(update={"paused": True, "waits": False})

    return await _changed(store, name, paused)


async def resume(store: ScheduleStore, name: str) -> ScheduleRecord:
    """See `FleetAdmin.resume_schedule`."""

    def resumed(record: ScheduleRecord, now: datetime) -> ScheduleRecord:
        if not record.paused:
            return record
        due = DueTimes(record.schedule).next_after(now)
        return record.model_copy(update={"paused": False, "note": None, "next_at": due})

    return await _changed(store, name, resumed)


async def _changed(
    store: ScheduleStore, name: str, change: Callable[[ScheduleRecord, datetime], ScheduleRecord]
) -> ScheduleRecord:
    while True:
        stored = await schedule(store, name)
        changed = change(stored.record, await store.now())
        if changed is stored.record or await store.put(changed, revision=stored.revision) is not None:
            return changed


async def next_times(store: ScheduleStore, name: str, count: int) -> tuple[datetime, ...]:
    """See `FleetAdmin.next_times`."""
    if not 0 <= count <= MOST_TIMES:
        raise ValidationError(f"count must be from 0 to {MOST_TIMES}, not {shown(count)}")
    record = (await schedule(store, name)).record
    now = await store.now()
    return tuple(islice(DueTimes(record.schedule).after(now), count))

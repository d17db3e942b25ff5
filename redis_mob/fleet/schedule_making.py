"""A schedule as it is asked for: checked, and stored under its name."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from redis_mob.codec.arguments import duration, flag, member, optional_instance, optional_text, text
from redis_mob.codec.definitions import encode_definition
from redis_mob.codec.labels import checked_attributes
from redis_mob.errors import SerializationError, ValidationError, shortened, shown
from redis_mob.fleet.due_times import SHORTEST_INTERVAL, DueTimes, check_cron, check_zone
from redis_mob.fleet.run_start import checked_priority, read_subflows, read_terms, zoned
from redis_mob.models.base import SortedDict
from redis_mob.models.definition import MobDefinition
from redis_mob.models.flow_schedule import CatchUp, FlowSchedule, Overlap, ScheduleRecord
from redis_mob.models.labels import AttributeValue
from redis_mob.storage import MobStorage

LONGEST_NAME = 256
LONGEST_JITTER = timedelta(days=1)
YEARS_OF_STARTS = range(1970, 9000)
"""Years in which a schedule may begin: what due times are reckoned with lies within those of a datetime."""
MILLISECOND = timedelta(milliseconds=1)


async def make_schedule(
    storage: MobStorage,
    definition: MobDefinition,
    members: Mapping[str, tuple[str, ...]],
    name: str,
    flow_id: str,
    params: Any,
    *,
    cron: str | None,
    every: timedelta | None,
    timezone: str,
    jitter: timedelta,
    catch_up: CatchUp | str,
    overlap: Overlap | str,
    priority: int,
    release: str | None,
    starts_at: datetime | None,
    ends_at: datetime | None,
    attributes: Mapping[str, AttributeValue] | None,
    paused: bool,
    replace: bool,
) -> ScheduleRecord:
    """See `Fleet.schedule`."""
    _, params = read_terms(flow_id, definition.flows[flow_id], params)
    read_subflows(definition, flow_id)
    schedule = FlowSchedule(
        name=_checked_name(name),
        mob_id=definition.id,
        flow_id=flow_id,
        definition=encode_definition(definition)[0],
        members=SortedDict(members),
        params=params,
        cron=None if (given := optional_text("cron", cron)) is None else check_cron(given),
        every_ms=_milliseconds(every),
        timezone=check_zone(text("timezone", timezone)),
        jitter_ms=_jitter(jitter),
        catch_up=member("catch_up", catch_up, CatchUp),
        overlap=member("overlap", overlap, Overlap),
        priority=checked_priority(priority),
        release=optional_text("release", release),
        starts_at=_start(starts_at),
        ends_at=_moment("ends_at", ends_at),
        attributes=checked_attributes(attributes),
        created_at=await storage.schedules.now(),
    )
    if (cron is None) == (every is None):
        raise ValidationError(f"schedule {shown(name)}: give it either cron or every")
    flag("paused", paused)
    flag("replace", replace)
    while True:
        try:
            stored = await storage.schedules.get(schedule.name)
        except SerializationError:
            if not replace:
                raise
            await storage.schedules.delete(schedule.name)
            continue
        if stored is not None and stored.record.schedule.says_the_same(schedule):
            # replacing stores the definition once more, should it be lost; when it is due stays as it is
            if replace and await storage.schedules.put(stored.record, definition, revision=stored.revision) is None:
                continue
            return stored.record
        if stored is not None and not replace:
            other = _difference(stored.record.schedule, schedule)
            raise ValidationError(
                f"there is a schedule {shown(name)} already, with another {other}: replace it with --replace (in "
                "Python: replace=True), or use another name"
            )
        record = _new_record(schedule, None if stored is None else stored.record, paused=paused)
        expected = 0 if stored is None else stored.revision
        if await storage.schedules.put(record, definition, revision=expected) is not None:
            return record


def _new_record(schedule: FlowSchedule, before: ScheduleRecord | None, *, paused: bool) -> ScheduleRecord:
    """A schedule at its beginning; what it has fired before it was replaced is still known."""
    due = DueTimes(schedule).next_after(schedule.created_at)
    if due is None:
        ends = "" if schedule.ends_at is None else f" before it ends, at {schedule.ends_at.isoformat()}"
        raise ValidationError(f"schedule {shown(schedule.name)} is never due{ends}")
    record = ScheduleRecord(schedule=schedule, next_at=due, paused=paused)
    if before is None:
        return record
    known = {name: getattr(before, name) for name in ("last_due_at", "last_run_id", "fired", "skipped")}
    return record.model_copy(update=known)


def _difference(stored: FlowSchedule, wanted: FlowSchedule) -> str:
    differ = [name for name in FlowSchedule.model_fields if getattr(stored, name) != getattr(wanted, name)]
    return ", ".join(name.removesuffix("_ms").removesuffix("_id") for name in differ if name != "created_at")


def _checked_name(name: str) -> str:
    if not text("name", name).strip() or len(name) > LONGEST_NAME or not name.isprintable():
        raise ValidationError(
            f"{shortened(repr(name))} is no name of a schedule: use 1 to {LONGEST_NAME} printable characters"
        )
    return name


def _milliseconds(every: timedelta | None) -> int | None:
    if optional_instance("every", every, timedelta) is None:
        return None
    if not duration("every", max(every or timedelta(), timedelta())) >= SHORTEST_INTERVAL:
        raise ValidationError(f"every must be at least {SHORTEST_INTERVAL.total_seconds():g} s, not {every}")
    return (every or SHORTEST_INTERVAL) // MILLISECOND


def _jitter(jitter: timedelta) -> int:
    if duration("jitter", jitter) > LONGEST_JITTER:
        raise ValidationError(f"jitter must be at most {LONGEST_JITTER.days} day, not {jitter}")
    return jitter // MILLISECOND


def _start(at: datetime | None) -> datetime | None:
    given = _moment("starts_at", at)
    if given is not None and given.year not in YEARS_OF_STARTS:
        raise ValidationError(
            f"starts_at must be in the years {YEARS_OF_STARTS[0]} to {YEARS_OF_STARTS[-1]}, not {given.isoformat()}"
        )
    return given


def _moment(name: str, at: datetime | None) -> datetime | None:
    given = optional_instance(name, at, datetime)
    return None if given is None else zoned(name, given)

"""Which due times of a schedule are to be fired now: that depends on the schedule and the time alone."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from redis_mob.fleet.due_times import DueTimes
from redis_mob.models.flow_schedule import CatchUp, Overlap, ScheduleRecord

GRACE = timedelta(minutes=1)
"""A due time that is not older than that was not missed: it is fired under every policy. Longer than a worker that is
lost keeps it from others."""

MOST_CAUGHT_UP = 1000
"""How many missed due times are fired in all."""

AT_ONCE = 100
"""How many due times are fired before it is stored how far the schedule is."""


class Firing(NamedTuple):
    """The due times to fire, the oldest first; `next_at` is the first one that is not dealt with then, None if there is
    none. `note` is what is to be known of due times that are not fired."""

    due: list[datetime]
    next_at: datetime | None
    note: str | None = None


def due_now(record: ScheduleRecord, now: datetime) -> Firing:
    """What to fire of a schedule (contract: operations-103). Raises as `DueTimes`."""
    first = record.next_at
    if first is None:
        return Firing([], None)
    schedule, times = record.schedule, DueTimes(record.schedule)
    edge = now - GRACE - schedule.longest_jitter
    on_time = _on_time(record, times, max(first, edge), now)
    if first >= edge and not on_time:
        return Firing([], first)
    missed, note = _missed(record, times, edge, has_later=bool(on_time)) if first < edge else ([], None)
    # what waits for the run before it was on time when it began to wait
    waiting = [first] if record.waits and first not in (*missed[:1], *on_time[:1]) else []
    due = [*waiting, *missed, *on_time]
    if schedule.overlap is Overlap.CANCEL_RUNNING:
        due = due[-1:]
    if len(due) > AT_ONCE:
        return Firing(due[:AT_ONCE], due[AT_ONCE], note)
    return Firing(due, times.next_after(on_time[-1] if on_time else edge - timedelta(microseconds=1)), note)


def _on_time(record: ScheduleRecord, times: DueTimes, first: datetime, now: datetime) -> list[datetime]:
    """The due times from one on whose runs are to begin by now, in their order: one that is not holds up all others."""
    found: list[datetime] = []
    for due in times.within(first, now):
        if due + record.schedule.jitter(due) > now:
            break
        found.append(due)
    return found


def _missed(
    record: ScheduleRecord, times: DueTimes, edge: datetime, *, has_later: bool
) -> tuple[list[datetime], str | None]:
    """Those before the edge that are fired all the same, and what to tell."""
    first, policy = record.next_at, record.schedule.catch_up
    if first is None or policy is CatchUp.NONE or (policy is CatchUp.LAST and has_later):
        return [], None
    if policy is CatchUp.LAST:
        return times.newest(first, edge, 1), None
    found = times.newest(first, edge, MOST_CAUGHT_UP + 1)
    if len(found) <= MOST_CAUGHT_UP:
        return found, None
    return found[1:], (
        f"more than {MOST_CAUGHT_UP:,} due times were missed: those from {first:%Y-%m-%d %H:%M:%S} UTC to before "
        f"{found[1]:%Y-%m-%d %H:%M:%S} UTC are not caught up"
    )

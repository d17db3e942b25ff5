"""Schedules as commands read and show them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta

from redis_mob.cli.columns import print_columns
from redis_mob.cli.console import printable
from redis_mob.cli.endings import print_line
from redis_mob.cli.words import attributes_text, duration_text, time_text
from redis_mob.errors import ValidationError, shown
from redis_mob.fleet.due_times import zone_of
from redis_mob.models.base import format_timestamp, json_text
from redis_mob.models.flow_schedule import FlowSchedule, ScheduleRecord

_LENGTH = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,3})?)(s|m|h|d)")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def parse_length(option: str, text: str | None) -> timedelta | None:
    """A length of time, as 30s, 5m, 2h or 1d. Raises ValidationError naming the option."""
    if text is None:
        return None
    if (found := _LENGTH.fullmatch(text)) is None:
        raise ValidationError(f"{option} {shown(text)} is no length of time: write it like 30s, 5m, 2h or 1d")
    return timedelta(**{_UNITS[found[2]]: float(found[1])})


def parse_time(option: str, text: str | None) -> datetime | None:
    """A moment in ISO 8601, in local time if it has no zone. Raises ValidationError naming the option."""
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        raise ValidationError(f"{option} is no time: {shown(text)}; write it like 2026-11-29T08:00+01:00") from None


def show_schedules(records: Sequence[ScheduleRecord], *, json: bool) -> None:
    """A row, or an object, for each schedule."""
    if json:
        for record in records:
            print_line(record.model_dump_json())
        return
    if not records:
        print_line("no schedules")
        return
    rows = [
        (
            record.name,
            record.schedule.mob_id,
            record.schedule.flow_id,
            when_text(record.schedule),
            _next_text(record),
            "-" if record.last_due_at is None else time_text(record.last_due_at),
            str(record.fired),
            record.note or "",
        )
        for record in records
    ]
    names = ("NAME", "MOB", "FLOW", "WHEN", "NEXT", "LAST", "FIRED", "")
    print_columns(names, rows, right=("FIRED",), whole=("NEXT",), below=("WHEN", "LAST", ""))


def show_schedule(record: ScheduleRecord, times: Sequence[datetime], *, json: bool) -> None:
    """All that is known of one, and its next due times, in its own zone and in that of this machine."""
    if json:
        nexts = [format_timestamp(due) for due in times]
        print_line(json_text({**record.model_dump(mode="json"), "next_times": nexts}))
        return
    flow = record.schedule
    told = [
        ("name", record.name),
        ("flow", f"{flow.flow_id} of mob {flow.mob_id}, definition {flow.definition}"),
        ("when", when_text(flow)),
        ("params", json_text(flow.params)),
        ("catch up", flow.catch_up),
        ("overlap", flow.overlap),
        ("jitter", f"up to {duration_text(flow.longest_jitter.total_seconds())}" if flow.jitter_ms else ""),
        ("release", flow.release or ""),
        ("attribute", attributes_text(flow.attributes)),
        ("begins", "" if flow.starts_at is None else time_text(flow.starts_at)),
        ("ends", "" if flow.ends_at is None else time_text(flow.ends_at)),
        ("state", _state_text(record)),
        ("note", record.note or ""),
        ("fired", f"{record.fired} times" + (f", {record.skipped} skipped" if record.skipped else "")),
        ("last run", "" if record.last_due_at is None else f"{record.last_run_id} at {time_text(record.last_due_at)}"),
    ]
    for name, text in told:
        if text:
            print_line(f"{name:10}{printable(text)}")
    zone = zone_of(flow.timezone)
    for number, due in enumerate(times):
        print_line(f"{'next' if number == 0 else '':10}{due.astimezone(zone):%a %Y-%m-%d %H:%M:%S %Z}")


def when_text(flow: FlowSchedule) -> str:
    """When it is due, in short."""
    if flow.every is None:
        return f"{flow.cron} {flow.timezone}"
    return f"every {duration_text(flow.every.total_seconds())}"


def _state_text(record: ScheduleRecord) -> str:
    if record.paused:
        return "paused"
    if record.next_at is None:
        return "ended"
    return "waits for the run before" if record.waits else "active"


def _next_text(record: ScheduleRecord) -> str:
    if record.paused or record.next_at is None or record.waits:
        return _state_text(record)
    return time_text(record.next_at)

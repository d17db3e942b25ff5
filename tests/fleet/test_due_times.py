"""When schedules are due: as cron on Debian is, in every time zone, once for each moment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redis_mob.errors import ValidationError
from redis_mob.fleet.due_times import DueTimes, check_cron, check_zone
from redis_mob.models.flow_schedule import FlowSchedule

ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Sao_Paulo",
    "America/Santiago",
    "Australia/Lord_Howe",
    "Asia/Kolkata",
    "Africa/Casablanca",
    "Pacific/Apia",
)
"""Those that put their clocks forward at midnight, by half an hour, or by a day, among them."""

BEGIN = datetime(2010, 1, 1, tzinfo=UTC)


def due_times(cron: str | None = None, zone: str = "UTC", *, created_at: datetime = BEGIN, **more: object) -> DueTimes:
    values = {"cron": cron, "timezone": zone, "created_at": created_at, **more}
    return DueTimes(FlowSchedule(name="s", mob_id="m", flow_id="f", definition="", members={}, **values))  # pyright: ignore[reportArgumentType]


def at(text: str, zone: str = "Europe/Berlin") -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def test_a_time_that_the_clock_leaves_out_is_due_when_it_is_put_forward() -> None:
    times = list(islice(due_times("30 2 * * *", "Europe/Berlin").after(at("2026-03-28T00:00")), 3))
    assert times == [at("2026-03-28T02:30"), at("2026-03-29T03:00"), at("2026-03-30T02:30")]


def test_a_time_that_the_clock_shows_twice_is_due_once() -> None:
    times = list(islice(due_times("30 2 * * *", "Europe/Berlin").after(at("2026-10-24T12:00")), 2))
    assert times == [at("2026-10-25T02:30"), at("2026-10-26T02:30")]
    assert times[1] - times[0] == timedelta(hours=25)


@pytest.mark.parametrize("cron", ["0,15,30 2,3 * * *", "0 2,3 * * *"])
def test_times_that_fall_on_one_moment_are_one(cron: str) -> None:
    night = list(due_times(cron, "Europe/Berlin").within(at("2026-03-29T00:00"), at("2026-03-29T12:00")))
    assert night[0] == at("2026-03-29T03:00")
    assert len(set(night)) == len(night)


def test_a_text_with_a_star_counts_the_time_that_passes() -> None:
    times = due_times("*/30 * * * *", "Europe/Berlin").within(at("2026-10-25T01:30"), at("2026-10-25T04:00"))
    found = list(times)
    assert [b - a for a, b in pairwise(found)] == [timedelta(minutes=30)] * 7


def test_an_interval_counts_from_its_begin_in_time_that_passes() -> None:
    every = due_times(every_ms=90_000)
    assert every.next_after(BEGIN) == BEGIN + timedelta(seconds=90)
    assert every.next_after(BEGIN + timedelta(seconds=89)) == BEGIN + timedelta(seconds=90)
    assert every.next_after(BEGIN + timedelta(seconds=90)) == BEGIN + timedelta(seconds=180)
    begins = BEGIN + timedelta(days=1)
    assert due_times(every_ms=1000, starts_at=begins).next_after(BEGIN) == begins


def test_none_lies_outside_of_begin_and_end() -> None:
    begin, end = at("2026-01-01T09:00"), at("2026-01-03T09:00")
    times = due_times("0 9 * * *", "Europe/Berlin", starts_at=begin, ends_at=end)
    assert list(times.after(BEGIN)) == [begin, begin + timedelta(days=1), end]
    assert times.next_after(end) is None


MINUTES = st.one_of(st.just("*"), st.integers(0, 59).map(str), st.sampled_from(["*/7", "0,30", "10-20/5", "59"]))
HOURS = st.one_of(st.just("*"), st.integers(0, 23).map(str), st.sampled_from(["*/5", "0-3", "1,2,3", "23"]))
DAYS = st.sampled_from(["*", "1", "L", "LW", "28-31", "*/2", "13"])
MONTHS = st.sampled_from(["*", "3", "3,10", "JAN-MAR", "*/4"])
WEEKDAYS = st.sampled_from(["*", "SUN", "MON-FRI", "5L", "MON#1", "0,6"])
CRONS = st.tuples(MINUTES, HOURS, DAYS, MONTHS, WEEKDAYS).map(" ".join)
MOMENTS = st.integers(0, 20 * 366 * 86_400).map(lambda seconds: BEGIN + timedelta(seconds=seconds))
TRANSITIONS = st.sampled_from(
    [
        at("2026-03-29T03:00"),
        at("2026-10-25T03:00"),
        at("2017-10-15T01:00", "America/Sao_Paulo"),
        at("2018-02-17T23:30", "America/Sao_Paulo"),
        at("2024-10-06T02:30", "Australia/Lord_Howe"),
        at("2011-12-31T00:00", "Pacific/Apia"),
    ]
)
NEAR = st.tuples(TRANSITIONS, st.integers(-200, 200)).map(lambda one: one[0] + timedelta(minutes=one[1]))


@given(CRONS, st.sampled_from(ZONES), st.one_of(MOMENTS, NEAR), st.integers(0, 3000))
@settings(deadline=None, max_examples=300)
def test_what_is_due_does_not_depend_on_when_it_is_asked(cron: str, zone: str, begin: datetime, minutes: int) -> None:
    times = due_times(cron, zone)
    found = list(islice(times.after(begin), 20))
    assert found == sorted(set(found))
    later = begin + timedelta(minutes=minutes)
    still = [due for due in found if due > later]
    assert list(islice(times.after(later), len(still))) == still
    for earlier, due in pairwise(found):
        assert times.next_after(earlier) == due
        assert times.next_after(due - timedelta(microseconds=1)) == due


@given(st.tuples(MINUTES, HOURS, st.just("*"), MONTHS, WEEKDAYS).map(" ".join), st.one_of(MOMENTS, NEAR))
@settings(deadline=None, max_examples=100)
def test_where_clocks_are_never_changed_it_is_every_minute_that_fits(cron: str, begin: datetime) -> None:
    def fits(moment: datetime) -> bool:
        fields = cron.split()
        month = {"JAN-MAR": {1, 2, 3}, "*/4": {1, 5, 9}}.get(fields[3])
        weekday = int(moment.strftime("%w"))
        return (
            _is_in(fields[0], moment.minute, 60)
            and _is_in(fields[1], moment.hour, 24)
            and (moment.month in month if month else _is_in(fields[3], moment.month, 13))
            and {
                "*": True,
                "SUN": weekday == 0,
                "MON-FRI": 1 <= weekday <= 5,
                "5L": moment.isoweekday() == 5 and (moment + timedelta(days=7)).month != moment.month,
                "MON#1": moment.isoweekday() == 1 and moment.day <= 7,
                "0,6": weekday in (0, 6),
            }[fields[4]]
        )

    first = begin.replace(second=0, microsecond=0) + timedelta(minutes=1)
    minutes = [first + timedelta(minutes=number) for number in range(2000)]
    for zone, shift in (("UTC", timedelta()), ("Asia/Kolkata", timedelta(hours=5, minutes=30))):
        expected = [minute for minute in minutes if fits(minute + shift)]
        assert list(due_times(cron, zone).within(first, minutes[-1])) == expected


def _is_in(field: str, value: int, end: int) -> bool:
    if field == "*":
        return True
    if field.startswith("*/"):
        return value in range(0, end, int(field[2:]))
    for part in field.split(","):
        bounds, _, step = part.partition("/")
        low, _, high = bounds.partition("-")
        if value in range(int(low), int(high or low) + 1, int(step or 1)):
            return True
    return False


@given(CRONS, st.sampled_from(ZONES), NEAR, st.integers(0, 100_000), st.integers(1, 50))
@settings(deadline=None, max_examples=100)
def test_the_newest_are_the_last_of_all(cron: str, zone: str, begin: datetime, minutes: int, most: int) -> None:
    times, end = due_times(cron, zone), begin + timedelta(minutes=minutes)
    everything = list(times.within(begin, end - timedelta(microseconds=1)))
    assert times.newest(begin, end, most) == everything[-most:]


@pytest.mark.parametrize(
    ("cron", "told"),
    [
        ("61 * * * *", "its minute is wrong, '61': write 0-59"),
        ("0 24 * * *", "its hour is wrong, '24'"),
        ("0 9 0 * *", "its day of month is wrong, '0'"),
        ("0 9 * FOO *", "its month is wrong, 'FOO': write 1-12 or JAN-DEC"),
        ("0 9 * * MON-FUN", "its day of week is wrong, 'MON-FUN'"),
        ("0 9 * *", "has 4 fields: write five, minute, hour, day of month, month, day of week"),
        ("* * * * * *", "has 6 fields"),
        ("@daily", "has 1 fields"),
        ("", "has 0 fields"),
        ("0 0 30 2 *", "is never due"),
        ("0 0 31 4,6 *", "is never due"),
        ("0 9 * * */0", "its day of week is wrong"),
        ("1" * 300, "is longer than 256 characters"),
    ],
)
def test_a_wrong_text_is_refused_with_the_field_that_is_wrong(cron: str, told: str) -> None:
    with pytest.raises(ValidationError) as raised:
        check_cron(cron)
    assert told in str(raised.value)


@given(st.text("0123456789*/,-#LWMONFRIJANSU ", max_size=30))
@settings(deadline=None, max_examples=500)
def test_no_text_ends_in_another_error(cron: str) -> None:
    try:
        check_cron(cron)
    except ValidationError:
        return
    assert due_times(cron).next_after(BEGIN) is not None


@pytest.mark.parametrize(
    ("zone", "told"),
    [
        ("Europe/Berlim", "did you mean 'Europe/Berlin'?"),
        ("europe/berlin", "did you mean 'Europe/Berlin'?"),
        ("Berlin", "did you mean 'Europe/Berlin'?"),
        ("new york", "did you mean 'America/New_York'?"),
        ("Mars/Olympus", "zones are named like Europe/Berlin"),
        ("../../etc/passwd", "zones are named like"),
        ("/etc/localtime", "zones are named like"),
        ("", "zones are named like"),
        ("\0", "zones are named like"),
        ("x" * 10_000, "zones are named like"),
    ],
)
def test_a_zone_that_does_not_exist_is_refused_with_the_nearest(zone: str, told: str) -> None:
    with pytest.raises(ValidationError) as raised:
        check_zone(zone)
    assert told in str(raised.value)
    assert len(str(raised.value)) < 400

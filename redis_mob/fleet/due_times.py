"""The times at which a schedule is due: those of a cron text in a time zone, or of an interval.

They do not depend on when they are asked for: what is due after one moment is due after any earlier one too. So a
worker that goes on from the last due time, and one that looks back from now, find the same ones.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from difflib import get_close_matches
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim

from redis_mob.errors import ValidationError, shortened, shown
from redis_mob.models.flow_schedule import FlowSchedule

SHORTEST_INTERVAL = timedelta(seconds=1)
LONGEST_CRON = 256
"""Characters of a cron text."""
LONGEST_ZONE = 64
"""Characters of the name of a zone that is looked for."""

_OF_A_HOST = {"localtime", "Factory"}
"""Zones that are another one on each host, or none."""

_TICK = timedelta(microseconds=1)
_END = datetime(9000, 1, 1, tzinfo=UTC)

_FIELDS = {
    "minute": "0-59",
    "hour": "0-23",
    "day of month": "1-31, L or LW",
    "month": "1-12 or JAN-DEC",
    "day of week": "0-7 or SUN-SAT, as MON#1 or 5L too",
}
"""The fields of a cron text, and what may stand there beside *, lists, ranges and steps."""

_MONDAY = datetime(2024, 1, 1, tzinfo=UTC)


class DueTimes:
    """The due times of a schedule, in UTC. Of several texts of a clock that mean one moment, there is one due time."""

    def __init__(self, schedule: FlowSchedule) -> None:
        self._cron, self._every = schedule.cron, schedule.every
        self._zone = zone_of(schedule.timezone)
        self._anchor = schedule.created_at if schedule.starts_at is None else schedule.starts_at
        self._first = self._anchor - _TICK if schedule.starts_at is not None else self._anchor
        self._ends_at = _END if schedule.ends_at is None else schedule.ends_at

    def next_after(self, moment: datetime) -> datetime | None:
        """The first one after a moment, None if there is none."""
        return next(self.after(moment), None)

    def after(self, moment: datetime) -> Iterator[datetime]:
        """All after a moment, in their order."""
        begin = max(moment.astimezone(UTC), self._first)
        for due in self._by_interval(begin) if self._cron is None else self._by_cron(self._cron, begin):
            if due > self._ends_at:
                return
            yield due

    def within(self, first: datetime, until: datetime) -> Iterator[datetime]:
        """All from one moment to another, both included."""
        for due in self.after(first - _TICK):
            if due > until:
                return
            yield due

    def newest(self, first: datetime, before: datetime, most: int) -> list[datetime]:
        """The last ones from one moment on and before another, so many at most, the oldest first.

        It looks back from the end, ever further, so that its cost does not grow with all that there are.
        """
        width = timedelta(hours=1)
        while True:
            begin = max(first, before - width)
            found = deque(self.within(begin, before - _TICK), maxlen=most)
            if len(found) == most or begin == first:
                return list(found)
            width *= 4

    def _by_interval(self, begin: datetime) -> Iterator[datetime]:
        every = self._every or SHORTEST_INTERVAL
        number = (begin - self._anchor) // every
        while (due := self._anchor + (number := number + 1) * every) < _END:
            yield due

    def _by_cron(self, cron: str, begin: datetime) -> Iterator[datetime]:
        # After a clock was put back, or in the hour that it leaves out, a text of the clock may be met that means a
        # moment which has passed.
        last = begin
        for found in CronSim(cron, begin.astimezone(self._zone)):
            due = found.astimezone(UTC)
            if due > last:
                last = due
                yield due


def check_cron(cron: str) -> str:
    """The same text. Raises ValidationError naming the field that is wrong, or saying that it is never due."""
    if len(cron) > LONGEST_CRON:
        raise ValidationError(f"cron {shortened(cron)} is longer than {LONGEST_CRON} characters")
    fields = cron.split()
    if len(fields) != len(_FIELDS):
        raise ValidationError(
            f"cron {shown(cron)} has {len(fields)} fields: write five, {', '.join(_FIELDS)}, as in '0 9 * * MON-FRI'; "
            "for seconds there are intervals"
        )
    for at, (name, wanted) in enumerate(_FIELDS.items()):
        alone = ["*"] * len(_FIELDS)
        alone[at] = fields[at]
        if not _is_readable(" ".join(alone)):
            raise ValidationError(f"cron {shown(cron)}: its {name} is wrong, {shown(fields[at])}: write {wanted}")
    if not _is_readable(cron) or next(CronSim(cron, _MONDAY), None) is None:
        raise ValidationError(f"cron {shown(cron)} is never due: no day within fifty years is like that")
    return cron


def _is_readable(cron: str) -> bool:
    try:
        CronSim(cron, _MONDAY)
    except Exception:  # noqa: BLE001  # what it does not expect in a text ends in many ways
        return False
    return True


def check_zone(name: str) -> str:
    """The same name of a time zone. Raises ValidationError, with the nearest one, if there is no such zone."""
    known = available_timezones() - _OF_A_HOST
    if name in known:
        return name
    near = _nearest_zone(name, known)
    raise ValidationError(
        f"there is no time zone {shown(name)}"
        + (f"; did you mean {shown(near)}?" if near else ": zones are named like Europe/Berlin or UTC")
    )


def _nearest_zone(name: str, known: set[str]) -> str | None:
    """The zone whose name is most alike, or which is named after such a city."""
    by_name = {zone.casefold(): zone for zone in sorted(known)}
    by_city = {folded.rpartition("/")[2]: zone for folded, zone in by_name.items()}
    wanted = name[:LONGEST_ZONE].casefold().replace(" ", "_")
    for names, text in ((by_name, wanted), (by_city, wanted.rpartition("/")[2])):
        if found := get_close_matches(text, names, n=1, cutoff=0.75):
            return names[found[0]]
    return None


@lru_cache(maxsize=512)
def zone_of(name: str) -> tzinfo:
    """The time zone of a name. Raises LookupError, ValueError or OSError for another one."""
    return UTC if name == "UTC" else ZoneInfo(name)

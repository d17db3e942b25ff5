"""Finds the events of one run in the log of its namespace, without reading what came long before it.

The log is ordered by cursor, and its times grow with the cursors unless a clock was set back or an event brought a time
of its own. So where a run begins is searched by time, and believed only if its first event is found there.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from redis_mob.codec.arguments import integer, moment, text
from redis_mob.contracts import MobEventStore
from redis_mob.errors import NotFoundError, ValidationError, shown
from redis_mob.models.base import U64_MAX, canonical_run_id, format_timestamp
from redis_mob.models.events import MobEvent
from redis_mob.models.flow_events import FlowCanceled, FlowCompleted, FlowFailed, FlowStarted

PAGE = 500
"""Events that are read at a time."""

MOST_LOOKED_AT = 20_000
"""Events that are looked at for the attempts of one run: others lie between its own."""

ENDS = (FlowCompleted, FlowFailed, FlowCanceled)
"""The events that end a run."""

EARLIER = timedelta(seconds=10)
"""How long before a run the search begins: two clocks that should be one may differ a little."""


def checked_run_id(run_id: object) -> str:
    """The id of a run in its canonical spelling. Raises ValidationError for what is none."""
    try:
        return canonical_run_id(text("run_id", run_id))
    except ValueError as error:
        raise ValidationError(f"a run is named by its id: {error}") from None


def run_of(event: MobEvent) -> str | None:
    """The id of the run that an event is about; None if it is about none."""
    return event.run_id


async def cursor_before(events: MobEventStore, moment: datetime) -> int:
    """A cursor after which the events since a moment come, if the times of the log are in order."""
    low, high = 0, await events.latest_cursor()
    while low < high:
        middle = (low + high) // 2
        page = await events.poll(middle, 1)
        if page and page[0].timestamp < moment:
            low = page[0].cursor
        else:
            high = middle
    return low


class LogPlace(NamedTuple):
    """A cursor that a caller has given, itself or by a time, and how that is named in messages."""

    cursor: int
    name: str


async def place_in(events: MobEventStore, name: str, at: object) -> LogPlace:
    """The place in the log of a cursor, or of the last event before a time.

    Raises ValidationError for what is neither, InternalError for a time without a zone.
    """
    if isinstance(at, datetime):
        cursor = await cursor_before(events, moment(name, at))
        return LogPlace(cursor, f"{format_timestamp(at)}, which is cursor {cursor}")
    if not isinstance(at, int):
        raise ValidationError(f"{name} must be a cursor, which is an integer, or a datetime, not {shown(at)}")
    if (cursor := integer(name, at, least=0)) > U64_MAX:
        raise ValidationError(f"{name} must be a cursor of the log, at most {U64_MAX}, not {shown(cursor)}")
    return LogPlace(cursor, f"cursor {cursor}")


async def newest_up_to(events: MobEventStore, cursor: int) -> MobEvent | None:
    """The last event up to a cursor that the log still has; None if there is none."""
    end = min(cursor, await events.latest_cursor())
    found: MobEvent | None = None
    width = 1
    while found is None and end > 0:
        after = max(end - width, 0)
        while (page := await events.poll(after, min(width, PAGE))) and page[0].cursor <= end:
            found = next(event for event in reversed(page) if event.cursor <= end)
            after = page[-1].cursor
        if width >= end:
            break
        width *= 2  # what was pruned leaves gaps
    return found


async def beginning_of(events: MobEventStore, run_id: str, launched_at: datetime) -> int:
    """The cursor after which the events of a run come: that of the event before its first one, 0 if it is not found."""
    after, looked_at = await cursor_before(events, launched_at - EARLIER), 0
    while looked_at < MOST_LOOKED_AT and (page := await events.poll(after, PAGE)):
        for event in page:
            if run_of(event) == run_id:
                return event.cursor - 1 if isinstance(event.kind, FlowStarted) else 0
        after, looked_at = page[-1].cursor, looked_at + len(page)
    return 0


async def events_of(
    events: MobEventStore,
    run_id: str,
    launched_at: datetime,
    completed_at: datetime | None,
    *,
    from_its_start: bool = True,
    concerned: Callable[[MobEvent], str | None] = run_of,
) -> list[MobEvent] | None:
    """All events of a run that it has had until now; None if they are not all there, or lie too far apart.

    Those of a run that has begun start with that, and those of one that is over have its end, which shows that they are
    all there; others may be none. Where the times of the log lead astray, it is read from its beginning. `concerned`
    says which run an event belongs to, and may find more than the run's own.
    """
    for after in dict.fromkeys((await cursor_before(events, launched_at - EARLIER), 0)):
        found = await _events_after(events, after, run_id, completed_at, concerned)
        own = [event.kind for event in found or () if run_of(event) == run_id]
        has_start = not from_its_start or bool(own and isinstance(own[0], FlowStarted))
        has_end = completed_at is None or any(isinstance(kind, ENDS) for kind in own)
        if found is not None and has_start and has_end:
            return found
    return None


async def _events_after(
    events: MobEventStore,
    after: int,
    run_id: str,
    completed_at: datetime | None,
    concerned: Callable[[MobEvent], str | None],
) -> list[MobEvent] | None:
    """Those of a run behind a cursor, up to its end or that of the log; None if too many others lie between."""
    found: list[MobEvent] = []
    has_ended, looked_at = False, 0
    while page := await events.poll(after, PAGE):
        found += (event for event in page if concerned(event) == run_id)
        after, looked_at = page[-1].cursor, looked_at + len(page)
        has_ended = has_ended or any(isinstance(event.kind, ENDS) for event in page if run_of(event) == run_id)
        is_behind = has_ended and completed_at is not None and page[-1].timestamp > completed_at + EARLIER
        if is_behind or len(page) < PAGE:
            break
        if looked_at >= MOST_LOOKED_AT + len(found):
            return found if has_ended else None
    return found


def events_missing(run_id: str) -> NotFoundError:
    """That `events_of` has not found all of them."""
    return NotFoundError(
        f"the log does not have all events of run {run_id} any more, or too many others lie between them: "
        "its past cannot be told"
    )


async def pages_after(events: MobEventStore, after: int, newest: int | None = None) -> AsyncIterator[MobEvent]:
    """The events after a cursor, up to `newest`, by default those that the log has now. They are read by pages."""
    if newest is None:
        newest = await events.latest_cursor()
    while after < newest and (page := await events.poll(after, PAGE)):
        for event in page:
            if event.cursor <= newest:
                yield event
        after = page[-1].cursor

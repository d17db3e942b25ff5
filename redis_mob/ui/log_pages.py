"""Reads the log for what concerns one run: its own events, and what operators did with it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import NamedTuple

from redis_mob.contracts import MobEventStore
from redis_mob.models.events import MobEvent
from redis_mob.operations.audit import concerned_run
from redis_mob.past.run_events import EARLIER, MOST_LOOKED_AT, PAGE


class LogPage(NamedTuple):
    """What concerns a run in a page of the log; the page behind it begins `after`, None if there is none."""

    events: list[MobEvent]
    after: int | None


async def pages_about(
    events: MobEventStore, run_id: str, after: int, completed_at: datetime | None
) -> AsyncIterator[LogPage]:
    """Pages from behind a cursor on, up to the end of the log, or soon after the end of the run."""
    ends = None if completed_at is None else completed_at + EARLIER
    for _ in range(MOST_LOOKED_AT // PAGE):
        page = await events.poll(after, PAGE)
        is_last = len(page) < PAGE or (ends is not None and page[-1].timestamp > ends)
        after = page[-1].cursor if page else after
        yield LogPage([event for event in page if concerned_run(event) == run_id], None if is_last else after)
        if is_last:
            return

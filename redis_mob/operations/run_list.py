"""Lists of runs as operators ask for them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from datetime import datetime

import pydantic

from redis_mob.codec.labels import checked_filter
from redis_mob.contracts import OperationsStore
from redis_mob.errors import ValidationError
from redis_mob.models.labels import AttributeValue
from redis_mob.models.problems import problems
from redis_mob.models.run import MobRunStatus
from redis_mob.models.run_summary import RunFilter, RunSummary

PAGE = 200
"""How many runs are read at a time where all are wanted."""


def run_filter(
    mob_id: str | None,
    flow_id: str | None,
    statuses: Collection[MobRunStatus],
    since: datetime | None,
    until: datetime | None,
    text: str | None,
    attributes: Mapping[str, AttributeValue] | None = None,
) -> RunFilter:
    """Which runs are asked for. Raises ValidationError naming what is wrong."""
    wanted = checked_filter(attributes)
    try:
        return RunFilter(
            mob_id=mob_id,
            flow_id=flow_id,
            statuses=statuses,  # pyright: ignore[reportArgumentType] - any iterable is accepted
            since=since,
            until=until,
            text=text,
            attributes=wanted,
        )
    except pydantic.ValidationError as error:
        raise ValidationError(f"the filter of runs is wrong: {problems(error)}") from None


async def every_run(store: OperationsStore, which: RunFilter, after: str | None) -> AsyncIterator[RunSummary]:
    """The runs that are asked for, page by page."""
    while True:
        page = await store.runs(which, limit=PAGE, after=after)
        for run in page.runs:
            yield run
        if page.next is None:
            return
        after = page.next

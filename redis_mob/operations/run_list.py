"""Lists of runs as operators ask for them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from datetime import datetime
from typing import TypedDict

import pydantic

from redis_mob.codec.arguments import optional_valid_text
from redis_mob.codec.labels import checked_filter
from redis_mob.errors import ValidationError
from redis_mob.models.labels import AttributeValue
from redis_mob.models.pause import Pause, PauseScope
from redis_mob.models.problems import problems
from redis_mob.models.run_status import MobRunStatus
from redis_mob.models.run_summary import RunFilter, RunPage, RunSummary
from redis_mob.storage import MobStorage

PAGE = 200
"""How many runs are read at a time where all are wanted."""


class Conditions(TypedDict, total=False):
    """Which runs are meant: those to which all that is given applies (contract: operations-1, operations-141).

    They were created at or after `since`, and before `until`; `text` is in their parameters, and they have all
    `attributes`.
    """

    mob_id: str | None
    flow_id: str | None
    statuses: Collection[MobRunStatus]
    since: datetime | None
    until: datetime | None
    text: str | None
    attributes: Mapping[str, AttributeValue] | None


def run_filter(
    mob_id: str | None = None,
    flow_id: str | None = None,
    statuses: Collection[MobRunStatus] = (),
    since: datetime | None = None,
    until: datetime | None = None,
    text: str | None = None,
    attributes: Mapping[str, AttributeValue] | None = None,
) -> RunFilter:
    """Which runs are asked for, by `Conditions`. Raises ValidationError naming what is wrong."""
    wanted = checked_filter(attributes)
    try:
        return RunFilter(
            mob_id=optional_valid_text("mob_id", mob_id),
            flow_id=optional_valid_text("flow_id", flow_id),
            statuses=statuses,  # pyright: ignore[reportArgumentType] - any iterable is accepted
            since=since,
            until=until,
            text=optional_valid_text("text", text),
            attributes=wanted,
        )
    except pydantic.ValidationError as error:
        raise ValidationError(f"the filter of runs is wrong: {problems(error)}") from None


def with_pauses(runs: Iterable[RunSummary], pauses: Collection[Pause]) -> tuple[RunSummary, ...]:
    """The runs, each with what is paused of it: also its flow and its mob."""
    return tuple(_with_pauses(run, pauses) if pauses else run for run in runs)


def _with_pauses(run: RunSummary, pauses: Iterable[Pause]) -> RunSummary:
    found = {pause.scope for pause in pauses if pause.includes(run.mob_id, run.flow_id)}
    if run.status.is_terminal or not found:
        return run
    return run.model_copy(update={"paused": tuple(one for one in PauseScope if one in found or one in run.paused)})


async def page_of_runs(storage: MobStorage, which: RunFilter, limit: int, after: str | None) -> RunPage:
    """A page of the runs that are asked for."""
    page = await storage.operations.runs(which, limit=limit, after=after)
    return page.model_copy(update={"runs": with_pauses(page.runs, await storage.pauses.pauses())})


async def every_run(storage: MobStorage, which: RunFilter, after: str | None) -> AsyncIterator[RunSummary]:
    """The runs that are asked for, page by page."""
    while True:
        page = await page_of_runs(storage, which, PAGE, after)
        for run in page.runs:
            yield run
        if page.next is None:
            return
        after = page.next

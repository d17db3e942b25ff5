"""Lists and counts of runs as a command prints them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from rich.text import Text

from redis_mob.cli.arguments import read_seal_keys
from redis_mob.cli.columns import SHORT_ID, table_lines
from redis_mob.cli.endings import usable_url
from redis_mob.cli.existing import existing
from redis_mob.cli.printing import Paper
from redis_mob.cli.run_argument import run_id_of
from redis_mob.cli.words import attributes_text, duration_text, time_text
from redis_mob.errors import ValidationError
from redis_mob.models.base import FrozenDict, json_text
from redis_mob.models.run_status import MobRunStatus
from redis_mob.models.run_summary import RunPage, RunSummary
from redis_mob.operations.admin.run_lists import RunLists
from redis_mob.operations.budget_lines import BudgetLine
from redis_mob.operations.known_names import unknown_names
from redis_mob.operations.run_activity import RunActivity, activities
from redis_mob.operations.run_usage import usage_of
from redis_mob.storage import MobStorage

PAUSED = " ||"
"""Stands beside the status of a run that is paused."""

_MOST_NAMED = 3
"""How many signals, roles or runs are named that a run waits for."""

_STYLES = {
    MobRunStatus.PENDING: "dim",
    MobRunStatus.RUNNING: "bold cyan",
    MobRunStatus.COMPLETED: "green",
    MobRunStatus.FAILED: "bold red",
    MobRunStatus.CANCELED: "yellow",
}


class Where(NamedTuple):
    """The namespace that a command looks at, as its options name it."""

    url: str | None
    namespace: str
    seal_keys: Path | None

    def opened(self) -> AbstractAsyncContextManager[MobStorage]:
        """The storage, opened by `async with`. Raises StorageUnavailableError and ValidationError."""
        address = usable_url(self.url, of_memory="no other process has a run there")
        return existing(address, self.namespace, read_seal_keys(self.seal_keys))


class ListedRuns(NamedTuple):
    """A page of runs, what goes on in those that are under way, and what their calls have used.

    Of no runs, whether a name may be mistyped.
    """

    page: RunPage
    activities: Mapping[str, RunActivity] = FrozenDict()
    mistyped: str | None = None
    usage: Mapping[str, BudgetLine] = FrozenDict()


async def read_page(
    where: Where, which: Mapping[str, Any], limit: int, after: str | None, *, for_people: bool
) -> ListedRuns:
    """A page of runs. Raises as `FleetAdmin.runs`."""
    async with where.opened() as storage:
        page = await RunLists(storage).runs(**which, limit=limit, after=after)
        listed = await _listed(storage, page, for_people=for_people)
        if page.runs or not for_people:
            return listed
        return listed._replace(mistyped=await unknown_names(storage, which["mob_id"], which["flow_id"]))


async def read_children(
    where: Where, parent: str, which: Mapping[str, Any], limit: int, after: str | None, *, for_people: bool
) -> ListedRuns:
    """A page of the children of the run that an argument names. Raises as `FleetAdmin.children`."""
    if given := [name for name in ("mob_id", "since", "until", "text") if which[name] is not None]:
        options = ", ".join(f"--{name.removesuffix('_id')}" for name in given)
        raise ValidationError(f"--parent goes with --flow and --status, and not with {options}")
    async with where.opened() as storage:
        lists = RunLists(storage)
        run_id = await run_id_of(lists, parent)
        page = await lists.children(
            run_id, flow_id=which["flow_id"], statuses=which["statuses"], limit=limit, after=after
        )
        return await _listed(storage, page, for_people=for_people)


async def _listed(storage: MobStorage, page: RunPage, *, for_people: bool) -> ListedRuns:
    usage = await usage_of(storage, [run.run_id for run in page.runs])
    if not for_people:
        return ListedRuns(page, usage=usage)
    return ListedRuns(page, await activities(storage, page.runs), usage=usage)


async def read_counts(where: Where, which: Mapping[str, Any]) -> Mapping[MobRunStatus, int]:
    """The number of runs of each status. Raises as `FleetAdmin.count`."""
    async with where.opened() as storage:
        return await RunLists(storage).count(**which)


def page_as_json(listed: ListedRuns) -> str:
    """One object a line, with what its calls have used; the last one has `next`, if there are more runs."""
    page = listed.page
    lines = [_with_usage(run, listed.usage.get(run.run_id)) for run in page.runs]
    return "\n".join([*lines, *([] if page.next is None else [json_text({"next": page.next})])])


def _with_usage(run: RunSummary, usage: BudgetLine | None) -> str:
    if usage is None:
        return run.model_dump_json()
    return json_text(run.model_dump(mode="json") | {"usage": usage.model_dump(mode="json", exclude={"run_id"})})


def counts_as_json(counts: Mapping[MobRunStatus, int]) -> str:
    """One object."""
    return json_text({**counts, "total": sum(counts.values())})


def page_as_text(listed: ListedRuns, paper: Paper) -> str:
    """A row for each run, as the paper shows it: on a terminal it fits, elsewhere nothing is cut."""
    return paper.rendered(*page_lines(listed, paper.columns))


def page_lines(listed: ListedRuns, width: int | None) -> Iterator[Text]:
    """The lines of the list. What else there is to say of a run stands below it where there is no room beside it."""
    page, activities = listed.page, listed.activities
    rows = [
        (
            run.run_id,
            Text(f"{run.status}{PAUSED * bool(run.paused)}", style=_STYLES[run.status]),
            time_text(run.created_at),
            duration_text(run.duration(page.now).total_seconds()),
            run.mob_id,
            run.flow_id,
            said_of(run, page.now, activities.get(run.run_id), listed.usage.get(run.run_id)),
        )
        for run in page.runs
    ]
    names = ("RUN", "STATUS", "CREATED", "TOOK", "MOB", "FLOW", "")
    return table_lines(
        names, rows, width, right=("TOOK",), ids=("RUN",), whole=("STATUS", "CREATED"), below=("",), is_brief=True
    )


def said_of(run: RunSummary, now: datetime, activity: RunActivity | None, usage: BudgetLine | None = None) -> str:
    """What else there is to say of a run: how it stands, what it has used, its summary, its attributes."""
    used = "" if usage is None else usage.said()
    parts = (", ".join(_how_it_stands(run, now, activity)), used, run.summary or "", attributes_text(run.attributes))
    return "  ".join(part for part in parts if part)


def _how_it_stands(run: RunSummary, now: datetime, activity: RunActivity | None) -> Iterator[str]:
    if run.parent is not None:
        yield f"child of {run.parent[:SHORT_ID]}"
    if run.status is MobRunStatus.FAILED and run.failure is not None:
        yield run.failure if run.failed_step is None else f"step {run.failed_step}: {run.failure}"
        return
    if not run.status.is_terminal:
        if run.waits_for_turn:
            yield f"waits for its turn in conversation {run.conversation}"
        elif run.status is MobRunStatus.PENDING and run.launched_at is not None and run.launched_at > now:
            yield f"begins {time_text(run.launched_at)}"
        if activity is not None:
            yield from _what_goes_on(activity, now, is_paused=bool(run.paused))
        elif run.active_nodes:
            yield f"{run.active_nodes} begun"
        if run.cancel_requested:
            yield "cancellation asked for"
    if run.paused:
        why = "" if activity is None or not activity.why_paused else f" ({_named(activity.why_paused)})"
        yield f"paused: {', '.join(run.paused)}{why}"
    if run.release is not None:
        yield f"release {run.release}"


def _what_goes_on(activity: RunActivity, now: datetime, *, is_paused: bool) -> Iterator[str]:
    if activity.under_way:
        yield f"{activity.under_way:,} under way"
    if activity.queued and not is_paused:
        yield f"{len(activity.queued):,} queued for {_named(activity.queued)}"
    if activity.retries:
        pause = duration_text((activity.retries[0] - now).total_seconds())
        yield f"{len(activity.retries):,} to be tried again in {pause}"
    if activity.throttled:
        pause = duration_text((activity.throttled[0] - now).total_seconds())
        yield f"{len(activity.throttled):,} throttled for {pause}"
    if activity.signals:
        yield f"waits for signal {_named(activity.signals)}"
    if activity.asks:
        yield f"waits for an answer to {_named(activity.asks)}"
    if activity.children:
        yield f"waits for run {_named([child[:SHORT_ID] for child in activity.children])}"


def _named(names: Sequence[str]) -> str:
    known = list(dict.fromkeys(names))
    more = len(known) - _MOST_NAMED
    return ", ".join(known[:_MOST_NAMED]) + (f" and {more:,} more" if more > 0 else "")


def counts_as_text(counts: Mapping[MobRunStatus, int], paper: Paper) -> str:
    """A line for each status, and one for the sum of all."""
    total = sum(counts.values())
    width = len(str(total))
    lines = [Text.assemble((f"{status:9}", _STYLES[status]), f"  {count:{width}}") for status, count in counts.items()]
    return paper.rendered(*lines, Text(f"{'total':9}  {total:{width}}"))

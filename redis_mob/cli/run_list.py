"""Lists and counts of runs as a command prints them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

from redis_mob.cli.arguments import read_seal_keys
from redis_mob.cli.display import printable
from redis_mob.cli.endings import usable_url
from redis_mob.cli.labels import attributes_text
from redis_mob.cli.moments import took
from redis_mob.cli.run_argument import run_id_of
from redis_mob.errors import ValidationError
from redis_mob.models.base import json_text
from redis_mob.models.run import MobRunStatus
from redis_mob.models.run_summary import RunPage, RunSummary
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.storage import MobStorage

_WIDE = 160
"""Columns of a terminal that has room for whole ids, and for what there is to say beside them."""

_SHORT = 8
"""How much of an id is shown where there is none."""

_WIDTHS = {"RUN": 8, "STATUS": 9, "CREATED": 19, "TOOK": 8}
"""The least of some columns; names of mobs and flows are cut before them."""

_WHOLE = 36
"""The width of a whole id."""

_MOST_OF_A_NAME = 24

PAUSED = " ||"
"""Stands beside the status of a run that is paused."""

_BESIDE = 134
"""The greatest width of all columns but the last one."""

_IN_A_PIPE = 100_000

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

    def opened(self) -> Any:
        """The storage, opened by `async with`. Raises StorageUnavailableError and ValidationError."""
        address = usable_url(self.url, of_memory="no other process has a run there")
        return MobStorage.open(address, namespace=self.namespace, seal_key=read_seal_keys(self.seal_keys))


async def read_page(where: Where, which: Mapping[str, Any], limit: int, after: str | None) -> RunPage:
    """A page of runs. Raises as `FleetAdmin.runs`."""
    async with where.opened() as storage:
        return await FleetAdmin(storage).runs(**which, limit=limit, after=after)


async def read_children(where: Where, parent: str, which: Mapping[str, Any], limit: int, after: str | None) -> RunPage:
    """A page of the children of the run that an argument names. Raises as `FleetAdmin.children`."""
    if given := [name for name in ("mob_id", "since", "until", "text") if which[name] is not None]:
        options = ", ".join(f"--{name.removesuffix('_id')}" for name in given)
        raise ValidationError(f"--parent goes with --flow and --status, and not with {options}")
    async with where.opened() as storage:
        admin = FleetAdmin(storage)
        run_id = await run_id_of(admin, parent)
        return await admin.children(
            run_id, flow_id=which["flow_id"], statuses=which["statuses"], limit=limit, after=after
        )


async def read_counts(where: Where, which: Mapping[str, Any]) -> Mapping[MobRunStatus, int]:
    """The number of runs of each status. Raises as `FleetAdmin.count`."""
    async with where.opened() as storage:
        return await FleetAdmin(storage).count(**which)


def page_as_json(page: RunPage) -> str:
    """One object a line; the last one has `next`, if there are more runs."""
    lines = [run.model_dump_json() for run in page.runs]
    return "\n".join([*lines, *([] if page.next is None else [json_text({"next": page.next})])])


def counts_as_json(counts: Mapping[MobRunStatus, int]) -> str:
    """One object."""
    return json_text({**counts, "total": sum(counts.values())})


def page_as_text(page: RunPage, console: Console) -> str:
    """A row for each run, as the console shows it: on a terminal it fits, elsewhere nothing is cut.

    On a narrow terminal what else there is to say of a run stands below it.
    """
    is_narrow = console.is_terminal and console.width < _WIDE
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for name in ("RUN", "STATUS", "CREATED", "TOOK", "MOB", "FLOW"):
        is_name = name in ("MOB", "FLOW")
        table.add_column(
            name,
            no_wrap=True,
            justify="right" if name == "TOOK" else "left",
            min_width=None
            if is_name
            else len(page.runs[0].run_id)
            if name == "RUN" and not is_narrow
            else _WIDTHS[name],
            max_width=_MOST_OF_A_NAME if is_name and console.is_terminal else None,
        )
    if not is_narrow:
        table.add_column("", no_wrap=True, max_width=console.width - _BESIDE if console.is_terminal else None)
    for run in page.runs:
        row = [
            run.run_id[:_SHORT] if is_narrow else run.run_id,
            Text(f"{run.status}{PAUSED * bool(run.paused)}", style=_STYLES[run.status]),
            f"{run.created_at.astimezone():%Y-%m-%d %H:%M:%S}",
            took(run.duration(page.now)),
            Text(printable(run.mob_id)),
            Text(printable(run.flow_id)),
        ]
        table.add_row(*row, *([] if is_narrow else [Text(printable(said_of(run)))]))
    header, *lines = _printed(table, console).splitlines()
    if is_narrow:
        lines = [line for row, run in zip(lines, page.runs, strict=True) for line in (row, *_below(run, console.width))]
    return "\n".join([header, *lines])


def _below(run: RunSummary, width: int) -> list[str]:
    line = Text(f"  {printable(said_of(run))}")
    line.truncate(width, overflow="ellipsis")
    return [line.plain] if line.plain.strip() else []


def said_of(run: RunSummary) -> str:
    """What else there is to say of a run: how it stands, its summary, its attributes."""
    parts = (_how_it_stands(run), run.summary or "", attributes_text(run.attributes))
    return "  ".join(part for part in parts if part)


def _how_it_stands(run: RunSummary) -> str:
    said = [] if run.parent is None else [f"child of {run.parent[:_SHORT]}"]
    if run.status is MobRunStatus.FAILED and run.failure is not None:
        failure = run.failure if run.failed_step is None else f"step {run.failed_step}: {run.failure}"
        return ", ".join([*said, failure])
    if not run.status.is_terminal and run.active_nodes:
        said.append(f"{run.active_nodes} under way")
    if not run.status.is_terminal and run.cancel_requested:
        said.append("cancellation asked for")
    if run.paused:
        said.append(f"paused: {', '.join(run.paused)}")
    if run.release is not None:
        said.append(f"release {run.release}")
    return ", ".join(said)


def counts_as_text(counts: Mapping[MobRunStatus, int], console: Console) -> str:
    """A row for each status, and the sum of all."""
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, justify="right")
    for status, number in counts.items():
        table.add_row(Text(status, style=_STYLES[status]), str(number))
    table.add_row("total", str(sum(counts.values())))
    return _printed(table, console)


def _printed(table: Table, console: Console) -> str:
    with console.capture() as captured:
        console.print(table, width=None if console.is_terminal else _IN_A_PIPE)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def standard_output() -> Console:
    """Standard output; styled only if it is a terminal, and as wide as need be if it is none."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, no_color=True, width=_IN_A_PIPE)

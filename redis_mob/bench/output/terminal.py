"""A report as tables for a terminal."""

from __future__ import annotations

from io import StringIO

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from redis_mob.bench.output.cells import HEADINGS, facts, measure_of, ratio_text, ratios, row
from redis_mob.bench.results import GroupReport, Report

_WIDTH = 190


def to_text(report: Report) -> str:
    """Tables of all figures, with ratios to the first baseline of each group; the last line is the sentence."""
    shown = StringIO()
    console = Console(file=shown, width=_WIDTH, highlight=False, markup=False, force_terminal=False)
    for line in facts(report):
        console.print(line)
    for group in report.groups:
        console.print()
        console.print(_table(group))
    for name, why in report.left_out.items():
        console.print(f"left out: {name}: {why}")
    console.print(f"\n{report.sentence()}")
    return "\n".join(line.rstrip() for line in shown.getvalue().splitlines())


def _table(group: GroupReport) -> Table:
    first = group.baselines[0] if group.baselines else None
    against = {ours.key: ratio_text(ratio) for ours, theirs, ratio in ratios(group) if theirs is first}
    table = Table(title=f"{group.name}: {group.about}", title_justify="left", box=SIMPLE_HEAD)
    for heading in HEADINGS:
        table.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    if first is not None:
        table.add_column(f"{measure_of(group)} /\n{first.key}", justify="right", no_wrap=True)
    for result in group.results:
        table.add_row(*row(result), *([against.get(result.key, "")] if first else []))
    return table

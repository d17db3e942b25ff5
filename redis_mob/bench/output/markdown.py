"""A report as a page of Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from redis_mob.bench.output.cells import HEADINGS, facts, measure_of, ratio_text, ratios, row
from redis_mob.bench.results import GroupReport, Report


def to_markdown(report: Report, plots: Iterable[str] = ()) -> str:
    """A page: where it was measured, all figures, all ratios. `plots` are addresses of pictures."""
    pictures = {plot.rpartition("/")[2].removesuffix(".svg"): plot for plot in plots}
    lines = ["# Figures of a benchmark", "", f"**{_capital(report.sentence())}.**", ""]
    lines += ["Times are in microseconds, and of one operation. `redis-mob bench` has written this page."]
    lines += ["", *(f"- {fact}" for fact in facts(report)), ""]
    for group in report.groups:
        lines += _section(group, pictures.get(group.name))
    if report.left_out:
        lines += ["## Left out", "", *(f"- {name}: {why}" for name, why in report.left_out.items()), ""]
    return "\n".join(lines)


def _section(group: GroupReport, picture: str | None) -> Iterator[str]:
    yield from (f"## {group.name}", "", f"{_capital(group.about)}.", "")
    if picture is not None:
        yield from (f"![{group.name}: {group.about}]({picture})", "")
    yield from _table(HEADINGS, map(row, group.results))
    yield ""
    baselines = group.baselines
    if not baselines:
        return
    yield from (f"{_capital(measure_of(group))}, as a multiple of that of each baseline:", "")
    found = {(ours.key, theirs.key): ratio_text(ratio) for ours, theirs, ratio in ratios(group)}
    yield from _table(
        ("", *(baseline.key for baseline in baselines)),
        ([ours.key, *(found.get((ours.key, baseline.key), "") for baseline in baselines)] for ours in group.scenarios),
    )
    yield ""
    for result in group.results:
        yield f"- `{result.key}`: {result.operation}"
    yield ""


def _table(headings: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    headings = list(headings)
    yield f"| {' | '.join(headings)} |"
    yield f"|---{'|---:' * (len(headings) - 1)}|"
    for cells in rows:
        yield f"| {' | '.join(cells)} |"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]

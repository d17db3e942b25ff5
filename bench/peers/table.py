"""What repeated measurements come to, and how it is shown: medians, ratios, tables. No input, no output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

Figures = Mapping[str, float]
"""One contestant's figures, by what they measure."""


def medians(repetitions: Sequence[Figures]) -> dict[str, float]:
    """The median of each figure that all repetitions have."""
    return {name: median(each[name] for each in repetitions) for name in repetitions[0]}


def latency(one: float, three: float) -> dict[str, float]:
    """What a run of one step takes, and each further step, from the milliseconds of chains of one and of three."""
    return {"ms, 1 step": one, "ms, 3 steps": three, "ms, each further": (three - one) / 2}


def ratio(ours: float, theirs: float) -> float | None:
    """How many times theirs ours is; None where theirs is nothing, so that there is no such number."""
    return ours / theirs if theirs > 0 else None


def table(title: str, contestants: Mapping[str, Figures], baselines: Sequence[str]) -> str:
    """A line for each contestant: its figures, and what each baseline that took part has for one of its."""
    names = list(next(iter(contestants.values())))
    present = [name for name in baselines if name in contestants]
    head = ["", *names, *(f"{baseline} / it: {name}" for baseline in present for name in names)]
    lines = [head]
    for contestant, figures in contestants.items():
        ratios = (ratio(contestants[baseline][name], figures[name]) for baseline in present for name in names)
        lines.append([contestant, *(_number(figures[name]) for name in names), *map(_ratio, ratios)])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join((title, *(_line(line, widths) for line in lines)))


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = (
        cell.rjust(width) if number else cell.ljust(width)
        for number, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "  ".join(("  " + first, *others))


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.2f}"


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"

"""What repeated measurements come to: medians, latencies, ratios, and the table of them. No input, no output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from rich.box import SIMPLE_HEAD
from rich.table import Table

Figures = Mapping[str, float]
"""One contestant's figures, by what they measure."""


def medians(repetitions: Sequence[Figures]) -> dict[str, float]:
    """The median of each figure."""
    return {name: median(each[name] for each in repetitions) for name in repetitions[0]}


def latency(one: float, three: float) -> dict[str, float]:
    """What a run of one step takes, and each further step, from the milliseconds of chains of one and of three."""
    return {"1 step": one, "3 steps": three, "further": (three - one) / 2}


def ratio(ours: float, theirs: float) -> float | None:
    """How many times theirs ours is; None where theirs is nothing or less, so that the number would say nothing."""
    return ours / theirs if theirs > 0 else None


def table(title: str, contestants: Mapping[str, Figures], baselines: Sequence[str]) -> Table:
    """A row for each contestant: its figures, and how many times them each baseline has that took part.

    Of steps a second a ratio above one speaks for the baseline, of times one below.
    """
    names = list(next(iter(contestants.values())))
    present = [name for name in baselines if name in contestants]
    shown = Table("", title=title, title_justify="left", box=SIMPLE_HEAD)
    # a line for each word of a baseline, since there are many columns
    over = ["\n".join((*baseline.split(), "/ it:")) for baseline in present]
    for heading in (*names, *(f"{baseline}\n{name}" for baseline in over for name in names)):
        shown.add_column(heading, justify="right", vertical="bottom", no_wrap=True)
    for contestant, figures in contestants.items():
        ratios = [ratio(contestants[baseline][name], figures[name]) for baseline in present for name in names]
        shown.add_row(contestant, *(_number(figures[name]) for name in names), *map(_ratio, ratios))
    return shown


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.2f}"


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"

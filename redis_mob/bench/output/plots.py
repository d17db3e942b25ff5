"""Plots of a report, one SVG for each group. They need matplotlib, which is an extra; nothing else does."""

from __future__ import annotations

from importlib import import_module
from itertools import groupby
from pathlib import Path
from typing import Any

from redis_mob.bench.output.cells import measure_of, unit_of
from redis_mob.bench.results import GroupReport, Report, Result
from redis_mob.errors import ValidationError

_OURS, _THEIRS = "#1f77b4", "#b0b0b0"


def require_plots() -> Any:
    """matplotlib's figures. Raises ValidationError, which says what to install, if it is not there."""
    try:
        # chosen before anything is drawn, because no screen is needed then
        import_module("matplotlib").use("svg")
        return import_module("matplotlib.pyplot")
    except ImportError:
        raise ValidationError("plots need matplotlib: pip install 'redis-mob[bench]'") from None


def write_plots(report: Report, directory: Path) -> list[Path]:
    """Write `<group>.svg` for each group into a directory, which is made if it is not there; returns the files."""
    pyplot = require_plots()
    # the same figures give the same file
    pyplot.rcParams["svg.hashsalt"] = "redis-mob"
    directory.mkdir(parents=True, exist_ok=True)
    files: list[Path] = []
    for group in report.groups:
        figure, axes = pyplot.subplots(figsize=(9, 1.5 + 0.28 * max(8, len(group.results))))
        if len({result.size for result in group.scenarios}) > 1:
            _draw_sizes(axes, group)
        else:
            _draw_bars(axes, group)
        axes.set_title(f"{group.name}: {group.about}", fontsize=10)
        file = directory / f"{group.name}.svg"
        figure.savefig(file, bbox_inches="tight", metadata={"Date": None})
        pyplot.close(figure)
        files.append(file)
    return files


def _draw_bars(axes: Any, group: GroupReport) -> None:
    """A bar for each result, with the interquartile range of the rounds."""
    results = group.results[::-1]
    axes.barh(
        [result.key for result in results],
        [result.of(group.by) for result in results],
        xerr=[result.spread_of(group.by) / 2 for result in results],
        color=[_THEIRS if result.is_baseline else _OURS for result in results],
        capsize=2,
    )
    axes.set_xscale("log")
    axes.set_xlabel(f"{measure_of(group)}, {unit_of(group)} (the whiskers: interquartile range of the rounds)")


def _draw_sizes(axes: Any, group: GroupReport) -> None:
    """A line for each scenario over its sizes; baselines without a size are the same at all of them."""

    def name(result: Result) -> str:
        return result.name

    sizes = sorted({result.size for result in group.scenarios})
    for named, found in groupby(sorted(group.results, key=name), name):
        results = sorted(found, key=lambda result: result.size)
        style = {"color": "grey", "linestyle": "--"} if results[0].is_baseline else {"marker": "o"}
        if results[0].size:
            axes.plot([r.size for r in results], [r.of(group.by) for r in results], label=named, **style)
        else:
            axes.plot(sizes, [results[0].of(group.by)] * len(sizes), label=named, **style)
        axes.annotate(named, (results[-1].size or sizes[-1], results[-1].of(group.by)), fontsize=6)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel(next(result.unit for result in group.scenarios if result.size))
    axes.set_ylabel(f"{measure_of(group)}, {unit_of(group)}")
    axes.legend(fontsize=6, loc="upper left", bbox_to_anchor=(1.15, 1))

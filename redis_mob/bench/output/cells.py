"""The figures of a result as cells of a table, which the terminal and the page have in common."""

from __future__ import annotations

from collections.abc import Iterator

from redis_mob.bench.figures import Interval
from redis_mob.bench.results import GroupReport, Report, Result

HEADINGS = (
    *("", "p50 us", "± IQR", "p99 us", "max us", "1/s", "client us", "server us"),
    *("in B", "out B", "commands", "kept B"),
)


def row(result: Result) -> list[str]:
    """The cells of a result, in the order of the headings."""
    return [
        result.key,
        number(result.of("p50")),
        number(result.spread_of("p50")),
        number(result.p99),
        number(result.most),
        number(result.rate),
        number(result.of("client_cpu")),
        *(
            number(result.of(figure)) if result.rounds.get(figure) else "-"
            for figure in ("server_cpu", "received", "sent", "commands", "kept")
        ),
    ]


def number(value: float) -> str:
    """A number with three digits or more."""
    for least, digits in ((100, 0), (10, 1), (1, 2)):
        if value >= least:
            return f"{value:,.{digits}f}"
    return f"{value:.3f}" if value else "0"


def ratio_text(ratio: Interval) -> str:
    """A ratio, and between which bounds it lies."""
    return f"{ratio.middle:.2f} ({ratio.low:.2f} - {ratio.high:.2f})"


def ratios(group: GroupReport) -> Iterator[tuple[Result, Result, Interval]]:
    """The ratios of a group that are worth a line: all but that of a scenario to itself."""
    return (found for found in group.compared() if found[1].is_baseline)


def facts(report: Report) -> list[str]:
    """Where and how it was measured, one fact a line."""
    return [
        f"server: {report.server}, durability {report.durability}",
        *(f"{name}: {value}" for name, value in report.machine.items()),
        f"measured: {report.seconds:g} s for each scenario, all rounds together",
    ]


def measure_of(group: GroupReport) -> str:
    """What the ratios of a group are made of."""
    return {"p50": "median latency", "kept": "memory"}.get(group.by, "time of an operation")


def unit_of(group: GroupReport) -> str:
    """What that is counted in."""
    return "bytes" if group.by == "kept" else "us"

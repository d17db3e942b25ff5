"""What a benchmark has found, and its JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from redis_mob.bench.figures import Interval, median_interval, percentile, ratios, spread
from redis_mob.bench.scenario import Scenario
from redis_mob.errors import ValidationError

FORMAT = 1
"""The version of the JSON."""

FIGURES = ("p50", "mean", "client_cpu", "server_cpu", "received", "sent", "commands", "kept")
"""What each round tells of one operation: microseconds, bytes that the server received and sent, commands, and
bytes that stay in its memory, where a scenario tells them."""


@dataclass
class Result:
    """What was measured of one scenario or baseline. Times are microseconds, and of one operation.

    `rounds` has a value for each round, in the order of the rounds, for each of FIGURES that could be measured. `p99`
    and `most` are those of all operations of all rounds.
    """

    group: str
    name: str
    size: int
    unit: str
    operation: str
    agents: int
    is_baseline: bool
    operations: int
    p99: float
    most: float
    rounds: dict[str, list[float]]

    @property
    def key(self) -> str:
        """The name with the size."""
        return f"{self.name}[{self.size}]" if self.size else self.name

    @property
    def rate(self) -> float:
        """Operations a second, of all agents together."""
        return 1e6 / self.of("mean") if self.of("mean") else 0.0

    def of(self, figure: str) -> float:
        """The median of a figure over the rounds; 0 if it could not be measured."""
        return median(self.rounds[figure]) if self.rounds.get(figure) else 0.0

    def spread_of(self, figure: str) -> float:
        """Its interquartile range over the rounds."""
        return spread(self.rounds[figure]) if self.rounds.get(figure) else 0.0


@dataclass
class GroupReport:
    """What belongs together in the report."""

    name: str
    about: str
    by: str
    results: list[Result] = field(default_factory=list[Result])

    @property
    def scenarios(self) -> list[Result]:
        return [result for result in self.results if not result.is_baseline]

    @property
    def baselines(self) -> list[Result]:
        return [result for result in self.results if result.is_baseline]

    def ratio(self, ours: Result, theirs: Result, figure: str | None = None) -> Interval | None:
        """How many times theirs ours is, round by round; None where one of them was not measured."""
        found = ratios(ours.rounds.get(figure or self.by, ()), theirs.rounds.get(figure or self.by, ()))
        return median_interval(found) if found else None

    def compared(self) -> Iterator[tuple[Result, Result, Interval]]:
        """Each scenario with each baseline of its size or of none, and with itself at its smallest size."""
        smallest: dict[str, Result] = {}
        for result in sorted(self.scenarios, key=lambda result: result.size):
            smallest.setdefault(result.name, result)
        for result in self.scenarios:
            others = [other for other in self.baselines if other.size in (0, result.size)]
            if smallest[result.name] is not result:
                others.append(smallest[result.name])
            for other in others:
                if (interval := self.ratio(result, other)) is not None:
                    yield result, other, interval


@dataclass
class Report:
    """What a benchmark has found, and where."""

    server: str
    durability: str
    seconds: float
    machine: Mapping[str, Any]
    groups: list[GroupReport] = field(default_factory=list[GroupReport])
    left_out: dict[str, str] = field(default_factory=dict[str, str])
    """What was not measured, and why."""

    def sentence(self) -> str:
        """The one figure that most readers want, in words."""
        results = [result for group in self.groups for result in group.scenarios]
        if not results:
            return "nothing was measured"
        told = max(results, key=lambda result: (result.name == "own-runs", result.agents))
        what = "transitions" if told.name == "own-runs" else f"operations of {told.key}"
        whom = "64 agents" if told.agents == 64 else "one agent" if told.agents == 1 else f"{told.agents} agents"
        return f"this server does {told.rate:,.0f} {what}/s for {whom}; p99 {_milliseconds(told.p99)}"

    def to_json(self) -> str:
        """One JSON object, which `from_json` reads; a line for each result, so that changes of it can be read."""
        told: dict[str, Any] = {"format": FORMAT, **asdict(self)}
        lines = [[json.dumps(result) for result in group.pop("results")] for group in told["groups"]]
        for number, group in enumerate(told["groups"]):
            group["results"] = f"<{number}>"
        text = json.dumps(told, indent=1)
        for number, results in enumerate(lines):
            text = text.replace(f'"<{number}>"', "[\n   " + ",\n   ".join(results) + "\n  ]")
        return text + "\n"

    @classmethod
    def from_json(cls, text: str) -> Report:
        """Raises ValidationError for what `to_json` of this release did not write."""
        try:
            told: dict[str, Any] = json.loads(text)
            if told.pop("format") != FORMAT:
                raise ValueError(f"its format is not {FORMAT}")
            groups = [
                GroupReport(results=[Result(**result) for result in group.pop("results")], **group)
                for group in told.pop("groups")
            ]
            return cls(**told, groups=groups)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValidationError(f"this is no report of a benchmark: {error}") from error


def read_report(file: Path) -> Report:
    """The report in a file. Raises ValidationError, which names the file, if there is none."""
    try:
        return Report.from_json(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise ValidationError(f"{file}: {error}") from error


def result_of(
    group: str, scenario: Scenario, *, is_baseline: bool, latencies: list[float], rounds: dict[str, list[float]]
) -> Result:
    """The result of a scenario, from the microseconds of all its operations and the figures of its rounds."""
    ordered = sorted(latencies)
    return Result(
        group=group,
        name=scenario.name,
        size=scenario.size,
        unit=scenario.unit,
        operation=scenario.operation,
        agents=scenario.agents,
        is_baseline=is_baseline,
        operations=len(ordered) * scenario.units,
        p99=round(percentile(ordered, 0.99), 2),
        most=round(ordered[-1], 2),
        rounds={figure: [round(value, 3) for value in values] for figure, values in rounds.items()},
    )


def _milliseconds(microseconds: float) -> str:
    milliseconds = microseconds / 1000
    return f"{milliseconds:.0f} ms" if milliseconds >= 10 else f"{milliseconds:.2g} ms"

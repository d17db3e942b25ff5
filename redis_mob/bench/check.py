"""Compares the ratios of two reports, so that a loss of speed is found on any machine."""

from __future__ import annotations

from dataclasses import dataclass

from redis_mob.bench.figures import Interval
from redis_mob.bench.results import Report

MARGIN = 0.2
"""What two processes on one machine differ by, which the rounds within one of them cannot show: hash seeds, where
things lie in memory, what else the machine does. Seen between repeated runs of the same release."""


@dataclass(frozen=True, slots=True)
class Loss:
    """A ratio that has grown by more than the noise."""

    group: str
    scenario: str
    compared_with: str
    before: Interval
    now: Interval

    def __str__(self) -> str:
        return (
            f"{self.group}: {self.scenario} takes {self.now.middle:.2f} times {self.compared_with} "
            f"({self.now.low:.2f} to {self.now.high:.2f}), and took {self.before.middle:.2f} "
            f"({self.before.low:.2f} to {self.before.high:.2f})"
        )


def losses(stored: Report, now: Report, margin: float = MARGIN) -> list[Loss]:
    """Where this report is slower than the stored one, by more than the noise.

    Only ratios are compared, of a scenario to a baseline or to itself at its smallest size, each made round by round.
    The median of the rounds lies with 95 % confidence within its interval. A loss is a ratio whose whole interval is
    above the whole stored one, and above it by more than the margin. Ratios that only one of them has do not count.
    """
    known = _ratios(stored)
    return [
        Loss(*key, known[key], ratio)
        for key, ratio in _ratios(now).items()
        if key in known and ratio.low > known[key].high * (1 + margin)
    ]


def common(stored: Report, now: Report) -> int:
    """How many ratios both have."""
    return len(_ratios(stored).keys() & _ratios(now).keys())


def _ratios(report: Report) -> dict[tuple[str, str, str], Interval]:
    return {
        (group.name, ours.key, theirs.key): ratio for group in report.groups for ours, theirs, ratio in group.compared()
    }

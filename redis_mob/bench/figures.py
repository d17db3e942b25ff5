"""What repeated measurements come to. Pure functions, without a library for statistics."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb
from statistics import median
from typing import NamedTuple


def percentile(ordered: Sequence[float], share: float) -> float:
    """The value below which this share of the ordered values lies, interpolated between its neighbours."""
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def spread(values: Sequence[float]) -> float:
    """The interquartile range: between its ends lies the middle half of the values."""
    ordered = sorted(values)
    return percentile(ordered, 0.75) - percentile(ordered, 0.25)


class Interval(NamedTuple):
    """A median, and between which bounds that of all the rounds there could be lies."""

    middle: float
    low: float
    high: float


def median_interval(values: Sequence[float], confidence: float = 0.95) -> Interval:
    """The median, and the narrowest pair of order statistics that encloses the true one with this confidence.

    It assumes nothing of how the values are distributed: each of them is as likely below the true median as above it,
    so that how many are below it follows the binomial distribution. With fewer than six values no pair of them gives
    95 %, and the bounds are the least and the greatest.
    """
    ordered = sorted(values)
    number = len(ordered)
    outside, inner = 0.0, 0
    while inner < (number - 1) // 2:
        outside += 2 * comb(number, inner) / 2**number
        if outside + 2 * comb(number, inner + 1) / 2**number > 1 - confidence:
            break
        inner += 1
    return Interval(median(ordered), ordered[inner], ordered[-1 - inner])


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """The ratio in each round: what slowed the machine down in one slowed both, and cancels out."""
    return [mine / other for mine, other in zip(ours, theirs, strict=False) if other > 0]

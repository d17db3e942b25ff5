"""Exponential backoff: how long to wait before something that failed is tried again."""

from __future__ import annotations

from collections.abc import Callable

_MOST_DOUBLINGS = 1000


def backoff(failures: int, *, first: float, longest: float, uniform: Callable[[float, float], float]) -> float:
    """Seconds to wait after `failures` failed attempts in a row, at least one.

    `first` after the first failure, twice as long after each further one, at most `longest`. `uniform`, a function
    such as `random.uniform`, then takes away up to half of it, so that callers that failed together do not come back
    together.
    """
    full = min(first * 2.0 ** min(failures - 1, _MOST_DOUBLINGS), longest)
    return full * uniform(0.5, 1.0)

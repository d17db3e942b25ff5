"""Exponential backoff: how long to wait before something that failed is tried again."""

from __future__ import annotations

from collections.abc import Callable


def backoff(
    failures: int,
    *,
    first: float,
    longest: float,
    uniform: Callable[[float, float], float],
    factor: float = 2.0,
    jitter: float = 0.5,
) -> float:
    """Seconds to wait after `failures` failed attempts in a row, at least one.

    `first` after the first failure, `factor` times as long after each further one, at most `longest`. `uniform`, a
    function such as `random.uniform`, then takes away up to the part `jitter` of it, so that callers that failed
    together do not come back together.
    """
    try:
        full = min(first * factor ** (failures - 1), longest) if first else 0.0
    except OverflowError:
        full = longest
    return full * uniform(1.0 - jitter, 1.0)

"""Tells of runs that no fleet has started, as imported ones: nothing can replay their inputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from redis_mob.operations.admin.run_lists import RunLists


async def number_unstarted(runs: RunLists, which: Mapping[str, Any]) -> int:
    """How many of the runs that are asked for no fleet has started."""
    number = 0
    async for run in runs.all_runs(**which):
        number += run.definition is None
    return number


def left_out(number: int) -> str:
    """The words behind a result from which this number of runs is missing; empty if none is."""
    return f"; {number} run{'s' * (number != 1)} left out, which no fleet has started" if number else ""

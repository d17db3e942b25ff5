"""Does something with each of many runs, page by page, so that it can be interrupted and called again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from typing import NamedTuple

from redis_mob.errors import CasConflictError, NotFoundError
from redis_mob.models.run_status import MobRunStatus
from redis_mob.models.run_summary import RunFilter, RunSummary

AT_ONCE = 16
"""How many runs are steered at a time."""


class SteeredRun(NamedTuple):
    """A run with which something was to be done: whether it was, and if not, why."""

    run: RunSummary
    is_done: bool
    problem: str | None = None


Steer = Callable[[RunSummary], Awaitable[str | None]]
"""Does something with a run; None if it was done, else why it was not."""


def of_statuses(which: RunFilter, statuses: Collection[MobRunStatus]) -> RunFilter:
    """The filter, for runs of these statuses if it does not ask for any."""
    return which if which.statuses else which.model_copy(update={"statuses": tuple(statuses)})


async def steered(runs: AsyncIterator[RunSummary], steer: Steer) -> AsyncIterator[SteeredRun]:
    """What came of each run, in their order. A run that is gone, or in the way of itself, does not end the others."""
    some: list[RunSummary] = []
    async for run in runs:
        some.append(run)
        if len(some) == AT_ONCE:
            for one in await _all(some, steer):
                yield one
            some = []
    for one in await _all(some, steer):
        yield one


async def _all(runs: Sequence[RunSummary], steer: Steer) -> list[SteeredRun]:
    return await asyncio.gather(*(_one(run, steer) for run in runs))


async def _one(run: RunSummary, steer: Steer) -> SteeredRun:
    try:
        problem = await steer(run)
    except (NotFoundError, CasConflictError) as error:
        return SteeredRun(run, False, str(error))
    return SteeredRun(run, problem is None, problem)

"""What goes on in runs that are not over, and what they wait for (contract: operations-231)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from redis_mob.errors import MobStoreError
from redis_mob.fleet.waiters import signal_of
from redis_mob.models.execution import ExecutionStatus
from redis_mob.models.run_status import MobRunStatus
from redis_mob.models.run_summary import RunSummary
from redis_mob.storage import MobStorage

if TYPE_CHECKING:
    from redis_mob.models.transition import RunView

MOST_RUNS = 50
"""Runs of one list that are read for this, since each of them is read with all that is open in it."""

AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class RunActivity:
    """What goes on in a run.

    `under_way` counts the executions that workers hold, or whose outcome is not decided on; `queued` has the roles of
    those that may begin, `retries` the times of those that are to be tried again later, `throttled` of those whose
    services have asked for that. `signals` are the names that steps wait for, `children` the runs, `asks` the kinds of
    what people are asked, `why_paused` the reasons of its pauses, as far as they have one.
    """

    under_way: int = 0
    queued: tuple[str, ...] = ()
    retries: tuple[datetime, ...] = ()
    throttled: tuple[datetime, ...] = ()
    signals: tuple[str, ...] = ()
    children: tuple[str, ...] = ()
    asks: tuple[str, ...] = ()
    why_paused: tuple[str, ...] = ()


async def activities(storage: MobStorage, runs: Sequence[RunSummary]) -> Mapping[str, RunActivity]:
    """What goes on in the first of these runs that have begun and are not over, by their ids.

    Those that no fleet has started, or that cannot be read, are left out.
    """
    wanted = [run.run_id for run in runs if run.status is MobRunStatus.RUNNING][:MOST_RUNS]
    found: dict[str, RunActivity] = {}
    for at in range(0, len(wanted), AT_ONCE):
        some = wanted[at : at + AT_ONCE]
        views = await asyncio.gather(*(_view(storage, run_id) for run_id in some))
        found |= {run_id: activity_of(view) for run_id, view in zip(some, views, strict=True) if view is not None}
    return found


async def _view(storage: MobStorage, run_id: str) -> RunView | None:
    try:
        return await storage.executions.load(run_id)
    except MobStoreError:
        return None


def activity_of(view: RunView) -> RunActivity:
    """What goes on in a run that was read."""
    under_way = 0
    queued, signals, children = list[str](), list[str](), list[str]()
    retries, throttled = list[datetime](), list[datetime]()
    asks = tuple(sorted(ask.kind for execution in view.executions.values() for ask in execution.asks))
    for key, execution in view.executions.items():
        match execution.status:
            case ExecutionStatus.LEASED | ExecutionStatus.REPORTED:
                under_way += 1
            case ExecutionStatus.WAITING if execution.due_at > view.now:
                (throttled if execution.throttled else retries).append(execution.due_at)
            case ExecutionStatus.WAITING:
                queued.append(execution.role)
            case ExecutionStatus.AWAITING if execution.child is not None:
                children.append(execution.child.run_id)
            case ExecutionStatus.AWAITING:
                signals.append(signal_of(key.target) or key.target)
            case _:
                pass
    return RunActivity(
        under_way,
        tuple(queued),
        tuple(sorted(retries)),
        tuple(sorted(throttled)),
        tuple(sorted(signals)),
        tuple(children),
        asks,
        tuple(pause.reason for pause in view.pauses if pause.reason),
    )

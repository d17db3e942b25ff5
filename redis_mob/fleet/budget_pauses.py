"""Runs that a budget has paused, and that go on once something is left of it (contract: budget-9)."""

from __future__ import annotations

from collections.abc import AsyncIterator

from redis_mob.models.budget import BudgetScope
from redis_mob.models.pause import PauseChange, PauseScope
from redis_mob.models.run_status import NOT_OVER
from redis_mob.models.run_summary import RunFilter
from redis_mob.storage import MobStorage

PAUSED_BY = "budget: "
"""What the reason of a pause begins with that a budget has made."""

PAGE = 200
"""How many runs are read at a time."""


def pause_reason(scope: BudgetScope, used: str) -> str:
    """Why a run is paused by an account of which so much was used."""
    return f"{PAUSED_BY}{scope} is used up: {used}"


def is_by_budget(reason: str | None, scope: BudgetScope) -> bool:
    """Whether a run was paused because nothing was left of an account."""
    return reason is not None and reason.startswith(f"{PAUSED_BY}{scope} ")


async def resume_paused(storage: MobStorage, scope: BudgetScope) -> AsyncIterator[str]:
    """Let all runs go on that were paused by an account; their ids. It looks through all runs that are not over.

    A run below one of them was paused by itself, or not at all.
    """
    which = RunFilter(mob_id=scope.mob_id, statuses=NOT_OVER)
    after: str | None = None
    while True:
        page = await storage.operations.runs(which, limit=PAGE, after=after)
        for run in page.runs:
            if PauseScope.RUN in run.paused and await _resumed(storage, run.run_id, scope):
                yield run.run_id
        if page.next is None:
            return
        after = page.next


async def _resumed(storage: MobStorage, run_id: str, scope: BudgetScope) -> bool:
    view = await storage.executions.load(run_id)
    pauses = () if view is None else view.pauses
    is_by_this = any(pause.run_id is not None and is_by_budget(pause.reason, scope) for pause in pauses)
    return is_by_this and await storage.pauses.resume_run(run_id) is PauseChange.DONE

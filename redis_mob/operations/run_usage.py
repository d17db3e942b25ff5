"""What the calls of runs have used, as lists of runs tell it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from redis_mob.models.budget import BudgetScope
from redis_mob.operations.budget_lines import BudgetLine
from redis_mob.storage import MobStorage


async def usage_of(storage: MobStorage, run_ids: Sequence[str]) -> Mapping[str, BudgetLine]:
    """What the calls of runs have used, by their ids; those are left out whose calls told nothing."""
    found = await storage.budgets.accounts([BudgetScope.of_run(run_id) for run_id in run_ids])
    return {scope.run_id: BudgetLine.of(scope, account) for scope, account in found.items() if scope.run_id is not None}

"""What the calls of handlers have used, and what they may use."""

from __future__ import annotations

from datetime import timedelta

from redis_mob.codec.arguments import optional_valid_text, text
from redis_mob.errors import ValidationError
from redis_mob.models.base import canonical_run_id
from redis_mob.models.budget import OnExceeded
from redis_mob.operations import budgets
from redis_mob.operations.admin.base import AdminBase
from redis_mob.operations.budget_lines import BudgetLine
from redis_mob.operations.budget_reading import budgets_of, shared_budgets
from redis_mob.operations.budgets import BudgetChange
from redis_mob.operations.forking import UNCHANGED, Unchanged


class BudgetAdmin(AdminBase):
    """What the calls of handlers have used, and what they may use."""

    async def budget(self, run_id: str) -> tuple[BudgetLine, ...]:
        """The accounts that the calls of a run draw on, its own first (contract: budget-2).

        Then come those of its roles that have a budget, of shared budgets, and of the runs above it. Raises
        NotFoundError if there is no such run, or no fleet has started it.
        """
        return await budgets_of(self._storage, _run(run_id))

    async def set_budget(
        self,
        run_id: str,
        *,
        role: str | None = None,
        name: str | None = None,
        max_tokens: int | Unchanged | None = UNCHANGED,
        max_cost: float | Unchanged | None = UNCHANGED,
        max_tool_calls: int | Unchanged | None = UNCHANGED,
        max_time: str | timedelta | Unchanged | None = UNCHANGED,
        on_exceeded: OnExceeded | str | Unchanged = UNCHANGED,
        currency: str | None = None,
    ) -> tuple[str, ...]:
        """Give the budget of a run other bounds, and let all runs go on that it has paused, whose ids are returned.

        With a `role` it is that of a role in the run, with a `name` the shared budget of this name that the run draws
        on. What is not given stays, None takes a bound away; what was used stays (contract: budget-9). Runs are looked
        for among all that are not over. If this was interrupted, calling it again goes on. Raises NotFoundError if
        there is no such run, no fleet has started it, or it has no such role, or no shared budget of that name;
        ValidationError for a bound below zero, and for a cost in no currency, or in another one than its calls cost.
        """
        change = BudgetChange(max_tokens, max_cost, max_tool_calls, max_time, on_exceeded, currency)
        return await budgets.set_budget(
            self._storage,
            _run(run_id),
            optional_valid_text("role", role),
            optional_valid_text("name", name),
            change,
        )

    async def shared_budgets(self) -> tuple[BudgetLine, ...]:
        """The accounts of all shared budgets, by mob, name and key."""
        return await shared_budgets(self._storage)

    async def forget_budget(self, mob_id: str, name: str, key: str) -> bool:
        """Remove the account of a shared budget for one key: runs that draw on it begin a new one. False if there is
        none.

        Raises CasConflictError while a call draws on it.
        """
        return await budgets.forget_budget(self._storage, text("mob_id", mob_id), text("name", name), text("key", key))


def _run(run_id: str) -> str:
    """The one spelling of an id. Raises ValidationError for what is none."""
    try:
        return canonical_run_id(text("run_id", run_id))
    except ValueError as error:
        raise ValidationError(f"a run is named by its id: {error}") from None

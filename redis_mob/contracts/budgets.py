"""What the store promises about budgets: accounts of what calls have used, and what calls under way have put aside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from redis_mob.models.budget import Account, Bounds, BudgetDecision, BudgetScope, OnExceeded, Reservation, Settlement


@runtime_checkable
class BudgetStore(Protocol):
    """Accounts of runs, of roles within them, and of shared budgets (contract: budget-1).

    Accounts of a run go when it is deleted; one of a run that is gone is left out by all methods. Those of shared
    budgets stay until they are forgotten. All methods raise as those of `MobRunStore` do.
    """

    async def reserve(self, call: Reservation, declared: Mapping[BudgetScope, Account]) -> BudgetDecision:
        """Let a call begin, if all accounts that it draws on allow it: put aside what it may use, in all or in none.

        `declared` holds the accounts of its scopes as they are before anything was used: one that is not stored is made
        of that. If the verdict is not GO nothing was written; the first account that refuses is told, or else the first
        that lets it wait (contract: budget-3). The same reservation again puts nothing more aside.
        """
        ...

    async def settle(
        self, call: Reservation, settlement: Settlement, declared: Mapping[BudgetScope, Account], *, was_reserved: bool
    ) -> bool:
        """Count what a call has used in all accounts that it draws on, and give back what it has put aside.

        False, with nothing written, if it `was_reserved` and is settled already (contract: budget-4). One that has put
        nothing aside is counted each time.
        """
        ...

    async def set_bounds(
        self,
        scope: BudgetScope,
        bounds: Bounds,
        declared: Account,
        *,
        on_exceeded: OnExceeded,
        currency: str | None,
    ) -> Account | None:
        """Give an account other bounds, and return it; what was used stays. None if its run does not exist."""
        ...

    async def accounts(self, scopes: Sequence[BudgetScope]) -> Mapping[BudgetScope, Account]:
        """Those of these accounts that are stored."""
        ...

    async def reservations(self) -> Sequence[Reservation]:
        """What all calls have put aside that have not been settled. It is read in parts."""
        ...

    async def shared(self) -> Mapping[BudgetScope, Account]:
        """The accounts of all shared budgets, by mob, name and key. They are read in parts."""
        ...

    async def forget(self, scope: BudgetScope) -> bool:
        """Remove the account of a shared budget for one key; False if there is none.

        Raises CasConflictError while a call has put something aside of it.
        """
        ...

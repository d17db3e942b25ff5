"""What the store promises about budgets: accounts of what calls have used, and what calls under way have put aside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol, runtime_checkable

from redis_mob.contracts.wake_up import WakeUp
from redis_mob.models.budget import Account, Bounds, BudgetDecision, BudgetScope, OnExceeded, Reservation, Settlement
from redis_mob.models.model_usage import ModelUsageTotal


@runtime_checkable
class BudgetStore(Protocol):
    """Accounts of runs, of roles within them, and of shared budgets (contract: budget-1).

    Accounts of a run go when it is deleted; one of a run that is gone is left out by all methods. Those of shared
    budgets stay until they are forgotten. One that is full again after each time of a length is given as it is by the
    fleet's clock, whenever it was written (contract: budget-10). All methods raise as those of `MobRunStore` do.
    """

    async def reserve(self, call: Reservation, declared: Mapping[BudgetScope, Account]) -> BudgetDecision:
        """Let a call begin, if all accounts that it draws on allow it: put aside what it may use, in all or in none.

        `declared` holds the accounts of its scopes as they are before anything was used: one that is not stored is made
        of that. If the verdict is not GO the first account that refuses is told, or else the first that lets it wait
        (contract: budget-3), and nothing was written, but that one with a window that pauses runs has refused it. The
        same reservation again puts nothing more aside.
        """
        ...

    async def settle(
        self,
        call: Reservation,
        settlement: Settlement,
        declared: Mapping[BudgetScope, Account],
        *,
        was_reserved: bool,
        is_lost: bool = False,
    ) -> bool:
        """Count what a call has used in all accounts that it draws on, and give back what it has put aside.

        False, with nothing written, if it `was_reserved` and is settled already (contract: budget-4). One that has put
        nothing aside is counted each time. One that `is_lost` counts as its settlement says, an estimated one; what it
        tells after that counts in the place of it, once, if it does so within ten minutes (contract: budget-5). Where
        the window of an account has ended since the call began, it counts in the window before, if that was it, else
        not (contract: budget-10). Who listens to one of the accounts is woken. If the settlement says by what model,
        and for which flow, it adds to their total.
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
        """Give an account other bounds, and return it; what was used stays. None if its run does not exist.

        Who listens to it is woken.
        """
        ...

    async def accounts(self, scopes: Sequence[BudgetScope]) -> Mapping[BudgetScope, Account]:
        """Those of these accounts that are stored."""
        ...

    async def reservations(self) -> Sequence[Reservation]:
        """What all calls have put aside that have not been settled, and those of the last minutes that were lost.

        It is read in parts.
        """
        ...

    async def shared(self) -> Mapping[BudgetScope, Account]:
        """The accounts of all shared budgets, by mob, name and key. They are read in parts."""
        ...

    async def usage(self) -> Sequence[ModelUsageTotal]:
        """What settled calls have used in all, by mob, flow, model and currency (contract: budget-11).

        It is read in parts.
        """
        ...

    async def forget(self, scope: BudgetScope) -> bool:
        """Remove the account of a shared budget for one key; False if there is none.

        Raises CasConflictError while a call has put something aside of it.
        """
        ...

    async def reopened(self, scope: BudgetScope) -> bool:
        """Forget that the account of a shared budget has refused calls in a window that is over (contract: budget-10).

        False, with nothing written, if there is no such account, it has refused none, or that window is not over.
        """
        ...

    def listen(self, scope: BudgetScope) -> AbstractAsyncContextManager[WakeUp]:
        """Wakes when a call that draws on an account was settled, or it got other bounds; at first once.

        That its window has ended wakes no one.
        """
        ...

"""Accounts of budgets given other bounds; runs that a budget has paused go on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pydantic

from redis_mob.errors import NotFoundError, ValidationError, shown
from redis_mob.fleet.budget_accounts import RunAccounts
from redis_mob.fleet.budget_pauses import resume_paused
from redis_mob.fleet.lost_calls import settle_lost
from redis_mob.models.budget import Account, Bounds, Budget, BudgetScope, OnExceeded
from redis_mob.models.documents import complaints
from redis_mob.operations.budget_reading import declared_of, with_roles
from redis_mob.operations.forking import UNCHANGED, Unchanged
from redis_mob.storage import MobStorage


@dataclass(frozen=True, slots=True)
class BudgetChange:
    """What a budget is to be from now on: what is UNCHANGED stays, None takes a bound away."""

    max_tokens: int | Unchanged | None = UNCHANGED
    max_cost: float | Unchanged | None = UNCHANGED
    max_tool_calls: int | Unchanged | None = UNCHANGED
    max_time: Any = UNCHANGED
    on_exceeded: OnExceeded | str | Unchanged = UNCHANGED
    currency: str | None = None

    def checked(self) -> Budget:
        """The fields that are given. Raises ValidationError naming one that makes no sense."""
        given = {name: getattr(self, name) for name in _FIELDS if getattr(self, name) is not UNCHANGED}
        if isinstance(policy := given.get("on_exceeded"), str):
            given["on_exceeded"] = _policy(policy)
        try:
            return Budget.model_validate(given | ({} if self.currency is None else {"currency": self.currency}))
        except pydantic.ValidationError as error:
            raise ValidationError(complaints(error, given)) from None


_FIELDS = ("max_tokens", "max_cost", "max_tool_calls", "max_time", "on_exceeded")


def _policy(text: str) -> OnExceeded:
    try:
        return OnExceeded(text)
    except ValueError:
        raise ValidationError(f"on_exceeded must be pause or fail, not {shown(text)}") from None


async def set_budget(
    storage: MobStorage, run_id: str, role: str | None, name: str | None, change: BudgetChange
) -> tuple[str, ...]:
    """See `FleetAdmin.set_budget`."""
    given = change.checked()
    if role is not None and name is not None:
        raise ValidationError("give role or name, not both: the one is a budget within the run, the other a shared one")
    accounts = await declared_of(storage, run_id)
    declared = with_roles(accounts, run_id)
    if role is not None:
        await _require_role(storage, run_id, role)
        declared.setdefault(BudgetScope.of_run(run_id, role), Account())
    scope = _wanted(declared, run_id, role, name)
    await settle_lost(storage.budgets, storage.executions, run_id)
    stored = await storage.budgets.accounts([scope])
    known = stored.get(scope, declared[scope])
    currency = _checked_currency(given, accounts)
    if currency is not None and known.currency not in (None, currency):
        raise ValidationError(
            f"{scope} counts {shown(known.currency)}, and the calls of the run cost {shown(currency)}"
        )
    account = await storage.budgets.set_bounds(
        scope,
        _changed(known.bounds, given, change),
        declared[scope],
        on_exceeded=known.on_exceeded if change.on_exceeded is UNCHANGED else given.on_exceeded,
        currency=currency,
    )
    if account is None:
        raise NotFoundError.of_run(run_id, storage.namespace)
    return () if account.is_exceeded else tuple([one async for one in resume_paused(storage, scope)])


async def _require_role(storage: MobStorage, run_id: str, role: str) -> None:
    view = await storage.executions.load(run_id)
    if view is None:
        raise NotFoundError.of_run(run_id, storage.namespace)
    if role not in view.launch.members:
        known = ", ".join(map(shown, view.launch.members)) or "none"
        raise NotFoundError(f"run {run_id} has no role {shown(role)}; it has {known}")


def _checked_currency(given: Budget, accounts: RunAccounts) -> str | None:
    """The currency of a bound of the cost, None if none is given.

    Raises ValidationError for one in which no call of the run is paid: each would be refused for good.
    """
    if given.max_cost is None and given.currency is None:
        return None
    if accounts.currency is None:
        raise ValidationError(
            "the cost of the run cannot be bounded: its definition has no prices, and no budget of it names a "
            "currency, so that what its calls cost is not known; bound its tokens, or start a run with prices"
        )
    if given.currency not in (None, accounts.currency):
        raise ValidationError(
            f"max_cost is in {shown(given.currency)}, and the calls of the run cost {shown(accounts.currency)}"
        )
    return accounts.currency


def _changed(bounds: Bounds, given: Budget, change: BudgetChange) -> Bounds:
    names = ("max_tokens", "max_cost", "max_tool_calls", "max_time")
    changed = zip(names, given.bounds, bounds, strict=True)
    return Bounds(*(old if getattr(change, name) is UNCHANGED else new for name, new, old in changed))


async def forget_budget(storage: MobStorage, mob_id: str, name: str, key: str) -> bool:
    """See `FleetAdmin.forget_budget`."""
    await settle_lost(storage.budgets, storage.executions)
    return await storage.budgets.forget(BudgetScope.shared(mob_id, name, key))


def _wanted(declared: Mapping[BudgetScope, Account], run_id: str, role: str | None, name: str | None) -> BudgetScope:
    if name is None:
        return BudgetScope.of_run(run_id, role)
    found = [scope for scope in declared if scope.name == name]
    if not found:
        names = ", ".join(shown(scope.name) for scope in declared if scope.name is not None) or "none"
        raise NotFoundError(f"run {run_id} draws on no shared budget {shown(name)}; it draws on {names}")
    # of several keys, those of runs above it, its own is the last
    return found[-1]

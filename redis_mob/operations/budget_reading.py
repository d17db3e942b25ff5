"""The accounts that the calls of a run draw on, and those that runs share."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager

from redis_mob.errors import NotFoundError, ValidationError
from redis_mob.fleet.budget_accounts import BudgetKeyError, KnownAccounts, RunAccounts, accounts_of
from redis_mob.fleet.definitions import Definitions
from redis_mob.models.budget import Account, BudgetScope
from redis_mob.models.transition import RunView
from redis_mob.operations.budget_lines import BudgetLine
from redis_mob.storage import MobStorage


async def budgets_of(storage: MobStorage, run_id: str) -> tuple[BudgetLine, ...]:
    """See `FleetAdmin.budget`."""
    return await _lines(storage, with_roles(await declared_of(storage, run_id), run_id))


async def budgets_in(storage: MobStorage, view: RunView, definitions: Definitions) -> tuple[BudgetLine, ...]:
    """The same of a run that was read. Raises ValidationError for a key of a budget that cannot be rendered."""
    with _keys_refused():
        accounts = await accounts_of(view, storage.executions, definitions)
    return await _lines(storage, with_roles(accounts, view.run.run_id))


async def _lines(storage: MobStorage, declared: Mapping[BudgetScope, Account]) -> tuple[BudgetLine, ...]:
    stored = await storage.budgets.accounts(list(declared))
    return tuple(BudgetLine.of(scope, stored.get(scope, account)) for scope, account in declared.items())


async def shared_budgets(storage: MobStorage) -> tuple[BudgetLine, ...]:
    """See `FleetAdmin.shared_budgets`."""
    return tuple(BudgetLine.of(*one) for one in (await storage.budgets.shared()).items())


async def declared_of(storage: MobStorage, run_id: str) -> RunAccounts:
    """What the calls of a run draw on. Raises NotFoundError, and ValidationError as `budgets_in` does."""
    with _keys_refused():
        try:
            return await KnownAccounts(storage.executions).of(run_id)
        except NotFoundError:
            raise NotFoundError.of_run(run_id, storage.namespace) from None


@contextmanager
def _keys_refused() -> Generator[None]:
    try:
        yield
    except BudgetKeyError as error:
        raise ValidationError(str(error)) from None


def with_roles(accounts: RunAccounts, run_id: str) -> dict[BudgetScope, Account]:
    """The accounts that the calls of a run draw on, its own first."""
    roles = {BudgetScope.of_run(run_id, role): Account.of(budget) for role, budget in accounts.roles.items()}
    own = BudgetScope.of_run(run_id)
    return {own: accounts.declared[own], **roles, **accounts.declared}

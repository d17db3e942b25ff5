"""Which accounts the calls of a run draw on, and what they are before anything was used (contract: budget-2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from redis_mob.errors import NotFoundError, TemplateError, shown
from redis_mob.fleet.definitions import Definitions
from redis_mob.kernel.context import ConditionContext
from redis_mob.kernel.templates import render
from redis_mob.models.base import FrozenDict
from redis_mob.models.budget import MOST_BYTES_OF_KEY, Account, Budget, BudgetScope
from redis_mob.models.definition import MobDefinition
from redis_mob.models.prices import Prices
from redis_mob.models.profile import Profile
from redis_mob.models.transition import RunView

if TYPE_CHECKING:
    from redis_mob.contracts import ExecutionStore

KNOWN_RUNS = 256
"""Runs of which a worker remembers the accounts."""


class BudgetKeyError(ValueError):
    """The key of a shared budget cannot be rendered."""


class RunAccounts(NamedTuple):
    """What the calls of a run draw on beside the account of their role: the run, those above it, shared budgets."""

    mob_id: str
    flow_id: str
    declared: FrozenDict[BudgetScope, Account]
    roles: FrozenDict[str, Budget]
    prices: Prices | None

    @property
    def currency(self) -> str | None:
        """That of all costs: of the prices, or else the one that a budget names; None if nothing does."""
        if self.prices is not None:
            return self.prices.currency
        budgets = (*self.declared.values(), *self.roles.values())
        return next((one.currency for one in budgets if one.currency is not None), None)

    def of_role(self, run_id: str, role: str) -> FrozenDict[BudgetScope, Account]:
        """Also the account of a role, if it has a budget."""
        budget = self.roles.get(role)
        if budget is None:
            return self.declared
        return FrozenDict({BudgetScope.of_run(run_id, role): Account.of(budget), **self.declared})


def declared_accounts(view: RunView, definition: MobDefinition) -> dict[BudgetScope, Account]:
    """The account of a run, and those of the shared budgets that its parameters name.

    Raises BudgetKeyError for a key that cannot be rendered.
    """
    run = view.run
    of_flow = definition.flows[run.flow_id].budget if run.flow_id in definition.flows else None
    given = view.launch.budget
    accounts = {BudgetScope.of_run(run.run_id): Account.of(of_flow if given is None else given.over(of_flow))}
    context = ConditionContext(run.activation_params, {}, {})
    for name, shared in definition.budgets.items():
        try:
            key = str(render(shared.key, context)[0])
        except TemplateError as error:
            raise BudgetKeyError(f"the key of the budget {shown(name)} cannot be rendered: {error}") from None
        if len(key.encode(errors="replace")) > MOST_BYTES_OF_KEY:
            raise BudgetKeyError(
                f"the key of the budget {shown(name)} is {shown(key)}, and may have {MOST_BYTES_OF_KEY:,} bytes"
            )
        accounts[BudgetScope.shared(run.mob_id, name, key)] = Account.of(shared)
    return accounts


class KnownAccounts:
    """Finds the accounts of runs, and remembers them: what a run was started with never changes."""

    def __init__(self, executions: ExecutionStore) -> None:
        self._executions = executions
        self._definitions = Definitions(executions)
        self._known: dict[str, RunAccounts] = {}

    async def of(self, run_id: str) -> RunAccounts:
        """Those of a run. Raises BudgetKeyError, and NotFoundError for a run that is gone."""
        if (known := self._known.pop(run_id, None)) is None:
            known = await self._read(run_id)
            if len(self._known) >= KNOWN_RUNS:
                del self._known[next(iter(self._known))]
        self._known[run_id] = known
        return known

    async def _read(self, run_id: str) -> RunAccounts:
        view = await self._executions.load(run_id)
        if view is None:
            raise NotFoundError(f"run {run_id} is gone")
        return await accounts_of(view, self._executions, self._definitions)


async def accounts_of(view: RunView, executions: ExecutionStore, definitions: Definitions) -> RunAccounts:
    """Those of a run that was read. Raises BudgetKeyError."""
    definition = await definitions.of(view)
    declared = declared_accounts(view, definition)
    above = view.parent
    while above is not None and (parent := await executions.load(above.run_id)) is not None:
        declared = {**declared_accounts(parent, await definitions.of(parent)), **declared}
        above = parent.parent
    profiles = definition.profiles.items()
    roles = {role: one.budget for role, one in profiles if isinstance(one, Profile) and one.budget is not None}
    run = view.run
    return RunAccounts(run.mob_id, run.flow_id, FrozenDict(declared), FrozenDict(roles), definition.prices)

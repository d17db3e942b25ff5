"""Rules for budgets and prices (contract: budget-7)."""

from __future__ import annotations

from collections.abc import Iterator

from redis_mob.errors import TemplateError, shown
from redis_mob.kernel.diagnostics import Diagnostic
from redis_mob.kernel.foreign_paths import foreign_path
from redis_mob.kernel.templates import Placeholder, parse, spelled_position
from redis_mob.models.budget import Budget
from redis_mob.models.definition import MobDefinition
from redis_mob.models.prices import Prices
from redis_mob.models.profile import Profile


def currency_problem(budget: Budget, prices: Prices | None) -> str | None:
    """What is wrong with the currency of a budget, None if nothing is."""
    if budget.max_cost is None:
        return None
    if prices is None:
        if budget.currency is None:
            return "max_cost is in no currency: write [prices] with currency and models, or currency in the budget"
        return None
    if budget.currency not in (None, prices.currency):
        return f"max_cost is in {shown(budget.currency)}, and the prices are in {shown(prices.currency)}"
    return None


def validate_budgets(definition: MobDefinition) -> Iterator[Diagnostic]:
    """Findings about currencies, and about the keys of shared budgets."""
    first: tuple[str, str] | None = None
    for path, budget in _budgets(definition):
        if (problem := currency_problem(budget, definition.prices)) is not None:
            yield Diagnostic("invalid_budget", problem, path)
        elif definition.prices is None and budget.currency is not None:
            first = first or (path, budget.currency)
            if budget.currency != first[1]:
                problem = f"it is in {shown(budget.currency)}, and {first[0]} in {shown(first[1])}: all calls cost one"
                yield Diagnostic("invalid_budget", problem, path)
    for name, shared in definition.budgets.items():
        yield from _key(f"budgets.{name}.key", shared.key)


def _budgets(definition: MobDefinition) -> Iterator[tuple[str, Budget]]:
    for name, flow in definition.flows.items():
        if flow.budget is not None:
            yield f"flows.{name}.budget", flow.budget
    for name, profile in definition.profiles.items():
        if isinstance(profile, Profile) and profile.budget is not None:
            yield f"profiles.{name}.budget", profile.budget
    for name, shared in definition.budgets.items():
        yield f"budgets.{name}", shared


def _key(path: str, key: str) -> Iterator[Diagnostic]:
    try:
        parts = parse(key)
    except TemplateError as error:
        yield Diagnostic("invalid_budget", f"the key cannot be read: {error}", path)
        return
    for part in parts:
        if not isinstance(part, Placeholder):
            continue
        if part.path.split(".")[0] != "params":
            problem = f"{shown(part.path)} leads elsewhere than into the parameters, which alone never change"
            yield Diagnostic("invalid_budget", f"{problem}: write as in {{{{ params.tenant }}}}", path)
        elif (problem := foreign_path(part.path)) is not None:
            yield Diagnostic("invalid_budget", f"{spelled_position(key, part.start)}: {part}: {problem}", path)

"""Whether a definition makes sense: every finding, with its location (contract: definition-10)."""

from __future__ import annotations

from redis_mob.errors import DefinitionError, shown
from redis_mob.kernel.budget_rules import validate_budgets
from redis_mob.kernel.diagnostics import Diagnostic, Severity
from redis_mob.kernel.flow_rules import validate_flows
from redis_mob.kernel.mob_rules import validate_mob
from redis_mob.models.definition import MobDefinition


def validate(definition: MobDefinition) -> tuple[Diagnostic, ...]:
    """All findings about a definition, errors and warnings: first about the mob, then about its flows.

    Empty for a definition without fault. The stores validate nothing: they keep what they are given.
    """
    return tuple(dict.fromkeys((*validate_mob(definition), *validate_budgets(definition), *validate_flows(definition))))


def require_valid(definition: MobDefinition, *, strict: bool = False) -> tuple[Diagnostic, ...]:
    """The warnings about a definition that has no errors; with `strict` they are errors too.

    Raises DefinitionError that lists every error.
    """
    found = validate(definition)
    errors = [str(one) for one in found if strict or one.severity is Severity.ERROR]
    if errors:
        raise DefinitionError("\n".join([f"the definition of mob {shown(definition.id)} is not valid:", *errors]))
    return found

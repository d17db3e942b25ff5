"""Claims of executions with limits that come too late for their places (contract: engine-62). Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from redis_mob.models.execution import Claim, ExecutionKey
from redis_mob.models.transition import RunView

MOST_LOST_CLAIMS = 3
"""How often a claim of an execution with limits is lost until it is given up: its worker took it, and came too late for
its place, which the schedule gives out again. A claim that lost to a decision is as well taken again later."""


def limited_claims(view: RunView, claims: Iterable[Claim]) -> frozenset[ExecutionKey]:
    """Those of these executions that have limits."""
    found = ((claim.key, view.executions.get(claim.key)) for claim in claims)
    return frozenset(key for key, execution in found if execution is not None and execution.limits)


def without_late(claims: list[Claim], limited: Collection[ExecutionKey], lost: int) -> list[Claim]:
    """The claims to go on with after so many commits were lost."""
    return claims if lost % MOST_LOST_CLAIMS else [claim for claim in claims if claim.key not in limited]

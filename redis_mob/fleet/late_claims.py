"""Which claims of executions with limits a worker gives up, because it came too late (contract: engine-62). Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from redis_mob.models.execution import Claim, ExecutionKey
from redis_mob.models.transition import RunView

MOST_LOST_CLAIMS = 3
"""After how many lost commits the claims of executions with limits are given up.

A worker takes such an execution with its place; if it claims it too late, the schedule has given that place to another
one, and the claim is lost each time. A claim that was lost to a decision may be given up with it: the schedule hands
the execution out again."""


def limited_claims(view: RunView, claims: Iterable[Claim]) -> frozenset[ExecutionKey]:
    """Those of these executions that have limits of their own, or whose roles have one."""
    found = ((claim.key, view.executions.get(claim.key)) for claim in claims)
    roles = view.launch.max_concurrency
    return frozenset(
        key for key, execution in found if execution is not None and (execution.limits or execution.role in roles)
    )


def without_late(claims: list[Claim], limited: Collection[ExecutionKey], lost: int) -> list[Claim]:
    """The claims to go on with after `lost` commits were lost."""
    return claims if lost % MOST_LOST_CLAIMS else [claim for claim in claims if claim.key not in limited]

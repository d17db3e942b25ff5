"""What becomes of claims for which a worker comes too late (contract: executions-15, engine-62). Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

from redis_mob.models.execution import Claim, Execution, ExecutionKey, HowLost, Loss
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


def handed_on(claim: Claim, execution: Execution | None, now: datetime) -> Claim:
    """The claim of an execution that this worker has claimed before, as here, and that was handed on at once, since the
    worker had been let go of.

    That attempt was not begun, so that the next claim does not count another one, as it would by how the execution was
    lost before.
    """
    if execution is None or execution.lease is None:
        return claim
    return claim._replace(loss=Loss(HowLost.HANDED_BACK, execution.lease.owner, "", now))

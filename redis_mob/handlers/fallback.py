"""When the next of several models is asked in the place of one that has failed, and how that is told."""

from __future__ import annotations

from redis_mob.errors import shortened, shown
from redis_mob.fleet.step_context import StepContext, StepFailed, StepThrottled
from redis_mob.handlers.chat_failures import RefusedByEndpoint, UnreachableEndpoint


def is_of_another_model(failure: StepFailed) -> bool:
    """Whether another model may answer where one has failed so: overload, a fault of the endpoint, a timeout."""
    if isinstance(failure, RefusedByEndpoint):
        return failure.retryable
    return isinstance(failure, StepThrottled | UnreachableEndpoint)


async def tell_fallback(ctx: StepContext, failed: str, following: str, failure: StepFailed) -> None:
    """Tell those who watch the run that another model is asked, and why."""
    said = f"model {shown(following)} is asked in the place of {shown(failed)}: {failure.reason}"
    await ctx.report(message=shortened(said), data={"model": following, "instead_of": failed})

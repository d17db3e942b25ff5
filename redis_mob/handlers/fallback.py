"""When the next of several models is asked in the place of one that has failed, and how that is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import timedelta
from typing import TypeVar

from redis_mob.errors import shortened, shown
from redis_mob.fleet.step_context import StepContext, StepFailed, StepThrottled
from redis_mob.handlers.chat_failures import RefusedByEndpoint, UnreachableEndpoint

T = TypeVar("T")


def is_of_another_model(failure: StepFailed) -> bool:
    """Whether another model may answer where one has failed so: overload, a fault of the endpoint, a timeout."""
    if isinstance(failure, RefusedByEndpoint):
        return failure.retryable
    return isinstance(failure, StepThrottled | UnreachableEndpoint)


async def tell_fallback(ctx: StepContext, failed: str, following: str, failure: StepFailed) -> None:
    """Tell those who watch the run that another model is asked, and why."""
    said = f"model {shown(following)} is asked in the place of {shown(failed)}: {failure.reason}"
    await ctx.report(message=shortened(said), data={"model": following, "instead_of": failed})


async def in_time(coming: AsyncGenerator[T], within: timedelta | None) -> AsyncGenerator[T]:
    """The pieces of an answer, whose first one comes in time. Raises UnreachableEndpoint if it does not."""
    async with aclosing(coming) as pieces:
        try:
            async with asyncio.timeout(None if within is None else within.total_seconds()):
                first = await anext(pieces, None)
        except TimeoutError:
            raise UnreachableEndpoint(
                f"the model did not begin to answer within {within.total_seconds() if within else 0:g} s"
            ) from None
        if first is not None:
            yield first
        async for piece in pieces:
            yield piece

"""A mob whose workers tell all metrics of a fleet: one is lost, an attempt fails, a limit is waited for."""

from __future__ import annotations

import asyncio
import os
import signal

from redis_mob import Mob, StepContext, StepFailed, step

mob = Mob("scraped")


@mob.handler
async def fragile(ctx: StepContext) -> int:
    """Ends its worker at first."""
    if ctx.attempt == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return ctx.attempt


@mob.handler(retries=1)
async def flaky(ctx: StepContext) -> int:
    """Fails at first."""
    if ctx.attempt == 1:
        raise StepFailed("not yet")
    return ctx.attempt


@mob.handler
async def endless() -> None:
    """Takes the one place that there is, and leaves the others waiting."""
    await asyncio.Event().wait()


@mob.handler
async def curious(ctx: StepContext) -> bool:
    """Waits for people."""
    return (await ctx.ask("go on")).approved


inner = mob.flow("inner", [step("flaky")])
outer = mob.flow(
    "outer",
    [
        step("fragile"),
        step("child", flow="inner", after="fragile"),
    ],
)
limited = mob.flow("limited", [step("endless", timeout=3600, concurrency={"limit": 1})])
asking = mob.flow("asking", [step("curious")])

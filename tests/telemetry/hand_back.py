"""A run whose worker hands its execution back, so that the next worker is the one that ends it."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.step_context import StepContext
from redis_mob.storage import MobStorage
from redis_mob.testing.waiting import LONG
from tests.fleet.flows import FLOW, mob, step


async def handed_back_once(storage: MobStorage) -> None:
    """Run it to its end: step a hangs until its first worker leaves."""
    begun = asyncio.Event()

    async def hangs(ctx: StepContext) -> int:
        begun.set()
        if ctx.fencing_token == 1:
            await asyncio.Event().wait()
        return 1

    fleet = Fleet(storage, mob({"a": step()}), {"*": hangs})
    async with asyncio.timeout(LONG):
        run_id = await fleet.start(FLOW)
        async with fleet.working(drain_timeout=timedelta(0)):
            await begun.wait()
        async with fleet.working():
            await fleet.wait(run_id)

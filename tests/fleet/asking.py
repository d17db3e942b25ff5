"""What tests of asks share: waiting until something is asked, and answering it."""

from __future__ import annotations

import asyncio
from typing import Any

from redis_mob.models.ask import PendingAsk
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.storage import MobStorage
from redis_mob.testing.waiting import LONG


async def asked(storage: MobStorage, number: int = 1) -> tuple[PendingAsk, ...]:
    """So many asks, once they are pending."""
    admin = FleetAdmin(storage)
    async with asyncio.timeout(LONG), storage.executions.listen() as wake_up:
        while len(found := await admin.inbox()) < number:
            await wake_up.wait(0.05)
    assert len(found) == number
    return found


async def answer(storage: MobStorage, kind: str = "ok", **given: Any) -> None:
    """Answer the one ask of a kind, once it is pending."""
    admin = FleetAdmin(storage)
    async with asyncio.timeout(LONG), storage.executions.listen() as wake_up:
        while not (found := [one for one in await admin.inbox() if one.ask.kind == kind]):
            await wake_up.wait(0.05)
    [one] = found
    assert await admin.answer(one.ask.id, **given)

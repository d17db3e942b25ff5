"""An operator sees the workers of a namespace."""

from __future__ import annotations

import asyncio

from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.storage import MobStorage
from redis_mob.testing.waiting import LONG
from tests.fleet.working import at_work


async def test_workers_that_hold_a_lease_are_told(storage: MobStorage) -> None:
    admin = FleetAdmin(storage)
    assert await admin.workers() == ()
    async with at_work(storage, {"*": lambda _ctx: "done"}):
        async with asyncio.timeout(LONG):
            while not (workers := await admin.workers()):  # noqa: ASYNC110 - it has to register
                await asyncio.sleep(0)
        [worker] = workers
        assert worker.record.slots > 0
    assert await admin.workers() == ()

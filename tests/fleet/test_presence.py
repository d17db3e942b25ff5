"""A worker is known as long as it works, however early it ends."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from redis_mob.models.worker import WorkerRecord
from redis_mob.storage import MobStorage
from tests.fleet.working import at_work


async def test_a_worker_that_is_cancelled_while_it_joins_leaves(
    storage: MobStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The storage knows it already, and the reply has not come."""
    join, joined = storage.executions.join_workers, asyncio.Event()

    async def without_reply(worker: WorkerRecord, lease: timedelta) -> None:
        await join(worker, lease)
        joined.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(storage.executions, "join_workers", without_reply)

    async def work() -> None:
        async with at_work(storage, {"*": lambda _ctx: 1}, lease=timedelta(hours=1)):
            await asyncio.Event().wait()

    working = asyncio.create_task(work())
    await joined.wait()
    assert len(await storage.executions.workers()) == 1
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    assert await storage.executions.workers() == ()

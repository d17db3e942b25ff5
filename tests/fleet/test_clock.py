"""The clock of a server is set back by an hour while a namespace is in use."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.step_context import StepContext
from redis_mob.models.flow_spec import DispatchMode
from redis_mob.models.limits import RateSpec
from redis_mob.models.run_status import MobRunStatus
from redis_mob.storage import MobStorage
from redis_mob.testing.conformance.due_work import LONG_LEASE
from redis_mob.testing.waiting import LONG, until
from tests.fleet.flows import mob, step
from tests.fleet.working import at_work, loaded, run_flow

HOUR = timedelta(hours=1)


async def set_back(connection: Client, keys: Keys, storage: MobStorage) -> None:
    """Note an hour more than the clock shows, as if it had shown that before."""
    seconds, _ = await connection.router.request("TIME")
    await connection.router.request("HSET", keys.meta, "clock_ms", (int(seconds) + HOUR.seconds) * 1000)
    await storage.executions.take_due(max_runs=0, max_executions=0, keep=LONG_LEASE)


async def test_a_run_is_not_over_before_it_was_launched(
    server_url: str, connection: Client, keys: Keys, storage: MobStorage
) -> None:
    await set_back(connection, keys, storage)
    run = await run_flow(storage, mob({"a": step()}), lambda _ctx: 1)
    view = await loaded(storage, run.run_id)
    assert run.completed_at is not None
    assert view.launched_at <= run.completed_at <= view.now
    assert all(view.launched_at <= row.timestamp <= view.now for row in run.step_ledger)


async def test_events_tell_the_time_of_the_server(
    server_url: str, connection: Client, keys: Keys, storage: MobStorage
) -> None:
    await set_back(connection, keys, storage)
    run = await run_flow(storage, mob({"a": step()}), lambda _ctx: 1)
    view = await loaded(storage, run.run_id)
    events = await storage.events.replay_all()
    assert all(event.timestamp < view.launched_at - HOUR / 2 for event in events)
    assert await storage.events.prune(older_than=view.launched_at - HOUR / 2, structural=True) == len(events)


async def test_a_rate_goes_on_at_once(server_url: str, connection: Client, keys: Keys, storage: MobStorage) -> None:
    spec = step(
        for_each="params.items", dispatch_mode=DispatchMode.ONE_TO_ONE, rate=RateSpec(limit=5, per="300ms", key="all")
    )
    begun: list[int] = []

    def work(ctx: StepContext) -> None:
        assert ctx.index is not None
        begun.append(ctx.index)

    fleet = Fleet(storage, mob({"a": spec}), {"*": work})
    async with at_work(storage, {"*": work}, workers=2):
        run_id = await fleet.start("flow", {"items": list(range(20))})
        async with asyncio.timeout(LONG):
            for number in (1, 6, 11):
                await until(lambda number=number: len(begun) >= number)
                await set_back(connection, keys, storage)
            run = await fleet.wait(run_id)
    assert run.status is MobRunStatus.COMPLETED

"""A flow from start to end on either backend, by several workers in one process."""

from __future__ import annotations

from redis_mob import StepContext
from redis_mob.models.run import MobRunStatus
from redis_mob.storage import MobStorage
from tests.fleet.flows import mob, step
from tests.fleet.working import check_told_once, run_flow


async def test_several_workers_share_a_flow(storage: MobStorage) -> None:
    async def handler(ctx: StepContext) -> str:
        return ctx.step_id

    definition = mob({"a": step(), "b": step(), "c": step()})
    run = await run_flow(storage, definition, handler, members={"worker": 3}, workers=3)
    assert run.status is MobRunStatus.COMPLETED
    assert set(run.root_step_outputs) == {"a", "b", "c"}
    await check_told_once(storage, run)

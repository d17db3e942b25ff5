"""A worker is known as long as it works, however early it ends."""

from __future__ import annotations

import asyncio
import gc
from datetime import timedelta
from typing import Any

import pytest

from redis_mob.errors import OutcomeUnknownError
from redis_mob.fleet import presence, run_driver
from redis_mob.fleet.step_context import StepContext
from redis_mob.models.execution import Serves
from redis_mob.models.run_status import MobRunStatus
from redis_mob.models.transition import Commit, Transition
from redis_mob.models.worker import WorkerRecord
from redis_mob.storage import MobStorage
from tests.fleet.flows import mob, step
from tests.fleet.working import at_work, loaded, run_flow


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


@pytest.mark.parametrize("is_reply_lost", [False, True], ids=["", "reply_lost"])
async def test_a_worker_that_was_let_go_of_before_it_claimed_executes_nothing_of_that(
    storage: MobStorage, monkeypatch: pytest.MonkeyPatch, is_reply_lost: bool
) -> None:
    """It has stalled for its lease between taking and claiming. What it claims is handed on (executions-15); if it were
    lost while it executed that, the loss would be counted nowhere."""
    executions, tokens = storage.executions, list[int]()
    commit, ended = executions.commit, list[Commit]()

    async def let_go_of_before(transition: Transition) -> Commit:
        claimed = [one.lease.owner for one in transition.executions.values() if one.lease is not None]
        if claimed and not ended:
            await executions.leave_workers(claimed[0], is_orderly=False)
        ended.append(await commit(transition))
        if is_reply_lost and len(ended) == 1:
            raise OutcomeUnknownError("the reply was lost", "token")
        return ended[-1]

    async def handler(ctx: StepContext) -> int:
        tokens.append(ctx.fencing_token)
        return ctx.attempt

    monkeypatch.setattr(executions, "commit", let_go_of_before)
    monkeypatch.setattr(run_driver, "RETRY_SECONDS", 0.001)
    run = await run_flow(storage, mob({"a": step()}), handler, lease=timedelta(hours=1))
    assert run.status is MobRunStatus.COMPLETED
    assert ended[0] is Commit.HANDED_ON
    [token] = tokens
    assert token > 1, "under another id, and as the same attempt"
    [execution] = (await loaded(storage, run.run_id)).executions.values()
    assert (execution.attempt, execution.lost) == (1, 0)


async def test_a_claim_that_was_handed_on_counts_no_attempt_when_its_reply_is_lost(
    storage: MobStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that was let go of is given its own executions anew, and the reply that what it claims was handed on is
    lost."""
    executions, attempts = storage.executions, list[int]()
    commit, lost = executions.commit, list[Commit]()

    async def without_reply(transition: Transition) -> Commit:
        ended = await commit(transition)
        if ended is Commit.HANDED_ON and not lost:
            lost.append(ended)
            raise OutcomeUnknownError("the reply was lost", "token")
        return ended

    async def handler(ctx: StepContext) -> int:
        attempts.append(ctx.attempt)
        if attempts == [1, 1]:
            [worker] = await executions.workers()
            await executions.leave_workers(worker.record.id, is_orderly=False)
        if ctx.attempt == 1:
            await asyncio.Event().wait()
        return ctx.attempt

    monkeypatch.setattr(executions, "commit", without_reply)
    monkeypatch.setattr(run_driver, "RETRY_SECONDS", 0.001)
    run = await run_flow(storage, mob({"a": step()}), handler, members={"worker": 2}, lease=timedelta(hours=1))
    assert run.status is MobRunStatus.COMPLETED
    assert lost == [Commit.HANDED_ON]
    assert attempts == [1, 1, 2, 2]


async def test_an_error_that_comes_when_leaving_is_given_up_is_not_logged_by_asyncio(
    storage: MobStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reply is late, and says that it never came: no one waits for it any more, and its worker has ended."""
    forgotten, is_late = list[dict[str, Any]](), asyncio.Event()
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: forgotten.append(context))
    monkeypatch.setattr(presence, "LEAVE_SECONDS", 0.0)
    leaving = list[asyncio.Task[Any] | None]()

    async def late(worker_id: str) -> bool:
        leaving.append(asyncio.current_task())
        await is_late.wait()
        raise OutcomeUnknownError(f"the reply for {worker_id} never came", "token")

    monkeypatch.setattr(storage.executions, "leave_workers", late)
    async with presence.Presence(storage.executions, "worker", Serves(), 1, timedelta(hours=1)).known():
        await asyncio.sleep(0)
    is_late.set()
    [task] = leaving
    assert task is not None
    await asyncio.wait([task])
    leaving.clear()
    del task
    gc.collect()
    assert forgotten == []

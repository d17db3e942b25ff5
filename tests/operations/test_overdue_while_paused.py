"""What its worker does not end in time fails also while it is paused, by its run, its flow or its mob."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from redis_mob.fleet.pausing import held_back
from redis_mob.models.definition import MobDefinition
from redis_mob.models.due_work import DueExecution
from redis_mob.models.execution import EVERYTHING, Claim, ExecutionKey, ExecutionStatus, Serves
from redis_mob.models.flow_spec import RetrySpec
from redis_mob.models.limits import ConcurrencySpec
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.storage import MobStorage
from redis_mob.testing.samples.driven_runs import LONG_LEASE, DrivenRun, a_worker, keys_of, started
from redis_mob.testing.samples.states import NOON
from tests.fleet.flows import mob, step
from tests.operations.test_pauses import SCOPES, pause, resume

MUCH_LATER = RetrySpec(attempts=2, first=3600, most=3600)
FREE = mob({"a": step(retry=MUCH_LATER)})
LIMITED = mob({"a": step(retry=MUCH_LATER, concurrency=ConcurrencySpec(limit=1))})
DEFINITIONS = pytest.mark.parametrize("definition", [FREE, LIMITED], ids=["free", "limited"])


async def taken(
    storage: MobStorage, most: int = 9, keep: timedelta = LONG_LEASE, serves: Serves = EVERYTHING
) -> Sequence[DueExecution]:
    """The executions that a worker gets which asks for this number of them."""
    return (await storage.executions.take_due(max_runs=9, max_executions=most, keep=keep, serves=serves)).executions


async def overdue(
    storage: MobStorage, definition: MobDefinition, role_limit: int = 9
) -> tuple[DrivenRun, ExecutionKey]:
    """A run, and its execution, which a worker that is alive was to end long ago."""
    run = await started(storage.executions, definition, max_concurrency={"worker": role_limit})
    await storage.executions.join_workers(a_worker("one"), LONG_LEASE)
    [due] = await taken(storage)
    claim = run.claimed(await run.view(), due.key)
    execution = claim.executions[due.key]
    assert execution.lease is not None
    lease = execution.lease.model_copy(update={"deadline": NOON})
    late = {due.key: execution.model_copy(update={"lease": lease})}
    assert await storage.executions.commit(replace(claim, executions=late))
    return run, due.key


async def fails(run: DrivenRun, key: ExecutionKey) -> None:
    """What a worker makes of it that has taken it: the attempt fails, and the next one is not begun."""
    view = await run.view()
    assert held_back(view, [Claim(key, None)]) == []
    assert await run.executions.commit(run.claimed(view, key, owner="two"))
    execution = (await run.view()).executions[key]
    assert (execution.status, execution.attempt, execution.lease) == (ExecutionStatus.WAITING, 2, None)
    assert "had not ended it" in (execution.reason or "")


@pytest.mark.parametrize("is_queued", [False, True], ids=["later", "before"])
@DEFINITIONS
@pytest.mark.parametrize("scope", SCOPES)
async def test_what_is_long_out_of_time_fails_while_it_is_paused(
    storage: MobStorage, other_storage: MobStorage, scope: str, definition: MobDefinition, is_queued: bool
) -> None:
    """Whether that is noticed before the pause, when no worker has room for it, or later (contract: operations-124)."""
    admin = FleetAdmin(other_storage)
    run, key = await overdue(storage, definition)
    if is_queued:
        assert await taken(storage, most=0) == ()
    assert await pause(admin, scope, run.run_id)
    assert [due.key for due in await taken(storage)] == [key]
    await fails(run, key)
    assert await taken(storage) == ()
    assert await resume(admin, scope, run.run_id)


@DEFINITIONS
async def test_what_is_long_out_of_time_comes_back_to_the_next_worker(
    storage: MobStorage, definition: MobDefinition
) -> None:
    """The one that took it is lost before it has ended it, and others take it, paused as it is."""
    run, key = await overdue(storage, definition)
    assert await pause(FleetAdmin(storage), "mob", run.run_id)
    for keep in (timedelta(), timedelta(), LONG_LEASE):
        assert [due.key for due in await taken(storage, keep=keep)] == [key]
    assert await taken(storage) == ()
    await fails(run, key)


@DEFINITIONS
async def test_what_is_long_out_of_time_waits_for_no_limit(storage: MobStorage, definition: MobDefinition) -> None:
    """Others of its role may have all the room: to end it takes none."""
    run, key = await overdue(storage, definition, role_limit=1)
    assert await taken(storage, most=0) == ()
    other = await started(storage.executions, definition, max_concurrency={"worker": 1})
    found = await taken(storage)
    assert (run.run_id, key) in [(due.run_id, due.key) for due in found]
    if definition is FREE:  # the role counts no longer what is overdue
        assert other.run_id in [due.run_id for due in found]
    await fails(run, key)


@DEFINITIONS
@pytest.mark.parametrize("is_orderly", [True, False])
async def test_what_is_long_out_of_time_and_lost_waits_once(
    storage: MobStorage, definition: MobDefinition, is_orderly: bool
) -> None:
    run, key = await overdue(storage, definition)
    assert await taken(storage, most=0) == ()
    assert await storage.executions.leave_workers("one", is_orderly=is_orderly)
    [due] = await taken(storage)
    assert (due.run_id, due.key, due.loss and due.loss.worker) == (run.run_id, key, "one")
    assert await taken(storage) == ()


@DEFINITIONS
async def test_what_ends_after_all_is_no_longer_overdue(storage: MobStorage, definition: MobDefinition) -> None:
    run, key = await overdue(storage, definition)
    assert await taken(storage, most=0) == ()
    await run.settle(key)
    assert await taken(storage) == ()
    assert await FleetAdmin(storage).queues() == ()


@DEFINITIONS
async def test_what_is_long_out_of_time_goes_with_its_run_to_another_release(
    storage: MobStorage, definition: MobDefinition
) -> None:
    run, key = await overdue(storage, definition)
    assert await taken(storage, most=0) == ()
    await storage.steering.move_run(run.run_id, "next")
    assert await pause(FleetAdmin(storage), "flow", run.run_id)
    assert keys_of(await run.view()) == [key]
    assert [due.key for due in await taken(storage, serves=Serves(release="next"))] == [key]
    await fails(run, key)

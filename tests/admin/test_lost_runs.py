"""Runs that have lost what they need: they are refused by name, and accepting the loss leaves nothing that hangs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import pytest

from redis_mob import Fleet, StepFailed
from redis_mob.admin.losses import Loss, accept_losses, find_losses
from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.errors import SerializationError
from redis_mob.models.run_status import MobRunStatus
from redis_mob.storage import MobStorage
from redis_mob.testing.samples.driven_runs import (
    FLOW,
    ONE_STEP,
    STEPS_AND_LOOP,
    DrivenRun,
    keys_of,
    waiting,
)

ROOT, LOOP, BODY = "-root", "-root::l", "-root::l::iter-0"


@pytest.fixture
def keys() -> Keys:
    return Keys(f"runs-{uuid4().hex}")


@pytest.fixture
async def storage(server_url: str, keys: Keys) -> AsyncIterator[MobStorage]:
    async with MobStorage.open(server_url, namespace=keys.namespace) as opened:
        yield opened


async def lose(connection: Client, key: str, name: str | None) -> None:
    """All of a key of a run, or all fields of one frame or loop in it."""
    if name is None:
        await connection.router.request("DEL", key)
        return
    packed = bytes([0xD9, len(name)]) + name.encode()
    fields = await connection.router.request("HKEYS", key)
    assert await connection.router.request("HDEL", key, *(field for field in fields if field[1:].startswith(packed)))


async def forget_counts(connection: Client, run: str) -> None:
    """Make a run one of an older release, whose records are not counted."""
    fields = await connection.router.request("HKEYS", run)
    await connection.router.request("HDEL", run, "counted", *(field for field in fields if field.startswith(b"n:")))


async def scheduled(connection: Client, keys: Keys, run_id: str) -> list[bytes]:
    """What the schedules have of a run."""
    members = [
        member for key in (keys.due, keys.ready) for member in await connection.router.request("ZRANGE", key, 0, -1)
    ]
    return [member for member in members if run_id.encode() in member]


LOST = [
    ("frames", None),
    ("frames", ROOT),
    ("frames", BODY),
    ("loops", None),
    ("loops", LOOP),
    ("executions", None),
]


@pytest.mark.parametrize("counted", [True, False], ids=["counted", "of an older release"])
@pytest.mark.parametrize(("part", "name"), LOST)
async def test_a_run_that_cannot_go_on_is_named_and_accepting_its_loss_cancels_it(
    part: str,
    name: str | None,
    counted: bool,
    server_url: str,
    storage: MobStorage,
    connection: Client,
    keys: Keys,
) -> None:
    run = await waiting(storage.executions, STEPS_AND_LOOP)
    head = keys.run(run.run_id).run
    if not counted:
        await forget_counts(connection, head)
    await lose(connection, f"{head}:{part}", name and run.run_id + name)
    with pytest.raises(SerializationError, match=f"run {run.run_id}: {part} is damaged"):
        await storage.executions.load(run.run_id)
    found = await find_losses(server_url, keys.namespace)
    assert [loss.key for loss in found if "cancels the run" in loss.found] == [f"{head}:{part}"]
    assert await accept_losses(server_url, keys.namespace, run.run_id) == found
    assert await find_losses(server_url, keys.namespace) == []
    await is_canceled(run, storage, connection, keys)


@pytest.mark.parametrize(("part", "name"), LOST)
async def test_a_run_of_an_older_release_that_cannot_go_on_can_be_canceled(
    part: str, name: str | None, storage: MobStorage, connection: Client, keys: Keys
) -> None:
    run = await waiting(storage.executions, STEPS_AND_LOOP)
    head = keys.run(run.run_id).run
    await forget_counts(connection, head)
    await lose(connection, f"{head}:{part}", name and run.run_id + name)
    assert await storage.executions.request_cancel(run.run_id)
    await run.advance()
    assert await storage.executions.status(run.run_id) is MobRunStatus.CANCELED


async def is_canceled(run: DrivenRun, storage: MobStorage, connection: Client, keys: Keys) -> None:
    due = await storage.executions.take_due(max_runs=9, max_executions=0, keep=timedelta(0))
    assert due.runs == (run.run_id,)
    await run.advance()
    assert await storage.executions.status(run.run_id) is MobRunStatus.CANCELED
    ends = [event.kind.type for event in await storage.events.replay_all() if event.kind.type.startswith("flow_c")]
    assert ends == ["flow_canceled"]
    assert await scheduled(connection, keys, run.run_id) == []


async def test_a_run_that_has_lost_one_of_several_open_executions_goes_on(
    server_url: str, storage: MobStorage, connection: Client, keys: Keys
) -> None:
    run = await waiting(storage.executions, ONE_STEP, members=2)
    executions = keys.run(run.run_id).executions
    first = (await connection.router.request("HKEYS", executions))[0]
    await connection.router.request("HDEL", executions, first)
    assert await accept_losses(server_url, keys.namespace, run.run_id) == [Loss(executions, "1 of 2 records are there")]
    # it is due in this very millisecond: it may stand in either
    places = [await connection.router.request("ZCARD", key) for key in (keys.queued, keys.ready)]
    assert sum(places) == 1
    left = keys_of(await run.view())
    await run.claim(*left)
    await run.settle(*left)
    assert await storage.executions.status(run.run_id) is MobRunStatus.COMPLETED


async def test_a_run_whose_last_open_execution_is_lost_cannot_go_on(
    server_url: str, storage: MobStorage, connection: Client, keys: Keys
) -> None:
    run = await waiting(storage.executions, ONE_STEP, members=2)
    executions = keys.run(run.run_id).executions
    first, last = keys_of(await run.view())
    await run.claim(first)
    await run.settle(first)
    fields = await connection.router.request("HKEYS", executions)
    await connection.router.request("HDEL", executions, *(one for one in fields if last.target.encode() in one))
    assert len(await accept_losses(server_url, keys.namespace, run.run_id)) == 2
    await is_canceled(run, storage, connection, keys)


async def test_a_forgotten_run_leaves_the_schedules(
    server_url: str, storage: MobStorage, connection: Client, keys: Keys
) -> None:
    gone = await waiting(storage.executions, STEPS_AND_LOOP)
    other = await waiting(storage.executions, STEPS_AND_LOOP)
    before = await scheduled(connection, keys, other.run_id)
    await connection.router.request("DEL", keys.run(gone.run_id).run)
    assert await accept_losses(server_url, keys.namespace, gone.run_id)
    assert await scheduled(connection, keys, gone.run_id) == []
    assert await scheduled(connection, keys, other.run_id) == before
    assert await find_losses(server_url, keys.namespace) == []


@pytest.mark.parametrize("left", ["its keys", "its end in the log"])
async def test_a_run_that_gets_the_id_of_a_forgotten_one_tells_its_own_end(
    left: str, server_url: str, storage: MobStorage, connection: Client, keys: Keys
) -> None:
    fails = False

    def work(_: object) -> int:
        if fails:
            raise StepFailed("no", retryable=False)
        return 1

    fleet, stop = Fleet(storage, ONE_STEP, {"worker": work}), asyncio.Event()
    worker = asyncio.create_task(fleet.work(stop=stop))
    run_id = await fleet.start(FLOW, idempotency_key="once")
    assert (await fleet.wait(run_id)).status is MobRunStatus.COMPLETED
    run = keys.run(run_id)
    if left == "its keys":
        await connection.router.request("DEL", run.run)
    else:
        await connection.router.request("DEL", *run.parts, run.index, run.executions, keys.runs)
        assert await accept_losses(server_url, keys.namespace)
    assert await accept_losses(server_url, keys.namespace, run_id) == [Loss(run.run, "the run is gone")]
    assert await find_losses(server_url, keys.namespace, run_id) == []
    fails = True
    assert await fleet.start(FLOW, idempotency_key="once") == run_id
    assert (await fleet.wait(run_id)).status is MobRunStatus.FAILED
    stop.set()
    await worker
    ends = [event.kind.type for event in await storage.events.replay_all()]
    assert [kind for kind in ends if kind in ("flow_completed", "flow_failed")] == ["flow_completed", "flow_failed"]
    assert await find_losses(server_url, keys.namespace) == []


async def test_what_the_log_has_once_of_other_runs_stays(
    server_url: str, storage: MobStorage, connection: Client, keys: Keys
) -> None:
    run, other = await waiting(storage.executions, ONE_STEP), await waiting(storage.executions, ONE_STEP)
    for one in (run, other):
        assert await storage.executions.request_cancel(one.run_id)
        await one.advance()
    assert await connection.router.request("HLEN", keys.events_index) == 2
    await connection.router.request("DEL", keys.run(run.run_id).run)
    assert await accept_losses(server_url, keys.namespace, run.run_id)
    left = await connection.router.request("HKEYS", keys.events_index)
    assert [other.run_id.encode() in identity for identity in left] == [True]

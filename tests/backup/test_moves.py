"""A move that fails behind its cut is undone, or can be found out and undone later (contract: backup-7)."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from redis_mob.backup.live import LiveNamespace
from redis_mob.backup.moving import abort_move, move
from redis_mob.backup.restoring import RestoringNamespace
from redis_mob.connection.calls import unopened_namespace
from redis_mob.connection.calls.client import connect
from redis_mob.connection.calls.namespace_state import MOVE
from redis_mob.connection.calls.scripts import script
from redis_mob.connection.calls.unopened_namespace import connected
from redis_mob.connection.retry import RetryPolicy
from redis_mob.errors import (
    CasConflictError,
    NotFoundError,
    StorageUnavailableError,
    ValidationError,
    WriteFailedError,
)
from redis_mob.security.sealing import SealKey
from redis_mob.storage import MobStorage
from redis_mob.testing.faults import Fault, FaultProxy, Plan, Request, fault_proxy
from redis_mob.testing.samples.documents import authority
from tests.support.raw import keys_of

FINISH = script("backup/finish_restore").sha.encode()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests are sent once."""
    monkeypatch.setattr(unopened_namespace, "connect", partial(connect, retry=RetryPolicy(deadline=0)))


def from_finish_on(first: Fault, then: Fault) -> Plan:
    """One fault for the last write of a move, another one for all requests behind it."""
    came = False

    def plan(request: Request) -> Fault:
        nonlocal came
        if came:
            return then
        came = FINISH in request.words
        return first if came else Fault.NONE

    return plan


async def put(url: str, namespace: str, number: int) -> None:
    async with MobStorage.open(url, namespace=namespace, retry=RetryPolicy(deadline=0)) as storage:
        await storage.config.put("n", "one", {"n": number})


async def is_there(url: str, namespace: str) -> bool:
    try:
        async with MobStorage.open(url, namespace=namespace, create=False, retry=RetryPolicy(deadline=0)) as storage:
            return await storage.config.exists("n", "one")
    except StorageUnavailableError:
        return False


async def names_of(url: str, namespace: str) -> set[str]:
    """The keys of a namespace, which cannot be opened."""
    async with connected(url, namespace) as (client, keys):
        return await keys_of(client, keys)


@pytest.fixture
async def source(server_url: str, redis7_url: str, namespace: str) -> str:
    # where a script is not known yet, its first request does nothing
    target = await connect(redis7_url)
    await target.router.request("SCRIPT", "LOAD", script("backup/finish_restore").text)
    await target.aclose()
    await put(server_url, namespace, 1)
    return server_url


async def test_a_move_whose_last_write_fails_is_undone(source: str, redis7_url: str, namespace: str) -> None:
    async with fault_proxy(redis7_url, from_finish_on(Fault.CUT_BEFORE, Fault.NONE)) as target:
        with pytest.raises(WriteFailedError, match="finish_restore"):
            await move(source, namespace, target.url, namespace)
        await put(source, namespace, 2)
        assert not await is_there(redis7_url, namespace)
        with pytest.raises(ValidationError, match="nothing to abort"):
            await abort_move(source, namespace, target.url, namespace)
        assert not await names_of(redis7_url, namespace)
        await move(source, namespace, target.url, namespace)
    assert await is_there(redis7_url, namespace)


async def test_a_move_whose_last_reply_is_lost_has_happened(source: str, redis7_url: str, namespace: str) -> None:
    async with fault_proxy(redis7_url, from_finish_on(Fault.CUT_AFTER, Fault.NONE)) as target:
        await move(source, namespace, target.url, namespace)
    assert (await is_there(source, namespace), await is_there(redis7_url, namespace)) == (False, True)


async def end_without_an_answer(source: str, namespace: str, target: FaultProxy, first: Fault) -> None:
    target.plan = from_finish_on(first, Fault.CUT_BEFORE)
    with pytest.raises(StorageUnavailableError, match="--abort"):
        await move(source, namespace, target.url, namespace)
    assert not await is_there(source, namespace)
    target.plan = lambda _: Fault.NONE


async def test_a_move_that_may_have_happened_is_undone_when_it_has_not(
    source: str, redis7_url: str, namespace: str
) -> None:
    async with fault_proxy(redis7_url) as target:
        await end_without_an_answer(source, namespace, target, Fault.CUT_BEFORE)
        with pytest.raises(ValidationError, match=r"to another place: .*; give the URL as it is there"):
            await abort_move(source, namespace, redis7_url, f"{namespace}-other")
        await abort_move(source, namespace, redis7_url, namespace)  # the same server by another URL
        await put(source, namespace, 2)
        assert not await is_there(redis7_url, namespace)


async def test_a_move_that_may_have_happened_is_left_when_it_has(source: str, redis7_url: str, namespace: str) -> None:
    async with fault_proxy(redis7_url) as target:
        await end_without_an_answer(source, namespace, target, Fault.CUT_AFTER)
        with pytest.raises(CasConflictError, match="has ended"):
            await abort_move(source, namespace, target.url, namespace)
    assert (await is_there(source, namespace), await is_there(redis7_url, namespace)) == (False, True)


async def test_a_move_that_is_canceled_behind_its_cut_is_undone(
    source: str, redis7_url: str, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unopened_namespace, "connect", connect)  # the last write is tried again and again
    arrived = asyncio.Event()

    def plan(request: Request) -> Fault:
        if FINISH not in request.words:
            return Fault.NONE
        arrived.set()
        return Fault.CUT_BEFORE

    async with fault_proxy(redis7_url, plan) as target:
        moving = asyncio.create_task(move(source, namespace, target.url, namespace))
        await arrived.wait()
        assert not await is_there(source, namespace)
        moving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await moving
    await put(source, namespace, 2)


async def test_a_namespace_does_not_replace_itself(source: str, namespace: str) -> None:
    with pytest.raises(ValidationError, match="same namespace"):
        await move(source, namespace, source, namespace, replace=True)
    await put(source, namespace, 2)


async def test_what_is_sealed_keeps_its_name(server_url: str, redis7_url: str, namespace: str) -> None:
    async with MobStorage.open(server_url, namespace=namespace, seal_key=SealKey.generate("k")) as storage:
        await storage.runtime_metadata.put_supervisor_authority("mob", authority())
        with pytest.raises(ValidationError, match="keep that name"):
            await move(server_url, namespace, redis7_url, f"{namespace}-other")
        await storage.config.put("n", "one", {})
        await move(server_url, namespace, redis7_url, namespace)


async def test_what_is_not_there_does_not_move(server_url: str, redis7_url: str, namespace: str) -> None:
    with pytest.raises(NotFoundError, match="no namespace"):
        await move(server_url, namespace, redis7_url, namespace)
    assert not await is_there(redis7_url, namespace)


async def test_what_is_sealed_is_refused_before_the_target_is_touched(
    server_url: str, redis7_url: str, namespace: str
) -> None:
    async with MobStorage.open(server_url, namespace=namespace, seal_key=SealKey.generate("k")) as storage:
        await storage.runtime_metadata.put_supervisor_authority("mob", authority())
    await put(redis7_url, f"{namespace}-other", 1)
    with pytest.raises(ValidationError, match="keep that name"):
        await move(server_url, namespace, redis7_url, f"{namespace}-other", replace=True)
    assert await is_there(redis7_url, f"{namespace}-other")


@pytest.mark.parametrize(("id", "what"), [("one", "a backup"), (f"{MOVE}one", "a move")])
async def test_what_is_under_way_is_told_before_the_target_is_touched(
    source: str, redis7_url: str, namespace: str, id: str, what: str
) -> None:
    await put(redis7_url, namespace, 1)
    async with connected(source, namespace) as (client, keys):
        await LiveNamespace(client, keys, id).begin()
        with pytest.raises(CasConflictError, match=f"{what} of namespace '{namespace}' is under way"):
            await move(source, namespace, redis7_url, namespace, replace=True)
        assert await is_there(redis7_url, namespace)


async def test_a_move_that_fails_before_its_cut_leaves_nothing(source: str, redis7_url: str, namespace: str) -> None:
    writing = script("backup/write").sha.encode()

    def plan(request: Request) -> Fault:
        return Fault.CUT_BEFORE if writing in request.words else Fault.NONE

    async with fault_proxy(redis7_url, plan) as target:
        with pytest.raises(WriteFailedError, match="backup/write"):
            await move(source, namespace, target.url, namespace)
    assert not await names_of(redis7_url, namespace)
    await put(source, namespace, 2)


@pytest.mark.parametrize("are_notes_there", [True, False])
async def test_a_move_that_was_killed_before_its_cut_is_undone(
    source: str, redis7_url: str, namespace: str, are_notes_there: bool
) -> None:
    """The notes of the old namespace are forgotten after a minute, and the new place knows nothing of that."""
    async with connected(source, namespace) as (client, keys), connected(redis7_url, namespace) as (target, new):
        reading, restoring = LiveNamespace(client, keys, f"{MOVE}one"), RestoringNamespace(target, new, f"{MOVE}one")
        await reading.begin()
        await restoring.begin(replace=False)
        await target.router.request("HSET", new.named("left"), "f", "v")
        if not are_notes_there:
            await reading.let_go()
        await abort_move(source, namespace, redis7_url, namespace)
        assert not await names_of(redis7_url, namespace)
        assert not await client.router.request("EXISTS", keys.changes)
        await put(source, namespace, 2)
        assert not await client.router.request("EXISTS", keys.changes)
        with pytest.raises(ValidationError, match="nothing to abort"):
            await abort_move(source, namespace, redis7_url, namespace)


async def test_a_restore_is_not_undone_as_a_move(source: str, redis7_url: str, namespace: str) -> None:
    async with connected(redis7_url, namespace) as (target, new):
        await RestoringNamespace(target, new, "one").begin(replace=False)
    with pytest.raises(ValidationError, match="nothing to abort"):
        await abort_move(source, namespace, redis7_url, namespace)


async def test_what_another_move_has_left_is_not_removed(source: str, redis7_url: str, namespace: str) -> None:
    """One that has lost its target to another move is undone, and the other one goes on."""
    async with connected(source, namespace) as (client, keys), connected(redis7_url, namespace) as (target, new):
        await LiveNamespace(client, keys, f"{MOVE}one").begin()
        await RestoringNamespace(target, new, f"{MOVE}one").begin(replace=False)
        other = RestoringNamespace(target, new, f"{MOVE}two")
        await other.begin(replace=False)
        mine = RestoringNamespace(target, new, f"{MOVE}one")
        assert await mine.give_up()
        with pytest.raises(CasConflictError, match="another restore"):
            await target.router.request("HSET", new.named("of two"), "f", "v")
            await mine.remove()
        await other.finish({b"schema": b"1", b"epoch": b"0"})

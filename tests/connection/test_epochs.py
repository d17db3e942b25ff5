"""A storage that has gone back in time, as one does when a failover loses what was acknowledged, is noticed by all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from redis_mob.connection.calls.client import Client, connect
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.calls.sessions import MOST_UNKNOWN
from redis_mob.connection.retry import RetryPolicy
from redis_mob.errors import ChangeFeedTruncatedError, EpochChangedError, OutcomeUnknownError, StorageUnavailableError
from redis_mob.notifications.subscription import REMEMBERED
from redis_mob.storage import MobStorage
from redis_mob.testing.faults import Fault, fault_proxy, in_order
from redis_mob.testing.samples.new_events import number_of, numbered
from redis_mob.testing.waiting import LONG, take, until
from tests.connection.scripts import INCREASE
from tests.support.raw import keys_of


@asynccontextmanager
async def opened(url: str, namespace: str) -> AsyncGenerator[Client]:
    """A connection that has the namespace open."""
    connection = await connect(url, namespace)
    await connection.open_namespace(namespace)
    yield connection
    await connection.aclose()


@pytest.fixture
async def client(server_url: str, namespace: str) -> AsyncIterator[Client]:
    async with opened(server_url, namespace) as connection:
        yield connection


@pytest.fixture
async def other(server_url: str, namespace: str) -> AsyncIterator[Client]:
    """Another client."""
    async with opened(server_url, namespace) as connection:
        yield connection


@pytest.fixture
async def storage(server_url: str, namespace: str) -> AsyncIterator[MobStorage]:
    async with MobStorage.open(server_url, namespace=namespace) as storage:
        yield storage


async def saved(connection: Client, keys: Keys) -> dict[str, bytes]:
    """A dump of every key of the namespace, from which `put_back` restores it."""
    names = sorted(await keys_of(connection, keys))
    return {name: await connection.router.request("DUMP", name) for name in names}


async def put_back(connection: Client, keys: Keys, content: dict[str, bytes]) -> None:
    """Restore a dump, as a failover does that loses all writes since then."""
    await connection.router.request("DEL", *await keys_of(connection, keys))
    for name, dump in content.items():
        await connection.router.request("RESTORE", name, 600_000 if ":session:" in name else 0, dump)


async def test_a_lost_write_is_told_once_and_then_things_go_on(client: Client, connection: Client, keys: Keys) -> None:
    await client.call(INCREASE, [keys.runs])
    before = await saved(connection, keys)
    await client.call(INCREASE, [keys.runs])
    await put_back(connection, keys, before)
    with pytest.raises(EpochChangedError, match=r"not done.*has lost writes.*read again"):
        await client.call(INCREASE, [keys.runs])
    assert await client.call(INCREASE, [keys.runs]) == 2
    assert await client.call(INCREASE, [keys.runs]) == 3


async def test_nothing_lost_is_nothing_to_tell(client: Client, connection: Client, keys: Keys) -> None:
    await client.call(INCREASE, [keys.runs])
    await put_back(connection, keys, await saved(connection, keys))
    assert await client.call(INCREASE, [keys.runs]) == 2


async def test_all_clients_are_told_what_one_of_them_noticed(
    client: Client, other: Client, connection: Client, keys: Keys
) -> None:
    """A client that lost no write is told too, because it may rely on values that it has read and that are gone."""
    await other.call(INCREASE, [keys.runs])
    before = await saved(connection, keys)
    await client.call(INCREASE, [keys.runs])
    await put_back(connection, keys, before)
    with pytest.raises(EpochChangedError):
        await client.call(INCREASE, [keys.runs])
    with pytest.raises(EpochChangedError):
        await other.call(INCREASE, [keys.runs])
    assert await client.call(INCREASE, [keys.runs]) == 2
    assert await other.call(INCREASE, [keys.runs]) == 3


async def test_a_storage_that_goes_back_twice_is_noticed_twice(
    client: Client, other: Client, connection: Client, keys: Keys
) -> None:
    """Both times to before the first loss, so that the epoch that tells of the first one is lost too."""
    before = await saved(connection, keys)
    for _ in range(2):
        await client.call(INCREASE, [keys.runs])
        await put_back(connection, keys, before)
        with pytest.raises(EpochChangedError):
            await client.call(INCREASE, [keys.runs])
        with pytest.raises(EpochChangedError):
            await other.call(INCREASE, [keys.runs])
    assert await other.call(INCREASE, [keys.runs]) == 1


async def test_every_call_under_way_is_told_and_none_is_done(client: Client, connection: Client, keys: Keys) -> None:
    before = await saved(connection, keys)
    await asyncio.gather(*(client.call(INCREASE, [keys.runs]) for _ in range(8)))
    await put_back(connection, keys, before)
    calls = [client.call(INCREASE, [keys.runs]) for _ in range(8)]
    assert {type(end) for end in await asyncio.gather(*calls, return_exceptions=True)} == {EpochChangedError}
    assert await client.call(INCREASE, [keys.runs]) == 1


async def test_a_write_whose_reply_was_lost_with_it_is_told_not_to_have_happened(
    server_url: str, namespace: str, connection: Client, keys: Keys
) -> None:
    """Its effect is lost as if it had never been sent; EpochChangedError tells that other writes are lost."""
    async with fault_proxy(server_url) as proxy:
        client = await connect(proxy.url, namespace, retry=RetryPolicy(deadline=LONG))
        await client.open_namespace(namespace)
        before = await saved(connection, keys)
        await client.call(INCREASE, [keys.runs])
        proxy.plan = in_order([Fault.CUT_AFTER, *[Fault.CUT_BEFORE] * 9999])
        call = asyncio.create_task(client.call(INCREASE, [keys.runs]))
        await until(lambda: proxy.count(Fault.CUT_AFTER) == 1)
        await put_back(connection, keys, before)
        proxy.plan = in_order([])
        with pytest.raises(EpochChangedError):
            await call
        assert await client.call(INCREASE, [keys.runs]) == 1
        await client.aclose()


@pytest.mark.parametrize("asked", [False, True], ids=["not asked for", "asked for"])
@pytest.mark.parametrize("at_once", [1, 8])
async def test_a_failover_that_also_loses_the_replies_of_all_calls_under_way_is_told(
    server_url: str, namespace: str, connection: Client, keys: Keys, at_once: int, asked: bool
) -> None:
    """The slots of these calls are not used again, and a fence that `resolve` leaves in one does not hide the loss."""
    async with fault_proxy(server_url) as proxy:
        client = await connect(proxy.url, namespace, retry=RetryPolicy(deadline=0))
        await client.open_namespace(namespace)
        before = await saved(connection, keys)
        await asyncio.gather(*(client.call(INCREASE, [keys.runs]) for _ in range(at_once)))
        proxy.plan = lambda request: Fault.NONE if request.is_handshake else Fault.CUT_BEFORE
        lost = await asyncio.gather(
            *(client.call(INCREASE, [keys.runs]) for _ in range(at_once)), return_exceptions=True
        )
        await put_back(connection, keys, before)
        proxy.plan = in_order([])
        for error in lost:
            assert isinstance(error, OutcomeUnknownError)
            if asked:
                with suppress(OutcomeUnknownError):  # its slot is newer than the dump
                    assert not (await client.resolve(error.token)).executed
        with pytest.raises(EpochChangedError):
            await client.call(INCREASE, [keys.runs])
        assert await client.call(INCREASE, [keys.runs]) == 1
        await client.aclose()


async def test_replies_that_are_lost_are_no_loss_of_writes(server_url: str, namespace: str, keys: Keys) -> None:
    async with fault_proxy(server_url) as proxy:
        client = await connect(proxy.url, namespace, retry=RetryPolicy(deadline=0))
        await client.open_namespace(namespace)
        for fault in (Fault.CUT_AFTER, Fault.CUT_BEFORE) * (MOST_UNKNOWN // 2 + 1):
            proxy.plan = lambda request, fault=fault: Fault.NONE if request.is_handshake else fault
            with pytest.raises(OutcomeUnknownError) as unknown:
                await client.call(INCREASE, [keys.runs])
            proxy.plan = in_order([])
            assert (await client.resolve(unknown.value.token)).executed is (fault is Fault.CUT_AFTER)
            await client.call(INCREASE, [keys.runs])
        await client.aclose()


async def test_a_deleted_namespace_is_one_that_has_gone_back(client: Client, connection: Client, keys: Keys) -> None:
    await client.call(INCREASE, [keys.runs])
    await connection.router.request("DEL", *await keys_of(connection, keys))
    with pytest.raises(EpochChangedError):
        await client.call(INCREASE, [keys.runs])
    assert await client.call(INCREASE, [keys.runs]) == 1


async def test_a_client_that_opens_later_has_nothing_to_be_told(
    client: Client, server_url: str, namespace: str, connection: Client, keys: Keys
) -> None:
    await test_a_lost_write_is_told_once_and_then_things_go_on(client, connection, keys)
    async with opened(server_url, namespace) as later:
        assert await later.call(INCREASE, [keys.runs]) == 4


async def test_a_subscriber_is_told_and_goes_on_where_the_log_differs(
    storage: MobStorage, connection: Client, keys: Keys
) -> None:
    await storage.events.append_batch([numbered(number) for number in range(1, 8)])
    before = await saved(connection, keys)
    async with storage.events.subscribe(after=2) as events:
        await storage.events.append_batch([numbered(8), numbered(9)])
        assert [number_of(event) for event in await take(events, 7)] == [3, 4, 5, 6, 7, 8, 9]
        await put_back(connection, keys, before)
        async with asyncio.timeout(LONG):
            with pytest.raises(EpochChangedError, match=r"up to cursor 9, only what came up to cursor 7") as told:
                await anext(events)
        assert told.value.kept == 7
        with pytest.raises(EpochChangedError):
            await storage.events.append(numbered(0))
        await storage.events.append_batch([numbered(18), numbered(19), numbered(20)])
        assert [(event.cursor, number_of(event)) for event in await take(events, 3)] == [(8, 18), (9, 19), (10, 20)]


async def test_a_subscriber_is_told_also_if_the_log_has_grown_again(
    storage: MobStorage, server_url: str, namespace: str, connection: Client, keys: Keys
) -> None:
    await storage.events.append_batch([numbered(1), numbered(2)])
    before = await saved(connection, keys)
    async with storage.events.subscribe(after=0) as events:
        await storage.events.append_batch([numbered(3), numbered(4)])
        assert [number_of(event) for event in await take(events, 4)] == [1, 2, 3, 4]
        await put_back(connection, keys, before)
        async with MobStorage.open(server_url, namespace=namespace) as other:
            await other.events.append_batch([numbered(number) for number in range(13, 19)])
        async with asyncio.timeout(LONG):
            with pytest.raises(EpochChangedError) as told:
                await anext(events)
        assert told.value.kept == 2
        assert [(event.cursor, number_of(event)) for event in await take(events, 6)] == [
            (number - 10, number) for number in range(13, 19)
        ]


async def test_a_change_that_is_made_again_is_not_taken_for_the_lost_one(
    storage: MobStorage, server_url: str, namespace: str, connection: Client, keys: Keys
) -> None:
    """A change holds no document, so that another history often has equal changes at the same cursors."""
    await storage.config.put("n", "a", 0)
    before = await saved(connection, keys)
    async with storage.config.subscribe(after=0) as changes:
        for number in range(4):
            await storage.config.put("n", "a", number)
        for _ in range(5):
            await changes.next()
        await put_back(connection, keys, before)
        async with MobStorage.open(server_url, namespace=namespace) as other:
            await other.config.put("n", "other", 0)
            for number in range(4):
                await other.config.put("n", "a", number)
        async with asyncio.timeout(LONG):
            with pytest.raises(ChangeFeedTruncatedError) as told:
                await changes.next()
            assert told.value.first_available == 2
            assert [(await changes.next()).id for _ in range(5)] == ["other", "a", "a", "a", "a"]


async def test_a_log_that_lost_more_than_a_subscriber_remembers_is_gone_through_again(
    storage: MobStorage, server_url: str, namespace: str, connection: Client, keys: Keys
) -> None:
    """The subscriber goes back to an entry that is certainly unchanged, so that it misses nothing."""
    lost, kept, seen = 5 * REMEMBERED, 50, 0
    await storage.events.append_batch([numbered(number) for number in range(kept)])
    before = await saved(connection, keys)
    async with storage.events.subscribe(after=0) as events:
        for first in range(0, lost, 500):
            await storage.events.append_batch([numbered(number) for number in range(first, first + 500)])
        while seen < kept + lost:
            seen = (await anext(events)).cursor
        await put_back(connection, keys, before)
        async with MobStorage.open(server_url, namespace=namespace) as other:
            await other.events.append_batch([numbered(number) for number in range(900)])
        async with asyncio.timeout(LONG):
            with pytest.raises(EpochChangedError) as told:
                await anext(events)
        assert told.value.kept is not None
        assert 0 < told.value.kept <= kept
        again = await take(events, kept + 900 - told.value.kept)
        assert [event.cursor for event in again] == list(range(told.value.kept + 1, kept + 901))


async def test_a_subscriber_of_config_changes_is_told_to_read_again(
    storage: MobStorage, server_url: str, namespace: str, connection: Client, keys: Keys
) -> None:
    await storage.config.put("n", "a", 1)
    before = await saved(connection, keys)
    async with storage.config.subscribe(after=0) as changes:
        await storage.config.put("n", "b", 1)
        assert [(await changes.next()).id for _ in range(2)] == ["a", "b"]
        await put_back(connection, keys, before)
        async with MobStorage.open(server_url, namespace=namespace) as other:
            await other.config.put("n", "c", 1)
            await other.config.put("n", "d", 1)
        async with asyncio.timeout(LONG):
            with pytest.raises(ChangeFeedTruncatedError) as told:
                await changes.next()
            assert told.value.first_available == 2
            assert [(await changes.next()).id for _ in range(2)] == ["c", "d"]


async def test_opening_says_that_the_server_lost_what_it_had_just_answered(
    server_url: str, namespace: str, connection: Client, keys: Keys
) -> None:
    client = await connect(server_url, namespace)
    await client.call(INCREASE, [keys.runs])
    await connection.router.request("DEL", *await keys_of(connection, keys))
    with pytest.raises(StorageUnavailableError, match="has lost writes"):
        await client.open_namespace(namespace)
    await client.aclose()

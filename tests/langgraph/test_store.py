"""The store: what it keeps, finds and lists, and when it goes."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
from langgraph.store.base import GetOp, InvalidNamespaceError, ListNamespacesOp, MatchCondition, PutOp, SearchOp
from langgraph.store.memory import InMemoryStore

from redis_mob import MobStorage
from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.errors import InternalError, SerializationError, StorageUnavailableError, ValidationError
from redis_mob.langgraph import RedisMobStore
from tests.langgraph.threads import commands_of, keys_there


@pytest.fixture
async def store(server_url: str, namespace: str) -> AsyncIterator[RedisMobStore]:
    async with RedisMobStore.open(server_url, namespace=namespace) as opened:
        yield opened


async def test_an_item_keeps_the_time_of_its_creation(store: RedisMobStore) -> None:
    await store.aput(("a",), "k", {"x": 1})
    first = await store.aget(("a",), "k")
    await store.aput(("a",), "k", {"x": 2})
    second = await store.aget(("a",), "k")
    assert first is not None
    assert second is not None
    assert second.value == {"x": 2}
    assert second.created_at == first.created_at == first.updated_at < second.updated_at


async def test_it_finds_and_lists_what_memory_does(store: RedisMobStore) -> None:
    """Random puts and deletions; memory lists items as they came, so that both are sorted."""
    chosen, memory = random.Random(3), InMemoryStore()
    names = [("a",), ("a", "b"), ("a", "b", "c"), ("a!",), ("ab",), ("é", "日本")]
    for step in range(200):
        space, key = chosen.choice(names), chosen.choice(["k", "\0", "kk", "ü", ""])
        value = {"n": step % 7, "deep": {"m": step % 2}, "list": [1, step % 2]}
        for one in (store, memory):
            if step % 5 == 4:
                await one.adelete(space, key)
            else:
                await one.aput(space, key, value)
    filters: list[Any] = [
        None,
        {"n": 3},
        {"n": {"$gt": 2, "$lte": 5}},
        {"n": {"$ne": 3}, "deep": {"m": 1}},
        {"list": [1, {"$gte": 1}]},
        {"none": None},
    ]
    for prefix in ((), ("a",), ("a", "b"), ("é",), ("none",)):
        for wanted in filters:
            found = await store.asearch(prefix, filter=wanted, limit=100)
            expected = await memory.asearch(prefix, filter=wanted, limit=100)
            order = sorted(expected, key=lambda one: (one.namespace, one.key))
            assert [(one.namespace, one.key, one.value) for one in found] == [
                (one.namespace, one.key, one.value) for one in order
            ]
            some = await store.asearch(prefix, filter=wanted, limit=3, offset=2)
            assert some == found[2:5]
    listings: list[dict[str, Any]] = [
        {},
        {"prefix": ("a",)},
        {"prefix": ("a", "*", "c")},
        {"suffix": ("b",)},
        {"prefix": ("*",), "suffix": ("b", "c")},
        {"max_depth": 1},
        {"max_depth": 2, "limit": 2, "offset": 1},
        {"limit": 0},
    ]
    for listing in listings:
        assert await store.alist_namespaces(**listing) == await memory.alist_namespaces(**listing)


async def test_a_batch_reads_before_it_puts_and_the_last_change_counts(store: RedisMobStore) -> None:
    await store.aput(("a",), "old", {"x": 0})
    results = await store.abatch(
        [
            PutOp(("a",), "k", {"x": 1}),
            GetOp(("a",), "k"),
            PutOp(("a",), "k", {"x": 2}),
            PutOp(("a",), "old", None),
            SearchOp(("a",)),
            GetOp(("a",), "old"),
        ]
    )
    searched: Any = results[4]
    assert [results[number] for number in (0, 1, 2, 3)] == [None] * 4
    assert [one.key for one in searched] == ["old"]
    assert results[5] is not None
    assert [(one.key, one.value) for one in await store.asearch(())] == [("k", {"x": 2})]


async def test_a_search_reads_no_more_than_it_gives(store: RedisMobStore, connection: Client) -> None:
    async def bytes_sent() -> int:
        stats: bytes = await connection.router.request("INFO", "stats")
        return int(stats.partition(b"total_net_output_bytes:")[2].partition(b"\r")[0])

    text = random.Random(1).randbytes(1000).hex()  # which cannot be packed
    await store.abatch([PutOp(("a",), f"{number:04}", {"long": text}) for number in range(1000)])
    cost = await commands_of(connection, lambda: store.asearch(("a",), limit=2))
    assert (cost["zrange"], cost["hmget"]) == (1, 1)
    before = await bytes_sent()
    assert len(await store.asearch(("a",), limit=2)) == 2
    assert await bytes_sent() - before < 20_000
    assert len(await store.asearch(("a",), filter={"none": None}, limit=2000)) == 1000


async def test_namespaces_are_listed_without_a_look_at_their_items(store: RedisMobStore, connection: Client) -> None:
    await store.abatch([PutOp(("a", str(number % 2)), str(number), {}) for number in range(1000)])
    cost = await commands_of(connection, store.alist_namespaces)
    assert await store.alist_namespaces() == [("a", "0"), ("a", "1")]
    assert cost["zrange"] == 3


async def test_an_item_expires_after_its_last_use(store: RedisMobStore, connection: Client, keys: Keys) -> None:
    async def end() -> int | None:
        place = (await connection.router.request("ZRANGE", keys.langgraph.item_expiry, 0, -1))[0]
        return int(await connection.router.request("ZSCORE", keys.langgraph.item_expiry, place))

    async def set_end(milliseconds: int) -> None:
        for place in await connection.router.request("ZRANGE", keys.langgraph.item_expiry, 0, -1):
            await connection.router.request("ZADD", keys.langgraph.item_expiry, milliseconds, place)

    far = 10**15
    await store.aput(("a",), "k", {"x": 1}, ttl=5)
    await set_end(far)
    assert await store.aget(("a",), "k", refresh_ttl=False) is not None
    assert await end() == far
    assert await store.aget(("a",), "k") is not None
    assert await end() != far
    await set_end(far)
    assert len(await store.asearch(("a",))) == 1
    assert await end() != far

    await store.aput(("b",), "k", {"x": 2})
    await set_end(1)
    assert await store.aget(("a",), "k") is None
    assert [one.namespace for one in await store.asearch(())] == [("b",)]
    assert await store.alist_namespaces() == [("b",)]
    await store.adelete(("b",), "k")
    assert await keys_there(connection, keys) == set()


async def test_an_item_that_is_put_again_without_a_ttl_stays(
    store: RedisMobStore, connection: Client, keys: Keys
) -> None:
    await store.aput(("a",), "k", {"x": 1}, ttl=0.5)
    await store.aput(("a",), "k", {"x": 1})
    assert await connection.router.request("EXISTS", keys.langgraph.item_expiry) == 0


async def test_an_expired_item_that_is_put_again_is_a_new_one(
    store: RedisMobStore, connection: Client, keys: Keys
) -> None:
    await store.aput(("a",), "k", {"x": 1}, ttl=5)
    first = await store.aget(("a",), "k")
    [place] = await connection.router.request("ZRANGE", keys.langgraph.item_expiry, 0, -1)
    await connection.router.request("ZADD", keys.langgraph.item_expiry, 1, place)
    await store.aput(("a",), "k", {"x": 2}, ttl=5)
    second = await store.aget(("a",), "k")
    assert first is not None
    assert second is not None
    assert second.created_at > first.created_at


async def test_the_default_ttl_of_the_store_counts(server_url: str, namespace: str) -> None:
    async with RedisMobStore.open(server_url, namespace=namespace, ttl={"default_ttl": 1}) as store:
        await store.aput(("a",), "k", {})
        async with MobStorage.open(server_url, namespace=namespace) as storage:
            assert storage.on_server is not None
            client, keys = storage.on_server
            assert await client.router.request("EXISTS", keys.langgraph.item_expiry) == 1


async def test_what_it_cannot_do_is_refused_before_anything_is_written(
    store: RedisMobStore, connection: Client, keys: Keys
) -> None:
    wrong: Any = 5
    with pytest.raises(ValidationError, match="this store has no vectors"):
        await store.asearch(("a",), query="meaning")
    with pytest.raises(ValidationError, match=r"index \['x'\] of item 'k': this store has no vectors"):
        await store.abatch([PutOp(("a",), "ok", {}), PutOp(("a",), "k", {}, index=["x"])])
    with pytest.raises(ValidationError, match="index: this store has no vectors"):
        RedisMobStore.open("embedded:", index=wrong)
    with pytest.raises(ValidationError, match="the value of item 'k' must be an object, not 5"):
        await store.aput(("a",), "k", wrong)
    with pytest.raises(ValidationError, match=r"ttl of item 'k' must be minutes, more than 0, not '5'"):
        await store.abatch([PutOp(("a",), "k", {}, ttl=str(wrong))])  # pyright: ignore[reportArgumentType]
    for refused in (
        store.aput(("\ud800",), "k", {}),
        store.aget(("\ud800",), "k"),
        store.asearch(("a", "\ud800")),
        store.alist_namespaces(prefix=("\ud800",)),
    ):
        with pytest.raises(ValidationError, match=r"a label of the namespace '.+' cannot be stored"):
            await refused
    with pytest.raises(ValidationError, match=r"ttl of item 'k' must be minutes, more than 0, not -1"):
        await store.aput(("a",), "k", {}, ttl=-1)
    with pytest.raises(InternalError, match=r"item 'k': \$\.x: a value of type object is no JSON"):
        await store.aput(("a",), "k", {"x": object()})
    with pytest.raises(ValidationError, match="lone surrogates"):
        await store.aput(("a",), "\ud800", {})
    with pytest.raises(InvalidNamespaceError):
        await store.abatch([GetOp(("a.b",), "k")])
    with pytest.raises(ValidationError, match=r"operator '\$in': use one of \$eq"):
        await store.aput(("a",), "k", {"x": 1})
        await store.asearch(("a",), filter={"x": {"$in": [1]}})
    await store.adelete(("a",), "k")
    condition: Any = MatchCondition("prefix", ("a",))._replace(match_type="middle")
    await store.aput(("a",), "k", {"x": 1})
    parts: list[tuple[dict[str, Any], str]] = [
        ({"limit": True}, "limit must be an integer"),
        ({"limit": "3"}, "limit must be an integer"),
        ({"offset": -1}, "offset must be an integer from 0"),
        ({"offset": None}, "offset must be an integer"),
    ]
    for arguments, message in parts:
        with pytest.raises(ValidationError, match=message):
            await store.asearch(("a",), **arguments)
        with pytest.raises(ValidationError, match=message):
            await store.alist_namespaces(**arguments)
    with pytest.raises(ValidationError, match="filter must be a Mapping"):
        await store.asearch(("a",), filter=wrong)
    with pytest.raises(ValidationError, match="match_type must be prefix or suffix, not 'middle'"):
        await store.abatch([ListNamespacesOp((condition,))])
    await store.adelete(("a",), "k")
    assert await keys_there(connection, keys) == set()
    with pytest.raises(StorageUnavailableError, match="memory: is none"):
        await RedisMobStore.open("memory:")


async def test_comparisons_of_two_types_are_false(store: RedisMobStore) -> None:
    await store.aput(("a",), "k", {"x": "text"})
    assert await store.asearch(("a",), filter={"x": {"$gt": 1}}) == []
    assert await store.asearch(("a",), filter={"none": {"$lt": 1}}) == []


async def test_it_works_without_async(server_url: str, namespace: str) -> None:
    def work() -> None:
        with RedisMobStore.open(server_url, namespace=namespace) as store:
            store.put(("a",), "k", {"x": 1})
            found = store.get(("a",), "k")
            assert found is not None
            assert found == asyncio.run(store.aget(("a",), "k"))
            assert [one.key for one in store.search(("a",))] == ["k"]
            assert store.list_namespaces() == [("a",)]
            store.delete(("a",), "k")
            assert store.search(()) == []

    await asyncio.to_thread(work)


async def test_a_damaged_item_is_told(store: RedisMobStore, connection: Client, keys: Keys) -> None:
    await store.aput(("a",), "k", {"x": 1})
    [place] = await connection.router.request("HKEYS", keys.langgraph.items)
    await connection.router.request("HSET", keys.langgraph.items, place, "1 2 0 {")
    with pytest.raises(SerializationError, match=r"item 'k' of namespace \('a',\) cannot be read"):
        await store.aget(("a",), "k")

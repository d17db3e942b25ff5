"""Config documents in memory: who shares them, how long they live, and what subscribers see of both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from redis_mob.contracts import ConfigSubscription, WatchableConfigStore
from redis_mob.errors import ChangeFeedTruncatedError, InternalError, ValidationError
from redis_mob.memory.config import MemoryConfigStore
from redis_mob.models.config import ConfigChangeEvent, Put
from redis_mob.notifications import subscription as module
from redis_mob.storage import MobStorage, OpeningStorage
from redis_mob.testing.samples.config_documents import changed
from redis_mob.testing.waiting import take, until

Waiter = Callable[[ConfigSubscription], Awaitable["asyncio.Task[list[ConfigChangeEvent]]"]]


@pytest.fixture(autouse=True)
def wake_ups_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A subscriber that misses a wake-up would never see the change."""
    monkeypatch.setattr(module, "SWEEP_SECONDS", 3600.0)


def opening(namespace: str) -> OpeningStorage:
    return MobStorage.open("memory:", namespace=namespace)


@pytest.fixture
async def config(namespace: str) -> AsyncIterator[WatchableConfigStore]:
    async with opening(namespace) as storage:
        yield storage.config


@pytest.fixture
def wait_for(monkeypatch: pytest.MonkeyPatch) -> Waiter:
    """Makes a task that has looked at the feed after the first ring, found nothing, and waits for the next change."""
    looks: list[Any] = []
    read_after = MemoryConfigStore.read_after

    async def counted(*arguments: Any) -> Any:
        looks.append(found := await read_after(*arguments))
        return found

    async def started(following: ConfigSubscription) -> asyncio.Task[list[ConfigChangeEvent]]:
        waiting = asyncio.create_task(take(following, 1))
        await until(lambda: len(looks) >= 2)
        return waiting

    monkeypatch.setattr(MemoryConfigStore, "read_after", counted)
    return started


def test_the_store_is_both_contracts_and_so_are_its_scopes(config: WatchableConfigStore) -> None:
    assert isinstance(config, WatchableConfigStore)
    assert isinstance(config.scoped("A"), WatchableConfigStore)


async def test_openings_of_one_namespace_share_the_documents(namespace: str, config: WatchableConfigStore) -> None:
    async with opening(namespace) as other, opening(f"{namespace}-2") as apart:
        await config.put("n", "a", 1)
        assert await other.config.get("n", "a") == 1
        assert await apart.config.get("n", "a") is None


async def test_openings_of_one_namespace_share_the_feed(
    namespace: str, config: WatchableConfigStore, wait_for: Waiter
) -> None:
    async with opening(namespace) as other, config.subscribe() as following:
        waiting = await wait_for(following)
        await other.config.put("n", "a", 1)
        assert await waiting == [changed("a")]


async def test_the_content_lives_as_long_as_a_storage_has_it_open(namespace: str) -> None:
    async with opening(namespace) as first:
        await first.config.put("n", "a", 1)
        second = await opening(namespace)
    assert await second.config.get("n", "a") == 1
    await second.aclose()
    async with opening(namespace) as later:
        assert await later.config.history("n", "a") == []
        assert await later.config.change_token("n") == 0
        assert (await later.config.snapshot(["n"])).cursor == 0


async def test_a_cursor_of_content_that_is_gone_is_told_once(namespace: str) -> None:
    async with opening(namespace) as storage:
        await storage.config.apply([Put("n", "a", 1), Put("n", "b", 1)])
        cursor = (await storage.config.snapshot([])).cursor
    async with opening(namespace) as storage, storage.config.subscribe(after=cursor) as following:
        await storage.config.put("n", "c", 1)
        with pytest.raises(ChangeFeedTruncatedError) as lost:
            await take(following, 1)
        assert (lost.value.after, lost.value.first_available) == (2, 2)
        await storage.config.put("n", "d", 1)
        assert await take(following, 1) == [changed("d")]


async def test_a_waiting_subscriber_is_told_that_its_storage_was_closed(namespace: str, wait_for: Waiter) -> None:
    storage = await opening(namespace)
    async with storage.config.scoped("A").subscribe() as following:
        waiting = await wait_for(following)
        await storage.aclose()
        with pytest.raises(InternalError, match="closed"):
            await waiting


async def test_closing_another_storage_disturbs_no_subscriber(
    namespace: str, config: WatchableConfigStore, wait_for: Waiter
) -> None:
    other = await opening(namespace)
    async with config.subscribe() as following:
        waiting = await wait_for(following)
        await other.aclose()
        await config.put("n", "a", 1)
        assert await waiting == [changed("a")]


async def test_a_closed_storage_refuses_everything_but_bad_requests(namespace: str) -> None:
    async with opening(namespace) as storage:
        config = storage.config
    for call in (
        config.get("n", "a"),
        config.exists("n", "a"),
        config.list("n"),
        config.put("n", "a", 1),
        config.delete("n", "a"),
        config.apply([]),
        config.snapshot([]),
        config.change_token("n"),
        config.history("n", "a"),
        anext(config.walk("n")),
        config.subscribe().__aenter__(),
    ):
        with pytest.raises(InternalError, match="closed"):
            await call
    with pytest.raises(ValidationError, match="is blank"):
        await config.snapshot(["n", ""])


async def test_another_event_loop_needs_a_storage_of_its_own(namespace: str, config: WatchableConfigStore) -> None:
    await config.put("n", "a", 1)

    async def read() -> Any:
        with pytest.raises(InternalError, match="another event loop"):
            await config.get("n", "a")
        async with opening(namespace) as storage:
            return await storage.config.get("n", "a")

    assert await asyncio.to_thread(asyncio.run, read()) == 1


async def test_readers_and_writers_share_no_object(config: WatchableConfigStore) -> None:
    value = {"a": [1]}
    await config.put("n", "a", value)
    value["a"].append(2)
    for read in (
        await config.get("n", "a"),
        (await config.list("n"))[0][1],
        (await config.snapshot(["n"])).documents["n"]["a"],
        (await config.history("n", "a"))[0].value,
    ):
        assert read == {"a": [1]}
        read["a"].append(3)
    assert await config.get("n", "a") == {"a": [1]}


@pytest.mark.parametrize("length", [0, 1, 50])
async def test_the_feed_keeps_exactly_what_it_says(config: WatchableConfigStore, length: int) -> None:
    assert config.feed_length == 10_000
    config.feed_length = length
    scope = config.scoped("A")
    assert scope.feed_length == length
    async with config.subscribe() as following:
        for number in range(100):
            await config.put("n", str(number), 0)
        with pytest.raises(ChangeFeedTruncatedError) as lost:
            await take(following, 1)
        assert (lost.value.after, lost.value.first_available) == (0, 101 - length)
        assert await take(following, length) == [changed(str(number)) for number in range(100 - length, 100)]


async def test_a_feed_keeps_10_000_changes(config: WatchableConfigStore) -> None:
    await config.apply([Put("n", str(number), 0) for number in range(10_001)])
    async with config.subscribe(after=1) as following:
        assert await take(following, 1) == [changed("1")]
    async with config.subscribe(after=0) as following:
        with pytest.raises(ChangeFeedTruncatedError, match="after cursor 0 are gone; the first one available is 2"):
            await take(following, 1)

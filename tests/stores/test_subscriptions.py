"""Subscriptions on our stores: wake-ups alone, sweeps alone, lost connections, processes; the suite has the rest."""

# pyright: reportPrivateUsage=false
# Whether a subscriber waits is its own affair, and what these tests go on from.

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

import pytest

from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.errors import EpochChangedError, EventsTrimmedError, InternalError, SerializationError
from redis_mob.models import MobEvent
from redis_mob.notifications import subscription as module
from redis_mob.notifications.subscription import PAGE
from redis_mob.storage import MobStorage
from redis_mob.testing.samples.new_events import completed, number_of, numbered
from redis_mob.testing.samples.states import NOON
from redis_mob.testing.waiting import take, until
from tests.stores.conftest import Opener
from tests.stores.processes import run_together
from tests.support.raw import add_event, keys_of

AFTER_ALL = datetime.max.replace(tzinfo=UTC)


@pytest.fixture(autouse=True)
def wake_ups_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A subscriber that misses a wake-up would never see the event."""
    monkeypatch.setattr(module, "SWEEP_SECONDS", 3600.0)


@pytest.fixture
def sweeps_alone(wake_ups_alone: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A subscriber that relies on wake-ups would be too late."""
    monkeypatch.setattr(module, "SWEEP_SECONDS", 0.001)


async def numbers(following: AsyncIterator[MobEvent], count: int) -> list[int]:
    return list(map(number_of, await take(following, count)))


async def until_it_waits(following: Any) -> None:
    """Until a subscriber has nothing more to take, and waits for a message."""
    await until(lambda: following._flag.is_waited_for)


async def until_it_is_up_to_date(following: Any) -> None:
    """Until a subscriber has read all there is, is told of all that comes, and waits for it."""
    await until(lambda: following._flag.is_waited_for and not following._flag._must_read)


def reads_of(storage: MobStorage, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Grows with every look of a subscriber at the log."""
    looks: list[Any] = []
    events: Any = storage.events  # the stores read by a method that the contract does not have
    read_after = events.read_after

    async def counted(*arguments: Any) -> Any:
        looks.append(found := await read_after(*arguments))
        return found

    monkeypatch.setattr(events, "read_after", counted)
    return looks


async def test_case_029_a_subscriber_gets_what_is_appended(storage: MobStorage) -> None:
    async with storage.events.subscribe() as following:
        stored = [await storage.events.append(numbered(number)) for number in range(3)]
        assert await take(following, 3) == stored
        for number in range(3, 8):
            waiting = asyncio.create_task(take(following, 1))
            await until_it_waits(following)
            assert [await storage.events.append(numbered(number))] == await waiting


@pytest.mark.usefixtures("server_url")
async def test_case_031_another_process_appends(storage: MobStorage) -> None:
    async with storage.events.subscribe() as following:
        [cursors] = await run_together("append", storage, [1, 2, 3])
        assert [(event.cursor, number_of(event)) for event in await take(following, 3)] == [
            (cursor, number) for number, cursor in enumerate(cursors, 1)
        ]


@pytest.mark.usefixtures("sweeps_alone")
async def test_case_032_a_row_that_no_store_wrote_is_found(
    storage: MobStorage, connection: Client, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = reads_of(storage, monkeypatch)
    async with storage.events.subscribe() as following:
        waiting = asyncio.create_task(take(following, 1))
        await until(lambda: len(looks) > 2)
        cursor = await add_event(connection, keys)
        assert [event.cursor for event in await waiting] == [cursor]


async def test_case_033_a_slow_subscriber_misses_nothing(storage: MobStorage) -> None:
    count = 10 * PAGE + 1
    async with storage.events.subscribe() as following:
        for first in range(0, count, 1000):
            batch = range(first, min(first + 1000, count))
            await storage.events.append_batch([numbered(number) for number in batch])
        assert await numbers(following, count) == list(range(count))


async def test_case_033_what_a_slow_subscriber_lost_is_named(storage: MobStorage) -> None:
    async with storage.events.subscribe() as following:
        await storage.events.append_batch([numbered(number, timestamp=NOON) for number in range(10)])
        await storage.events.prune(AFTER_ALL)
        await storage.events.append(numbered(10))
        with pytest.raises(EventsTrimmedError, match=r"after cursor 0 .* available is 11") as lost:
            await take(following, 1)
        assert (lost.value.after, lost.value.first_available) == (0, 11)
        assert await numbers(following, 1) == [10]


@pytest.mark.usefixtures("server_url")
async def test_case_034_appends_of_several_processes_arrive_in_order_and_once(storage: MobStorage) -> None:
    async with storage.events.subscribe() as following:
        reading = asyncio.create_task(take(following, 90))
        await run_together("append", storage, list(range(30)), list(range(30)), list(range(30)))
        assert [event.cursor for event in await reading] == list(range(1, 91))


@pytest.mark.usefixtures("sweeps_alone")
async def test_case_041_a_subscriber_recreates_nothing(
    storage: MobStorage, connection: Client, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = reads_of(storage, monkeypatch)
    await storage.events.append(numbered(1))
    async with storage.events.subscribe(after=1) as following:
        waiting = asyncio.ensure_future(anext(following))
        await connection.router.request("DEL", *await keys_of(connection, keys))
        seen = len(looks)
        with pytest.raises(EpochChangedError, match=r"up to cursor 1, only what came up to cursor 0"):
            await waiting
        waiting = asyncio.ensure_future(anext(following))
        await until(lambda: len(looks) >= seen + 5)
        assert await keys_of(connection, keys) == set()
        waiting.cancel()
    assert await keys_of(connection, keys) == set()


async def test_an_unreadable_event_is_told_once(storage: MobStorage, connection: Client, keys: Keys) -> None:
    await storage.events.append(numbered(1))
    await add_event(connection, keys, kind=b"not JSON")
    await storage.events.append(numbered(3))
    async with storage.events.subscribe(after=0) as following:
        assert await numbers(following, 1) == [1]
        with pytest.raises(SerializationError, match="event 2"):
            await take(following, 1)
        assert await numbers(following, 1) == [3]


async def test_a_wait_that_was_cancelled_loses_nothing(storage: MobStorage) -> None:
    async with storage.events.subscribe() as following:
        for number in range(5):
            waiting = asyncio.ensure_future(anext(following))
            await until_it_waits(following)
            waiting.cancel()
            await asyncio.wait([waiting])
            assert waiting.cancelled()
            await storage.events.append(numbered(number))
            assert await numbers(following, 1) == [number]


@pytest.mark.parametrize("kind", ["pubsub", "normal"])
async def test_a_subscriber_survives_the_loss_of_its_connections(
    open_storage: Opener, connection: Client, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    reader = await open_storage()
    looks = reads_of(reader, monkeypatch)
    async with reader.events.subscribe() as following:
        reading = asyncio.create_task(take(following, 3))
        for number in range(3):
            seen = len(looks)
            await connection.router.request("CLIENT", "KILL", "TYPE", kind)
            if kind == "pubsub":
                await until(lambda seen=seen: len(looks) > seen)
            writer = await open_storage()
            await writer.events.append(numbered(number))
        assert list(map(number_of, await reading)) == [0, 1, 2]


async def test_an_event_appended_while_no_subscriber_could_hear_it_is_found(
    open_storage: Opener, connection: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, writer = await open_storage(), await open_storage()
    looks = reads_of(reader, monkeypatch)
    async with reader.events.subscribe() as following:
        waiting = asyncio.create_task(take(following, 1))
        await until(lambda: len(looks) > 1)
        await connection.router.request("CLIENT", "KILL", "TYPE", "pubsub")
        await writer.events.append(numbered(1))
        assert list(map(number_of, await waiting)) == [1]


async def test_a_subscription_to_a_closed_storage_says_so(open_storage: Opener) -> None:
    storage = await open_storage()
    async with storage.events.subscribe() as following:
        await storage.aclose()
        with pytest.raises(InternalError, match="closed"):
            await take(following, 1)


@pytest.mark.usefixtures("server_url")
async def test_a_subscriber_that_is_up_to_date_does_not_read_what_a_message_brings(
    storage: MobStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = reads_of(storage, monkeypatch)
    async with storage.events.subscribe() as following:
        waiting = asyncio.create_task(take(following, 1))
        await until_it_is_up_to_date(following)
        assert [await storage.events.append(numbered(0))] == await waiting
        seen = len(looks)
        stored = [await storage.events.append(numbered(number)) for number in range(1, 50)]
        assert await take(following, 49) == stored
        assert len(looks) == seen
        many = await storage.events.append_batch([numbered(number) for number in range(50, 53)])
        large = await storage.events.append(completed(flow_id="x" * 5000))
        assert await take(following, 4) == [*many, large]
        assert seen < len(looks) <= seen + 4, "several events, and a large one, are read from the log"


@pytest.mark.usefixtures("server_url")
async def test_subscribers_of_one_process_share_what_they_read_and_decode(
    storage: MobStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = reads_of(storage, monkeypatch)
    async with AsyncExitStack() as stack:
        subscribers = [await stack.enter_async_context(storage.events.subscribe()) for _ in range(20)]
        waiting = [asyncio.create_task(take(following, 3)) for following in subscribers]
        for following in subscribers:
            await until_it_waits(following)
        seen = len(looks)
        await storage.events.append_batch([numbered(number) for number in range(3)])
        first, *others = await asyncio.gather(*waiting)
        assert len(looks) - seen <= 2
        assert all(one is another for events in others for one, another in zip(events, first, strict=True))

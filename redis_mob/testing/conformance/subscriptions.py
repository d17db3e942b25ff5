"""Following the event log (contract: events-16, events-17)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator

import pytest

from redis_mob.contracts import MobEventStore
from redis_mob.errors import EpochChangedError, EventsTrimmedError, SerializationError
from redis_mob.models import MobEvent
from redis_mob.testing.backend import Backend
from redis_mob.testing.conformance.base import Guarantee, Opener, given
from redis_mob.testing.conformance.pruning import LAST
from redis_mob.testing.samples.new_events import number_of, numbered
from redis_mob.testing.samples.states import NOON
from redis_mob.testing.waiting import take, under_way


async def numbers(following: AsyncIterator[MobEvent], count: int) -> list[int]:
    """The numbers of the next events of a subscription."""
    return list(map(number_of, await take(following, count)))


class TestSubscriptions(Guarantee):
    """A subscriber sees each event once and in order, from the moment or the cursor at which it begins."""

    async def test_case_029_a_subscriber_gets_what_is_appended(self, events: MobEventStore) -> None:
        async with events.subscribe() as following:
            stored = [await events.append(numbered(number)) for number in range(3)]
            assert await take(following, 3) == stored
            for number in range(3, 8):
                waiting = asyncio.create_task(take(following, 1))
                assert [await events.append(numbered(number))] == await waiting

    async def test_case_030_nothing_is_replayed_without_a_cursor(self, events: MobEventStore) -> None:
        await events.append(numbered(1))
        async with events.subscribe() as following:
            await events.append(numbered(2))
            assert await numbers(following, 1) == [2]

    async def test_case_031_what_another_handle_appends(self, open_stores: Opener) -> None:
        one, two = [given("events", (await open_stores()).events) for _ in range(2)]
        async with one.subscribe() as following:
            await two.append(numbered(1))
            assert await numbers(following, 1) == [1]

    async def test_case_032_an_event_that_no_store_wrote_is_found(
        self, events: MobEventStore, backend: Backend
    ) -> None:
        async with events.subscribe() as following, under_way(take(following, 1)) as waiting:
            cursor = await backend.add_event('{"type":"mob_reset"}')
            assert [event.cursor for event in await waiting] == [cursor]

    async def test_case_034_concurrent_appends_arrive_in_order_and_once(self, open_stores: Opener) -> None:
        reader, *writers = [given("events", (await open_stores()).events) for _ in range(4)]
        async with reader.subscribe() as one, reader.subscribe() as two:
            appends = [writer.append(numbered(number)) for number in range(40) for writer in writers]
            reading = asyncio.gather(take(one, 120), take(two, 120))
            await asyncio.gather(*appends)
            for delivered in await reading:
                assert [event.cursor for event in delivered] == list(range(1, 121))

    async def test_a_cursor_is_where_a_subscription_resumes(self, events: MobEventStore) -> None:
        await events.append_batch([numbered(number) for number in range(1, 1001)])
        async with events.subscribe(after=5) as following:
            await events.append(numbered(1001))
            assert await numbers(following, 996) == list(range(6, 1002))

    @pytest.mark.parametrize("after", [0, -1])
    async def test_the_whole_log_is_replayed_from_its_beginning(self, events: MobEventStore, after: int) -> None:
        await events.append_batch([numbered(1), numbered(2)])
        async with events.subscribe(after=after) as following:
            assert await numbers(following, 2) == [1, 2]


class TestInterruptedSubscriptions(Guarantee):
    """A subscriber loses and repeats nothing when its wait is cancelled, its connection lost, or the log cleared."""

    async def test_case_020_a_subscriber_lives_on_after_clear(self, events: MobEventStore) -> None:
        async with events.subscribe() as following:
            await events.append(numbered(1))
            assert await numbers(following, 1) == [1]
            await events.clear()
            stored = await events.append(numbered(2))
            assert await take(following, 1) == [stored]

    async def test_cancellation_at_any_moment(self, open_stores: Opener) -> None:
        order = random.Random(5)
        reader, writer = [given("events", (await open_stores()).events) for _ in range(2)]
        delivered: list[int] = []
        async with reader.subscribe() as following:
            for number in range(100):
                await writer.append(numbered(number))
                waiting = asyncio.ensure_future(anext(following))
                for _ in range(order.randrange(12)):
                    await asyncio.sleep(0)
                waiting.cancel()
                await asyncio.wait([waiting])
                if not waiting.cancelled():
                    delivered.append(number_of(waiting.result()))
            delivered += await numbers(following, 100 - len(delivered))
        assert delivered == list(range(100))

    async def test_lost_connections(self, open_stores: Opener, backend: Backend) -> None:
        events = given("events", (await open_stores()).events)
        async with events.subscribe() as following, under_way(take(following, 3)) as reading:
            for number in range(3):
                await backend.disconnect()
                await given("events", (await open_stores()).events).append(numbered(number))
            assert list(map(number_of, await reading)) == [0, 1, 2]

    async def test_case_041_a_subscriber_recreates_nothing(self, events: MobEventStore, backend: Backend) -> None:
        await events.append(numbered(1))
        async with events.subscribe(after=1) as following, under_way(take(following, 1)):
            await backend.destroy()
            for _ in range(3):
                await events.poll(0, 1)
                assert await events.latest_cursor() == 0
                assert await backend.is_destroyed()
        assert await backend.is_destroyed()


class TestLostEvents(Guarantee):
    """Events that are gone before a subscriber could read them are told by one error, never passed over in silence."""

    async def test_case_033_a_slow_subscriber_misses_nothing(self, events: MobEventStore) -> None:
        count = 5001
        async with events.subscribe() as following:
            for first in range(0, count, 1000):
                batch = range(first, min(first + 1000, count))
                await events.append_batch([numbered(number) for number in batch])
            assert await numbers(following, count) == list(range(count))

    async def test_case_033_what_a_slow_subscriber_lost_is_told(self, events: MobEventStore) -> None:
        async with events.subscribe() as following:
            await events.append_batch([numbered(number, timestamp=NOON) for number in range(10)])
            await events.prune(LAST)
            await events.append(numbered(10))
            with pytest.raises(EventsTrimmedError) as lost:
                await take(following, 1)
            assert (lost.value.after, lost.value.first_available) == (0, 11)
            assert await numbers(following, 1) == [10]

    async def test_an_end_that_was_pruned_is_no_loss_for_one_who_begins_now(self, events: MobEventStore) -> None:
        await events.append(numbered(1))
        await events.prune(LAST)
        async with events.subscribe() as following:
            await events.append(numbered(2))
            assert await numbers(following, 1) == [2]

    async def test_a_cursor_that_the_log_has_not_come_to_is_told_once(self, events: MobEventStore) -> None:
        """A cursor from before the storage went back in time; the subscription goes on with what comes next."""
        await events.append(numbered(1))
        async with events.subscribe(after=900) as following:
            with pytest.raises(EpochChangedError) as told:
                await take(following, 1)
            assert told.value.kept == 1
            await events.append(numbered(2))
            assert await numbers(following, 1) == [2]

    async def test_a_gap_is_told_once_where_it_is(self, events: MobEventStore) -> None:
        for number in range(1, 6):
            await events.append(numbered(number, timestamp=NOON if number in (2, 3) else LAST))
        assert await events.prune(LAST) == 2
        async with events.subscribe(after=0) as following:
            assert await numbers(following, 1) == [1]
            with pytest.raises(EventsTrimmedError) as lost:
                await take(following, 1)
            assert (lost.value.after, lost.value.first_available) == (1, 4)
            assert await numbers(following, 2) == [4, 5]

    async def test_a_log_cleared_before_it_was_read_is_told_once(self, events: MobEventStore) -> None:
        async with events.subscribe() as following:
            await events.append_batch([numbered(1), numbered(2)])
            await events.clear()
            with pytest.raises(EventsTrimmedError) as lost:
                await take(following, 1)
            assert (lost.value.after, lost.value.first_available) == (0, 3)
            await events.append(numbered(3))
            assert await numbers(following, 1) == [3]

    async def test_an_unreadable_event_is_told_once(self, events: MobEventStore, backend: Backend) -> None:
        await events.append(numbered(1))
        await backend.add_event("not JSON")
        await events.append(numbered(3))
        async with events.subscribe(after=0) as following:
            assert await numbers(following, 1) == [1]
            with pytest.raises(SerializationError, match="2"):
                await take(following, 1)
            assert await numbers(following, 1) == [3]

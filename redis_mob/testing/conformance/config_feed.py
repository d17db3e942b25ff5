"""Following the changes of config documents (contract: config-24)."""

from __future__ import annotations

import asyncio
import json
import random
from contextlib import suppress
from typing import Any

import pytest

from redis_mob.contracts import ConfigSubscription, WatchableConfigStore
from redis_mob.errors import (
    AlreadyExistsError,
    ChangeFeedTruncatedError,
    ConfigStoreError,
    SerializationError,
    ValidationError,
    VersionConflictError,
)
from redis_mob.models.config import ConfigChangeEvent, Delete, DeleteIfRevision, Put, PutIfAbsent
from redis_mob.testing.backend import Backend
from redis_mob.testing.conformance.base import Guarantee, Opener, given
from redis_mob.testing.samples.config_documents import at, changed, deleted, put_all, revision_of
from redis_mob.testing.waiting import LONG, take, under_way

FIFTY = [str(number) for number in range(50)]


async def put_one_by_one(config: WatchableConfigStore, ids: list[str]) -> None:
    """Write a document for each id."""
    for id in ids:
        await config.put("n", id, 0)


class TestConfigFeed(Guarantee):
    """Each change of a document is told once, in the order in which it happened, and nothing else is."""

    async def test_config_case_31_each_put_is_one_change(self, config: WatchableConfigStore) -> None:
        async with config.subscribe() as following:
            await config.put("n", "a", 1)
            await config.put_if_absent("m:", "{b}", 1)
            await config.put_if_revision("n", "a", 2, 0)
            await config.put("n", "end", 0)
            assert await take(following, 4) == [changed("a"), changed("{b}", "m:"), changed("a"), changed("end")]

    async def test_config_case_32_a_delete_is_a_change_if_it_removed_something(
        self, config: WatchableConfigStore
    ) -> None:
        await put_all(config, "abc")
        async with config.subscribe() as following:
            await config.delete("n", "a")
            await config.delete("n", "a")
            await config.delete_if_revision("n", "a", 0)
            await config.apply([Delete("n", "a"), DeleteIfRevision("n", "gone", 0), Delete("n", "c")])
            await config.delete_if_revision("n", "b", 0)
            await config.put("n", "end", 0)
            assert await take(following, 4) == [deleted("a"), deleted("c"), deleted("b"), changed("end")]

    async def test_config_case_33_what_failed_is_no_change(self, config: WatchableConfigStore) -> None:
        await config.put("n", "a", at(1))
        token = await config.change_token("n")
        async with config.subscribe() as following:
            for call, error in (
                (config.put_if_absent("n", "a", 1), AlreadyExistsError),
                (config.put_if_revision("n", "a", 1, 2), VersionConflictError),
                (config.delete_if_revision("n", "a", 2), VersionConflictError),
                (config.apply([Put("n", "b", 1), PutIfAbsent("n", "a", 1)]), AlreadyExistsError),
                (config.put("n", "a", float("nan")), SerializationError),
                (config.put("n", "", 1), ValidationError),
            ):
                with pytest.raises(error):
                    await call
            assert await config.change_token("n") == token
            await config.put("n", "end", 0)
            assert await take(following, 1) == [changed("end")]

    async def test_config_case_34_every_subscriber_gets_every_change(self, open_stores: Opener) -> None:
        config, another = [given("config", (await open_stores()).config) for _ in range(2)]
        async with config.subscribe() as one, config.subscribe() as two, another.subscribe() as three:
            reading = asyncio.gather(*(take(following, 2) for following in (one, two, three)))
            await config.put("n", "a", 1)
            await another.put("n", "b", 1)
            assert await reading == [[changed("a"), changed("b")]] * 3

    async def test_config_case_35_nothing_is_replayed_without_a_cursor(self, config: WatchableConfigStore) -> None:
        await config.put("n", "before", 1)
        async with config.subscribe() as following:
            await config.put("n", "after", 1)
            assert await take(following, 1) == [changed("after")]

    async def test_config_case_36_an_equal_value_is_a_change(self, config: WatchableConfigStore) -> None:
        async with config.subscribe() as following:
            await config.put("n", "a", 1)
            await config.put("n", "a", 1)
            await config.put("n", "end", 1)
            assert await take(following, 3) == [changed("a"), changed("a"), changed("end")]

    async def test_config_case_37_the_json_of_a_change(self, config: WatchableConfigStore) -> None:
        async with config.subscribe() as following:
            await config.put("n", "a", {"secret": 1})
            await config.delete("n", "a")
            told = [json.loads(event.model_dump_json()) for event in await take(following, 2)]
        assert told == [{"namespace": "n", "id": "a", "kind": kind} for kind in ("put", "delete")]

    async def test_config_case_41_changes_come_in_the_order_of_their_commits(self, open_stores: Opener) -> None:
        config, another = [given("config", (await open_stores()).config) for _ in range(2)]

        async def write(store: WatchableConfigStore) -> None:
            for _ in range(20):
                revision = await revision_of(store, "a")
                with suppress(VersionConflictError):
                    await store.put_if_revision("n", "a", at(revision + 1), revision)
                    await store.put("seen", str(revision + 1), 0)

        async with config.subscribe() as following:
            await asyncio.gather(write(config), write(another))
            last = await revision_of(config, "a")
            events = await take(following, 2 * last)
        commits = 0
        seen: list[int] = []
        for event in events:
            if event.namespace == "n":
                commits += 1
            else:
                seen.append(int(event.id))
                assert seen[-1] <= commits
        assert commits == last
        assert sorted(seen) == list(range(1, last + 1))


class TestConfigSubscriptions(Guarantee):
    """A subscriber goes on from any cursor, and loses and repeats nothing when its wait or its connection is cut."""

    async def test_config_case_38_a_cancelled_wait_loses_and_repeats_nothing(self, open_stores: Opener) -> None:
        order = random.Random(7)
        reader, writer = [given("config", (await open_stores()).config) for _ in range(2)]
        delivered: list[ConfigChangeEvent] = []
        async with reader.subscribe() as following:
            for id in FIFTY:
                await writer.put("n", id, 0)
                with suppress(TimeoutError):
                    async with asyncio.timeout(0):
                        delivered.append(await following.next())
                waiting = asyncio.create_task(following.next())
                for _ in range(order.randrange(12)):
                    await asyncio.sleep(0)
                waiting.cancel()
                await asyncio.wait([waiting])
                if not waiting.cancelled():
                    delivered.append(waiting.result())
            delivered += await take(following, len(FIFTY) - len(delivered))
        assert delivered == [changed(id) for id in FIFTY]

    async def test_config_case_39_a_subscriber_survives_the_loss_of_its_connections(
        self, open_stores: Opener, backend: Backend
    ) -> None:
        config = given("config", (await open_stores()).config)
        async with config.subscribe() as following:
            await config.put("n", "first", 0)
            assert await take(following, 1) == [changed("first")]
            async with under_way(take(following, 50)) as reading:
                for ids in (FIFTY[:25], FIFTY[25:]):
                    await backend.disconnect()
                    await put_one_by_one(given("config", (await open_stores()).config), ids)
                assert await reading == [changed(id) for id in FIFTY]

    async def test_config_case_42_what_comes_after_a_snapshot(self, open_stores: Opener) -> None:
        config, another = [given("config", (await open_stores()).config) for _ in range(2)]
        writing = asyncio.create_task(put_one_by_one(another, FIFTY))
        await config.put("m", "a", 0)
        snapshot = await config.snapshot(["n"])
        async with config.subscribe(after=snapshot.cursor) as following:
            await writing
            seen = set(snapshot.documents["n"])
            while len(seen) < len(FIFTY):
                [event] = await take(following, 1)
                if event.namespace == "n":
                    assert event.id not in seen
                    seen.add(event.id)
        assert seen == set(FIFTY)

    async def test_a_subscription_resumes_where_another_stood(self, config: WatchableConfigStore) -> None:
        async with config.subscribe() as following:
            await put_all(config, FIFTY[:5])
            assert await take(following, 2) == [changed("0"), changed("1")]
            cursor = following.cursor
        async with config.subscribe(after=cursor) as following:
            assert await take(following, 3) == [changed(id) for id in FIFTY[2:5]]

    async def test_a_subscription_is_iterated(self, config: WatchableConfigStore) -> None:
        async with config.subscribe() as following, asyncio.timeout(LONG):
            await put_all(config, "abc")
            seen: list[ConfigChangeEvent] = []
            async for event in following:
                seen.append(event)
                if len(seen) == 3:
                    break
        assert seen == [changed(id) for id in "abc"]

    async def test_a_cursor_is_not_negative(self, config: WatchableConfigStore) -> None:
        with pytest.raises(ValidationError):
            async with config.subscribe(after=-1):
                pass

    async def test_config_case_52_a_debounced_consumer_ends_on_the_last_value(self, open_stores: Opener) -> None:
        config, another = [given("config", (await open_stores()).config) for _ in range(2)]
        applied: list[Any] = []
        window = asyncio.Event()

        async def consume(following: ConfigSubscription) -> None:
            heard = 0
            while heard < 4:
                await following.next()
                heard += 1
                await window.wait()
                with suppress(TimeoutError):
                    while True:
                        async with asyncio.timeout(0):
                            await following.next()
                        heard += 1
                applied.append(await config.get("n", "a"))

        async with config.subscribe() as following, asyncio.timeout(LONG):
            consumer = asyncio.create_task(consume(following))
            for value in range(4):
                await another.put("n", "a", value)
            window.set()
            await consumer
        assert set(applied) == {3}


class TestConfigFeedRetention(Guarantee):
    """Changes that are gone before they were read are told by one error, never passed over in silence."""

    async def test_config_case_40_what_is_gone_is_told_once(
        self, config: WatchableConfigStore, backend: Backend
    ) -> None:
        cursors, start = await self._fifty_changes(config)
        await backend.forget_changes(keep=10)
        async with config.subscribe(after=start) as following:
            with pytest.raises(ChangeFeedTruncatedError) as lost:
                await take(following, 1)
            assert (lost.value.after, lost.value.first_available) == (start, cursors[-10])
            assert isinstance(lost.value, ConfigStoreError)
            assert await take(following, 10) == [changed(id) for id in FIFTY[-10:]]
            assert following.cursor == cursors[-1]
            await config.put("n", "end", 0)
            assert await take(following, 1) == [changed("end")]

    async def test_config_case_40_nothing_is_told_where_nothing_is_missing(
        self, config: WatchableConfigStore, backend: Backend
    ) -> None:
        cursors, _ = await self._fifty_changes(config)
        await backend.forget_changes(keep=10)
        async with config.subscribe(after=cursors[-11]) as behind, config.subscribe() as following:
            assert await take(behind, 10) == [changed(id) for id in FIFTY[-10:]]
            await backend.forget_changes(keep=0)
            await config.put("n", "end", 0)
            assert await take(behind, 1) == await take(following, 1) == [changed("end")]

    async def test_config_case_40_it_is_told_too_when_no_change_is_left(
        self, config: WatchableConfigStore, backend: Backend
    ) -> None:
        _, start = await self._fifty_changes(config)
        await backend.forget_changes(keep=0)
        async with config.subscribe(after=start) as following:
            with pytest.raises(ChangeFeedTruncatedError) as lost:
                await take(following, 1)
            assert lost.value.after == start
            await config.put("n", "end", 0)
            assert await take(following, 1) == [changed("end")]

    @pytest.mark.parametrize("cut", [False, True], ids=["config_case_40-slow", "config_case_39-disconnected"])
    async def test_what_a_subscriber_lost_or_read_in_time_is_never_passed_over(
        self, open_stores: Opener, backend: Backend, cut: bool
    ) -> None:
        async with given("config", (await open_stores()).config).subscribe() as following:
            if cut:
                await backend.disconnect()
            await put_one_by_one(given("config", (await open_stores()).config), FIFTY)
            await backend.forget_changes(keep=10)
            heard, gaps = await self._hear(following, FIFTY[-1])
        if gaps:
            assert len(gaps) == 1
            assert heard == FIFTY[: gaps[0]] + FIFTY[gaps[0] - len(heard) :]
        else:
            assert heard == FIFTY

    @pytest.mark.parametrize("length", [1, 10])
    async def test_as_many_changes_are_kept_as_the_store_was_told(
        self, config: WatchableConfigStore, length: int
    ) -> None:
        config.feed_length = length
        assert config.scoped("A").feed_length == length
        ids = [str(number) for number in range(50)]
        await put_one_by_one(config, ids)
        cursor = (await config.snapshot([])).cursor
        async with config.subscribe(after=cursor - length) as following:
            assert [event.id for event in await take(following, length)] == ids[-length:]

    async def test_a_feed_that_is_gone_is_told(self, config: WatchableConfigStore, backend: Backend) -> None:
        async with config.subscribe() as following:
            await config.put("n", "a", 0)
            await take(following, 1)
            await backend.destroy()
            with pytest.raises(ChangeFeedTruncatedError):
                await take(following, 1)

    async def _fifty_changes(self, config: WatchableConfigStore) -> tuple[list[int], int]:
        """The cursors of fifty changes, and the one before them."""
        start = (await config.snapshot([])).cursor
        async with config.subscribe(after=start) as following:
            await put_all(config, FIFTY)
            cursors: list[int] = []
            for _ in FIFTY:
                await take(following, 1)
                cursors.append(following.cursor)
        return cursors, start

    async def _hear(self, following: ConfigSubscription, last: str) -> tuple[list[str], list[int]]:
        """The ids of the changes until one, and how many were heard before each error that tells of lost ones."""
        heard: list[str] = []
        gaps: list[int] = []
        while last not in heard:
            try:
                heard += [event.id for event in await take(following, 1)]
            except ChangeFeedTruncatedError:
                gaps.append(len(heard))
        return heard, gaps

"""Deleting events: prune and clear (contract: events-13, events-15)."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta, timezone

import pytest

from redis_mob.contracts import MobEventStore
from redis_mob.errors import InternalError
from redis_mob.testing.conformance.base import Guarantee
from redis_mob.testing.conformance.event_log import MICROSECOND, append_numbers, cursors
from redis_mob.testing.samples.new_events import numbered
from redis_mob.testing.samples.states import NOON

FIRST = datetime.min.replace(tzinfo=UTC)
LAST = datetime.max.replace(tzinfo=UTC)


class TestPruning(Guarantee):
    """Pruning deletes exactly the events before a moment, and no cursor is ever given twice."""

    async def test_case_014_prune_is_strictly_older(self, events: MobEventStore) -> None:
        await events.append_batch([numbered(1, timestamp=NOON - MICROSECOND), numbered(2, timestamp=NOON)])
        assert await events.prune(NOON) == 1
        assert [event.timestamp for event in await events.replay_all()] == [NOON]

    async def test_case_015_prune_returns_how_many_and_is_idempotent(self, events: MobEventStore) -> None:
        await events.append_batch([numbered(number, timestamp=NOON) for number in range(3)])
        assert await events.prune(NOON + MICROSECOND) == 3
        assert await events.prune(NOON + MICROSECOND) == 0

    async def test_case_016_prune_of_all_never_reuses_a_cursor(self, events: MobEventStore) -> None:
        await append_numbers(events, 3)
        assert await events.prune(LAST) == 3
        assert (await events.latest_cursor(), await events.replay_all()) == (0, [])
        assert (await events.append(numbered(4))).cursor == 4

    async def test_case_017_prune_of_the_newest_never_reuses_a_cursor(self, events: MobEventStore) -> None:
        await events.append_batch([numbered(1, timestamp=NOON), numbered(2, timestamp=FIRST)])
        assert await events.prune(NOON) == 1
        assert (await events.append(numbered(3))).cursor == 3

    async def test_case_018_latest_after_prune(self, events: MobEventStore) -> None:
        await events.append_batch([numbered(1, timestamp=NOON), numbered(2), numbered(3, timestamp=FIRST)])
        assert await events.prune(NOON) == 1
        assert await events.latest_cursor() == 2

    async def test_case_019_clear_empties_and_cursors_go_on(self, events: MobEventStore) -> None:
        await append_numbers(events, 3)
        for _ in range(2):
            await events.clear()
            assert (await events.replay_all(), await events.latest_cursor()) == ([], 0)
        assert await events.prune(LAST) == 0
        assert (await events.append(numbered(4))).cursor == 4

    async def test_the_order_of_timestamps_does_not_matter(self, events: MobEventStore) -> None:
        order = random.Random(4)
        moments = [
            FIRST,
            FIRST + MICROSECOND,
            datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
            datetime(1970, 1, 1, tzinfo=UTC),
            NOON - MICROSECOND,
            NOON,
            NOON.replace(microsecond=0),
            LAST - MICROSECOND,
            LAST,
        ] * 2
        for bound in sorted(set(moments)):
            await events.clear()
            batch = [numbered(number, timestamp=at) for number, at in enumerate(order.sample(moments, len(moments)))]
            stored = await events.append_batch(batch)
            kept = [event for event in stored if event.timestamp >= bound]
            assert await events.prune(bound) == len(stored) - len(kept)
            assert await events.replay_all() == kept

    async def test_many_events_of_the_same_microsecond(self, events: MobEventStore) -> None:
        await events.append_batch([numbered(number, timestamp=NOON) for number in range(2500)])
        await events.append(numbered(2500, timestamp=NOON + MICROSECOND))
        assert await events.prune(NOON) == 0
        assert await events.prune(NOON + MICROSECOND) == 2500
        assert await cursors(events) == [2501]

    async def test_a_bound_is_any_time_with_a_zone(self, events: MobEventStore) -> None:
        await events.append_batch([numbered(1, timestamp=FIRST), numbered(2, timestamp=LAST)])
        east, west = timezone(timedelta(hours=14)), timezone(timedelta(hours=-12))
        assert await events.prune(FIRST.replace(tzinfo=east)) == 0
        assert await events.prune((NOON - timedelta(days=1)).astimezone(east)) == 1
        assert await events.prune(LAST.replace(tzinfo=west)) == 1
        with pytest.raises(InternalError):
            await events.prune(datetime(2026, 1, 1))  # noqa: DTZ001

    async def test_what_is_appended_after_a_prune_is_pruned_by_the_next(self, events: MobEventStore) -> None:
        await events.append_batch([numbered(1, timestamp=NOON), numbered(2, timestamp=NOON)])
        assert await events.prune(NOON + MICROSECOND) == 2
        await events.append(numbered(3, timestamp=NOON))
        assert await events.prune(NOON) == 0
        assert await events.prune(NOON + MICROSECOND) == 1

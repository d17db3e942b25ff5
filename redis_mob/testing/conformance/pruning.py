"""Deleting events: prune and clear (contract: events-13, events-15)."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta, timezone

import pytest

from redis_mob.contracts import MobEventStore
from redis_mob.errors import EventsTrimmedError, InternalError
from redis_mob.models import MembersUnwired, MembersWired, MobCompleted, MobCreated, MobReset
from redis_mob.models.events import STRUCTURAL_KINDS
from redis_mob.testing.backend import Backend
from redis_mob.testing.conformance.base import Guarantee
from redis_mob.testing.conformance.event_log import MICROSECOND, append_numbers, cursors
from redis_mob.testing.samples.documents import FULL_DEFINITION
from redis_mob.testing.samples.new_events import new_event, numbered
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


def structural(kind: str) -> str:
    """An event of a structural kind, of which the models know some."""
    return f'{{"type":"{kind}","a":"x","b":"y"}}'


class TestStructuralEvents(Guarantee):
    """Pruning keeps the events from which the structure of a mob is rebuilt, unless it is told to delete them too."""

    async def test_they_are_kept_until_they_are_pruned_too(self, events: MobEventStore) -> None:
        wired = MembersWired(a="a", b="b")
        kept = [MobReset(), wired, MembersUnwired(a="a", b="b"), MobCreated(definition=FULL_DEFINITION)]
        batch = [new_event(kind, timestamp=NOON) for kind in kept]
        batch[1:1] = [numbered(1, timestamp=NOON), new_event(MobCompleted(), timestamp=NOON)]
        stored = await events.append_batch(batch)
        later = await events.append(new_event(wired, timestamp=NOON + MICROSECOND))
        assert await events.prune(NOON + MICROSECOND) == 2
        left = [stored[0], *stored[3:], later]
        assert await events.replay_all() == left
        assert await events.prune(NOON + MICROSECOND) == 0
        assert await events.replay_all() == left
        assert await events.prune(NOON + MICROSECOND, structural=True) == 4
        assert await events.replay_all() == [later]
        assert await events.prune(LAST, structural=True) == 1
        assert await events.replay_all() == []

    @pytest.mark.parametrize("kind", STRUCTURAL_KINDS)
    async def test_every_structural_kind_is_kept(self, backend: Backend, events: MobEventStore, kind: str) -> None:
        await events.append(numbered(1, timestamp=FIRST))
        cursor = await backend.add_event(structural(kind))
        await backend.add_event(structural(kind + "_or_not"))
        assert await events.prune(LAST) == 2
        assert await events.latest_cursor() == cursor
        assert await events.prune(LAST) == 0
        assert await events.prune(LAST, structural=True) == 1
        assert await events.latest_cursor() == 0

    async def test_what_is_kept_does_not_hide_what_is_not(self, events: MobEventStore) -> None:
        reset = new_event(MobReset(), timestamp=NOON)
        for number in range(3):
            await events.append_batch([reset, numbered(number, timestamp=NOON), reset])
            assert await events.prune(LAST) == 1
        assert await cursors(events) == [1, 3, 4, 6, 7, 9]

    async def test_a_mob_id_does_not_make_an_event_structural(self, events: MobEventStore) -> None:
        await events.append(new_event(MobCompleted(), mob='"kind":{"type":"mob_reset"', timestamp=FIRST))
        assert await events.prune(NOON) == 1

    async def test_a_subscriber_is_told_of_every_gap(self, events: MobEventStore) -> None:
        reset = new_event(MobReset(), timestamp=NOON)
        await events.append_batch([numbered(1, timestamp=NOON), reset, numbered(2, timestamp=NOON), reset])
        assert await events.prune(LAST) == 2
        async with events.subscribe(after=0) as subscription:
            for after, cursor in ((0, 2), (2, 4)):
                with pytest.raises(EventsTrimmedError) as caught:
                    await anext(subscription)
                assert (caught.value.after, caught.value.first_available) == (after, cursor)
                assert (await anext(subscription)).cursor == cursor

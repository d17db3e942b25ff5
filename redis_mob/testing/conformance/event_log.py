"""The event log: cursors, times, reading, batches, what is stored of an event (contract: events-2, events-6)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from itertools import chain
from typing import Any

import pytest

from redis_mob.contracts import MobEventStore
from redis_mob.errors import InternalError, SerializationError
from redis_mob.models import FlowStarted, MemberSpawned, MobCreated, MobDefinition, MobReset, NewMobEvent
from redis_mob.testing.backend import Backend, StoredEvent
from redis_mob.testing.conformance.base import Guarantee, Opener, given
from redis_mob.testing.samples.new_events import RUN, completed, new_event, number_of, numbered
from redis_mob.testing.samples.states import NOON

MICROSECOND = timedelta(microseconds=1)


async def append_numbers(events: MobEventStore, count: int) -> None:
    """Append events with the numbers from 1 to `count`."""
    await events.append_batch([numbered(number) for number in range(1, count + 1)])


async def cursors(events: MobEventStore) -> list[int]:
    """The cursors of the whole log."""
    return [event.cursor for event in await events.replay_all()]


class TestEventLog(Guarantee):
    """Events get the cursors 1, 2, 3, ... in the order in which they are appended, and are read in that order."""

    async def test_case_001_first_cursor_is_one(self, events: MobEventStore) -> None:
        assert (await events.append(numbered(1))).cursor == 1
        assert len(await events.replay_all()) == 1

    async def test_case_002_cursors_increase_by_one(self, events: MobEventStore) -> None:
        stored = [await events.append(numbered(number)) for number in range(3)]
        assert [event.cursor for event in stored] == [1, 2, 3]
        assert await events.replay_all() == stored

    async def test_case_003_a_time_that_is_not_given_is_that_of_the_storage(
        self, events: MobEventStore, backend: Backend
    ) -> None:
        before = await backend.now()
        stored = await events.append_batch([numbered(1), numbered(2)])
        assert before <= stored[0].timestamp <= stored[1].timestamp <= await backend.now()
        assert await events.replay_all() == stored

    @pytest.mark.parametrize("age", [timedelta(minutes=10), timedelta(0), MICROSECOND, timedelta(days=-400)])
    async def test_case_004_a_given_time_is_kept(self, events: MobEventStore, age: timedelta) -> None:
        stored = await events.append(numbered(1, timestamp=NOON - age))
        assert stored.timestamp == NOON - age
        assert await events.replay_all() == [stored]

    async def test_case_005_poll_after_and_limit(self, events: MobEventStore) -> None:
        await append_numbers(events, 5)
        assert [event.cursor for event in await events.poll(2, 2)] == [3, 4]

    async def test_case_006_poll_limit_zero(self, events: MobEventStore) -> None:
        await append_numbers(events, 3)
        assert await events.poll(0, 0) == []

    @pytest.mark.parametrize("after", [3, 99, 2**63 - 1])
    async def test_case_007_poll_past_end(self, events: MobEventStore, after: int) -> None:
        await append_numbers(events, 3)
        assert await events.poll(after, 10) == []

    async def test_case_008_poll_is_not_filtered_by_mob(self, events: MobEventStore) -> None:
        await events.append_batch([numbered(1, mob="a"), numbered(2, mob="b")])
        assert [event.mob_id for event in await events.poll(0, 10)] == ["a", "b"]

    async def test_case_013_latest_cursor_empty_and_full(self, events: MobEventStore) -> None:
        assert await events.latest_cursor() == 0
        await append_numbers(events, 4)
        assert await events.latest_cursor() == 4

    async def test_thousands_of_events_are_read_in_order(self, events: MobEventStore) -> None:
        count = 2001
        await append_numbers(events, count)
        assert [number_of(event) for event in await events.replay_all()] == list(range(1, count + 1))
        assert [event.cursor for event in await events.poll(1, 1001)] == list(range(2, 1003))
        assert len(await events.poll(0, 2**63 - 1)) == count

    async def test_handles_share_one_log(self, open_stores: Opener) -> None:
        one, two = [given("events", (await open_stores()).events) for _ in range(2)]
        await one.append(numbered(1))
        await two.append(numbered(2))
        assert await one.replay_all() == await two.replay_all()
        assert await two.latest_cursor() == 2

    async def test_case_035_a_log_that_is_opened_again_goes_on(self, backend: Backend) -> None:
        async with backend.open() as stores:
            events = given("events", stores.events)
            stored = await events.append_batch([numbered(1), completed(), numbered(3)])
        async with backend.open() as stores:
            events = given("events", stores.events)
            assert await events.replay_all() == stored
            assert await events.append_terminal_event_if_absent(completed()) is None
            assert (await events.append(numbered(4))).cursor == 4


class TestEventBatches(Guarantee):
    """A batch of events is stored as a whole, with contiguous cursors, or not at all."""

    async def test_case_009_a_batch_is_contiguous(self, events: MobEventStore) -> None:
        await events.append(numbered(0))
        stored = await events.append_batch([numbered(7), numbered(5), numbered(6)])
        assert [event.cursor for event in stored] == [2, 3, 4]
        assert [number_of(event) for event in stored] == [7, 5, 6]
        assert (await events.replay_all())[1:] == stored

    @pytest.mark.parametrize("broken", ["parameters", "mob"])
    async def test_case_010_a_batch_is_atomic(self, events: MobEventStore, broken: str) -> None:
        await events.append(numbered(1))
        started: Any = FlowStarted.model_construct(run_id=RUN, flow_id="review", params=object())
        event = NewMobEvent.model_construct(
            mob_id="\ud800" if broken == "mob" else "mob",
            timestamp=None,
            kind=started if broken == "parameters" else MobReset(),
        )
        with pytest.raises(InternalError):
            await events.append_batch([numbered(2), event, numbered(3)])
        assert await cursors(events) == [1]
        assert (await events.append(numbered(4))).cursor == 2

    async def test_case_011_an_empty_batch_changes_nothing(self, events: MobEventStore) -> None:
        assert await events.append_batch([]) == []
        assert await events.latest_cursor() == 0
        assert (await events.append(numbered(1))).cursor == 1

    async def test_case_012_concurrent_batches_do_not_mix(self, open_stores: Opener) -> None:
        stores = [given("events", (await open_stores()).events) for _ in range(5)]
        batches = await asyncio.gather(
            *(store.append_batch([numbered(number) for number in range(5)]) for store in stores for _ in range(2))
        )
        assert all(batch[-1].cursor - batch[0].cursor == 4 for batch in batches)
        assert sorted(event.cursor for event in chain(*batches)) == list(range(1, 51))
        assert [number_of(event) for event in await stores[0].replay_all()] == [0, 1, 2, 3, 4] * 10


class TestStoredEvents(Guarantee):
    """An event is read as it was written, and one that cannot be read is named and hurts no other."""

    @pytest.mark.parametrize("version", [None, "5", "7"], ids=["case_036", "case_037-older", "case_037-newer"])
    async def test_an_event_of_another_format_is_refused(
        self, events: MobEventStore, backend: Backend, version: str | None
    ) -> None:
        cursor = await backend.add_event('{"type":"mob_reset"}', schema_version=version)
        with pytest.raises(SerializationError, match=str(cursor)) as refused:
            await events.replay_all()
        assert version is not None or "pre-0.6" in str(refused.value)

    @pytest.mark.parametrize("kind", ["not JSON", '{"type":"step_failed"}', "{}"])
    async def test_an_event_without_a_kind_is_named(self, events: MobEventStore, backend: Backend, kind: str) -> None:
        await _hurts_only_its_readers(events, lambda: backend.add_event(kind))

    async def test_a_damaged_event_is_named(self, events: MobEventStore, backend: Backend) -> None:
        async def damaged() -> int:
            cursor = (await events.append(numbered(2, timestamp=NOON))).cursor
            await backend.damage(StoredEvent(cursor))
            return cursor

        await _hurts_only_its_readers(events, damaged)

    async def test_case_038_the_reference_of_a_spawned_member_is_stored_but_not_public(
        self, events: MobEventStore
    ) -> None:
        spawned = _spawned(bridge_member_ref={"kind": "session", "session_id": RUN, "bridge_session_id": RUN})
        stored = await events.append(new_event(spawned))
        [read] = await events.replay_all()
        assert isinstance(read.kind, MemberSpawned)
        assert read.kind.bridge_member_ref is not None
        assert read.kind == stored.kind == spawned
        assert "bridge_member_ref" not in read.model_dump_json()

    async def test_case_039_the_default_of_the_runtime_mode(self, events: MobEventStore, backend: Backend) -> None:
        await backend.add_event(json.dumps(json.loads(_spawned().model_dump_json(exclude={"runtime_mode"}))))
        [event] = await events.replay_all()
        assert isinstance(event.kind, MemberSpawned)
        assert event.kind.runtime_mode == "autonomous_host"

    async def test_case_040_a_definition_keeps_the_order_of_its_steps(self, events: MobEventStore) -> None:
        steps = "".join(f'[flows.f.steps.{step}]\nrole = "r"\nmessage = "m"\n' for step in ("z", "a", "m"))
        definition = MobDefinition.from_toml(f'[mob]\nid = "mob"\n[profiles.r]\nmodel = "m"\n{steps}')
        await events.append(new_event(MobCreated(definition=definition)))
        [event] = await events.replay_all()
        assert isinstance(event.kind, MobCreated)
        assert list(event.kind.definition.flows["f"].steps) == ["z", "a", "m"]


def _spawned(**more: Any) -> MemberSpawned:
    runtime_id = {"identity": "a", "generation": 0}
    fields = {"agent_identity": "a", "generation": 0, "fence_token": 1, "agent_runtime_id": runtime_id, "role": "lead"}
    return MemberSpawned.model_validate(fields | more)


async def _hurts_only_its_readers(events: MobEventStore, add_unreadable: Callable[[], Any]) -> None:
    """A damaged event is an error of its readers alone (contract: events-12)."""
    await events.append(numbered(1, timestamp=NOON))
    unreadable: int = await add_unreadable()
    await events.append(numbered(3, timestamp=NOON))
    assert await events.append_terminal_event_if_absent(completed()) is not None
    for read in (events.poll(0, 10), events.poll(1, 1), events.replay_all()):
        with pytest.raises(SerializationError, match=str(unreadable)):
            await read
    assert [event.cursor for event in await events.poll(unreadable, 10)] == [3, 4]
    await events.prune(NOON + MICROSECOND)
    assert [event.cursor for event in await events.poll(unreadable, 10)] == [4]
    assert await events.latest_cursor() == 4

"""The event log: cursors, timestamps, reading, pruning (cases 1-19, 36-40)."""

from __future__ import annotations

import asyncio
import json
import random
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pydantic
import pytest

from redis_mob.connection.connection import Connection
from redis_mob.connection.keys import Keys
from redis_mob.errors import InternalError, SerializationError
from redis_mob.models import FlowStarted, MemberSpawned, MobCreated, MobDefinition, MobReset, NewMobEvent
from redis_mob.stores.events import PAGE, RedisEventStore
from redis_mob.testing.samples.new_events import completed, new_event, number_of, numbered
from redis_mob.testing.samples.states import NOON
from tests.stores.conftest import Opener
from tests.support.exact import exact, exact_text
from tests.support.golden import read_jsonl
from tests.support.raw import add_event, events_as_stored

MICROSECOND = timedelta(microseconds=1)
FIRST = datetime.min.replace(tzinfo=UTC)
LAST = datetime.max.replace(tzinfo=UTC)


async def append_numbers(events: RedisEventStore, count: int) -> None:
    await events.append_batch([numbered(number) for number in range(1, count + 1)])


async def cursors(events: RedisEventStore) -> list[int]:
    return [event.cursor for event in await events.replay_all()]


async def server_time(connection: Connection) -> datetime:
    seconds, microseconds = await connection.transport.request("TIME")
    return datetime.fromtimestamp(int(seconds), UTC) + int(microseconds) * MICROSECOND


async def test_case_001_first_cursor_is_one(events: RedisEventStore) -> None:
    assert (await events.append(numbered(1))).cursor == 1
    assert len(await events.replay_all()) == 1


async def test_case_002_cursors_increase_by_one(events: RedisEventStore) -> None:
    stored = [await events.append(numbered(number)) for number in range(3)]
    assert [event.cursor for event in stored] == [1, 2, 3]
    assert await events.replay_all() == stored


async def test_case_003_timestamp_is_the_servers_time(events: RedisEventStore, connection: Connection) -> None:
    before = await server_time(connection)
    stored = await events.append_batch([numbered(1), numbered(2)])
    after = await server_time(connection)
    assert before <= stored[0].timestamp <= stored[1].timestamp <= after
    assert await events.replay_all() == stored


@pytest.mark.parametrize("age", [timedelta(minutes=10), timedelta(0), MICROSECOND, timedelta(days=-400)])
async def test_case_004_timestamp_override_is_kept(events: RedisEventStore, age: timedelta) -> None:
    stored = await events.append(numbered(1, timestamp=NOON - age))
    assert stored.timestamp == NOON - age
    assert await events.replay_all() == [stored]


async def test_case_005_poll_after_and_limit(events: RedisEventStore) -> None:
    await append_numbers(events, 5)
    assert [event.cursor for event in await events.poll(2, 2)] == [3, 4]


async def test_case_006_poll_limit_zero(events: RedisEventStore) -> None:
    await append_numbers(events, 3)
    assert await events.poll(0, 0) == []


@pytest.mark.parametrize("after", [3, 99, 2**63, 2**64 - 1, 2**64, 2**80])
async def test_case_007_poll_past_end(events: RedisEventStore, after: int) -> None:
    await append_numbers(events, 3)
    assert await events.poll(after, 10) == []


async def test_a_poll_from_before_the_first_cursor_reads_from_the_first(events: RedisEventStore) -> None:
    await append_numbers(events, 3)
    assert [event.cursor for event in await events.poll(-1, 2)] == [1, 2]
    assert await events.poll(0, -1) == []


async def test_case_008_poll_is_not_filtered_by_mob(events: RedisEventStore) -> None:
    await events.append_batch([numbered(1, mob="a"), numbered(2, mob="b")])
    assert [event.mob_id for event in await events.poll(0, 10)] == ["a", "b"]


async def test_reads_go_on_where_a_page_ends(events: RedisEventStore) -> None:
    count = 2 * PAGE + 1
    await append_numbers(events, count)
    assert [number_of(event) for event in await events.replay_all()] == list(range(1, count + 1))
    assert [event.cursor for event in await events.poll(1, PAGE + 1)] == list(range(2, PAGE + 3))
    assert len(await events.poll(0, 2**70)) == count


async def test_case_009_batch_is_contiguous(events: RedisEventStore) -> None:
    await events.append(numbered(0))
    stored = await events.append_batch([numbered(7), numbered(5), numbered(6)])
    assert [event.cursor for event in stored] == [2, 3, 4]
    assert [number_of(event) for event in stored] == [7, 5, 6]
    assert (await events.replay_all())[1:] == stored


async def test_case_010_batch_is_atomic(events: RedisEventStore) -> None:
    await events.append(numbered(1))
    broken = FlowStarted.model_construct(run_id=numbered(1).kind.run_id, flow_id="review", params=object())
    for event in (
        NewMobEvent.model_construct(mob_id="mob", timestamp=None, kind=broken),
        NewMobEvent.model_construct(mob_id="\ud800", timestamp=None, kind=MobReset()),
    ):
        with pytest.raises(InternalError, match="cannot be stored"):
            await events.append_batch([numbered(2), event, numbered(3)])
    assert await cursors(events) == [1]
    assert (await events.append(numbered(4))).cursor == 2


async def test_case_011_batch_empty(events: RedisEventStore) -> None:
    assert await events.append_batch([]) == []
    assert await events.latest_cursor() == 0
    assert (await events.append(numbered(1))).cursor == 1


async def test_case_012_batches_concurrent(open_storage: Opener) -> None:
    stores = [(await open_storage()).events for _ in range(5)]
    batches = await asyncio.gather(
        *(store.append_batch([numbered(number) for number in range(5)]) for store in stores for _ in range(2))
    )
    assert all(batch[-1].cursor - batch[0].cursor == 4 for batch in batches)
    assert sorted(event.cursor for batch in batches for event in batch) == list(range(1, 51))
    assert [number_of(event) for event in await stores[0].replay_all()] == [0, 1, 2, 3, 4] * 10


async def test_case_013_latest_cursor_empty_and_full(events: RedisEventStore) -> None:
    assert await events.latest_cursor() == 0
    await append_numbers(events, 4)
    assert await events.latest_cursor() == 4


async def test_case_014_prune_is_strictly_older(events: RedisEventStore) -> None:
    await events.append_batch([numbered(1, timestamp=NOON - MICROSECOND), numbered(2, timestamp=NOON)])
    assert await events.prune(NOON) == 1
    assert [event.timestamp for event in await events.replay_all()] == [NOON]


async def test_case_015_prune_returns_count_and_is_idempotent(events: RedisEventStore) -> None:
    await events.append_batch([numbered(number, timestamp=NOON) for number in range(3)])
    assert await events.prune(NOON + MICROSECOND) == 3
    assert await events.prune(NOON + MICROSECOND) == 0


async def test_case_016_prune_of_all_never_reuses_a_cursor(events: RedisEventStore) -> None:
    await append_numbers(events, 3)
    assert await events.prune(LAST) == 3
    assert (await events.latest_cursor(), await events.replay_all()) == (0, [])
    assert (await events.append(numbered(4))).cursor == 4


async def test_case_017_prune_of_the_newest_never_reuses_a_cursor(events: RedisEventStore) -> None:
    await events.append_batch([numbered(1, timestamp=NOON), numbered(2, timestamp=FIRST)])
    assert await events.prune(NOON) == 1
    assert (await events.append(numbered(3))).cursor == 3


async def test_case_018_latest_after_prune(events: RedisEventStore) -> None:
    await events.append_batch([numbered(1, timestamp=NOON), numbered(2), numbered(3, timestamp=FIRST)])
    assert await events.prune(NOON) == 1
    assert await events.latest_cursor() == 2


async def test_case_019_clear_empties_and_cursors_go_on_by_decision_1(events: RedisEventStore) -> None:
    await append_numbers(events, 3)
    for _ in range(2):
        await events.clear()
        assert (await events.replay_all(), await events.latest_cursor()) == ([], 0)
    assert await events.prune(LAST) == 0
    assert (await events.append(numbered(4))).cursor == 4


async def test_prune_deletes_exactly_the_older_ones_in_any_order_of_timestamps(events: RedisEventStore) -> None:
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


async def test_prune_of_many_events_of_the_same_microsecond(events: RedisEventStore) -> None:
    await events.append_batch([numbered(number, timestamp=NOON) for number in range(2500)])
    await events.append(numbered(2500, timestamp=NOON + MICROSECOND))
    assert await events.prune(NOON) == 0
    assert await events.prune(NOON + MICROSECOND) == 2500
    assert await cursors(events) == [2501]


async def test_prune_takes_any_time_with_a_zone(events: RedisEventStore) -> None:
    await events.append_batch([numbered(1, timestamp=FIRST), numbered(2, timestamp=LAST)])
    east, west = timezone(timedelta(hours=14)), timezone(timedelta(hours=-12))
    assert await events.prune(FIRST.replace(tzinfo=east)) == 0
    assert await events.prune((NOON - timedelta(days=1)).astimezone(east)) == 1
    assert await events.prune(LAST.replace(tzinfo=west)) == 1
    with pytest.raises(InternalError, match="a time with a zone"):
        await events.prune(datetime(2026, 1, 1))  # noqa: DTZ001


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
def test_a_time_outside_the_years_1_to_9999_is_refused(moment: str) -> None:
    with pytest.raises(pydantic.ValidationError, match="outside the years 1 to 9999"):
        NewMobEvent.model_validate_json(json.dumps({"mob_id": "m", "timestamp": moment, "kind": {"type": "mob_reset"}}))


async def test_a_pruned_and_an_appended_event_do_not_meet(events: RedisEventStore) -> None:
    await events.append_batch([numbered(1, timestamp=NOON), numbered(2, timestamp=NOON)])
    assert await events.prune(NOON + MICROSECOND) == 2
    await events.append(numbered(3, timestamp=NOON))
    assert await events.prune(NOON) == 0
    assert await events.prune(NOON + MICROSECOND) == 1


async def test_case_036_unversioned_row_is_rejected(
    events: RedisEventStore, connection: Connection, keys: Keys
) -> None:
    await add_event(connection, keys, schema_version=None)
    with pytest.raises(SerializationError, match=r"event 1: .*pre-0\.6"):
        await events.replay_all()


@pytest.mark.parametrize("version", [b"5", b"7"])
async def test_case_037_wrong_version_is_rejected(
    events: RedisEventStore, connection: Connection, keys: Keys, version: bytes
) -> None:
    await add_event(connection, keys, schema_version=version)
    with pytest.raises(SerializationError, match=f"event 1: schema_version {version.decode()}"):
        await events.replay_all()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("kind", b'{"type":"mob_rested"}'),
        ("kind", b"\xff"),
        ("mob_id", b"\xff"),
        ("timestamp", b"noon"),
        ("timestamp", b"9" * 30),
    ],
)
async def test_an_unreadable_event_hurts_only_those_who_read_it(
    events: RedisEventStore, connection: Connection, keys: Keys, field: str, value: bytes
) -> None:
    """Decision 8."""
    await events.append(numbered(1, timestamp=NOON))
    cursor = await add_event(connection, keys, **{field: value})
    await events.append(numbered(3, timestamp=NOON))
    assert await events.append_terminal_event_if_absent(completed()) is not None
    for read in (events.poll(0, 10), events.poll(1, 1), events.replay_all()):
        with pytest.raises(SerializationError, match=f"event {cursor}: {field}"):
            await read
    assert [event.cursor for event in await events.poll(cursor, 10)] == [3, 4]
    assert await events.prune(NOON + MICROSECOND) == 2
    assert await events.latest_cursor() == 4


async def test_case_038_reference_of_a_spawned_member_is_stored_but_not_public(
    events: RedisEventStore, connection: Connection, keys: Keys
) -> None:
    golden = [line for line in read_jsonl("wire/events.jsonl") if line["name"].startswith("member_spawned.ref")]
    for line in golden:
        await events.clear()
        kind = json.loads(line["stored"])["event"]["kind"] if isinstance(line["stored"], str) else None
        kind = kind or line["stored"]["event"]["kind"]
        spawned = MemberSpawned.model_validate_json(json.dumps(kind))
        assert spawned.bridge_member_ref is not None
        stored = await events.append(new_event(spawned))
        assert [event.kind for event in await events.replay_all()] == [stored.kind] == [spawned]
        [row] = await events_as_stored(connection, keys)
        assert json.loads(row[b"kind"])["bridge_member_ref"] == kind["bridge_member_ref"]
        assert "bridge_member_ref" not in stored.model_dump_json()
    assert golden


async def test_case_039_runtime_mode_default(events: RedisEventStore, connection: Connection, keys: Keys) -> None:
    runtime_id = {"identity": "a", "generation": 0}
    fields: dict[str, Any] = {"agent_identity": "a", "generation": 0, "fence_token": 1, "agent_runtime_id": runtime_id}
    kind = {"type": "member_spawned", **fields, "role": "lead"}
    await add_event(connection, keys, kind=json.dumps(kind).encode())
    [event] = await events.replay_all()
    assert isinstance(event.kind, MemberSpawned)
    assert event.kind.runtime_mode == "autonomous_host"


async def test_case_040_mob_created_keeps_the_order_of_steps(events: RedisEventStore) -> None:
    steps = "".join(f'[flows.f.steps.{step}]\nrole = "r"\nmessage = "m"\n' for step in ("z", "a", "m"))
    definition = MobDefinition.from_toml(f'[mob]\nid = "mob"\n[profiles.r]\nmodel = "m"\n{steps}')
    await events.append(new_event(MobCreated(definition=definition)))
    [event] = await events.replay_all()
    assert isinstance(event.kind, MobCreated)
    assert list(event.kind.definition.flows["f"].steps) == ["z", "a", "m"]


async def test_golden_events_come_back_as_they_are(events: RedisEventStore) -> None:
    golden = [line["event"] for line in read_jsonl("wire/events.jsonl")]
    stored = await events.append_batch([NewMobEvent.model_validate_json(json.dumps(event)) for event in golden])
    assert await events.replay_all() == stored
    for event, cursor, recorded in zip(stored, range(1, len(golden) + 1), golden, strict=True):
        expected = {**recorded, "cursor": cursor, "timestamp": json.loads(event.model_dump_json())["timestamp"]}
        assert exact_text(event.model_dump_json()) == exact(expected)


async def test_events_of_several_storages_share_one_log(open_storage: Opener) -> None:
    one, two = (await open_storage()).events, (await open_storage()).events
    await one.append(numbered(1))
    await two.append(numbered(2))
    assert await one.replay_all() == await two.replay_all()
    assert await two.latest_cursor() == 2

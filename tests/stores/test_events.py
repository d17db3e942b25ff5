"""The event log beyond the conformance suite: numbers without bound, pages, what is stored, golden events."""

# pyright: reportPrivateUsage=false
# How many calls a store makes is its own affair, and what is counted here.

from __future__ import annotations

import asyncio
import json
from typing import Any

import pydantic
import pytest

from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.errors import InternalError, OutcomeUnknownError, SerializationError
from redis_mob.models import MemberSpawned, MobEvent, MobReset, NewMobEvent
from redis_mob.stores.events import PAGE, RedisEventStore
from redis_mob.testing.conformance.event_log import MICROSECOND, append_numbers
from redis_mob.testing.samples.new_events import completed, new_event, number_of, numbered
from redis_mob.testing.samples.states import NOON
from tests.support.exact import exact, exact_text
from tests.support.golden import read_jsonl
from tests.support.raw import add_event, events_as_stored


@pytest.mark.parametrize("after", [2**63, 2**64 - 1, 2**64, 2**80])
async def test_case_007_poll_past_end(events: RedisEventStore, after: int) -> None:
    await append_numbers(events, 3)
    assert await events.poll(after, 10) == []


async def test_a_poll_from_before_the_first_cursor_reads_from_the_first(events: RedisEventStore) -> None:
    await append_numbers(events, 3)
    assert [event.cursor for event in await events.poll(-1, 2)] == [1, 2]
    assert await events.poll(0, -1) == []


async def test_reads_go_on_where_a_page_ends(events: RedisEventStore) -> None:
    count = 2 * PAGE + 1
    await append_numbers(events, count)
    assert [number_of(event) for event in await events.replay_all()] == list(range(1, count + 1))
    assert [event.cursor for event in await events.poll(1, PAGE + 1)] == list(range(2, PAGE + 3))
    assert len(await events.poll(0, 2**70)) == count


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
def test_a_time_outside_the_years_1_to_9999_is_refused(moment: str) -> None:
    with pytest.raises(pydantic.ValidationError, match="outside the years 1 to 9999"):
        NewMobEvent.model_validate_json(json.dumps({"mob_id": "m", "timestamp": moment, "kind": {"type": "mob_reset"}}))


async def test_case_036_unversioned_row_is_rejected(events: RedisEventStore, connection: Client, keys: Keys) -> None:
    await add_event(connection, keys, schema_version=None)
    with pytest.raises(SerializationError, match=r"event 1: .*pre-0\.6"):
        await events.replay_all()


@pytest.mark.parametrize("version", [b"5", b"7"])
async def test_case_037_wrong_version_is_rejected(
    events: RedisEventStore, connection: Client, keys: Keys, version: bytes
) -> None:
    await add_event(connection, keys, schema_version=version)
    with pytest.raises(SerializationError, match=f"event 1: schema_version {version.decode()}"):
        await events.replay_all()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("kind", b'{"type":"mob_created"}'),
        ("kind", b"\xff"),
        ("mob_id", b"\xff"),
        ("timestamp", b"noon"),
        ("timestamp", b"9" * 30),
    ],
)
async def test_an_unreadable_event_hurts_only_those_who_read_it(
    events: RedisEventStore, connection: Client, keys: Keys, field: str, value: bytes
) -> None:
    """A damaged event is an error of its readers alone (contract: events-12)."""
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
    events: RedisEventStore, connection: Client, keys: Keys
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


async def test_golden_events_come_back_as_they_are(events: RedisEventStore) -> None:
    golden = [line["event"] for line in read_jsonl("wire/events.jsonl")]
    stored = await events.append_batch([NewMobEvent.model_validate_json(json.dumps(event)) for event in golden])
    assert await events.replay_all() == stored
    for event, cursor, recorded in zip(stored, range(1, len(golden) + 1), golden, strict=True):
        expected = {**recorded, "cursor": cursor, "timestamp": json.loads(event.model_dump_json())["timestamp"]}
        assert exact_text(event.model_dump_json()) == exact(expected)


async def test_what_a_prune_has_kept_costs_the_next_one_nothing(
    events: RedisEventStore, connection: Client, keys: Keys
) -> None:
    """Events that are kept leave the range of the order that a prune reads, in more rounds than one."""
    batch = [new_event(MobReset(), timestamp=NOON), numbered(1, timestamp=NOON)] * 1100
    await events.append_batch(batch)
    assert await events.prune(NOON.replace(year=2027)) == 1100
    assert await connection.router.request("ZLEXCOUNT", keys.events_by_time, "-", "(k") == 0
    assert await connection.router.request("ZCARD", keys.events_by_time) == 1100
    assert await events.prune(NOON.replace(year=2027)) == 0
    assert await events.prune(NOON, structural=True) == 0
    assert await events.prune(NOON.replace(year=2027), structural=True) == 1100
    assert await connection.router.request("EXISTS", keys.events, keys.events_by_time) in (0, 1)
    assert await events.replay_all() == []


@pytest.mark.usefixtures("server_url")
async def test_appends_of_one_turn_are_two_calls(events: RedisEventStore, monkeypatch: pytest.MonkeyPatch) -> None:
    client: Any = events._client
    calls: list[str] = []
    call = client.call

    async def counted(script: str, *arguments: Any) -> Any:
        calls.append(script)
        return await call(script, *arguments)

    monkeypatch.setattr(client, "call", counted)
    stored = await asyncio.gather(*(events.append(numbered(number)) for number in range(50)))
    assert [(event.cursor, number_of(event)) for event in stored] == [(number + 1, number) for number in range(50)]
    assert calls == ["events/append_batch"] * 2
    assert await events.replay_all() == stored
    assert [(await events.append(numbered(50))).cursor, len(calls)] == [51, 3]


async def test_one_of_many_appends_that_is_refused_leaves_the_others(events: RedisEventStore) -> None:
    refused = numbered(1).model_copy(update={"mob_id": "\ud800"})
    ends = await asyncio.gather(*map(events.append, [numbered(0), refused, numbered(2)]), return_exceptions=True)
    assert [type(end) for end in ends] == [MobEvent, InternalError, MobEvent]
    assert [number_of(event) for event in await events.replay_all()] == [0, 2]


@pytest.mark.usefixtures("server_url")
async def test_an_append_that_was_cancelled_disturbs_no_others(events: RedisEventStore) -> None:
    appends = [asyncio.ensure_future(events.append(numbered(number))) for number in range(9)]
    await asyncio.sleep(0)
    appends[4].cancel()
    ends = await asyncio.gather(*appends, return_exceptions=True)
    assert isinstance(ends[4], asyncio.CancelledError)
    assert all(isinstance(end, MobEvent) for number, end in enumerate(ends) if number != 4)


@pytest.mark.usefixtures("server_url")
async def test_appends_of_one_turn_that_fail_fail_each_with_an_error_of_its_own(
    events: RedisEventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def failing(*_arguments: Any) -> Any:
        raise OutcomeUnknownError("the reply was lost", "token")

    monkeypatch.setattr(events._client, "call", failing)
    ends = await asyncio.gather(*(events.append(numbered(number)) for number in range(4)), return_exceptions=True)
    assert [(type(end), str(end)) for end in ends] == [(OutcomeUnknownError, "the reply was lost")] * 4
    assert len({id(end) for end in ends}) == 4
    assert {end.token for end in ends if isinstance(end, OutcomeUnknownError)} == {"token"}

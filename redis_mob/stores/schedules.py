"""Schedules of flows, on Redis: each method encodes, calls one script, and reads its reply."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta

from redis_mob.codec.arguments import duration, integer, moment
from redis_mob.codec.documents import decode_name, decode_revision, encode_name, encode_revision
from redis_mob.codec.executions import milliseconds, moment_of_milliseconds
from redis_mob.codec.hashes import as_mapping
from redis_mob.codec.schedules import (
    LISTENED_TO,
    decode_schedule,
    encode_schedule,
    encoded_definition,
    schedule_named,
)
from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.calls.replies import Reply
from redis_mob.contracts import ScheduleStore, WakeUp
from redis_mob.errors import SerializationError
from redis_mob.models.definition import MobDefinition
from redis_mob.models.flow_schedule import DueSchedules, ScheduleRecord, StoredSchedule
from redis_mob.notifications.wakeups import WakeUps
from redis_mob.stores.readable import readable

_NAME = "name of the schedule"
_MOST = 1000
"""How many schedules one script takes."""


@readable
class RedisScheduleStore(ScheduleStore):
    """The contract's `ScheduleStore` on Redis; its docstrings say what holds."""

    def __init__(self, client: Client, keys: Keys, wake_ups: WakeUps) -> None:
        self._client = client
        self._keys = keys
        self._wake_ups = wake_ups

    async def put(
        self, record: ScheduleRecord, definition: MobDefinition | None = None, *, revision: int | None = None
    ) -> int | None:
        document, expected = encode_schedule(record), encode_revision("revision", revision)
        digest, encoded = record.schedule.definition, encoded_definition(record, definition)
        keys = self._keys
        reply = await self._client.call(
            "schedules/put",
            [keys.meta, keys.schedules, keys.scheduled, keys.schedule_definitions, keys.definitions, keys.wake_runs],
            [encode_name(_NAME, record.name), document, digest, encoded, _due(record, None), expected],
        )
        return None if reply == Reply.LOST else decode_revision(schedule_named(record.name), reply)

    async def get(self, name: str) -> StoredSchedule | None:
        stored = await self._client.read(
            "schedules/get", [self._keys.meta, self._keys.schedules], [encode_name(_NAME, name)]
        )
        return None if stored is None else decode_schedule(name, bytes(stored))

    async def list(self) -> tuple[StoredSchedule, ...]:
        found: dict[str, bytes] = {}
        cursor = b"0"
        while True:
            cursor, page = await self._client.read(
                "schedules/list", [self._keys.meta, self._keys.schedules], [bytes(cursor)]
            )
            found |= {decode_name(_NAME, bytes(name)): bytes(one) for name, one in as_mapping(page).items()}
            if bytes(cursor) == b"0":
                return _all_readable(found)

    async def delete(self, name: str, *, revision: int | None = None) -> bool:
        keys = self._keys
        reply = await self._client.call(
            "schedules/delete",
            [keys.meta, keys.schedules, keys.scheduled, keys.schedule_definitions],
            [encode_name(_NAME, name), encode_revision("revision", revision)],
        )
        return reply == Reply.WON

    async def advance(self, record: ScheduleRecord, revision: int, *, look_at: datetime | None = None) -> bool:
        document, expected = encode_schedule(record), encode_revision("revision", integer("revision", revision))
        reply = await self._client.call(
            "schedules/advance",
            [self._keys.meta, self._keys.schedules, self._keys.scheduled],
            [encode_name(_NAME, record.name), document, _due(record, look_at), expected],
        )
        return reply == Reply.WON

    async def take_due(self, *, most: int, keep: timedelta) -> DueSchedules:
        hidden = duration("keep", keep) // timedelta(milliseconds=1)
        now, next_at, more, flat = await self._client.call(
            "schedules/take_due",
            [self._keys.meta, self._keys.schedules, self._keys.scheduled],
            [min(max(integer("most", most), 0), _MOST), hidden],
        )
        found: list[StoredSchedule] = []
        unreadable: list[str] = []
        for name, stored in as_mapping(flat).items():
            try:
                found.append(decode_schedule(decode_name(_NAME, bytes(name)), bytes(stored)))
            except SerializationError as error:  # one that is damaged must not hold up all others
                unreadable.append(str(error))
        return DueSchedules(
            schedules=tuple(found),
            unreadable=tuple(unreadable),
            now=moment_of_milliseconds(now),
            next_at=moment_of_milliseconds(float(next_at)) if next_at else None,
            more=bool(more),
        )

    async def now(self) -> datetime:
        return moment_of_milliseconds(float(await self._client.read("schedules/now", [self._keys.meta], [])))

    def listen(self) -> AbstractAsyncContextManager[WakeUp]:
        return self._wake_ups.listen(self._keys.wake_runs, LISTENED_TO.__eq__)


def _all_readable(found: Mapping[str, bytes]) -> tuple[StoredSchedule, ...]:
    """The schedules by name. Raises SerializationError naming all that are damaged."""
    schedules: list[StoredSchedule] = []
    damage: list[str] = []
    for name in sorted(found):
        try:
            schedules.append(decode_schedule(name, found[name]))
        except SerializationError as error:
            damage.append(str(error))
    if damage:
        raise SerializationError("; ".join(damage) + "; delete what is damaged, or replace it")
    return tuple(schedules)


def _due(record: ScheduleRecord, look_at: datetime | None) -> int | bytes:
    at = record.begins_at if look_at is None else moment("look_at", look_at)
    return b"" if at is None else milliseconds(at)

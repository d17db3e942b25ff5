"""Schedules of flows, in memory."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from redis_mob.codec.arguments import duration, integer, moment
from redis_mob.codec.documents import encode_name, encode_revision
from redis_mob.codec.schedules import LISTENED_TO, encode_schedule, encoded_definition
from redis_mob.contracts import ScheduleStore, WakeUp
from redis_mob.memory.flow_schedules import FlowSchedules
from redis_mob.memory.namespace import Access
from redis_mob.models.definition import MobDefinition
from redis_mob.models.flow_schedule import DueSchedules, ScheduleRecord, StoredSchedule

_NAME = "name of the schedule"


class MemoryScheduleStore(ScheduleStore):
    """The contract's `ScheduleStore` in memory; its docstrings say what holds."""

    def __init__(self, access: Access) -> None:
        self._access = access

    @property
    def _schedules(self) -> FlowSchedules:
        return self._access.content.flow_schedules

    async def put(
        self, record: ScheduleRecord, definition: MobDefinition | None = None, *, revision: int | None = None
    ) -> int | None:
        document, expected = encode_schedule(record), encode_revision("revision", revision)
        encoded, schedules = encoded_definition(record, definition), self._schedules
        if expected and expected != b"%d" % schedules.revision(record.name):
            return None
        if encoded:
            self._access.content.definitions.setdefault(record.schedule.definition, encoded)
        number = schedules.put(document, None)
        self._access.content.run_wake_ups.send(LISTENED_TO)
        return number

    async def get(self, name: str) -> StoredSchedule | None:
        encode_name(_NAME, name)
        return self._schedules.stored.get(name)

    async def list(self) -> tuple[StoredSchedule, ...]:
        return tuple(one for _, one in sorted(self._schedules.stored.items()))

    async def delete(self, name: str, *, revision: int | None = None) -> bool:
        encode_name(_NAME, name)
        expected, schedules = encode_revision("revision", revision), self._schedules
        if name not in schedules.stored or expected not in (b"", b"%d" % schedules.revision(name)):
            return False
        del schedules.stored[name]
        schedules.due.pop(name, None)
        return True

    async def advance(self, record: ScheduleRecord, revision: int, *, look_at: datetime | None = None) -> bool:
        document, expected = encode_schedule(record), integer("revision", revision)
        at = None if look_at is None else moment("look_at", look_at)
        if record.name not in self._schedules.stored or self._schedules.revision(record.name) != expected:
            return False
        self._schedules.put(document, at)
        return True

    async def take_due(self, *, most: int, keep: timedelta) -> DueSchedules:
        most, hidden = max(integer("most", most), 0), duration("keep", keep)
        schedules, now = self._schedules, self._access.content.clock.now()
        due = sorted((at, name) for name, at in schedules.due.items() if at <= now)
        for _, name in due[:most]:
            schedules.due[name] = now + hidden
        return DueSchedules(
            schedules=tuple(schedules.stored[name] for _, name in due[:most]),
            now=now,
            next_at=min((at for at in schedules.due.values() if at > now), default=None),
            more=len(due) > most,
        )

    async def now(self) -> datetime:
        return self._access.content.clock.now()

    @asynccontextmanager
    async def listen(self) -> AsyncGenerator[WakeUp]:
        with self._access.content.run_wake_ups.listen(LISTENED_TO.__eq__) as wake_up:
            yield wake_up

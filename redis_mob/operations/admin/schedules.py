"""The schedules of flows."""

from __future__ import annotations

from datetime import datetime

from redis_mob.codec.arguments import integer, text
from redis_mob.models.flow_schedule import ScheduleRecord
from redis_mob.operations import schedules
from redis_mob.operations.admin.base import AdminBase


class ScheduleAdmin(AdminBase):
    """The schedules of flows."""

    async def schedules(self) -> tuple[ScheduleRecord, ...]:
        """All schedules and how far they are, by name; `Fleet.schedule` makes one (contract: operations-100).

        Raises SerializationError naming those that cannot be read.
        """
        return tuple(stored.record for stored in await self._storage.schedules.list())

    async def schedule(self, name: str) -> ScheduleRecord:
        """One of them. Raises NotFoundError, with the nearest name, if there is none."""
        return (await schedules.schedule(self._storage.schedules, text("name", name))).record

    async def unschedule(self, name: str) -> None:
        """Delete a schedule, also one that is damaged; its runs go on. Raises NotFoundError if there is none."""
        await schedules.unschedule(self._storage.schedules, text("name", name))

    async def pause_schedule(self, name: str) -> ScheduleRecord:
        """Let a schedule start nothing until it is resumed. Raises NotFoundError if there is none."""
        return await schedules.pause(self._storage.schedules, text("name", name))

    async def resume_schedule(self, name: str) -> ScheduleRecord:
        """Let a paused schedule go on with the next due time from now: what was due meanwhile was not missed.

        Raises NotFoundError if there is none.
        """
        return await schedules.resume(self._storage.schedules, text("name", name))

    async def next_times(self, name: str, count: int = 5) -> tuple[datetime, ...]:
        """The next due times of a schedule, in UTC, whether it is paused or not; fewer if it ends before.

        Raises NotFoundError if there is none, ValidationError for a count that is negative or above 1,000.
        """
        return await schedules.next_times(self._storage.schedules, text("name", name), integer("count", count))

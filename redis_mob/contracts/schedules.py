"""What the store promises that starts flows again and again."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Protocol, runtime_checkable

from redis_mob.contracts.wake_up import WakeUp
from redis_mob.models.definition import MobDefinition
from redis_mob.models.flow_schedule import DueSchedules, ScheduleRecord, StoredSchedule


@runtime_checkable
class ScheduleStore(Protocol):
    """The schedules of a namespace by name, and which are due (contract: operations-100).

    Each write gives a schedule a revision that none had before in the namespace. Times are those of the fleet's clock,
    which never goes back. All methods raise as those of `MobRunStore` do.
    """

    async def put(
        self, record: ScheduleRecord, definition: MobDefinition | None = None, *, revision: int | None = None
    ) -> int | None:
        """Store a schedule under its name, and return its new revision; None if it has another one than is given.

        Absence counts as 0, so that 0 only creates; None overwrites any. With the `definition` that it names, that is
        stored too, and kept as long as the schedule is there (contract: operations-101). It is due when its record
        says that it begins; one that does not is not due at all.
        """
        ...

    async def get(self, name: str) -> StoredSchedule | None:
        """A schedule, None if there is none of that name."""
        ...

    async def list(self) -> tuple[StoredSchedule, ...]:
        """All schedules, by name."""
        ...

    async def delete(self, name: str, *, revision: int | None = None) -> bool:
        """Delete a schedule; False if there is none, or if its revision is not the given one."""
        ...

    async def advance(self, record: ScheduleRecord, revision: int, *, look_at: datetime | None = None) -> bool:
        """Store how far a schedule is; False if it has another revision, or is gone.

        It is due when its record says that it begins, or else at `look_at`. No listener is told.
        """
        ...

    async def take_due(self, *, most: int, keep: timedelta) -> DueSchedules:
        """What is due, so many at most, hidden from other callers for a time: the caller deals with it by then.

        That spreads the work, and protects nothing: a schedule whose caller is lost is due again after that time, and
        what makes a due time count once is the id of its run (contract: operations-102).
        """
        ...

    async def now(self) -> datetime:
        """The time of the fleet's clock."""
        ...

    def listen(self) -> AbstractAsyncContextManager[WakeUp]:
        """Wake-ups when a schedule was put."""
        ...

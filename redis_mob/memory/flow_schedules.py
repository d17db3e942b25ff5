"""The schedules of flows that a namespace in memory holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from redis_mob.models.flow_schedule import ScheduleRecord, StoredSchedule


@dataclass(slots=True)
class FlowSchedules:
    """The schedules of a namespace by name, and when each of them is due."""

    stored: dict[str, StoredSchedule] = field(default_factory=dict[str, StoredSchedule])
    due: dict[str, datetime] = field(default_factory=dict[str, datetime])
    last_revision: int = 0

    def uses(self, digest: str) -> bool:
        """Whether one of them names this definition."""
        return any(one.record.schedule.definition == digest for one in self.stored.values())

    def revision(self, name: str) -> int:
        """The current revision of a schedule; 0 if there is none."""
        return self.stored[name].revision if name in self.stored else 0

    def put(self, document: bytes, look_at: datetime | None) -> int:
        """Store a schedule, and return its new revision; no reader shares an object with its writer."""
        record = ScheduleRecord.model_validate_json(document)
        self.last_revision += 1
        self.stored[record.name] = StoredSchedule(record=record, revision=self.last_revision)
        if (at := record.begins_at if look_at is None else look_at) is None:
            self.due.pop(record.name, None)
        else:
            self.due[record.name] = at
        return self.last_revision

"""A schedule as tests of a store need one."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from redis_mob.codec.definitions import encode_definition
from redis_mob.models.base import SortedDict
from redis_mob.models.definition import MobDefinition
from redis_mob.models.flow_schedule import FlowSchedule, ScheduleRecord
from redis_mob.testing.samples.driven_runs import ONE_STEP
from redis_mob.testing.samples.states import NOON


def schedule(
    name: str = "nightly", *, definition: MobDefinition = ONE_STEP, next_at: datetime | None = NOON, **record: Any
) -> ScheduleRecord:
    """A schedule of a flow, which is due at noon of a day that has passed unless another time is given."""
    [flow_id] = definition.flows
    flow = FlowSchedule(
        name=name,
        mob_id=definition.id,
        flow_id=flow_id,
        definition=encode_definition(definition)[0],
        members=SortedDict({role: (f"{role}-1",) for role in definition.profiles}),
        every_ms=60_000,
        created_at=NOON,
    )
    return ScheduleRecord(schedule=flow, next_at=next_at, **record)

"""The judge of fired schedules finds one fault each; what the program sees of real workers is in its README."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from redis_mob.fleet.scheduling import run_id_of
from redis_mob.models.flow_schedule import Overlap, ScheduleRecord
from redis_mob.models.run_status import MobRunStatus
from redis_mob.models.run_summary import RunSummary
from redis_mob.testing.samples.schedules import schedule
from redis_mob.testing.samples.states import NOON
from tests.robustness.fired_schedules import MINUTE, Due, judge, lateness

TIMES = [NOON, NOON + MINUTE]

Seen = tuple[ScheduleRecord, list[RunSummary]]
"""A schedule and its runs in the end."""


def summary(record: ScheduleRecord, number: int, status: MobRunStatus = MobRunStatus.COMPLETED) -> RunSummary:
    """The run of a due time, which was started a second late."""
    return RunSummary(
        run_id=run_id_of(record.schedule, TIMES[0] + number * MINUTE),
        mob_id=record.schedule.mob_id,
        flow_id=record.schedule.flow_id,
        status=status,
        created_at=NOON,
        launched_at=TIMES[0] + number * MINUTE + timedelta(seconds=1),
    )


def skipping(record: ScheduleRecord) -> ScheduleRecord:
    """The same, which skips what overlaps."""
    return record.model_copy(update={"schedule": record.schedule.model_copy(update={"overlap": Overlap.SKIP})})


FAULTS: dict[str, Callable[[ScheduleRecord, list[RunSummary]], Seen]] = {
    "a due time without a run": lambda record, runs: (record, runs[:1]),
    "a due time that is not counted": lambda record, runs: (record.model_copy(update={"fired": 1}), runs),
    "a run of no due time": lambda record, runs: (record, [*runs, summary(record, 2)]),
    "a run that is not over": lambda record, runs: (record, [runs[0], summary(record, 1, MobRunStatus.RUNNING)]),
    "skipped where nothing may be": lambda record, runs: (
        record.model_copy(update={"fired": 1, "skipped": 1}),
        runs[:1],
    ),
    "skipped, and run all the same": lambda record, runs: (
        skipping(record).model_copy(update={"fired": 1, "skipped": 1}),
        runs,
    ),
}


@pytest.fixture
def fired() -> ScheduleRecord:
    """A schedule that has fired both of its due times."""
    return schedule(fired=2, next_at=None)


def test_a_schedule_that_fired_each_due_time_once_is_in_order(fired: ScheduleRecord) -> None:
    runs = [summary(fired, 0), summary(fired, 1)]
    assert judge([Due(fired, TIMES)], [fired], runs) == []
    assert lateness([Due(fired, TIMES)], runs) == [1.0, 1.0]


def test_a_due_time_may_be_skipped_where_that_is_the_policy(fired: ScheduleRecord) -> None:
    record = skipping(fired).model_copy(update={"fired": 1, "skipped": 1})
    assert judge([Due(record, TIMES)], [record], [summary(record, 0)]) == []


@pytest.mark.parametrize("fault", FAULTS)
def test_the_judge_finds(fired: ScheduleRecord, fault: str) -> None:
    record, runs = FAULTS[fault](fired, [summary(fired, 0), summary(fired, 1)])
    assert judge([Due(record, TIMES)], [record], runs)

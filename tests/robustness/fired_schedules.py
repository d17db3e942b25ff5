"""Schedules that are fired by workers which are killed again and again.

A thousand schedules are due every minute, a half of them by a cron text at the same moment, the others by an interval,
spread over the minute. Four worker processes fire them and execute their runs. Every ten seconds one of the workers
gets SIGKILL and is replaced at once. In the end each due time must have one run, which has completed, unless the
schedule has skipped it because the run before was under way; and there must be no other run.

    python -m tests.robustness.fired_schedules [--seed 7] [--schedules 1000] [--minutes 2] [--workers 4] [--every 10]
"""

from __future__ import annotations

import argparse
import asyncio
import math
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.scheduling import run_id_of
from redis_mob.models.definition import MobDefinition
from redis_mob.models.flow_schedule import Overlap, ScheduleRecord
from redis_mob.models.run_status import MobRunStatus
from redis_mob.models.run_summary import RunSummary
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.testing.servers.node import HOST
from tests.fleet.crew import Crew, crew
from tests.fleet.flows import FLOW, mob, step
from tests.robustness.killed_workers import durable_server
from tests.robustness.report import Report, parser, run_program

ONE_STEP: MobDefinition = mob({"work": step()})

MINUTE = timedelta(minutes=1)

OVERLAPS = (Overlap.ALLOW, Overlap.ALLOW, Overlap.QUEUE, Overlap.SKIP)
"""What the schedules do in turn while the run before is under way."""

MADE_AT_ONCE = 32
"""Schedules that are made at a time."""

PATIENCE = 120.0
"""Seconds after the last due time in which all must have been fired, and all runs must be over."""

LOOK_AGAIN = 0.5
"""Seconds between two looks whether that is so."""


@dataclass
class Due:
    """The due times of one schedule between two moments, which are not worked out by the code that fires them."""

    record: ScheduleRecord
    times: list[datetime] = field(default_factory=list[datetime])


async def make_schedules(fleet: Fleet, hired: Crew, number: int, begin: datetime, end: datetime) -> list[Due]:
    """Make the schedules, and say when each of them is due."""
    params = {"handler": "work", "effects": str(hired.effects)}
    some = asyncio.Semaphore(MADE_AT_ONCE)

    async def one(index: int) -> Due:
        overlap = OVERLAPS[index // 2 % len(OVERLAPS)]
        async with some:
            if index % 2:
                first = begin + MINUTE * (index / number)
                first = first.replace(microsecond=first.microsecond // 1000 * 1000)
                record = await fleet.schedule(
                    f"every-{index}", FLOW, params, every=MINUTE, starts_at=first, ends_at=end, overlap=overlap
                )
                times = [first + k * MINUTE for k in range(math.ceil((end - first) / MINUTE) + 1)]
            else:
                record = await fleet.schedule(
                    f"cron-{index}", FLOW, params, cron="* * * * *", starts_at=begin, ends_at=end, overlap=overlap
                )
                first = begin.replace(second=0, microsecond=0)
                times = [first + k * MINUTE for k in range(math.ceil((end - first) / MINUTE) + 1)]
        return Due(record, [at for at in times if begin <= at <= end])

    return list(await asyncio.gather(*(one(index) for index in range(number))))


async def kill(hired: Crew, random: Random, every: float, over: asyncio.Event) -> int:
    """Kill a worker every so often, and hire another one; returns how many were killed."""
    killed = 0
    while not over.is_set():
        with suppress(TimeoutError):
            async with asyncio.timeout(every):
                await over.wait()
                break
        await hired.kill_one(random)
        killed += 1
        await hired.hire(1)
    return killed


async def all_over(admin: FleetAdmin) -> None:
    """Until no schedule is due any more, and all runs are over."""
    while True:
        if all(record.next_at is None and not record.waits for record in await admin.schedules()):
            counts = await admin.count()
            if not counts[MobRunStatus.PENDING] + counts[MobRunStatus.RUNNING]:
                return
        await asyncio.sleep(LOOK_AGAIN)


def judge(schedules: Iterable[Due], records: Iterable[ScheduleRecord], runs: Iterable[RunSummary]) -> list[str]:
    """What is not as it must be."""
    broken: list[str] = []
    ends, found = {record.name: record for record in records}, {run.run_id: run for run in runs}
    expected: set[str] = set()
    for due in schedules:
        record = ends[due.record.name]
        ids = {run_id_of(due.record.schedule, at): at for at in due.times}
        expected |= ids.keys()
        missing = [at for run_id, at in ids.items() if run_id not in found]
        if record.fired + record.skipped != len(due.times):
            broken.append(f"{record.name}: {record.fired} fired and {record.skipped} skipped of {len(due.times)}")
        if len(missing) != record.skipped or (missing and record.schedule.overlap is not Overlap.SKIP):
            broken.append(f"{record.name}: no run of {[str(at) for at in missing]}, and {record.skipped} were skipped")
    broken += [f"run {run_id} is of no due time" for run_id in found.keys() - expected]
    broken += [
        f"run {run.run_id} is {run.status}" for run in found.values() if run.status is not MobRunStatus.COMPLETED
    ]
    return broken


def lateness(schedules: Iterable[Due], runs: Iterable[RunSummary]) -> list[float]:
    """After how many seconds runs were started, the least first; those that were queued are left out."""
    begun = {run.run_id: run.launched_at for run in runs}
    late: list[float] = []
    for due in schedules:
        if due.record.schedule.overlap is Overlap.ALLOW:
            for at in due.times:
                launched = begun.get(run_id_of(due.record.schedule, at))
                if launched is not None:
                    late.append((launched - at).total_seconds())
    return sorted(late)


async def run(*, seed: int, schedules: int, minutes: float, workers: int = 4, every: float = 10.0) -> Report:
    """Run the program."""
    report, over = Report("fired_schedules", seed), asyncio.Event()
    with durable_server() as server, tempfile.TemporaryDirectory(prefix="redis-mob-test-") as directory:
        async with crew(f"redis://{HOST}:{server.port}", Path(directory), workers, lease=2.0) as hired:
            fleet, admin = Fleet(hired.storage, ONE_STEP, {}), FleetAdmin(hired.storage)
            # whole milliseconds, as due times are; time to make them all before the first one is due
            begin = datetime.fromtimestamp(math.ceil(time.time() + 2 + schedules / 100), UTC)
            end = begin + timedelta(minutes=minutes)
            made = await make_schedules(fleet, hired, schedules, begin, end)
            killing = asyncio.create_task(kill(hired, Random(seed), every, over))
            async with asyncio.timeout((end - datetime.now(UTC)).total_seconds() + PATIENCE):
                await asyncio.sleep(max((end - datetime.now(UTC)).total_seconds(), 0))
                await all_over(admin)
            over.set()
            killed = await killing
            records, runs = await admin.schedules(), [one async for one in admin.all_runs()]
            effects = Counter(effect["key"] for effect in hired.told())
    report.broken = judge(made, records, runs)
    late = lateness(made, runs)
    report.figures = {
        "schedules": schedules,
        "due times": sum(len(due.times) for due in made),
        "runs": len(runs),
        "skipped": sum(record.skipped for record in records),
        "workers killed": killed,
        "executions again": sum(effects.values()) - len(effects),
        "lateness in ms": {
            name: round(late[min(int(len(late) * part), len(late) - 1)] * 1000, 1)
            for name, part in {"p50": 0.5, "p99": 0.99, "most": 1.0}.items()
        },
    }
    return report


async def main(options: argparse.Namespace) -> Report:
    return await run(
        seed=options.seed,
        schedules=options.schedules,
        minutes=options.minutes,
        workers=options.workers,
        every=options.every,
    )


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--schedules", type=int, default=1000)
    arguments.add_argument("--minutes", type=float, default=2.0)
    arguments.add_argument("--workers", type=int, default=4)
    arguments.add_argument("--every", type=float, default=10.0, help="seconds between two deaths of workers")
    run_program(arguments.parse_args(), main)

"""A fleet works on while its namespace is backed up, and what was under way at the cut goes on where it is restored.

(contract: backup-1, backup-5, backup-7)
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from redis_mob.admin.doctor.examination import examine
from redis_mob.admin.doctor.finding import Severity
from redis_mob.backup.moving import move
from redis_mob.backup.service import back_up, restore
from redis_mob.connection.calls.durability import Durability
from redis_mob.errors import StorageUnavailableError, WriteFailedError
from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.step_context import StepContext
from redis_mob.models import MobRun, MobRunStatus
from redis_mob.storage import MobStorage
from redis_mob.testing.waiting import LONG
from tests.fleet.flows import FLOW, mob, step
from tests.fleet.working import at_work, check_told_once

MOB = mob({"a": step(), "b": step("a"), "c": step("a"), "d": step("b", "c")})

MOST = 25
"""How many runs there are for each backup: all of them are looked at in each place where they are restored."""


async def handler(ctx: StepContext) -> str:
    return f"{ctx.step_id} is done"


async def started(fleet: Fleet, end: asyncio.Event, runs: list[str], files: Sequence[Path] = ()) -> None:
    """Start runs, some at once, until the end or until the namespace has moved; so many for each file that is made."""
    with suppress(WriteFailedError):
        while not end.is_set():
            if len(runs) >= MOST * (len(files) + 1):
                await asyncio.sleep(0.01)
                continue
            runs += await asyncio.gather(*(fleet.start(FLOW, {"n": number}) for number in range(5)))
            await ended(fleet, runs[-5])


async def ended(fleet: Fleet, run_id: str) -> MobRun:
    async with asyncio.timeout(LONG):
        return await fleet.wait(run_id)


async def check_namespace(url: str, namespace: str) -> int:
    """It is whole, all of its runs come to their end, and each end is told once; returns how many runs there are."""
    examination = await examine(url, namespace, Durability())
    assert [one.severity for one in examination.findings if one.check == "records"] == [Severity.OK]
    async with MobStorage.open(url, namespace=namespace) as storage:
        fleet, number = Fleet(storage, MOB, {"*": handler}), 0
        async with at_work(storage, {"*": handler}):
            async for run_id in ids_of_runs(storage):
                run = await ended(fleet, run_id)
                assert run.status is MobRunStatus.COMPLETED
                await check_told_once(storage, run)
                number += 1
    return number


async def ids_of_runs(storage: MobStorage) -> AsyncIterator[str]:
    after = None
    while True:
        page = await storage.operations.runs(limit=50, after=after)
        for one in page.runs:
            yield one.run_id
        if (after := page.next) is None:
            return


async def test_runs_that_were_under_way_at_a_cut_end_where_they_are_restored(
    server_url: str, redis7_url: str, namespace: str, tmp_path: Path
) -> None:
    end, runs, files = asyncio.Event(), list[str](), list[Path]()
    async with MobStorage.open(server_url, namespace=namespace) as storage, at_work(storage, {"*": handler}, workers=2):
        fleet = Fleet(storage, MOB, {"*": handler})
        starting = asyncio.create_task(started(fleet, end, runs, files))
        for number in range(4):
            file, before = tmp_path / str(number), len(runs)
            await back_up(server_url, namespace, file, follow=True, since=files[-1] if files else None)
            files.append(file)
            while len(runs) < before + 5:
                await ended(fleet, await fleet.start(FLOW))
        end.set()
        await starting
    numbers = list[int]()
    for number in range(1, 5):
        other = f"{namespace}-{number}"
        await restore(redis7_url, other, files[:number])
        numbers.append(await check_namespace(redis7_url, other))
    numbers.append(await check_namespace(server_url, namespace))
    assert numbers == sorted(numbers) and numbers[-2] >= 15


async def test_a_fleet_goes_on_where_its_namespace_has_moved(server_url: str, redis7_url: str, namespace: str) -> None:
    runs = list[str]()
    async with MobStorage.open(server_url, namespace=namespace) as storage, at_work(storage, {"*": handler}):
        fleet = Fleet(storage, MOB, {"*": handler})
        for _ in range(3):
            await ended(fleet, await fleet.start(FLOW))
        starting = asyncio.create_task(started(fleet, asyncio.Event(), runs))
        await move(server_url, namespace, redis7_url, namespace)
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
    with pytest.raises(StorageUnavailableError, match="was moved"):
        await MobStorage.open(server_url, namespace=namespace)
    assert await check_namespace(redis7_url, namespace) >= 3

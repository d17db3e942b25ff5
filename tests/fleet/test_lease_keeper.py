"""Workers as real processes whose interpreter is held, which are stopped, or killed: which of them keeps its lease."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from redis_mob.models.execution import OVERDUE
from redis_mob.models.flow_spec import DispatchMode
from redis_mob.models.run_status import MobRunStatus
from redis_mob.storage import MobStorage
from redis_mob.stores.lease_keeper import state_of
from redis_mob.testing.waiting import LONG, until
from tests.fleet.crew import Crew, crew
from tests.fleet.flows import mob, step
from tests.fleet.working import check_told_once

LEASE = 2.0
"""Long enough for a keeper to have its imports on a machine that does other work too."""


def two_steps(**spec: Any) -> Any:
    first = step(policy="any", dispatch_mode=DispatchMode.ONE_TO_ONE, **spec)
    return mob({"a": first, "b": step("a")}, limits={"max_step_retries": 1})


def keepers_of(process: int) -> list[int]:
    """The children of a process whose program is the keeper."""
    threads = Path(f"/proc/{process}/task").glob("*/children")  # each child belongs to the thread that has started it
    children = [child for thread in threads for child in thread.read_text().split()]
    return [int(child) for child in children if b"lease_keeper.py" in _command(child)]


def _command(process: str) -> bytes:
    """Empty if it has ended since it was listed."""
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


async def first_effect(hired: Crew) -> int:
    """The process that has the first effect."""
    await until(hired.told)
    return hired.told()[0]["pid"]


async def at_last_without_workers(storage: MobStorage) -> None:
    async with asyncio.timeout(LONG):
        while await storage.executions.workers():  # noqa: ASYNC110 - a lease has to expire
            await asyncio.sleep(0.01)


async def test_a_handler_that_holds_the_interpreter_for_three_leases_is_called_once(
    server_url: str, tmp_path: Path
) -> None:
    lease = 2 * LEASE  # on a busy machine the process that renews it is late too
    async with crew(server_url, tmp_path, 2, lease) as hired:
        run_id = await hired.start(two_steps(), "hold_interpreter", milliseconds=3 * lease * 1000)
        run = await hired.wait(run_id)
        assert run.status is MobRunStatus.COMPLETED, run.failure_ledger
        assert run.root_step_outputs["a"] == "owner 1"
        assert [effect["step"] for effect in hired.told()].count("a") == 1
        await check_told_once(hired.storage, run)


async def test_a_worker_that_is_stopped_is_overtaken_although_it_has_a_keeper(server_url: str, tmp_path: Path) -> None:
    async with crew(server_url, tmp_path, 2, LEASE) as hired:
        run = await hired.wait(await hired.start(two_steps(), "be_paused"))
        assert run.root_step_outputs["a"] == "owner 2"
        paused, successor = (effect["pid"] for effect in hired.told()[:2])
        assert paused != successor
        assert keepers_of(paused)
        os.kill(paused, signal.SIGCONT)
        await hired.dismiss()
        await check_told_once(hired.storage, run)


async def test_the_keeper_of_a_worker_that_is_killed_ends_and_the_lease_expires(
    server_url: str, tmp_path: Path
) -> None:
    """Also if the worker is killed while its keeper renews."""
    async with crew(server_url, tmp_path, 1, LEASE) as hired:
        await hired.start(two_steps(), "hold_interpreter", milliseconds=600_000)
        held = await first_effect(hired)
        [keeper] = keepers_of(held)
        await until(lambda: keepers_of(keeper))  # the fork that renews
        hired.processes[0].kill()
        await until(lambda: state_of(keeper) in ("", "Z"))
        await at_last_without_workers(hired.storage)


@pytest.mark.slow
async def test_what_holds_the_interpreter_for_ever_is_ended_by_its_deadline_although_its_worker_has_its_lease(
    server_url: str, tmp_path: Path
) -> None:
    async with crew(server_url, tmp_path, 2, LEASE) as hired:
        run_id = await hired.start(two_steps(timeout_ms=500), "hold_interpreter", milliseconds=600_000)
        held = await first_effect(hired)
        run = await hired.wait(run_id)
        assert run.root_step_outputs["a"] == "owner 2"
        assert str(held) in {str(worker.record.pid) for worker in await hired.storage.executions.workers()}
        assert run.status is MobRunStatus.COMPLETED, run.failure_ledger
        view = await hired.storage.executions.load(run_id)
        assert view is not None
        [execution] = [one for one in view.executions.values() if one.step_id == "a"]
        assert (execution.attempt, execution.lost) == (2, 0)
        assert f"{OVERDUE.total_seconds():g} s after its deadline" in (execution.reason or "")
        await check_told_once(hired.storage, run)
        [process] = [one for one in hired.processes if one.pid == held]
        process.kill()
        await process.wait()

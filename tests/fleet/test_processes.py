"""Workers as real processes that die and pause in the middle of a run: everything still happens once."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import defaultdict
from pathlib import Path
from random import Random

import pytest

from redis_mob.fleet.takeover import MOST_LOST
from redis_mob.models.flow_spec import DispatchMode
from redis_mob.models.run import MobRun
from redis_mob.models.run_status import MobRunStatus
from redis_mob.testing.waiting import LONG, until
from tests.fleet.crew import Crew, crew
from tests.fleet.everything import EVERYTHING, LOOP_OUTPUTS, ROOT_OUTPUTS, STATUSES
from tests.fleet.flows import mob, step, supervisor
from tests.fleet.working import check_told_once


async def check(hired: Crew, run: MobRun) -> None:
    """The run has the one right outcome, told once, and no two owners of an execution had the same token."""
    assert run.status is MobRunStatus.COMPLETED, run.failure_ledger
    assert run.root_step_outputs == ROOT_OUTPUTS
    assert run.loop_iteration_outputs == LOOP_OUTPUTS
    assert run.flow_state.step_status == STATUSES
    assert len(run.loop_iteration_ledger) == 2 + 4
    await check_told_once(hired.storage, run)
    tokens: dict[str, list[int]] = defaultdict(list)
    for effect in hired.told():
        tokens[effect["key"]].append(effect["token"])
    for owners in tokens.values():
        assert len(set(owners)) == len(owners)


@pytest.mark.parametrize("workers", [1, 2, 4, 8])
async def test_any_number_of_workers_gives_the_same_outcome(server_url: str, tmp_path: Path, workers: int) -> None:
    async with crew(server_url, tmp_path, workers, lease=30) as hired:
        run = await hired.wait(await hired.start(EVERYTHING, "work"))
        await check(hired, run)
        effects = [effect["step"] for effect in hired.told()]
        once = {"left": 1, "right": 1, "join": 1, "flaky": 2, "plan": 2, "polish": 4, "end": 1, "gather": 3, "merge": 3}
        assert {name: effects.count(name) for name in once} == once
        assert effects.count("vote") in (2, 3)
        assert {effect["pid"] for effect in hired.told()} <= {process.pid for process in hired.processes}


EVENTS = 56
"""About how many events a run of everything has; a crash comes at a random one of them."""


async def kill_one(hired: Crew, event: int, random: Random) -> None:
    """Kill a worker a random moment after an event, so that it may be anywhere: deciding, committing, executing."""
    async with asyncio.timeout(LONG):
        while await hired.storage.events.latest_cursor() < event:  # noqa: ASYNC110 - the log is what it watches
            await asyncio.sleep(0.001)
    await asyncio.sleep(random.uniform(0, 0.02))
    await hired.kill_one(random)


async def survive(hired: Crew, seed: int) -> bool:
    """A run during which one of three workers is killed and replaced; returns whether it took an execution along."""
    random = Random(seed)
    before, event = await hired.storage.events.latest_cursor(), random.randrange(EVENTS)
    print(f"seed {seed}: a worker dies after event {event} of its run")
    run_id = await hired.start(EVERYTHING, "work")
    await kill_one(hired, before + event, random)
    run, _ = await asyncio.gather(hired.wait(run_id), hired.hire(1))
    await check(hired, run)
    view = await hired.storage.executions.load(run_id)
    assert view is not None
    return any(execution.lost + execution.lost_with_others for execution in view.executions.values())


@pytest.mark.slow
async def test_a_worker_is_killed_at_random_moments(server_url: str, tmp_path: Path) -> None:
    first = Random().randrange(1_000_000)
    async with crew(server_url, tmp_path, 3) as hired:
        took_along = [await survive(hired, seed) for seed in range(first, first + 20)]
    print(f"{sum(took_along)} of {len(took_along)} crashes took an execution along")
    assert any(took_along), "no crash was in the middle of anything: the test tests nothing"


async def test_a_lost_worker_costs_no_retry(server_url: str, tmp_path: Path) -> None:
    definition = mob({"a": step(policy="any", dispatch_mode=DispatchMode.ONE_TO_ONE)})
    async with crew(server_url, tmp_path, 2) as hired:
        run = await hired.wait(await hired.start(definition, "die_at_first"))
        assert run.status is MobRunStatus.COMPLETED
        assert run.root_step_outputs == {"a": "owner 2"}
        assert [effect["token"] for effect in hired.told()] == [1, 2]
        assert len({effect["key"] for effect in hired.told()}) == 1
        await check_told_once(hired.storage, run)


async def test_a_supervisor_whose_worker_is_killed_is_told_by_another_one(server_url: str, tmp_path: Path) -> None:
    steps = {"a": step(dispatch_mode=DispatchMode.ONE_TO_ONE)}
    async with crew(server_url, tmp_path, 2) as hired:
        run = await hired.wait(await hired.start(mob(steps, supervisor=supervisor()), "die_while_told"))
        assert (run.status, [row.step_id for row in run.failure_ledger]) == (MobRunStatus.FAILED, ["a"])
        assert [effect["token"] for effect in hired.told()] == [1, 1, 2]
        assert len({effect["key"] for effect in hired.told()}) == 2
        told = [event.kind.type for event in await hired.storage.events.replay_all()]
        assert told[-3:] == ["step_failed", "supervisor_escalation", "flow_failed"]
        await check_told_once(hired.storage, run)


async def test_an_execution_that_kills_every_worker_fails_its_step(server_url: str, tmp_path: Path) -> None:
    definition = mob({"a": step(dispatch_mode=DispatchMode.ONE_TO_ONE)}, limits={"max_step_retries": 9})
    async with crew(server_url, tmp_path, MOST_LOST + 2, lease=0.2) as hired:
        run = await hired.wait(await hired.start(definition, "die"))
        assert run.status is MobRunStatus.FAILED
        [failure] = run.failure_ledger
        assert failure.reason.startswith(
            "its worker stopped renewing its lease while it executed this and nothing else"
        )
        assert len(hired.told()) == MOST_LOST + 1
        assert len(hired.alive()) == 1
        await check_told_once(hired.storage, run)


async def test_a_paused_worker_is_overtaken_and_its_late_result_refused(server_url: str, tmp_path: Path) -> None:
    definition = mob({"a": step(policy="any", dispatch_mode=DispatchMode.ONE_TO_ONE), "b": step("a")})
    async with crew(server_url, tmp_path, 2) as hired:
        run_id = await hired.start(definition, "be_paused")
        run = await hired.wait(run_id)
        assert run.root_step_outputs["a"] == "owner 2"
        paused, successor = (effect["pid"] for effect in hired.told()[:2])
        assert paused != successor
        os.kill(paused, signal.SIGCONT)
        await hired.dismiss()  # the paused worker ends by itself, and only after it handed in its result
        assert await hired.wait(run_id) == run
        await check_told_once(hired.storage, run)


async def test_workers_end_when_they_are_no_longer_needed(server_url: str, tmp_path: Path) -> None:
    async with crew(server_url, tmp_path, 1) as hired:
        await hired.dismiss()
        await until(lambda: hired.processes[0].returncode == 0)

"""Workers are killed while they drive forks: what is carried over is there once, and asks no member."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from random import Random

from redis_mob.kernel.reconcile import reconcile
from redis_mob.models.run import MobRun
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.testing.waiting import LONG
from tests.fleet.crew import Crew, crew
from tests.fleet.everything import EVERYTHING, LOOP_OUTPUTS, ROOT_OUTPUTS, STATUSES
from tests.fleet.flows import FLOW
from tests.fleet.simulation import told
from tests.fleet.working import whole

ANEW = {
    "end": {"end"},
    "outer": {"plan", "parts", "polish", "end"},
    "each": {"each", "end"},
    "left": {"left", "right", "join", "end"},
    "merge": {"merge", "each", "plan", "parts", "polish", "end"},
}
"""What runs anew, by the step that is named."""

COMPLETES = {"left": 0, "plan": 2, "parts": 2, "polish": 4}
"""How often steps complete that do not do so once."""


async def check(hired: Crew, run: MobRun, anew: set[str]) -> None:
    run = await whole(hired.storage, run.run_id)
    assert run.root_step_outputs == ROOT_OUTPUTS
    assert run.loop_iteration_outputs == LOOP_OUTPUTS
    # the winner of a branch is carried over, and what failed in its place is not tried again
    assert run.flow_state.step_status == {**STATUSES, "left": "Failed" if "left" in anew else "Skipped"}
    assert reconcile(run, EVERYTHING.flows[FLOW]) == ()
    events = [event.kind for event in await hired.storage.events.replay_all()]
    story = Counter(told(kind) for kind in events if getattr(kind, "run_id", None) == run.run_id)
    assert (story["flow_started"], story["flow_completed"]) == (1, 1)
    for step_id in EVERYTHING.flows[FLOW].steps:
        assert story[f"step_completed {step_id}"] == COMPLETES.get(step_id, 1)
    assert {effect["step"] for effect in hired.told() if effect["run"] == run.run_id} == anew
    rows = Counter((row.step_id, row.agent_identity) for row in run.step_ledger if row.status == "completed")
    assert rows["gather", "worker-1"] == rows["merge", "worker-3"] == 1


async def kill_one_soon(hired: Crew, random: Random) -> None:
    await asyncio.sleep(random.uniform(0, 0.15))
    victim = random.choice(hired.alive())
    victim.kill()
    await victim.wait()


async def test_a_worker_is_killed_while_it_drives_a_fork(server_url: str, tmp_path: Path) -> None:
    random = Random()
    async with crew(server_url, tmp_path, 2) as hired, asyncio.timeout(4 * LONG):
        old = await hired.wait(await hired.start(EVERYTHING, "work"))
        for from_step, anew in ANEW.items():
            run_id = await FleetAdmin(hired.storage).fork(old.run_id, from_step)
            await asyncio.gather(kill_one_soon(hired, random), hired.hire(1))
            await check(hired, await hired.wait(run_id), anew)

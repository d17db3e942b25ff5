"""Runs with many children under processes that die, real ones and simulated ones: each child happens once, and ends."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any
from uuid import uuid4

import pytest

from redis_mob import StepFailed
from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.step_context import StepContext
from redis_mob.models.definition import MobDefinition
from redis_mob.models.flow_spec import FlowStepSpec, RetrySpec
from redis_mob.models.run_status import MobRunStatus
from redis_mob.storage import MobStorage
from redis_mob.testing.waiting import LONG
from tests.fleet.crash_matrix import LEASE_IN_MEMORY, World, bury, let_leases_expire, opened
from tests.fleet.crew import crew
from tests.fleet.everything import single
from tests.fleet.flows import FLOW, mob, runs, with_flows
from tests.fleet.mortal import Death, Process, Side
from tests.fleet.working import at_work, check_told_once

ITEMS = 30

OF_ITEM = {name: f"{{{{ params.{name} }}}}" for name in ("handler", "effects")} | {"n": "{{ item }}"}

FAMILIES = with_flows(
    mob({"each": runs("middle", for_each="params.items", max_parallel=8, params=OF_ITEM)}),
    middle={"first": single(), "deep": runs("inner", "first", params="{{ params }}")},
    inner={"last": single()},
)


async def kill_one(hired: Any, after: int, random: Random) -> None:
    """Kill a worker once so many effects have happened, and hire another one."""
    async with asyncio.timeout(LONG):
        while len(hired.told()) < after:  # noqa: ASYNC110 - a file is what it watches
            await asyncio.sleep(0.005)
    await hired.kill_one(random)
    await hired.hire(1)


@pytest.mark.slow
async def test_each_child_has_its_effects_once_while_workers_are_killed(server_url: str, tmp_path: Path) -> None:
    random = Random(seed := uuid4().int % 1000)
    print(f"seed {seed}")
    async with crew(server_url, tmp_path, 4) as hired:
        run_id = await hired.start(FAMILIES, "work", items=list(range(ITEMS)))
        for after in (2, 15, 30):
            await kill_one(hired, after, random)
        run = await hired.wait(run_id)
        assert run.status is MobRunStatus.COMPLETED, run.failure_ledger
        assert len(run.root_step_outputs["each"]) == ITEMS
        stored = await hired.storage.runs.list_runs("mob")
        assert Counter(one.flow_id for one in stored) == {FLOW: 1, "middle": ITEMS, "inner": ITEMS}
        assert {one.status for one in stored} == {MobRunStatus.COMPLETED}
        for one in stored:
            whole = await hired.storage.runs.get_run(one.run_id)
            assert whole is not None
            await check_told_once(hired.storage, whole)
        effects = {(effect["run"], effect["step"], effect["key"]) for effect in hired.told()}
        assert Counter(step for _, step, _ in effects) == {"first": ITEMS, "last": ITEMS}
        tokens = Counter((effect["key"], effect["token"]) for effect in hired.told())
        assert set(tokens.values()) == {1}


def random_families(random: Random) -> MobDefinition:
    """A flow whose steps run other flows, these others, to a random depth."""

    def some(below: str | None) -> dict[str, FlowStepSpec]:
        steps: dict[str, FlowStepSpec] = {"own": single()}
        if below is None:
            return steps
        more: dict[str, Any] = {}
        if random.random() < 0.6:
            more |= {"for_each": "params", "max_parallel": random.choice((None, 1, 2)), "params": [1, "{{ item }}"]}
            more["policy"] = random.choice(("all", "any", 2))
        else:
            more["params"] = "{{ params }}"
        if random.random() < 0.5:
            more["retry"] = RetrySpec(attempts=random.choice((1, 3)), first=0.001)
        steps["sub"] = runs(below, *random.choice(((), ("own",))), **more)
        return steps

    return with_flows(mob(some("one")), one=some("two"), two=some(random.choice((None, "three"))), three=some(None))


@pytest.mark.parametrize("seed", range(40))
async def test_runs_below_each_other_end_with_each_other_however_workers_die(seed: int) -> None:
    """Two workers die at random calls, a third one goes on; in some runs a step fails, or the run is canceled."""
    random = Random(seed)
    definition, world = random_families(random), World()
    fails, cancels = random.random() < 0.3, random.random() < 0.3
    unlucky = random.randrange(10)

    def answer(ctx: StepContext) -> Any:
        if fails and len(world.begun) % 10 == unlucky:
            raise StepFailed("unlucky", retryable=bool(unlucky % 2))
        return ctx.step_id

    async with opened("memory:", f"test-{uuid4().hex}") as storage:
        caller, stop = Fleet(storage, definition, {"*": answer}), asyncio.Event()
        run_id = await caller.start(FLOW, [1, 2, 3])
        tasks: list[asyncio.Task[None]] = []
        async with asyncio.timeout(2 * LONG):
            for _ in range(2):
                side = random.choice(list(Side))
                process = Process(storage, Death(random.randrange(5, 120), side))
                handlers = {"*": world.handler(process, answer)}
                fleet = Fleet(process.storage, definition, handlers, members={"worker": 3}, lease=LEASE_IN_MEMORY)
                working = asyncio.create_task(fleet.work(random.choice((1, 4)), stop))
                dying = asyncio.create_task(process.died.wait())
                ending = asyncio.create_task(caller.wait(run_id))
                if cancels and random.random() < 0.5:
                    await caller.cancel(run_id)
                await asyncio.wait((dying, ending), return_when=asyncio.FIRST_COMPLETED)
                for task in (dying, ending):
                    task.cancel()
                if process.died.is_set():
                    await bury(working)
                    let_leases_expire(storage)
                else:
                    tasks.append(working)
            healthy = Process(storage)
            last = Fleet(healthy.storage, definition, {"*": world.handler(healthy, answer)}, members={"worker": 3})
            tasks.append(asyncio.create_task(last.work(3, stop)))
            await caller.wait(run_id)
            for one in await storage.runs.list_runs("mob"):
                await caller.wait(one.run_id)
                whole = await storage.runs.get_run(one.run_id)
                assert whole is not None
                await check_told_once(storage, whole)
            # what is over may still have to be told to its parent, by a worker that is at work
            while await _any_is_due(storage):  # noqa: ASYNC110 - several workers take what is due
                await asyncio.sleep(0.01)
            stop.set()
            await asyncio.gather(*tasks, return_exceptions=True)
        await _check_family(storage, run_id)
        keys = list(world.effects.values())
        assert len(set(keys)) == len(keys), "an execution had its effect under two keys"


async def _any_is_due(storage: MobStorage) -> bool:
    """Whether a run is due, now or later."""
    return (
        await storage.executions.take_due(max_runs=0, max_executions=0, keep=LEASE_IN_MEMORY)
    ).next_run_at is not None


async def _check_family(storage: MobStorage, run_id: str) -> None:
    """All runs but one are children, of executions that have named them, and nothing is left to be told."""
    views = [await storage.executions.load(one.run_id) for one in await storage.runs.list_runs("mob")]
    found = [view for view in views if view is not None]
    assert [view.run.run_id for view in found if view.parent is None] == [run_id]
    due = await storage.executions.take_due(max_runs=1000, max_executions=0, keep=LEASE_IN_MEMORY)
    assert not {view.run.run_id for view in found} & set(due.runs)
    completed = sum(view.run.status is MobRunStatus.COMPLETED for view in found)
    print(f"{len(found)} runs, {completed} completed")


async def echo(ctx: StepContext) -> Any:
    return ctx.params


async def test_a_child_costs_the_same_however_many_there_are(storage: MobStorage) -> None:
    definition = with_flows(mob({"each": runs("inner", for_each="params", max_parallel=50)}), inner={"work": single()})
    calls = dict[int, float]()
    for number in (40, 240):
        process = Process(storage)
        async with at_work(process.storage, {"*": echo}, concurrency=16, lease=LEASE_IN_MEMORY):
            fleet = Fleet(storage, definition, {"*": print})
            async with asyncio.timeout(3 * LONG):
                run = await fleet.wait(await fleet.start(FLOW, list(range(number))))
        assert run.root_step_outputs["each"] == [{"work": n} for n in range(number)]
        calls[number] = len(process.calls) / number
    print(f"calls of the storage for each child: {calls}")
    assert calls[240] <= 1.3 * calls[40]

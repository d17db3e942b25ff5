"""Workers within a test, on a real server."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.items import target_of, targets_in
from redis_mob.fleet.spend_keeper import SpendServices
from redis_mob.fleet.step_context import Handler, StepContext
from redis_mob.fleet.worker import Worker
from redis_mob.models.definition import MobDefinition
from redis_mob.models.execution import ExecutionKey
from redis_mob.models.run import MobRun
from redis_mob.models.transition import RunView
from redis_mob.storage import MobStorage
from redis_mob.testing.waiting import LONG
from tests.fleet.flows import FLOW, mob, step
from tests.fleet.simulation import told

SHORT_LEASE = timedelta(milliseconds=300)
"""For tests in which a lease has to expire. A busy machine can stall a worker for longer than this."""

LEASE = timedelta(seconds=5)
"""For all other tests: no worker loses it because the machine is busy."""


@asynccontextmanager
async def at_work(
    storage: MobStorage,
    handlers: Mapping[str, Handler],
    *,
    workers: int = 1,
    lease: timedelta = LEASE,
    concurrency: int = 16,
    spending: SpendServices | None = None,
    **more: Any,
) -> AsyncGenerator[asyncio.Event]:
    """Workers, each until the block ends or the event is set; what they raise is raised at the end of the block."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for _ in range(workers):
            worker = Worker(
                storage.executions,
                handlers,
                lease=lease,
                concurrency=concurrency,
                progress=storage.progress,
                checkpoints=storage.checkpoints,
                spending=spending or SpendServices(storage.executions, storage.budgets, storage.pauses),
                **more,
            )
            group.create_task(worker.run(stop))
        try:
            yield stop
        finally:
            stop.set()


async def run_flow(
    storage: MobStorage,
    definition: MobDefinition,
    handlers: Mapping[str, Handler] | Handler,
    *,
    params: Any = None,
    members: Mapping[str, int] | None = None,
    **working: Any,
) -> MobRun:
    """A run of the flow from start to end, by workers that have these handlers."""
    served: Mapping[str, Handler] = {"*": handlers} if callable(handlers) else handlers
    fleet = Fleet(storage, definition, served, members=members)
    async with at_work(storage, served, **working):
        run_id = await fleet.start(FLOW, params)
        async with asyncio.timeout(LONG):
            return await fleet.wait(run_id)


async def run_step(storage: MobStorage, handler: Handler, *, retries: int = 0, **spec: Any) -> MobRun:
    """A run of one step."""
    definition = mob({"a": step(**spec)}, limits={"max_step_retries": retries})
    return await run_flow(storage, definition, handler)


async def failure_of(storage: MobStorage, handler: Handler, **spec: Any) -> Any:
    """The only failure of a run of one step, which must have failed."""
    run = await run_step(storage, handler, **spec)
    assert run.status == "failed"
    [failure] = run.failure_ledger
    return failure


async def loaded(storage: MobStorage, run_id: str) -> RunView:
    """A run that was started."""
    view = await storage.executions.load(run_id)
    assert view is not None
    return view


async def whole(storage: MobStorage, run_id: str) -> MobRun:
    """A run with its ledgers and the log of its inputs."""
    run = await storage.runs.get_run(run_id)
    assert run is not None
    return run


async def check_told_once(storage: MobStorage, run: MobRun) -> None:
    """Cursors have no gap, the run ended once, and every result in its ledger was told once."""
    stored = await storage.events.replay_all()
    assert [event.cursor for event in stored] == list(range(1, len(stored) + 1))
    stored = [event for event in stored if getattr(event.kind, "run_id", run.run_id) == run.run_id]
    story = Counter(told(event.kind) for event in stored)
    assert story["flow_started"] == (run.status != "canceled" or bool(run.frames)), "a run is canceled before it begins"
    assert story[f"flow_{run.status}"] == 1
    assert sum(story[f"flow_{end}"] for end in ("completed", "failed", "canceled")) == 1
    assert told(stored[-1].kind) == f"flow_{run.status}"
    results = Counter(
        f"step_target_completed {row.step_id}@{row.agent_identity}"
        for row in run.step_ledger
        if row.status == "completed" and not row.agent_identity.startswith("__")
    )
    assert results == {line: count for line, count in story.items() if line.startswith("step_target_completed ")}


async def with_ended(storage: MobStorage, view: RunView) -> RunView:
    """The same view with the executions of items that are over among the others."""
    steps = (await storage.executions.get_definition(view.launch.definition)).flows[view.run.flow_id].steps
    keys = [
        ExecutionKey(*node, target_of(targets_in(view.launch, steps[progress.step_id]), index))
        for node, progress in view.progress.items()
        for index in range(progress.begun)
    ]
    left = [key for key in keys if key not in view.executions]
    ended = await storage.executions.ended(view.run.run_id, left)
    return replace(view, executions={**view.executions, **dict(zip(left, ended, strict=True))})


def key_of(ctx: StepContext) -> ExecutionKey:
    """The execution that a handler is called for."""
    target = ctx.member if ctx.index is None else f"{ctx.member}#{ctx.index}"
    return ExecutionKey(ctx.frame_id, ctx.node_id, target)

"""Runs in the states that an operator looks into."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.step_context import Handler, StepContext
from redis_mob.models.conditions import EqCondition
from redis_mob.models.definition import MobDefinition
from redis_mob.models.flow_spec import RetrySpec
from redis_mob.models.transition import RunView
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.operations.run_description import LoopDescription, MemberDescription, RunDescription, StepDescription
from redis_mob.storage import MobStorage
from redis_mob.testing.waiting import LONG
from tests.fleet.flows import FLOW, loop, mob, node, step
from tests.fleet.working import at_work, loaded, run_flow

AT_ONCE = RetrySpec(attempts=3, first=0.0, most=0.0, jitter=0.0)
LATER = RetrySpec(attempts=3, first=1000.0, most=1000.0, jitter=0.0)

CHAIN = mob({"a": step(), "b": step("a", role="judge", retry=AT_ONCE), "c": step("b")})
"""`b` fails for good in its third attempt, and `c` is skipped."""

ROUNDS = mob(
    {"polish": step(retry=AT_ONCE)},
    {"l": loop("polishing", EqCondition(path="steps.polish.worker-1", value=3), 5, polish=node("polish"))},
)
"""A loop of three iterations."""

OVER_ITEMS = mob({"each": step(for_each="params.items", max_parallel=2, message="read {{ item }}")})


def fail(ctx: StepContext) -> Any:
    raise ValueError(f"no ink\x1b[31m in attempt {ctx.attempt}")


def count_rounds(ctx: StepContext) -> int:
    """Fails at first in the second iteration."""
    if ctx.iteration == 1 and ctx.attempt == 1:
        raise ValueError("not yet")
    return (ctx.iteration or 0) + 1


async def failed_chain(storage: MobStorage) -> str:
    """A run of `CHAIN` that has failed."""
    run = await run_flow(storage, CHAIN, {"worker": lambda _: {"text": "x" * 50}, "judge": fail})
    assert run.status == "failed"
    return run.run_id


@asynccontextmanager
async def under_way(
    storage: MobStorage,
    definition: MobDefinition,
    handlers: Mapping[str, Handler],
    until: Callable[[RunView], object],
    *,
    params: Any = None,
) -> AsyncGenerator[str]:
    """A run that workers drive, once it has come so far; it is canceled in the end."""
    fleet = Fleet(storage, definition)
    async with at_work(storage, handlers):
        run_id = await fleet.start(FLOW, params)
        async with asyncio.timeout(LONG):
            while not until(await loaded(storage, run_id)):  # noqa: ASYNC110 - a worker has to come so far
                await asyncio.sleep(0.01)
        try:
            yield run_id
        finally:
            await fleet.cancel(run_id)
            async with asyncio.timeout(LONG):
                await fleet.wait(run_id)


async def described(storage: MobStorage, run_id: str, **options: bool) -> RunDescription:
    """What an operator is told of a run; it can be written as JSON, and read back."""
    told = await FleetAdmin(storage).describe(run_id, **options)
    assert RunDescription.model_validate_json(told.model_dump_json()) == told
    return told


def steps_of(run: RunDescription, step_id: str) -> list[StepDescription]:
    """The step in each iteration."""
    return [step for _, step in run.each_step() if step.step_id == step_id]


def only(run: RunDescription, step_id: str) -> tuple[StepDescription, MemberDescription]:
    """A step that is there once and has one member."""
    [found] = steps_of(run, step_id)
    [member] = found.members
    return found, member


def the_loop(run: RunDescription) -> LoopDescription:
    """The only loop of a run."""
    [found] = [one for one in run.nodes if isinstance(one, LoopDescription)]
    return found

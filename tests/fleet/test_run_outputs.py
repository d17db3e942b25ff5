"""The outputs of a run, read back: plain, and as the types that handlers gave."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from pydantic import BaseModel

from redis_mob import MobRun, StepContext
from redis_mob.errors import NotFoundError, ValidationError
from redis_mob.fleet.step_context import Handler
from redis_mob.models.conditions import GtCondition
from redis_mob.models.flow_spec import DispatchMode
from redis_mob.storage import MobStorage
from tests.fleet.flows import loop, mob, node, step
from tests.fleet.typed_handlers import Verdict
from tests.fleet.working import run_flow


class Times(BaseModel):
    when: datetime.datetime
    tags: set[str]


async def judge(ctx: StepContext) -> Verdict:
    return Verdict(label=ctx.member, lines=1)


STEPS = {
    "one": step(policy="any", dispatch_mode=DispatchMode.ONE_TO_ONE),
    "each": step(),
    "listed": step(dispatch_mode=DispatchMode.FAN_IN),
    "two": step(policy=2),
}


async def judged(handler: Handler = judge) -> MobRun:
    async with MobStorage.open("memory:") as storage:
        return await run_flow(storage, mob(STEPS), handler, members={"worker": 2})


async def test_an_output_is_read_as_its_type() -> None:
    run = await judged()
    one = run.output("one", Verdict)
    assert one == Verdict(label="worker-1", lines=1)
    assert run.output("one") == {"label": "worker-1", "lines": 1}
    assert run.output("each", dict[str, Verdict])["worker-2"].label == "worker-2"
    assert run.output("one", Verdict | None) == one


async def test_outputs_are_those_of_each_member_under_every_mode_and_policy() -> None:
    run = await judged()
    both = {name: Verdict(label=name, lines=1) for name in ("worker-1", "worker-2")}
    for name in ("each", "listed", "two"):
        assert run.outputs(name, Verdict) == both
    [(member, verdict)] = run.outputs("one", Verdict).items()
    assert verdict.label == member
    assert run.outputs("one")[member] == verdict.model_dump()


async def test_times_and_sets_come_back_as_they_were() -> None:
    times = Times(when=datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC), tags={"a", "b"})
    run = await judged(lambda _ctx: times)
    assert run.output("one", Times) == times


async def test_of_a_step_in_a_loop_the_latest_iteration_counts() -> None:
    async def turn(ctx: StepContext) -> int:
        return 0 if ctx.iteration is None else ctx.iteration

    root = {"l": loop("l", GtCondition(path="steps.t", value=1), 5, t=node("t"))}
    async with MobStorage.open("memory:") as storage:
        run = await run_flow(storage, mob({"t": step(policy="any")}, root), turn)
    assert run.output("t", int) == 2
    assert run.outputs("t", int) == {"worker-1": 2}
    bare = run.model_copy(update={"step_ledger": ()})
    assert bare.output("t", int) == 2


async def test_what_does_not_fit_is_told_with_its_path() -> None:
    run = await judged()
    with pytest.raises(ValidationError, match=rf"step 'one' of run {run.run_id} is no Times: \$\.when: Field required"):
        run.output("one", Times)
    with pytest.raises(ValidationError, match=r"is no Verdict: .*run.outputs\('each', ...\) has the value of each"):
        run.output("each", Verdict)
    with pytest.raises(ValidationError, match=r"member 'worker-1' is no int: \$: "):
        run.outputs("each", int)
    with pytest.raises(ValidationError, match="pydantic does not know that type"):
        run.output("one", MobStorage)


async def test_a_step_that_is_not_there_or_has_no_output_is_told() -> None:
    async def fails(_ctx: StepContext) -> Any:
        raise ValueError("no paper")

    run = await judged(fails)
    with pytest.raises(NotFoundError, match=r"has no step 'tow'; it has: .*; did you mean 'two'\?"):
        run.output("tow")
    with pytest.raises(NotFoundError, match=r"step 'one' of run .* has no output: it is failed: ValueError: no paper"):
        run.output("one", Verdict)
    with pytest.raises(NotFoundError, match="has no output"):
        run.outputs("one", Verdict)

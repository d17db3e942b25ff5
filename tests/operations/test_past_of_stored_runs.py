"""The past of runs that workers drive on a storage, compared with what was stored at each of their commits.

Contract: operations-250, operations-251.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from redis_mob.errors import NotFoundError
from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.step_context import StepContext, StepFailed
from redis_mob.models.conditions import EqCondition
from redis_mob.models.definition import MobDefinition
from redis_mob.models.flow_spec import RetrySpec
from redis_mob.models.run_status import MobRunStatus
from redis_mob.models.states import State
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.operations.past_reading import read_past
from redis_mob.past.time_travel import NodeMoment, RunMoment
from redis_mob.storage import MobStorage
from redis_mob.testing.waiting import LONG
from tests.fleet.flows import FLOW, loop, mob, node, runs, step, supervisor, wait, with_flows
from tests.fleet.working import at_work
from tests.operations.past_checks import differences
from tests.operations.recorder import Recorder
from tests.operations.scenes import AT_ONCE, CHAIN

NO_RETRY = {"max_step_retries": 0}


@pytest.fixture
def recorder(storage: MobStorage, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    return Recorder(storage, monkeypatch)


@pytest.fixture
async def target(url: str, namespace: str) -> AsyncIterator[MobStorage]:
    """Another namespace on the same server."""
    async with MobStorage.open(url, namespace=f"{namespace}-target") as opened:
        yield opened


async def one(ctx: StepContext) -> Any:
    return ctx.step_id


async def ended(storage: MobStorage, definition: MobDefinition, handler: Any = one, *, params: Any = None) -> str:
    """A run that a worker has led to its end."""
    fleet = Fleet(storage, definition)
    async with at_work(storage, {"*": handler}), asyncio.timeout(LONG):
        run_id = await fleet.start(FLOW, params)
        await fleet.wait(run_id)
    return run_id


def node_in(moment: RunMoment, node_id: str) -> NodeMoment:
    """The only node of this id."""
    [found] = [value for key, value in moment.nodes.items() if key.endswith(f"/{node_id}")]
    return found


@pytest.mark.parametrize("scope", ["run", "mob"])
async def test_a_run_that_was_paused_and_resumed(storage: MobStorage, recorder: Recorder, scope: str) -> None:
    admin, fleet = FleetAdmin(storage), Fleet(storage, CHAIN)
    paused = asyncio.Event()

    async def pauses(ctx: StepContext) -> Any:
        if ctx.step_id == "a":
            await (admin.pause(ctx.run_id) if scope == "run" else admin.pause_mob("mob"))
            paused.set()
        return 1

    async with at_work(storage, {"*": pauses}), asyncio.timeout(LONG):
        run_id = await fleet.start(FLOW)
        await paused.wait()
        async with storage.executions.listen() as wake_up:
            while not any(node.state is State.COMPLETED for node in (await admin.describe(run_id)).nodes):
                await wake_up.wait(0.05)
        described = await admin.describe(run_id)
        moment = await admin.state_at(run_id, await storage.events.latest_cursor())
        assert differences(moment, described) == []
        assert (node_in(moment, "a").state, node_in(moment, "b").state) == (State.COMPLETED, State.WAITING)
        await (admin.resume(run_id) if scope == "run" else admin.resume_mob("mob"))
        await fleet.wait(run_id)
    await recorder.check(run_id)


@pytest.mark.parametrize("fails", [False, True])
async def test_a_run_with_a_sub_flow_and_that_of_the_sub_flow(
    storage: MobStorage, recorder: Recorder, fails: bool
) -> None:
    async def work(ctx: StepContext) -> Any:
        if ctx.step_id == "d" and fails:
            raise StepFailed("no", retryable=False)
        return 1

    again = RetrySpec(attempts=2, first=0.0, most=0.0, jitter=0.0)
    steps = {"a": step(), "sub": runs("child", "a", retry=again), "b": step("sub")}
    definition = with_flows(mob(steps, limits=NO_RETRY), child={"c": step(), "d": step("c")})
    run_id = await ended(storage, definition, work)
    moment = await recorder.check(run_id)
    assert moment.status is (MobRunStatus.FAILED if fails else MobRunStatus.COMPLETED)
    children = [run for run in recorder.stored if run != run_id]
    assert len(children) == 1 + fails
    for child in children:
        await recorder.check(child)


async def test_items_each_of_which_is_the_run_of_a_sub_flow(storage: MobStorage, recorder: Recorder) -> None:
    steps = {"each": runs("child", for_each="params.items", max_parallel=2), "b": step("each")}
    definition = with_flows(mob(steps), child={"c": step()})
    run_id = await ended(storage, definition, params={"items": [1, 2, 3, 4]})
    moment = await recorder.check(run_id)
    assert node_in(moment, "each").completed == 4


async def test_a_fork_has_what_was_carried_over_from_its_start(storage: MobStorage, recorder: Recorder) -> None:
    broken = True

    async def work(ctx: StepContext) -> Any:
        if ctx.step_id == "write" and broken:
            raise StepFailed("down", retryable=False)
        return ctx.step_id

    steps = {
        "research": step(),
        "each": step("research", for_each="params.items", message="read {{ item }}"),
        "gate": wait("each"),
        "skip": step("gate", condition=EqCondition(path="params.no", value=1)),
        "write": step("gate"),
        "publish": step("write"),
    }
    definition = mob(steps, limits=NO_RETRY)
    fleet, admin = Fleet(storage, definition), FleetAdmin(storage)
    async with at_work(storage, {"*": work}), asyncio.timeout(LONG):
        run_id = await fleet.start(FLOW, {"items": [1, 2], "no": 0})
        await fleet.signal(run_id, "go", wait=True)
        await fleet.wait(run_id)
        broken = False
        forked = await admin.fork(run_id, "write")
        await fleet.wait(forked)
    assert (await recorder.check(run_id)).status is MobRunStatus.FAILED
    moment = await recorder.check(forked, least=2)
    assert moment.status is MobRunStatus.COMPLETED
    # the very first moment of the fork has all that was carried over
    past = (await read_past(storage, forked)).past
    early = past.at(min(recorder.stored[forked]))
    assert node_in(early, "research").state is State.COMPLETED


async def test_a_fork_with_the_iterations_of_a_loop(storage: MobStorage, recorder: Recorder) -> None:
    broken = True

    async def work(ctx: StepContext) -> Any:
        if ctx.step_id == "print" and broken:
            raise StepFailed("down", retryable=False)
        return (ctx.iteration or 0) + 1

    until = EqCondition(path="steps.polish.worker-1", value=3)
    root = {"l": loop("polishing", until, 5, polish=node("polish")), "print": node("print", "l")}
    definition = mob({"polish": step(), "print": step("polish")}, root, limits=NO_RETRY)
    fleet, admin = Fleet(storage, definition), FleetAdmin(storage)
    async with at_work(storage, {"*": work}), asyncio.timeout(LONG):
        run_id = await fleet.start(FLOW)
        await fleet.wait(run_id)
        broken = False
        forked = await admin.fork(run_id, "print")
        await fleet.wait(forked)
    await recorder.check(run_id)
    moment = await recorder.check(forked, least=2)
    assert (list(moment.iterations.values()), moment.status) == ([3], MobRunStatus.COMPLETED)


async def test_runs_of_a_conversation_of_which_one_waits_for_its_turn(storage: MobStorage, recorder: Recorder) -> None:
    begun, goes_on = asyncio.Event(), asyncio.Event()

    async def talks(ctx: StepContext) -> Any:
        await ctx.conversation.append({"role": "user", "content": "hello"})
        begun.set()
        await goes_on.wait()
        return 1

    definition, admin = mob({"a": step(), "b": step("a")}), FleetAdmin(storage)
    fleet = Fleet(storage, definition, {"*": talks})
    async with asyncio.timeout(LONG), fleet.working():
        first, second = [await fleet.start(FLOW, conversation="c") for _ in range(2)]
        await begun.wait()
        waiting = await admin.state_at(second, await storage.events.latest_cursor())
        assert (waiting.status, waiting.nodes, waiting.cursor) == (MobRunStatus.PENDING, {}, 0)
        goes_on.set()
        for run_id in (first, second):
            await fleet.wait(run_id)
    for run_id in (first, second):
        assert (await recorder.check(run_id)).status is MobRunStatus.COMPLETED


@pytest.mark.parametrize("supervised_well", [True, False])
async def test_a_run_whose_failure_was_told_to_a_supervisor(
    storage: MobStorage, recorder: Recorder, supervised_well: bool
) -> None:
    async def fails(ctx: StepContext) -> Any:
        raise StepFailed("no", retryable=False)

    async def leads(ctx: StepContext) -> Any:
        if not supervised_well:
            raise StepFailed("asleep", retryable=False)
        return "told"

    definition = mob({"a": step(), "b": step("a")}, supervisor=supervisor(), limits=NO_RETRY)
    fleet = Fleet(storage, definition)
    async with at_work(storage, {"worker": fails, "lead": leads}), asyncio.timeout(LONG):
        run_id = await fleet.start(FLOW)
        await fleet.wait(run_id)
    moment = await recorder.check(run_id)
    assert (node_in(moment, "a").state, node_in(moment, "b").state) == (State.FAILED, State.SKIPPED)
    assert dict(node_in(moment, "a").members) == {"worker-1": State.FAILED}


async def test_an_imported_run_has_the_same_past(storage: MobStorage, target: MobStorage, recorder: Recorder) -> None:
    def flaky(ctx: StepContext) -> Any:
        if ctx.attempt == 1 and ctx.iteration == 1:
            raise ValueError("not yet")
        return (ctx.iteration or 0) + 1

    until = EqCondition(path="steps.polish.worker-1", value=3)
    definition = mob({"polish": step(retry=AT_ONCE)}, {"l": loop("polishing", until, 5, polish=node("polish"))})
    run_id = await ended(storage, definition, flaky)
    await recorder.check(run_id)
    await ended(target, mob({"other": step()}))  # its cursors are others there
    lines = [line async for line in FleetAdmin(storage).export([run_id])]
    assert [one.is_stored async for one in FleetAdmin(target).import_runs(lines)] == [True]
    here, there = (await read_past(storage, run_id)).past, (await read_past(target, run_id)).past
    assert here.cursors != there.cursors
    for cursor, imported in zip(here.cursors, there.cursors, strict=True):
        same = there.at(imported).model_copy(update={"cursor": cursor, "at": here.at(cursor).at})
        assert states(same) == states(here.at(cursor))
    described = await FleetAdmin(target).describe(run_id)
    assert differences(await FleetAdmin(target).state_at(run_id, 2**53), described) == []


def states(moment: RunMoment) -> Any:
    nodes = {key: (one.state, dict(one.members), one.completed) for key, one in moment.nodes.items()}
    return moment.status, nodes, dict(moment.iterations)


async def test_a_run_is_told_while_all_its_events_are_there_and_refused_when_some_were_pruned(
    storage: MobStorage, recorder: Recorder
) -> None:
    admin = FleetAdmin(storage)
    await ended(storage, mob({"other": step()}))
    run_id = await ended(storage, mob({"a": step(), "b": step("a")}))
    events = (await read_past(storage, run_id)).events
    assert await storage.events.prune(events[0].timestamp) > 0  # those of the other run alone
    await recorder.check(run_id)
    await storage.events.prune(events[-1].timestamp)  # its first one is gone
    with pytest.raises(NotFoundError, match="does not have all events"):
        await admin.state_at(run_id, events[-1].cursor)
    await storage.events.prune(datetime.now(UTC) + timedelta(days=1))
    with pytest.raises(NotFoundError, match="does not have all events"):
        await admin.state_at(run_id, events[-1].cursor)


async def test_a_decision_of_more_than_500_actions(storage: MobStorage, recorder: Recorder) -> None:
    steps = {"first": step()}
    steps |= {f"s{number:03}": step("first") for number in range(600)}
    steps["last"] = step(*(f"s{number:03}" for number in range(600)), policy="any")
    fleet = Fleet(storage, mob(steps))
    async with at_work(storage, {"*": one}, concurrency=200), asyncio.timeout(LONG):
        run_id = await fleet.start(FLOW)
        run = await fleet.wait(run_id)
    assert run.status == "completed"
    # of those at the begin and at the end of the run it is not known how many of the 600 were stored
    await recorder.check(run_id, untold=len(recorder.runs[run_id]) // 2)

"""Steps with `for_each`: each item of a list has an execution of its own."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from redis_mob import StepFailed
from redis_mob.fleet import engine, item_dispatch
from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.items import MOST_ITEMS
from redis_mob.fleet.outcome import Failed, Succeeded
from redis_mob.fleet.step_context import StepContext
from redis_mob.models.conditions import EqCondition
from redis_mob.models.execution import ExecutionStatus
from redis_mob.models.flow_spec import DispatchMode, Isolation, RetrySpec
from redis_mob.models.run import MobRun
from redis_mob.storage import MobStorage
from redis_mob.testing.waiting import LONG
from tests.fleet.flows import FLOW, loop, mob, node, step
from tests.fleet.isolated_handlers import item_of
from tests.fleet.simulation import Simulation
from tests.fleet.working import at_work, check_told_once, loaded, run_flow, whole

NEVER = EqCondition(path="params.none", value=1)


def each(path: str = "params.items", **more: Any) -> Any:
    """A step over the items at a path."""
    return step(for_each=path, **more)


def begun(items: Any, members: int = 2, **spec: Any) -> Simulation:
    """A run of one step over these items, which has begun."""
    sim = Simulation(mob({"a": each(**spec)}), {"items": items}, worker=members)
    sim.advance()
    return sim


async def over(storage: MobStorage, items: Any, handler: Any, *, members: int = 2, **spec: Any) -> MobRun:
    """A run of one step over these items."""
    definition = mob({"a": each(**spec)}, limits={"max_step_retries": 0})
    return await run_flow(storage, definition, handler, params={"items": items}, members={"worker": members})


def do_all(sim: Simulation) -> None:
    """Let all executions succeed with their items, one after the other, the last one first."""
    while keys := sim.keys("a", ExecutionStatus.WAITING):
        for key in reversed(keys):
            item = sim.store.view.executions[key].item
            assert item is not None
            sim.do("a", item.value, key.target)


async def test_a_handler_sees_its_item_and_where_that_stands(storage: MobStorage) -> None:
    seen: list[tuple[Any, ...]] = []

    async def handler(ctx: StepContext) -> Any:
        seen.append((ctx.index, ctx.item, ctx.items, ctx.member, ctx.message))
        return ctx.idempotency_key

    items = ["x", None, {"name": "y"}]
    run = await over(storage, items, handler, message="{{ index }}: {{ item }}")
    assert sorted(seen, key=lambda one: one[0]) == [
        (0, "x", 3, "worker-1", "0: x"),
        (1, None, 3, "worker-2", "1: null"),
        (2, {"name": "y"}, 3, "worker-1", '2: {"name":"y"}'),
    ]
    assert len(set(run.root_step_outputs["a"])) == 3
    await check_told_once(storage, run)


async def test_outside_of_such_a_step_there_is_no_item(storage: MobStorage) -> None:
    run = await run_flow(storage, mob({"a": step()}), lambda ctx: [ctx.item, ctx.index, ctx.items])
    assert run.root_step_outputs["a"] == {"worker-1": [None, None, None]}


async def test_an_isolated_handler_sees_its_item(storage: MobStorage) -> None:
    run = await over(storage, ["x"], item_of, isolation=Isolation.PROCESS)
    assert run.root_step_outputs["a"] == [["x", 0, 1]]


@pytest.mark.parametrize("mode", [DispatchMode.FAN_OUT, DispatchMode.ONE_TO_ONE])
def test_the_outputs_stand_in_the_order_of_the_items(mode: DispatchMode) -> None:
    sim = begun(list(range(25)), members=3, dispatch_mode=mode)
    do_all(sim)
    assert sim.run.root_step_outputs["a"] == list(range(25))


def test_fan_in_names_target_and_index() -> None:
    sim = begun(["x", "y"], dispatch_mode=DispatchMode.FAN_IN)
    do_all(sim)
    assert sim.run.root_step_outputs["a"] == [
        {"target": "worker-1#0", "index": 0, "output": "x"},
        {"target": "worker-2#1", "index": 1, "output": "y"},
    ]


def test_with_policy_any_the_first_output_is_that_of_the_step() -> None:
    sim = begun(["x", "y", "z"], policy="any")
    sim.do("a", "second", "worker-2#1")
    assert sim.run.root_step_outputs["a"] == "second"
    assert sim.rows("canceled") == ["a@worker-1#0 canceled", "a@worker-1#2 canceled"]


def test_a_quorum_leaves_null_where_an_item_has_no_output() -> None:
    sim = begun(["x", "y", "z"], policy=2)
    sim.fail("a", "no", "worker-1#0", retryable=False)
    for target in ("worker-2#1", "worker-1#2"):
        sim.do("a", target, target)
    assert sim.run.root_step_outputs["a"] == [None, "worker-2#1", "worker-1#2"]


@pytest.mark.parametrize("mode", list(DispatchMode))
def test_a_step_over_no_items_is_complete_at_once(mode: DispatchMode) -> None:
    sim = begun([], dispatch_mode=mode, members=0)
    assert sim.run.status == "completed"
    assert sim.run.root_step_outputs["a"] == []


@pytest.mark.parametrize(("policy", "needed"), [("any", 1), (2, 2)])
def test_a_step_with_fewer_items_than_it_needs_fails(policy: Any, needed: int) -> None:
    sim = begun([], policy=policy)
    assert sim.failures() == [("a", f"insufficient items: 'params.items' has 0, the step needs {needed}")]


@pytest.mark.parametrize(
    ("items", "said"),
    [
        ("text", "for_each: 'params.items' leads to a text of 4 characters, and a list is needed"),
        (None, "for_each: 'params.items' leads to null, and a list is needed"),
        (True, "for_each: 'params.items' leads to a boolean, and a list is needed"),
        (1.5, "for_each: 'params.items' leads to a number, and a list is needed"),
        ({}, "for_each: 'params.items' leads to an object of 0 keys, and a list is needed"),
        (
            {"finder-1": [1]},
            "for_each: 'params.items' leads to an object of 1 keys, and a list is needed; "
            "write 'params.items.finder-1'",
        ),
        (
            [0] * (MOST_ITEMS + 1),
            "for_each: 'params.items' leads to a list of 10,001 items, and a step takes 10,000 at most",
        ),
    ],
)
def test_what_is_no_list_of_items_fails_the_step_and_says_what_it_is(items: Any, said: str) -> None:
    sim = begun(items)
    assert sim.failures() == [("a", said)]
    assert sim.run.status == "failed"


def test_a_path_that_leads_to_nothing_fails_the_step() -> None:
    sim = Simulation(mob({"a": each("params.other")}), {"items": []})
    sim.advance()
    assert sim.failures() == [("a", "for_each: 'params.other' leads to nothing, and a list is needed")]


def test_without_members_a_step_over_items_fails() -> None:
    assert begun([1], members=0).failures() == [("a", "insufficient targets: role 'worker' has 0 members")]


def test_no_more_are_open_than_max_parallel_says() -> None:
    sim = begun(list(range(5)), max_parallel=2, retry=RetrySpec(attempts=2))
    assert sim.open() == ["a@worker-1#0", "a@worker-2#1"]
    sim.do("a", 1, "worker-2#1")
    assert sim.open() == ["a@worker-1#0", "a@worker-1#2"]
    sim.fail("a", "later", "worker-1#0")
    assert sim.open() == ["a@worker-1#0", "a@worker-1#2"], "an item that is tried again is under way"


def test_the_first_item_that_fails_for_good_fails_a_step_that_needs_all() -> None:
    sim = begun(list(range(5)), max_parallel=2)
    sim.fail("a", "broken", "worker-1#0", retryable=False)
    assert sim.run.status == "failed"
    assert sim.failures() == [("a", "broken")]
    assert sim.store.events[-2].model_dump()["reason"] == "worker-1#0: broken"
    assert sim.open() == []


def test_the_reason_of_a_step_names_the_first_of_many_failures() -> None:
    sim = begun(list(range(12)), policy="any")
    for index in range(12):
        sim.fail("a", f"no {index}", f"worker-{index % 2 + 1}#{index}", retryable=False)
    reason = sim.store.events[-2].model_dump()["reason"]
    assert reason.startswith("worker-1#0: no 0; worker-2#1: no 1; ")
    assert reason.endswith("worker-2#9: no 9; and 2 more")


def test_each_item_is_tried_again_by_itself() -> None:
    sim = Simulation(mob({"a": each()}, limits={"max_step_retries": 1}), {"items": ["x", "y"]})
    sim.advance()
    sim.fail("a", "once", "worker-1#0")
    sim.wait(timedelta(minutes=1))
    sim.do("a", "x", "worker-1#0")
    sim.do("a", "y", "worker-1#1")
    assert sim.run.root_step_outputs["a"] == ["x", "y"]


def test_what_is_over_is_not_among_the_executions_of_the_run() -> None:
    sim = begun(list(range(5)))
    sim.do("a", 0, "worker-1#0")
    assert len(sim.store.view.executions) == 4
    [(_, progress)] = sim.store.view.progress.items()
    assert (progress.items, progress.begun, progress.completed, progress.failed) == (5, 5, 1, 0)


def test_a_run_says_how_many_items_there_are_before_any_is_over() -> None:
    sim = begun(["x", "y"])
    [row] = sim.run.step_ledger
    assert (row.agent_identity, row.status, row.output) == ("__flow_system_member__", "dispatched", {"items": 2})


def test_a_run_says_how_many_items_each_iteration_has() -> None:
    steps = {"find": step(policy="any"), "a": each("steps.find")}
    root = {"l": loop("l", NEVER, 2, find=node("find"), a=node("a", "find"))}
    sim = Simulation(mob(steps, root))
    for items in ([1], [1, 2, 3]):
        sim.advance()
        sim.do("find", items)
        do_all(sim)
    found = [row.output for row in sim.run.step_ledger if row.status == "dispatched" and row.output]
    assert found == [{"items": 1, "iteration": 0}, {"items": 3, "iteration": 1}]
    assert [one["a"] for one in sim.run.loop_iteration_outputs["l"]] == [[1], [1, 2, 3]]


def test_the_items_are_those_of_the_moment_at_which_the_step_began() -> None:
    """The loop goes on meanwhile, and gives another list; what begins later is an item of the first one."""
    steps = {"find": step(policy="any"), "first": step(policy="any"), "a": each("steps.find", max_parallel=1)}
    # In a loop nothing else than the order of events says which of the two comes first.
    inner = loop("l", NEVER, 3, find=node("find"))
    outer = loop("o", NEVER, 1, first=node("first"), l=inner, a=node("a", "first"))
    sim = Simulation(mob(steps, {"o": outer}))
    sim.advance()
    sim.do("find", ["old 1", "old 2"])
    sim.do("first")
    sim.do("find", ["new"])
    do_all(sim)
    assert sim.run.loop_iteration_outputs["o"][0]["a"] == ["old 1", "old 2"]


def test_a_late_outcome_of_an_item_that_is_over_changes_nothing() -> None:
    sim = begun(["x", "y"])
    token = sim.claim("a", "worker-1#0")
    key = sim.key("a", "worker-1#0")
    assert sim.settle("a", Succeeded("x"), "worker-1#0")
    late = engine.settle(sim.store.load(), sim.definition, key, Failed("late"), token=token, random=Random(0))
    assert late is None


async def test_a_step_begins_so_many_items_at_a_time(storage: MobStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(item_dispatch, "MOST_OPEN", 7)
    open_at_most = 0

    async def handler(ctx: StepContext) -> Any:
        nonlocal open_at_most
        view = await loaded(storage, ctx.run_id)
        open_at_most = max(open_at_most, len(view.executions))
        return ctx.item

    run = await over(storage, list(range(40)), handler)
    assert run.root_step_outputs["a"] == list(range(40))
    assert 0 < open_at_most <= 7
    view = await loaded(storage, run.run_id)
    assert view.executions == {}
    await check_told_once(storage, run)


async def test_items_go_from_step_to_step(storage: MobStorage) -> None:
    definition = mob({"a": each(max_parallel=5), "b": step("a", for_each="steps.a", max_parallel=9)})
    run = await run_flow(
        storage,
        definition,
        lambda ctx: ctx.item + 1,
        params={"items": list(range(60))},
        members={"worker": 3},
        workers=3,
        concurrency=3,
    )
    assert run.root_step_outputs["b"] == list(range(2, 62))
    await check_told_once(storage, run)


async def test_canceling_a_run_ends_its_items(storage: MobStorage) -> None:
    reached = asyncio.Event()

    async def handler(ctx: StepContext) -> Any:
        reached.set()
        await asyncio.Event().wait()

    fleet = Fleet(storage, mob({"a": each(max_parallel=2)}), {"*": handler})
    async with at_work(storage, {"*": handler}):
        run_id = await fleet.start(FLOW, {"items": [1, 2, 3]})
        await reached.wait()
        await fleet.cancel(run_id)
        async with asyncio.timeout(LONG):
            run = await fleet.wait(run_id)
    assert run.status == "canceled"
    canceled = [row.agent_identity for row in (await whole(storage, run_id)).step_ledger if row.status == "canceled"]
    assert sorted(canceled) == ["worker-1#0", "worker-1#1"]


async def test_a_handler_that_changes_its_item_changes_it_for_itself_alone(storage: MobStorage) -> None:
    async def handler(ctx: StepContext) -> Any:
        ctx.item["seen"].append(ctx.attempt)
        if ctx.attempt == 1:
            raise StepFailed("again", retry_after=0)
        return ctx.item["seen"]

    definition = mob({"a": each()}, limits={"max_step_retries": 1})
    run = await run_flow(storage, definition, handler, params={"items": [{"seen": []}]})
    assert run.root_step_outputs["a"] == [[2]]

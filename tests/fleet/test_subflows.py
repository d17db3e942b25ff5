"""Steps that run another flow: what their runs get and give, how they end, and how they end with their parents."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from redis_mob import StepFailed
from redis_mob.errors import CasConflictError, DefinitionError, NotFoundError
from redis_mob.fleet.child_ids import child_id_of
from redis_mob.fleet.engine import advance
from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.step_context import StepContext
from redis_mob.models.conditions import GtCondition
from redis_mob.models.definition import MobDefinition
from redis_mob.models.deletion import DeletionStart
from redis_mob.models.execution import ExecutionKey, ExecutionStatus
from redis_mob.models.flow_spec import DispatchMode, FlowSpec, RetrySpec
from redis_mob.models.pause import PauseChange
from redis_mob.models.run import MobRun
from redis_mob.models.run_status import MobRunStatus
from redis_mob.models.subflow import MOST_NESTED
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.storage import MobStorage
from redis_mob.testing.samples.driven_runs import awaited
from redis_mob.testing.waiting import LONG
from tests.fleet.everything import single
from tests.fleet.flows import FLOW, loop, mob, node, runs, step, wait, with_flows
from tests.fleet.working import at_work, check_told_once, loaded, whole


async def echo(ctx: StepContext) -> Any:
    """What a step was asked for."""
    return ctx.params


async def ended(
    storage: MobStorage, definition: MobDefinition, handler: Any = echo, params: Any = None, **working: Any
) -> MobRun:
    """A run from its start to its end, by workers that have this handler."""
    fleet = Fleet(storage, definition, {"*": handler})
    async with at_work(storage, {"*": handler}, **working):
        run_id = await fleet.start(FLOW, params)
        async with asyncio.timeout(LONG):
            run = await fleet.wait(run_id)
    await check_told_once(storage, await whole(storage, run_id))
    return run


async def children_of(storage: MobStorage, run_id: str) -> list[tuple[str, str]]:
    """(flow, status) of the children of a run, the first begun first."""
    page = await FleetAdmin(storage).children(run_id, limit=1000)
    return [(one.flow_id, str(one.status)) for one in reversed(page.runs)]


async def until_children(storage: MobStorage, run_id: str, number: int, status: str = "running") -> None:
    """Until so many children of a run have a status."""

    async def found() -> bool:
        return Counter(await children_of(storage, run_id))["inner", status] == number

    await until_true(found)


async def until_true(condition: Callable[[], Awaitable[object]]) -> None:
    async with asyncio.timeout(LONG):
        while not await condition():  # noqa: ASYNC110 - what is stored is what it watches
            await asyncio.sleep(0.01)


INNER = {"work": single()}


@pytest.mark.parametrize(
    ("params", "seen"),
    [
        (
            {"n": "{{ params.a }}", "text": "a is {{ params.a }}"},
            {"n": [1, {"b": None}], "text": 'a is [1,{"b":null}]'},
        ),
        ("{{ params }}", {"a": [1, {"b": None}]}),
        ([True, {"deep": ["{{ params.a.1.b }}", "{{ '{{' }}"]}], [True, {"deep": [None, "{{"]}]),
        (None, None),
        ({"n": "{{ params.none }}"}, {"n": None}),
    ],
)
async def test_texts_of_params_are_rendered_and_single_placeholders_are_values(
    storage: MobStorage, params: Any, seen: Any
) -> None:
    definition = with_flows(mob({"sub": runs("inner", params=params)}), inner=INNER)
    run = await ended(storage, definition, params={"a": [1, {"b": None}]})
    assert run.root_step_outputs == {"sub": {"work": seen}}, run.failure_ledger


@pytest.mark.parametrize(
    ("output", "given"),
    [(None, {"work": 3, "more": {"worker-1": 3}}), ("steps.work", 3), ("params", 3), ("steps.more.worker-1", 3)],
)
async def test_the_output_of_a_flow_is_what_it_declares_or_an_object_of_its_steps(
    storage: MobStorage, output: str | None, given: Any
) -> None:
    inner = FlowSpec.model_validate({"steps": {"work": single(), "more": step("work")}, "output": output})
    definition = with_flows(mob({"sub": runs("inner", params="{{ params }}"), "end": single("sub")}), inner=inner)
    run = await ended(storage, definition, params=3)
    assert run.root_step_outputs["sub"] == given


@pytest.mark.parametrize(
    ("more", "given"),
    [
        ({}, [{"work": n} for n in (5, 6, 7)]),
        ({"params": {"of": "{{ item }}", "at": "{{ index }}"}}, [{"work": {"of": n, "at": n - 5}} for n in (5, 6, 7)]),
        (
            {"dispatch_mode": DispatchMode.FAN_IN},
            [{"target": f"flow:inner#{n}", "index": n, "output": {"work": n + 5}} for n in range(3)],
        ),
    ],
)
async def test_each_item_has_a_run_of_its_own(storage: MobStorage, more: Any, given: Any) -> None:
    definition = with_flows(mob({"sub": runs("inner", for_each="params.list", max_parallel=2, **more)}), inner=INNER)
    run = await ended(storage, definition, params={"list": [5, 6, 7]}, workers=2)
    assert run.root_step_outputs["sub"] == given
    assert await children_of(storage, run.run_id) == [("inner", "completed")] * 3


async def test_no_more_runs_are_under_way_than_max_parallel(storage: MobStorage) -> None:
    under_way, most = 0, 0

    async def count(_ctx: StepContext) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.01)
        under_way -= 1

    definition = with_flows(mob({"sub": runs("inner", for_each="params", max_parallel=2)}), inner=INNER)
    run = await ended(storage, definition, count, params=list(range(9)))
    assert (run.status, most) == ("completed", 2)


async def test_a_flow_that_fails_is_begun_again_with_a_run_of_its_own(storage: MobStorage) -> None:
    seen: list[str] = []

    async def fail_twice(ctx: StepContext) -> int:
        seen.append(ctx.run_id)
        if len(seen) < 3:
            raise StepFailed("not yet", retryable=False)
        return len(seen)

    definition = with_flows(
        mob({"sub": runs("inner", retry=RetrySpec(attempts=3, first=0.001), params={})}), inner=INNER
    )
    run = await ended(storage, definition, fail_twice)
    assert run.root_step_outputs == {"sub": {"work": 3}}
    assert await children_of(storage, run.run_id) == [("inner", "failed")] * 2 + [("inner", "completed")]
    [(key, execution)] = (await loaded(storage, run.run_id)).executions.items()
    assert seen == [child_id_of(run.run_id, key, attempt) for attempt in (1, 2, 3)]
    assert execution.attempt == 3


async def test_what_a_flow_failed_of_is_told_with_its_run(storage: MobStorage) -> None:
    async def fail(_ctx: StepContext) -> None:
        raise StepFailed("out of paper", retryable=False)

    run = await ended(storage, with_flows(mob({"sub": runs("inner")}), inner=INNER), fail)
    assert run.status is MobRunStatus.FAILED
    [failure] = run.failure_ledger
    child_id = child_id_of(run.run_id, ExecutionKey(f"{run.run_id}-root", "sub", "flow:inner"), 1)
    assert failure.reason == f"run {child_id} of flow 'inner' failed: step 'work': out of paper"


SCHEMA = '{"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}'
TYPED = FlowSpec.model_validate({"steps": INNER, "params_schema_ref": SCHEMA})


async def test_params_that_do_not_fit_fail_the_step_without_a_retry(storage: MobStorage) -> None:
    retry = RetrySpec(attempts=5, first=0.001)
    definition = with_flows(mob({"sub": runs("inner", params={"n": "{{ params.n }}"}, retry=retry)}), inner=TYPED)
    run = await ended(storage, definition, params={"n": "three"})
    [failure] = run.failure_ledger
    assert failure.step_id == "sub"
    assert failure.reason == (
        "flow 'inner' refuses its params: it does not fit its schema at $.n: 'three' is not of type 'integer'"
    )
    assert await children_of(storage, run.run_id) == []


async def test_items_whose_params_do_not_fit_fail_and_the_others_go_on(storage: MobStorage) -> None:
    sub = runs("inner", for_each="params", max_parallel=1, policy=2, params={"n": "{{ item }}"})
    definition = with_flows(mob({"sub": sub}), inner=TYPED)
    run = await ended(storage, definition, params=["a", "b", 1, "c", 2])
    assert run.root_step_outputs["sub"] == [None, None, {"work": {"n": 1}}, None, {"work": {"n": 2}}]
    run = await ended(storage, definition, params=["a", "b", "c", 1, "d"])
    assert run.status is MobRunStatus.FAILED
    assert await children_of(storage, run.run_id) == [("inner", "completed")]


async def test_a_schema_of_the_step_holds_for_what_its_flow_gives(storage: MobStorage) -> None:
    sub = runs("inner", expected_schema_ref='{"type": "object", "properties": {"work": {"type": "integer"}}}')

    async def text(_ctx: StepContext) -> str:
        return "text"

    run = await ended(storage, with_flows(mob({"sub": sub}), inner=INNER), text)
    assert "the output of step 'sub' is refused" in run.failure_ledger[0].reason


async def test_a_timeout_ends_the_run_and_counts_as_a_failed_attempt(storage: MobStorage) -> None:
    begun = list[str]()

    async def hang_once(ctx: StepContext) -> str:
        begun.append(ctx.run_id)
        if begun[0] == ctx.run_id:
            await asyncio.sleep(LONG)
        return "in time"

    sub = runs("inner", timeout_ms=1000, retry=RetrySpec(attempts=2, first=0.001))
    run = await ended(storage, with_flows(mob({"sub": sub}), inner=INNER), hang_once, lease=timedelta(seconds=5))
    assert run.root_step_outputs == {"sub": {"work": "in time"}}, (run.failure_ledger, begun)
    assert await children_of(storage, run.run_id) == [("inner", "canceled"), ("inner", "completed")]


async def test_a_run_that_is_canceled_for_itself_fails_its_step_without_a_retry(storage: MobStorage) -> None:
    sub = runs("inner", retry=RetrySpec(attempts=3, first=0.001))
    definition = with_flows(mob({"sub": sub}), inner={"ask": wait()})
    fleet = Fleet(storage, definition, {"*": echo})
    async with at_work(storage, {"*": echo}):
        run_id = await fleet.start(FLOW)
        await until_children(storage, run_id, 1)
        [child] = (await FleetAdmin(storage).children(run_id)).runs
        assert child.parent == run_id
        await FleetAdmin(storage).cancel(child.run_id)
        async with asyncio.timeout(LONG):
            run = await fleet.wait(run_id)
    assert [failure.reason for failure in run.failure_ledger] == [f"run {child.run_id} of flow 'inner' was canceled"]


@pytest.mark.parametrize("how", ["cancel", "terminate"])
@pytest.mark.parametrize("has_worker", [True, False])
async def test_the_end_of_a_run_reaches_all_runs_below_it(storage: MobStorage, how: str, has_worker: bool) -> None:
    definition = with_flows(
        mob({"sub": runs("middle", for_each="params")}), middle={"deep": runs("inner")}, inner={"ask": wait()}
    )
    fleet, admin = Fleet(storage, definition, {"*": echo}), FleetAdmin(storage)
    run_id = await fleet.start(FLOW, [1, 2, 3])

    async def below() -> list[str]:
        middle = [one.run_id for one in (await admin.children(run_id)).runs]
        return [child.run_id for one in middle for child in (await admin.children(one)).runs]

    async def are_deep() -> bool:
        return [await storage.executions.status(one) for one in await below()] == [MobRunStatus.RUNNING] * 3

    async def no_worker() -> bool:
        return not await storage.executions.workers()

    async with at_work(storage, {"*": echo}) as stop, asyncio.timeout(LONG):
        await until_true(are_deep)
        deepest = await below()
        if not has_worker:
            stop.set()
            await until_true(no_worker)
        assert await (admin.cancel(run_id) if how == "cancel" else admin.terminate(run_id))
        for one in (run_id, *deepest, *(child.run_id for child in (await admin.children(run_id)).runs)):
            assert (await fleet.wait(one)).status is MobRunStatus.CANCELED


async def test_runs_that_are_not_needed_any_more_are_canceled(storage: MobStorage) -> None:
    async def fast_or_never(ctx: StepContext) -> Any:
        if ctx.params != 2:
            await asyncio.sleep(LONG)
        return ctx.params

    definition = with_flows(
        mob({"sub": runs("inner", for_each="params", policy="any"), "end": wait("sub")}), inner=INNER
    )
    fleet, admin = Fleet(storage, definition, {"*": fast_or_never}), FleetAdmin(storage)
    async with at_work(storage, {"*": fast_or_never}, lease=timedelta(seconds=5)), asyncio.timeout(LONG):
        run_id = await fleet.start(FLOW, [1, 2, 3])
        for child in (await admin.children(run_id)).runs:
            await fleet.wait(child.run_id)
        await until_children(storage, run_id, 2, "canceled")
        await fleet.signal(run_id, "go")
        run = await fleet.wait(run_id)
    assert run.root_step_outputs["sub"] == {"work": 2}
    # the news of those that were canceled are not kept
    assert not (await loaded(storage, run_id)).signals


async def test_runs_that_run_themselves_end_where_they_are_nested_too_deeply(storage: MobStorage) -> None:
    definition = mob({"work": single(), "again": runs(FLOW)})
    fleet = Fleet(storage, definition, {"*": echo})
    async with at_work(storage, {"*": echo}):
        run_id = await fleet.start(FLOW)
        async with asyncio.timeout(LONG):
            run = await fleet.wait(run_id)
    assert run.status is MobRunStatus.FAILED
    assert (
        f"runs may be nested {MOST_NESTED} deep, and this would be one more: flow > flow"
        in run.failure_ledger[0].reason
    )
    assert len(await storage.runs.list_runs("mob")) == MOST_NESTED


async def test_a_flow_that_runs_itself_ends_by_its_condition(storage: MobStorage) -> None:
    async def count_down(ctx: StepContext) -> int:
        return ctx.params["n"] - 1

    again = runs(FLOW, "next", params={"n": "{{ steps.next }}"}, condition=GtCondition(path="steps.next", value=0))
    run = await ended(storage, mob({"next": single(), "again": again}), count_down, params={"n": 3})
    assert run.root_step_outputs == {"next": 2, "again": {"next": 1, "again": {"next": 0}}}


async def test_a_loop_runs_a_flow_in_each_round(storage: MobStorage) -> None:
    until = GtCondition(path="steps.sub.work", value=2)
    steps = {"n": single(), "sub": runs("inner", params={"n": "{{ steps.n }}"})}
    root = {"l": loop("l", until, 5, n=node("n"), sub=node("sub", "n"))}

    async def number(ctx: StepContext) -> Any:
        if ctx.step_id == "work":
            return ctx.params["n"]
        return (ctx.iteration or 0) + 1

    run = await ended(storage, with_flows(mob(steps, root), inner=INNER), number)
    assert [one["sub"] for one in run.loop_iteration_outputs["l"]] == [{"work": 1}, {"work": 2}, {"work": 3}]


async def test_a_child_has_priority_release_and_members_of_its_parent_and_its_own_time(storage: MobStorage) -> None:
    definition = with_flows(
        mob({"sub": runs("inner")}, limits={"max_flow_duration_ms": 3_600_000}), inner={"ask": wait()}
    )
    fleet = Fleet(storage, definition, {"*": echo}, members={"lead": 3})
    async with at_work(storage, {"*": echo}):
        run_id = await fleet.start(FLOW, priority=5, release="blue")
        await until_children(storage, run_id, 1)
        [child] = (await FleetAdmin(storage).children(run_id)).runs
        view, above = await loaded(storage, child.run_id), await loaded(storage, run_id)
        assert (view.launch.priority, view.launch.release) == (5, "blue")
        assert view.launch.members == above.launch.members
        assert view.deadline is not None
        assert above.deadline is not None
        assert view.deadline >= above.deadline
        assert view.parent is not None
        assert (view.parent.run_id, view.parent.step_id, view.parent.flows) == (run_id, "sub", (FLOW,))
        await fleet.cancel(run_id)


async def test_a_child_is_deleted_once_its_parent_knows_of_its_end(storage: MobStorage) -> None:
    definition = with_flows(mob({"sub": runs("inner"), "end": wait("sub")}), inner={"ask": wait()})
    fleet, admin = Fleet(storage, definition, {"*": echo}), FleetAdmin(storage)
    async with at_work(storage, {"*": echo}):
        run_id = await fleet.start(FLOW)
        await until_children(storage, run_id, 1)
    [child] = (await admin.children(run_id)).runs
    with pytest.raises(CasConflictError, match="is not over"):
        await admin.delete(child.run_id)
    await fleet.signal(child.run_id, "go", 7)
    view = await loaded(storage, child.run_id)
    transition = advance(view, definition)
    assert transition is not None
    assert await storage.executions.commit(transition)  # and the worker that did it has died
    await admin.delete(child.run_id)
    async with at_work(storage, {"*": echo}):
        await fleet.signal(run_id, "go")
        async with asyncio.timeout(LONG):
            run = await fleet.wait(run_id)
    assert run.root_step_outputs["sub"]["ask"]["payload"] == 7
    assert [one.run_id for one in await storage.runs.list_runs("mob")] == [run_id]


async def test_nothing_is_left_of_a_child_that_was_deleted_and_it_is_not_started_again(storage: MobStorage) -> None:
    one = await awaited(storage.executions)
    await one.end()
    assert await storage.steering.begin_deletion(one.run.run_id) is DeletionStart.UNTOLD
    assert await storage.executions.status(one.run.run_id) is MobRunStatus.CANCELED
    await one.tell()
    assert await storage.steering.begin_deletion(one.run.run_id) is DeletionStart.GONE
    while await storage.steering.continue_deletion(one.run.run_id):
        pass
    assert not await one.start()
    with pytest.raises(NotFoundError):
        await storage.steering.begin_deletion(one.run.run_id)


async def test_a_run_that_nothing_told_of_its_end_is_found_by_its_parent(storage: MobStorage) -> None:
    """As one that another engine has ended through the stores: its parent looks after it when it looks again."""
    definition = with_flows(mob({"sub": runs("inner"), "beside": wait()}), inner={"ask": wait()})
    fleet = Fleet(storage, definition, {"*": echo})
    async with at_work(storage, {"*": echo}):
        run_id = await fleet.start(FLOW)
        await until_children(storage, run_id, 1)
    [child] = (await FleetAdmin(storage).children(run_id)).runs
    assert await storage.runs.cas_run_status(child.run_id, expected=MobRunStatus.RUNNING, next=MobRunStatus.FAILED)
    await fleet.signal(run_id, "go")
    async with at_work(storage, {"*": echo}), asyncio.timeout(LONG):
        run = await fleet.wait(run_id)
    assert f"run {child.run_id} of flow 'inner' failed" in run.failure_ledger[0].reason


async def test_a_fork_takes_what_children_gave_along(storage: MobStorage) -> None:
    calls = Counter[str]()

    async def fail_at_the_end(ctx: StepContext) -> Any:
        calls[ctx.step_id] += 1
        if ctx.step_id == "end" and calls["end"] == 1:
            raise StepFailed("later", retryable=False)
        return ctx.params

    steps = {"sub": runs("inner", for_each="params"), "one": runs("inner", params=4), "end": single("sub", "one")}
    definition = with_flows(mob(steps), inner=INNER)
    run = await ended(storage, definition, fail_at_the_end, params=[1, 2])
    assert run.status is MobRunStatus.FAILED
    fork = await FleetAdmin(storage).fork(run.run_id)
    fleet = Fleet(storage, definition, {"*": fail_at_the_end})
    async with at_work(storage, {"*": fail_at_the_end}), asyncio.timeout(LONG):
        again = await fleet.wait(fork)
    assert again.root_step_outputs == {"sub": [{"work": 1}, {"work": 2}], "one": {"work": 4}, "end": [1, 2]}
    assert calls == {"work": 3, "end": 2}
    assert await children_of(storage, fork) == []


@pytest.mark.parametrize(
    ("steps", "complaint"),
    [
        ({"sub": runs("iner")}, "the mob has no flow 'iner' (nearest: 'inner'"),
        ({"sub": runs("inner").model_copy(update={"role": "worker"})}, "leave out the role or the flow"),
        ({"sub": runs("inner", isolation="process")}, "isolation would mean nothing"),
        ({"sub": runs("inner", policy="any")}, "collection_policy would mean nothing"),
        ({"sub": runs("inner").model_copy(update={"message": "hi"})}, "message would mean nothing"),
        ({"sub": runs("typed")}, "flow 'typed' needs the params 'n', which the step does not give"),
        ({"sub": runs("typed", params={"m": 1})}, "flow 'typed' needs the params 'n'"),
        ({"sub": runs("inner", params={"n": "{{ steps.none }}"})}, "the flow has no step 'none'"),
        ({"sub": runs("inner", params={"n": "{{ item }}"})}, "only a step with for_each has 'item'"),
        ({"sub": step(params={"n": 1})}, "params are those of a flow that a step runs"),
        ({"sub": wait(signal="redis_mob.child")}, "is reserved"),
    ],
)
def test_what_makes_no_sense_is_refused(steps: Any, complaint: str) -> None:
    definition = with_flows(mob(steps), inner=INNER, typed=TYPED)
    with pytest.raises(DefinitionError) as refused:
        Fleet(None, definition)  # type: ignore[arg-type]
    assert complaint in str(refused.value)


async def test_a_child_that_was_not_started_when_its_parent_ends_is_not_started_later(storage: MobStorage) -> None:
    """Its parent was committed by a worker that stands still, and goes on once another one has ended the parent."""
    one = await awaited(storage.executions)
    fleet = Fleet(storage, one.above.definition, {"*": echo})
    await fleet.cancel(one.above.run_id)
    async with at_work(storage, {"*": echo}), asyncio.timeout(LONG):
        assert (await fleet.wait(one.above.run_id)).status is MobRunStatus.CANCELED
        assert not await one.start()
        assert (await fleet.wait(one.run.run_id)).status is MobRunStatus.CANCELED


async def test_what_pauses_a_run_pauses_the_runs_of_its_steps(storage: MobStorage) -> None:
    items = {"each": runs("inner", params="{{ item }}", for_each="params", max_parallel=2)}
    definition = with_flows(mob(items), inner=INNER)
    admin, fleet = FleetAdmin(storage), Fleet(storage, definition, {"*": echo})
    run_id = await fleet.start(FLOW, [1, 2, 3])
    view = await loaded(storage, run_id)
    transition = advance(view, definition)
    assert transition is not None
    assert await storage.executions.commit(transition)
    assert await admin.pause(run_id) is PauseChange.DONE
    async with at_work(storage, {"*": echo}, workers=2):
        # the children are started by workers that look at the run, and each is paused from its start
        await until_true(lambda: _are_there(storage, run_id, 2))
        page = await admin.children(run_id)
        seen = [await loaded(storage, one.run_id) for one in page.runs]
        assert [[pause.run_id for pause in one.pauses] for one in seen] == [[one.run_id] for one in page.runs]
        assert await admin.resume(run_id) is PauseChange.DONE
        async with asyncio.timeout(LONG):
            run = await fleet.wait(run_id)
    assert run.status is MobRunStatus.COMPLETED


async def test_children_that_are_there_are_paused_and_resumed_with_their_run(storage: MobStorage) -> None:
    go = asyncio.Event()

    async def handler(ctx: StepContext) -> Any:
        await go.wait()
        return ctx.params

    definition = with_flows(mob({"below": runs("inner")}), inner={"work": single(), "then": step("work")})
    admin, fleet = FleetAdmin(storage), Fleet(storage, definition, {"*": handler})
    async with at_work(storage, {"*": handler}):
        run_id = await fleet.start(FLOW)
        await until_children(storage, run_id, 1)
        assert await admin.pause(run_id) is PauseChange.DONE
        go.set()
        child = (await admin.children(run_id)).runs[0].run_id
        await until_true(lambda: _has_completed(storage, child, "work"))
        assert await _held_back(storage, child)
        assert await admin.resume(run_id) is PauseChange.DONE
        async with asyncio.timeout(LONG):
            run = await fleet.wait(run_id)
    assert run.status is MobRunStatus.COMPLETED


async def _are_there(storage: MobStorage, run_id: str, number: int) -> bool:
    return len(await children_of(storage, run_id)) == number


async def _has_completed(storage: MobStorage, run_id: str, step_id: str) -> bool:
    view = await loaded(storage, run_id)
    return any(one.step_id == step_id and one.status is ExecutionStatus.COMPLETED for one in view.executions.values())


async def _held_back(storage: MobStorage, run_id: str) -> bool:
    view = await loaded(storage, run_id)
    return bool(view.pauses) and all(one.status is not ExecutionStatus.LEASED for one in view.executions.values())

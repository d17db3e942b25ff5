"""Runs that are exported, and imported elsewhere."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from redis_mob.errors import CasConflictError, NotFoundError, ValidationError
from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.step_context import Handler, StepContext
from redis_mob.models.base import json_text
from redis_mob.models.definition import MobDefinition
from redis_mob.models.execution import ExecutionStatus, Serves
from redis_mob.models.flow import FrameSnapshot
from redis_mob.models.run import MobRun
from redis_mob.models.signal import Signal
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.storage import MobStorage
from redis_mob.testing.samples.compound import scene
from redis_mob.testing.samples.driven_runs import STEPS_AND_LOOP, keys_of, waiting
from redis_mob.testing.samples.unknown_fields import LATER, with_unknown
from redis_mob.testing.waiting import LONG
from tests.fleet.flows import FLOW, mob, step, supervisor
from tests.fleet.working import at_work, check_told_once, loaded, run_flow, whole
from tests.operations.scenes import CHAIN, OVER_ITEMS, ROUNDS, count_rounds, fail, failed_chain
from tests.operations.test_verification import BRANCHES, FAN_IN, NESTED, QUORUM, WAITS, agreeing


@pytest.fixture
async def target(url: str, namespace: str) -> AsyncIterator[MobStorage]:
    """Another namespace on the same server."""
    async with MobStorage.open(url, namespace=f"{namespace}-target") as opened:
        yield opened


async def lines_of(storage: MobStorage, *runs: str) -> list[str]:
    return [line async for line in FleetAdmin(storage).export(runs)]


async def imported(storage: MobStorage, lines: list[str], **options: bool) -> dict[str, bool]:
    return {one.run_id: one.is_stored async for one in FleetAdmin(storage).import_runs(lines, **options)}


async def same_there(storage: MobStorage, target: MobStorage, *runs: str) -> None:
    """These runs are the same in the target, once they were imported: to the last byte of an export."""
    lines = await lines_of(storage, *runs)
    assert await imported(target, lines) == dict.fromkeys(runs, True)
    assert await lines_of(target, *runs) == lines
    for run_id in runs:
        await agreeing(target, run_id)
        assert await whole(target, run_id) == await whole(storage, run_id)
        await check_told_once(target, await whole(target, run_id)) if len(runs) == 1 else None


KINDS: list[tuple[MobDefinition, Any]] = [
    (CHAIN, {"a": [1, None, "é"]}),
    (ROUNDS, None),
    (OVER_ITEMS, {"items": [1, None, {"a": []}, "x"]}),
    (BRANCHES, {"way": "right"}),
    (QUORUM, None),
    (FAN_IN, None),
    (NESTED, {}),
]


@pytest.mark.parametrize(("definition", "params"), KINDS)
async def test_runs_of_all_kinds_come_back_as_they_were(
    storage: MobStorage, target: MobStorage, definition: MobDefinition, params: Any
) -> None:
    async def work(ctx: StepContext) -> Any:
        await ctx.publish("of", {"member": ctx.member})
        return count_rounds(ctx) if definition is ROUNDS else ctx.member

    run = await run_flow(storage, definition, work, params=params, members={"worker": 3})
    await same_there(storage, target, run.run_id)
    published = await target.steering.published_of(run.run_id)
    assert published == await storage.steering.published_of(run.run_id) != {}


OUTCOMES = st.lists(st.sampled_from(["done", "fail", 1, None, {"a": [1.5]}]), min_size=3, max_size=3)


@given(outcomes=OUTCOMES, items=st.lists(st.integers(), max_size=4), cancel=st.booleans())
@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
async def test_any_run_comes_back_as_it_was(
    storage: MobStorage, target: MobStorage, outcomes: list[Any], items: list[int], cancel: bool
) -> None:
    definition = mob(
        {"a": step(policy="any"), "b": step("a", for_each="params.items"), "c": step("a"), "d": step("b", "c")}
    )

    def work(ctx: StepContext) -> Any:
        outcome = outcomes[hash(ctx.step_id) % 3]
        if outcome == "fail":
            raise ValueError("not so")
        return outcome

    run = await run_flow(storage, definition, work, params={"items": items})
    runs = [run.run_id, await FleetAdmin(storage).fork(run.run_id, "b")] if run.status == "completed" else [run.run_id]
    if cancel or len(runs) > 1:
        await FleetAdmin(storage).terminate(runs[-1])
    await same_there(storage, target, *runs)


async def test_a_failed_and_a_forked_run_come_back_as_they_were(storage: MobStorage, target: MobStorage) -> None:
    failed = await failed_chain(storage)
    forked = await FleetAdmin(storage).fork(failed, "b")
    await FleetAdmin(storage).terminate(forked)
    await same_there(storage, target, failed, forked)
    again = await FleetAdmin(target).fork(failed, "b")  # by the definition that came along
    async with at_work(target, {"*": lambda _: "done"}):
        async with asyncio.timeout(LONG):
            assert (await Fleet(target, CHAIN).wait(again)).status == "completed"


async def test_all_runs_are_exported_in_the_order_of_their_creation(storage: MobStorage, target: MobStorage) -> None:
    runs = [(await run_flow(storage, FAN_IN, lambda _: 1)).run_id for _ in range(3)]
    await storage.runs.create_run(scene())  # no fleet has started it
    lines = [line async for line in FleetAdmin(storage).export_all()]
    assert [json.loads(line)["run"]["run_id"] for line in lines if line.startswith('{"run":')] == runs
    assert sum(line.startswith('{"definition":') for line in lines) == 1
    await imported(target, lines)
    assert [run.run_id async for run in FleetAdmin(target).all_runs()] == runs[::-1]
    none = [line async for line in FleetAdmin(storage).export_all(mob_id="another")]
    assert len(none) == 2
    assert await imported(target, none) == {}


async def test_a_run_that_is_there_is_refused_or_left_alone(storage: MobStorage, target: MobStorage) -> None:
    first = await run_flow(storage, FAN_IN, lambda _: 1)
    second = await run_flow(storage, FAN_IN, lambda _: 2)
    await imported(target, await lines_of(storage, first.run_id))
    before = await lines_of(target, first.run_id), await target.events.replay_all()
    both = await lines_of(storage, first.run_id, second.run_id)
    with pytest.raises(CasConflictError, match=f"line 3: there is a run {first.run_id} already"):
        await imported(target, both)
    assert (await lines_of(target, first.run_id), await target.events.replay_all()) == before
    assert await target.executions.status(second.run_id) is None
    # an import that was interrupted is gone on with
    assert await imported(target, both, skip_existing=True) == {first.run_id: False, second.run_id: True}
    assert await lines_of(target, first.run_id) == before[0]


async def test_a_run_that_is_not_over_goes_on_where_it_was(storage: MobStorage, target: MobStorage) -> None:
    run = await waiting(storage.executions, STEPS_AND_LOOP)
    first, second = keys_of(await run.view())[:2]
    await run.claim(first, owner="one")
    lines = await lines_of(storage, run.run_id)
    with pytest.raises(CasConflictError, match="--include-unfinished"):
        await imported(target, lines)
    assert await target.executions.status(run.run_id) is None
    assert await imported(target, lines, include_unfinished=True) == {run.run_id: True}
    await agreeing(target, run.run_id)
    before, there = await run.view(), await loaded(target, run.run_id)
    assert {one.status for one in there.executions.values()} == {ExecutionStatus.WAITING}
    assert there.executions[first].fencing_token == before.executions[first].fencing_token + 1
    assert there.executions[first].attempt == before.executions[first].attempt
    due = await target.executions.take_due(max_runs=9, max_executions=9, keep=timedelta(0), serves=Serves())
    assert {one.key for one in due.executions} >= {first, second}
    async with at_work(target, {"*": lambda _: 1}):
        async with asyncio.timeout(LONG):
            ended = await Fleet(target, STEPS_AND_LOOP).wait(run.run_id)
    assert ended.status in ("completed", "failed")
    await agreeing(target, run.run_id)


async def test_runs_31_a_run_goes_on_with_the_unknown_fields_of_its_states(
    storage: MobStorage, target: MobStorage
) -> None:
    run = await waiting(storage.executions, STEPS_AND_LOOP)
    lines = await lines_of(storage, run.run_id)
    place = next(number for number, line in enumerate(lines) if line.startswith('{"run":'))
    document = json.loads(lines[place])
    later = with_unknown(MobRun.model_validate_json(json.dumps(document["run"])))
    lines[place] = json_text({**document, "run": json.loads(later.model_dump_json())})
    assert await imported(target, lines, include_unfinished=True) == {run.run_id: True}
    assert json.loads((await lines_of(target, run.run_id))[place])["run"] == json.loads(later.model_dump_json())
    await agreeing(target, run.run_id)
    async with at_work(target, {"*": lambda _: 1}):
        async with asyncio.timeout(LONG):
            ended = await Fleet(target, STEPS_AND_LOOP).wait(run.run_id)
    assert ended.status in ("completed", "failed")
    changed = [ended.flow_state, *(ended.frames[name] for name in later.frames)]
    changed += [one.kernel_state for one in changed if isinstance(one, FrameSnapshot)]
    for state in (ended, *changed, *ended.step_ledger[: len(later.step_ledger)]):
        assert state.model_extra == LATER
    assert all(one.model_extra == LATER for one in ended.flow_authority_inputs[: len(later.flow_authority_inputs)])
    assert ended.flow_state != later.flow_state
    await agreeing(target, run.run_id)
    forked = await target.runs.get_run(await FleetAdmin(target).fork(run.run_id))
    assert forked is not None and not forked.model_extra and not forked.flow_state.model_extra


async def test_signals_that_wait_come_along(storage: MobStorage, target: MobStorage) -> None:
    run_id = await Fleet(storage, WAITS).start(FLOW, attributes={"tenant": "acme"}, summary="s")
    for number in range(3):
        await storage.executions.send_signal(run_id, Signal(name="other", payload=number))
    await storage.executions.send_signal(run_id, Signal(name="go", payload="now"))
    await imported(target, await lines_of(storage, run_id), include_unfinished=True)
    [found] = (await FleetAdmin(target).runs(attributes={"tenant": "acme"})).runs
    assert (found.run_id, found.summary) == (run_id, "s")
    assert (await loaded(target, run_id)).signals == (await loaded(storage, run_id)).signals
    assert (await target.executions.send_signal(run_id, Signal(name="other"))).number == 5
    async with at_work(target, {"*": lambda ctx: ctx.outputs["go"]}):
        async with asyncio.timeout(LONG):
            ended = await Fleet(target, WAITS).wait(run_id)
    assert ended.outputs("then")["worker-1"]["payload"] == "now"


async def test_a_run_whose_cancellation_was_asked_for_is_canceled(storage: MobStorage, target: MobStorage) -> None:
    run = await waiting(storage.executions, STEPS_AND_LOOP)
    await storage.executions.request_cancel(run.run_id)
    await imported(target, await lines_of(storage, run.run_id), include_unfinished=True)
    assert (await loaded(target, run.run_id)).cancel_requested
    async with at_work(target, {"*": lambda _: 1}):
        async with asyncio.timeout(LONG):
            assert (await Fleet(target, STEPS_AND_LOOP).wait(run.run_id)).status == "canceled"


async def test_an_imported_run_is_deleted_with_its_events(storage: MobStorage, target: MobStorage) -> None:
    run = await run_flow(storage, ROUNDS, count_rounds)
    await imported(target, await lines_of(storage, run.run_id))
    assert await target.events.replay_all() != []
    await FleetAdmin(target).delete(run.run_id)
    assert await target.events.replay_all() == []
    assert await target.operations.definitions() == ()
    assert await imported(target, await lines_of(storage, run.run_id)) == {run.run_id: True}  # from the export again


async def test_what_is_no_export_is_refused_by_its_line(storage: MobStorage, target: MobStorage) -> None:
    run = await run_flow(storage, FAN_IN, lambda _: 1)
    header, definition, line, end = await lines_of(storage, run.run_id)
    assert json.loads(end) == {"runs": 1}
    document = json.loads(line)
    other = json_text({**document, "events": [{**document["events"][0], "kind": {"type": "mob_completed"}}]})
    broken = json_text({**document, "run": {**document["run"], "status": "unknown"}})
    for lines, message in (
        ([], "there is no line"),
        (["x"], "line 1: no JSON"),
        (["\ud800"], "line 1 '.+' cannot be stored: surrogates not allowed"),
        (["[]"], "line 1: an object is needed"),
        ([line], "line 1: this is no export of runs"),
        (
            [json_text({"format": "redis_mob runs", "version": 3})],
            "line 1: this is no export of runs, or one of a later",
        ),
        ([header, line], "line 2: the definition of run"),
        ([header, definition, "{}"], "line 3: "),
        ([header, definition, broken], "line 3: run.status"),
        ([header.replace(":2}", ":2.0}")], "line 1: this is no export of runs"),
        ([header.replace(":2}", ":true}")], "line 1: this is no export of runs"),
        ([header, '{"runs": false}'], "line 2: the export has False runs"),
        ([header, definition, other], "is about something else"),
        ([header, '{"definition": {}}'], "line 2: "),
        ([header], "the export was cut: it ends with line 1"),
        ([header, definition], "the export was cut: it ends with line 2"),
        ([header, definition, end], "line 3: the export has 1 runs, and 0 of them stand in the file"),
        ([header, '{"runs": "x"}'], "line 2: the export has 'x' runs"),
    ):
        with pytest.raises(ValidationError, match=message):
            await imported(target, lines)
    assert await target.operations.count() == await target.operations.count()
    assert sum((await target.operations.count()).values()) == 0
    assert await target.events.latest_cursor() == 0


def renamed(document: Any, name: str, other: str) -> Any:
    """The document with another text wherever it has this one."""
    return json.loads(json.dumps(document).replace(f'"{name}"', f'"{other}"'))


UNUSABLE: dict[str, tuple[Callable[[Any], Any], str]] = {
    "flow": (lambda run: {**run, "run": {**run["run"], "flow_id": "nope"}}, "is one of flow 'nope' of mob 'mob'"),
    "mob": (lambda run: {**run, "run": {**run["run"], "mob_id": "other"}}, "of mob 'other', which its definition"),
    "events of another mob": (
        lambda run: {**run, "events": [{**event, "mob_id": "other"} for event in run["events"]]},
        "the event flow_started is one of mob 'other'",
    ),
    "events twice": (lambda run: {**run, "events": run["events"] * 2}, "its events tell its start twice"),
    "ends twice": (lambda run: {**run, "events": run["events"][-1:] * 2}, "its events tell its end twice"),
    "executions": (lambda run: {**run, "executions": renamed(run["executions"], "a", "z")}, "an execution of step 'z'"),
    "a node": (
        lambda run: {**run, "executions": [{**one, "node_id": "b"} for one in run["executions"]]},
        "an execution of step 'a' at node 'b'",
    ),
    "members": (lambda run: {**run, "launch": {**run["launch"], "members": {"x": ["y"]}}}, "members of role 'x'"),
    "steps": (
        lambda run: {**run, "run": {**run["run"], "flow_state": {**run["run"]["flow_state"], "tracked_steps": []}}},
        "flow_state.tracked_steps are not the steps",
    ),
    "frames": (
        lambda run: {**run, "run": {**run["run"], "frames": renamed(run["run"]["frames"], "Root", "Body")}},
        "has other frames and loops",
    ),
}


@pytest.mark.parametrize("change", UNUSABLE)
async def test_a_run_that_could_not_be_used_is_refused_by_its_line(
    storage: MobStorage, target: MobStorage, change: str
) -> None:
    run = await run_flow(storage, CHAIN, lambda _: 1)
    header, definition, line, end = await lines_of(storage, run.run_id)
    make, said = UNUSABLE[change]
    with pytest.raises(ValidationError, match=f"^line 3: run {run.run_id}.* ?{said}"):
        await imported(target, [header, definition, json_text(make(json.loads(line))), end])
    assert sum((await target.operations.count()).values()) == 0
    assert await imported(target, [header, definition, line, end]) == {run.run_id: True}


async def test_runs_with_supervisors_and_items_come_in(storage: MobStorage, target: MobStorage) -> None:
    steps = {"each": step(for_each="params.items", policy="any"), "fails": step("each", role="judge")}
    definition = mob(steps, supervisor=supervisor())
    handlers: dict[str, Handler] = {"worker": lambda _: 1, "judge": fail, "lead": lambda _: "seen"}
    run = await run_flow(storage, definition, handlers, params={"items": [1, 2]})
    view = await loaded(storage, run.run_id)
    assert [one.step_id for one in view.executions.values() if one.escalation is not None] == ["fails"]
    lines = await lines_of(storage, run.run_id)
    assert await imported(target, lines) == {run.run_id: True}
    assert await lines_of(target, run.run_id) == lines


async def test_lines_of_blanks_are_counted(target: MobStorage) -> None:
    header = '{"format":"redis_mob runs","version":2}'
    with pytest.raises(ValidationError, match="line 5: no JSON"):
        await imported(target, ["", header, " ", "", "{"])


async def test_an_export_may_begin_with_a_byte_order_mark(storage: MobStorage, target: MobStorage) -> None:
    run = await run_flow(storage, FAN_IN, lambda _: 1)
    header, *lines = await lines_of(storage, run.run_id)
    assert await imported(target, [f"\ufeff{header}", *lines]) == {run.run_id: True}


NO_LINES: list[Any] = [[True], [{}], [None], [b"{}"], 5, "{}", {}, None]


@pytest.mark.parametrize("lines", NO_LINES, ids=repr)
async def test_what_are_no_lines_is_refused(target: MobStorage, lines: Any) -> None:
    with pytest.raises(ValidationError, match="line"):
        await imported(target, lines)


async def test_an_export_that_was_cut_says_so_once_its_runs_are_stored(storage: MobStorage, target: MobStorage) -> None:
    runs = [(await run_flow(storage, FAN_IN, lambda _: 1)).run_id for _ in range(2)]
    lines = await lines_of(storage, *runs)
    with pytest.raises(ValidationError, match=r"the export was cut: it ends with line 3 .* The 1 it has were taken"):
        await imported(target, lines[:3])
    assert [run.run_id async for run in FleetAdmin(target).all_runs()] == runs[:1]
    assert await imported(target, lines, skip_existing=True) == {runs[0]: False, runs[1]: True}


async def test_an_export_of_the_first_version_needs_no_last_line(storage: MobStorage, target: MobStorage) -> None:
    run = await run_flow(storage, FAN_IN, lambda _: 1)
    header, *lines, _ = await lines_of(storage, run.run_id)
    older = json_text({**json.loads(header), "version": 1})
    assert await imported(target, [older, *lines]) == {run.run_id: True}


async def test_what_cannot_be_exported(storage: MobStorage) -> None:
    await storage.runs.create_run(run := scene())
    for run_id in (run.run_id, str(uuid4())):
        with pytest.raises(NotFoundError):
            await lines_of(storage, run_id)
    with pytest.raises(NotFoundError):
        await storage.steering.published_of(str(uuid4()))

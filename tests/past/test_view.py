"""`storage.at`: runs and events as they were, on real storages (contract: past-1 to past-6)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from redis_mob.errors import NotFoundError, ValidationError
from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.step_context import StepContext, StepFailed
from redis_mob.models.definition import MobDefinition
from redis_mob.models.events import MobEvent
from redis_mob.models.run import MobRun
from redis_mob.models.run_status import MobRunStatus
from redis_mob.past import run_events
from redis_mob.past.row_times import LATER, commits_of
from redis_mob.past.run_events import run_of
from redis_mob.storage import MobStorage
from redis_mob.testing.samples.new_events import numbered
from redis_mob.testing.waiting import LONG
from tests.fleet import everything
from tests.fleet.flows import FLOW, loop, mob, node, runs, step, supervisor, wait, with_flows
from tests.fleet.strategies import ALWAYS, NEVER
from tests.fleet.working import at_work
from tests.operations.recorder import Recorder, parts
from tests.support.examples import examples

WAITING = 2
"""Which of the flows waits for a signal."""

NO_RETRY = {"max_step_retries": 0}


async def work(ctx: StepContext) -> Any:
    """Fails here and there, the same way each time."""
    if ctx.step_id == "broken":
        raise StepFailed("no", retryable=False)
    if ctx.step_id == "left" or (ctx.step_id == "flaky" and ctx.attempt == 1):
        raise StepFailed("not now")
    return everything.output(ctx.step_id, ctx.iteration)


def flows() -> list[MobDefinition]:
    """Definitions whose runs are under way at the same time; that of the last one does not end by itself."""
    sub = with_flows(mob({"each": runs("child", for_each="params.items", max_parallel=2)}), child={"c": step()})
    broken = mob({"broken": step(), "b": step("broken")}, supervisor=supervisor(), limits=NO_RETRY)
    all_of_them = {
        "everything": everything.EVERYTHING,
        "sub": sub,
        "waiting": mob({"a": wait(), "b": step("a")}),
        "broken": broken,
        "exhausted": mob({"a": step()}, {"l": loop("l", NEVER, 2, a=node("a"))}),
        "canceled": mob({"a": step(), "b": wait("a"), "c": step("b")}),
    }
    return [one.model_copy(update={"id": name}) for name, one in all_of_them.items()]


def behind(stored: Mapping[int, MobRun], own: Sequence[int], cursor: int) -> MobRun:
    """What was stored of a run with the last of its events up to a cursor, and before the next one."""
    last = max(one for one in own if one <= cursor)
    with_it = min(at for at in stored if at >= last)  # its commit may have had further events
    end = next((one for one in own if one > with_it), LATER)
    return stored[max(at for at in stored if at < end)]


async def test_random_cursors(storage: MobStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Contract: past-2. Each run is at each cursor what was stored at its last commit before its next event."""
    recorder, ids = Recorder(storage, monkeypatch), list[str]()
    fleets = [Fleet(storage, definition, members={"worker": 3}) for definition in flows()]
    async with at_work(storage, {"*": work}, workers=2), asyncio.timeout(LONG):
        for fleet in fleets:
            ids.append(await fleet.start(FLOW, {"items": [1, 2, 3]}))
        await fleets[WAITING].signal(ids[WAITING], "go", "on")
        for fleet, run_id in zip(fleets[:-1], ids, strict=False):
            await fleet.wait(run_id)
        await fleets[-1].cancel(ids[-1])
        await fleets[-1].wait(ids[-1])
    log = await storage.events.replay_all()
    own = {run_id: [event.cursor for event in log if run_of(event) == run_id] for run_id in recorder.runs}
    random, compared = Random(1), 0
    for cursor in random.choices(range(1, log[-1].cursor), k=examples(20)):
        view = storage.at(cursor)
        assert await view.events.latest_cursor() == cursor
        for run_id, cursors in own.items():
            past = await view.runs.past_of(run_id)
            if cursor < cursors[0]:
                assert past is None or past.run.status is MobRunStatus.PENDING
                continue
            assert past is not None
            seen, wanted = parts(past.run), parts(behind(recorder.runs[run_id], cursors, cursor))
            if past.unknown:  # outputs of a nested loop, which were replaced since
                del seen["loop_iteration_outputs"], wanted["loop_iteration_outputs"]
            assert seen == wanted, cursor
            compared += 1
    assert compared


async def test_what_is_there_is_only_read(storage: MobStorage) -> None:
    """Contract: past-1."""
    view = storage.at(3)
    assert (view.cursor, repr(view)) == (3, "PastStorage(3)")
    for part, name in ((view.runs, "create_run"), (view.events, "append"), (view, "records")):
        with pytest.raises(AttributeError, match=f"no attribute '{name}': what was at a cursor is only read"):
            getattr(part, name)
    for wrong in (-1, "3", True, None):
        with pytest.raises(ValidationError, match="cursor must be an integer"):
            storage.at(wrong)  # pyright: ignore[reportArgumentType]


async def test_the_log_ends_with_the_cursor(storage: MobStorage) -> None:
    """Contract: past-5."""
    old = datetime(2020, 1, 1, tzinfo=UTC)
    for number in range(6):
        at = old if number in (1, 2, 3) else None
        await storage.events.append(numbered(number, timestamp=at))
    view = storage.at(4).events
    assert [event.cursor for event in await view.replay_all()] == [1, 2, 3, 4]
    assert [event.cursor for event in await view.poll(2, 10)] == [3, 4]
    assert await storage.at(99).events.latest_cursor() == 6
    await storage.events.prune(old + timedelta(days=1))
    assert ([event.cursor for event in await view.replay_all()], await view.latest_cursor()) == ([1], 1)
    assert (await storage.at(0).events.replay_all(), await storage.at(0).events.latest_cursor()) == ([], 0)


async def told(storage: MobStorage) -> int:
    """The cursor of an event that is about no run."""
    return (await storage.events.append(numbered(0))).cursor


async def test_runs_that_have_not_begun(storage: MobStorage) -> None:
    """Contract: past-3."""
    fleet = Fleet(storage, mob({"a": step()}))
    run_id = await fleet.start(FLOW)
    behind = await told(storage)
    async with at_work(storage, {"*": work}), asyncio.timeout(LONG):
        await fleet.wait(run_id)
    later = await fleet.start(FLOW)
    past = await storage.at(behind).runs.get_run(run_id)
    assert past is not None
    assert (past.status, past.frames, past.completed_at) == (MobRunStatus.PENDING, {}, None)
    assert await storage.at(0).runs.list_runs("mob") == []
    now = await storage.at(10_000).runs.list_runs("mob", FLOW)
    assert [run.run_id for run in now] == [run_id, later]
    assert now[0] == await storage.runs.get_run(run_id)
    assert await storage.at(1).runs.get_run("0191a6a0-0000-4000-8000-00000000000a") is None


async def test_a_run_of_no_fleet_is_told_now_alone(storage: MobStorage) -> None:
    """Contract: past-4."""
    definition = mob({"a": step()})
    run = MobRun.pending("mob", FLOW, definition.flows[FLOW], None)
    await storage.runs.create_run(run)
    driven = await Fleet(storage, definition).start(FLOW)
    first = await told(storage)
    assert await storage.at(first).runs.get_run(run.run_id) == run
    await told(storage)
    with pytest.raises(NotFoundError, match=f"run {run.run_id} was not started by a fleet"):
        await storage.at(first).runs.list_runs("mob")
    found = await storage.at(first).runs.pasts_of("mob")
    assert (list(found.untold), [past.run.run_id for past in found.runs]) == ([run.run_id], [driven])


@pytest.mark.parametrize("page", [1, 500])
async def test_times_that_callers_gave_do_not_move_a_run(
    storage: MobStorage, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    """Contract: past-2, past-3. Events that bring an earlier or a later time lie around those of the run."""
    monkeypatch.setattr(run_events, "PAGE", page)
    now = datetime.now(UTC)
    away = [numbered(0, timestamp=now + timedelta(days=days)) for days in (1, -1)]
    fleet = Fleet(storage, mob({"a": wait(), "b": step("a")}))
    await storage.events.append_batch([*away, away[0]])
    async with at_work(storage, {"*": work}), asyncio.timeout(LONG):
        run_id = await fleet.start(FLOW)
        async with storage.events.subscribe(3) as told_since:
            await anext(told_since)
        await storage.events.append_batch(away)
        await fleet.signal(run_id, "go")
        run = await fleet.wait(run_id)
    await storage.events.append_batch([*away, *away])
    log = await storage.events.replay_all()
    begin, *_, end = commits_of([event for event in log if run_of(event) == run_id])
    for cursor in range(log[-1].cursor + 2):
        view = storage.at(cursor)
        past = await view.runs.get_run(run_id)
        assert await view.runs.list_runs("mob") == ([] if past is None else [past]), cursor
        if cursor < begin[0]:
            assert past is None or past.status is MobRunStatus.PENDING, cursor
        elif cursor < end[0]:
            assert past is not None and past.status is MobRunStatus.RUNNING, cursor
        else:
            assert past == run, cursor


async def test_a_list_reads_the_shorter_side_of_the_log(storage: MobStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Contract: past-6. Runs that were over long before cost nothing of their own."""
    fleet = Fleet(storage, mob({"a": step()}))
    async with at_work(storage, {"*": work}), asyncio.timeout(LONG):
        for _ in range(5):
            await fleet.wait(await fleet.start(FLOW))
    last = await storage.events.latest_cursor()
    await storage.events.append_batch([numbered(0, timestamp=datetime.now(UTC) + timedelta(days=1))] * 5)
    asked, poll = list[tuple[int, int]](), storage.events.poll

    async def counted(after: int, limit: int) -> list[MobEvent]:
        asked.append((after, limit))
        return await poll(after, limit)

    monkeypatch.setattr(storage.events, "poll", counted)
    assert len(await storage.at(last + 2).runs.list_runs("mob")) == 5
    assert len(asked) == 3  # the newest event up to the cursor, by steps, and all behind it


async def test_of_a_run_whose_events_were_pruned_the_end_is_told(storage: MobStorage) -> None:
    """Contract: past-4."""
    fleet = Fleet(storage, mob({"a": step()}))
    async with at_work(storage, {"*": work}), asyncio.timeout(LONG):
        run_id = await fleet.start(FLOW)
        run = await fleet.wait(run_id)
    last = await storage.events.latest_cursor()
    later = numbered(0, timestamp=datetime.now(UTC) + timedelta(hours=1))
    await storage.events.append_batch([later, later])
    await storage.events.prune(datetime.now(UTC) + timedelta(minutes=1))
    for cursor in (last, last + 1):  # no event is missing behind them, and none there is of the run
        assert await storage.at(cursor).runs.get_run(run_id) == run
        assert await storage.at(cursor).runs.list_runs("mob") == [run]
    with pytest.raises(NotFoundError, match="does not have all events"):
        await storage.at(last - 1).runs.get_run(run_id)
    await storage.events.clear()
    with pytest.raises(NotFoundError, match="does not have all events"):
        await storage.at(last).runs.get_run(run_id)


async def test_an_output_that_was_replaced_is_not_known(storage: MobStorage) -> None:
    """Contract: past-4. A nested loop records in the same place when the loop around it goes on."""
    inner = loop("inner", ALWAYS, 1, a=node("a"))
    definition = mob({"a": step()}, {"outer": loop("outer", NEVER, 2, inner=inner)})
    fleet = Fleet(storage, definition)
    async with at_work(storage, {"*": work}), asyncio.timeout(LONG):
        run_id = await fleet.start(FLOW)
        await fleet.wait(run_id)
    log = await storage.events.replay_all()
    first, second = (event.cursor for event in log if event.kind.type == "step_completed")
    past = await storage.at(first).runs.past_of(run_id)
    assert past is not None
    assert past.unknown == ("the output of step 'a' in iteration 0 of loop 'inner'",)
    assert past.run.loop_iteration_outputs == {}
    past = await storage.at(second).runs.past_of(run_id)
    assert past is not None and past.unknown == ()

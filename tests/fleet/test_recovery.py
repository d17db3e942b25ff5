"""Mending runs that a crash between two writes has left, as an engine that commits in pieces leaves them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from itertools import count

import pytest

from redis_mob.errors import KernelError
from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.recovery import MOST_NAMED
from redis_mob.fleet.step_context import Handler
from redis_mob.kernel.actions import CreateRootFrame, StartRun
from redis_mob.kernel.draft import Draft
from redis_mob.kernel.machine import FlowMachine
from redis_mob.kernel.reconcile import reconcile
from redis_mob.kernel.repair import repaired_run
from redis_mob.models.events import MobEvent
from redis_mob.models.flow_events import FlowCompleted, FlowFailed
from redis_mob.models.ledger import FailureLedgerEntry
from redis_mob.models.run import MobRun
from redis_mob.models.run_status import MobRunStatus
from redis_mob.models.transition import RunView, Transition
from redis_mob.storage import MobStorage
from redis_mob.testing.waiting import LONG
from tests.fleet.flows import FLOW, mob, step
from tests.fleet.working import at_work, loaded, run_flow, whole

DEFINITION = mob({"a": step(), "b": step("a")})
HANDLERS: Mapping[str, Handler] = {"*": lambda ctx: ctx.step_id}


def fleet_of(storage: MobStorage) -> Fleet:
    return Fleet(storage, DEFINITION, HANDLERS)


async def ends(storage: MobStorage) -> list[MobEvent]:
    return [event for event in await storage.events.replay_all() if event.kind.type.startswith("flow_")]


async def forget_events(storage: MobStorage) -> None:
    """Leave the log as a process does that dies before it appends the events of the end of its runs."""
    await storage.events.clear()


async def test_case_138_crash_between_terminal_and_event(storage: MobStorage) -> None:
    run = await run_flow(storage, DEFINITION, HANDLERS)
    await forget_events(storage)
    assert await fleet_of(storage).recover() == [run.run_id]
    assert await fleet_of(storage).recover() == []
    (end,) = await ends(storage)
    assert isinstance(end.kind, FlowCompleted)
    assert end.kind.run_id == run.run_id
    assert end.kind.structured_output == {"steps": {"a": {"worker-1": "a"}, "b": {"worker-1": "b"}}}


async def test_case_138_two_that_recover_at_once_tell_it_once(storage: MobStorage) -> None:
    run = await run_flow(storage, DEFINITION, HANDLERS)
    await forget_events(storage)
    found = await asyncio.gather(*(fleet_of(storage).recover() for _ in range(5)))
    assert sorted(found, key=len) == [[], [], [], [], [run.run_id]]
    assert len(await ends(storage)) == 1


async def test_a_failed_run_tells_the_status_it_has_and_why(storage: MobStorage) -> None:
    flow = DEFINITION.flows[FLOW]
    run = MobRun.pending(DEFINITION.id, FLOW, flow, {})
    await storage.runs.create_run(run)
    failure = FailureLedgerEntry(step_id="a", reason="out of paper", timestamp=run.created_at)
    await storage.runs.append_failure_entry(run.run_id, entry=failure)
    assert await storage.runs.cas_run_status(run.run_id, expected=MobRunStatus.PENDING, next=MobRunStatus.FAILED)
    assert await fleet_of(storage).recover() == [run.run_id]
    (end,) = await ends(storage)
    assert end.kind == FlowFailed(run_id=run.run_id, flow_id=FLOW, reason="step 'a': out of paper")


async def test_case_139_a_completed_run_is_left_alone(storage: MobStorage) -> None:
    await run_flow(storage, DEFINITION, HANDLERS)
    before = await storage.events.latest_cursor()
    assert await fleet_of(storage).recover() == []
    assert await storage.events.latest_cursor() == before


async def half_written(storage: MobStorage) -> str:
    """A run whose root frame was stored, and whose process died before it was listed as ready."""
    run_id = await fleet_of(storage).start(FLOW)
    await begin(storage, run_id, StartRun(), CreateRootFrame(), logged=2)
    assert reconcile(await whole(storage, run_id))
    return run_id


async def test_a_decision_between_the_two_reads_of_a_run_makes_it_be_read_again(
    storage: MobStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id, load, reads = await half_written(storage), storage.executions.load, count(1)

    async def decided_after(run_id: str) -> RunView | None:
        view = await load(run_id)
        if next(reads) == 1:
            assert view is not None
            assert await storage.executions.commit(Transition(before=view, run=view.run))
        return view

    monkeypatch.setattr(storage.executions, "load", decided_after)
    assert await fleet_of(storage).recover() == [run_id]
    assert next(reads) == 3
    monkeypatch.undo()
    assert (await loaded(storage, run_id)).version == 3
    assert reconcile(await whole(storage, run_id)) == ()


async def test_an_active_run_is_repaired_and_goes_on(storage: MobStorage) -> None:
    """The steps that were ready are dispatched (contract: kernel-46)."""
    fleet, run_id = fleet_of(storage), await half_written(storage)
    assert await fleet.recover() == [run_id]
    assert reconcile(await whole(storage, run_id)) == ()
    async with at_work(storage, HANDLERS), asyncio.timeout(LONG):
        run = await fleet.wait(run_id)
    assert run.status is MobRunStatus.COMPLETED
    assert reconcile(run) == ()


async def begin(storage: MobStorage, run_id: str, *actions: StartRun | CreateRootFrame, logged: int) -> None:
    """Commit these actions to a run that is pending, and only so many of their inputs."""
    flow, view = DEFINITION.flows[FLOW], await loaded(storage, run_id)
    draft = Draft(FlowMachine.from_run(view.run, flow))
    for action in actions:
        action.apply(draft, flow)
    split = Transition(before=view, run=repaired_run(view.run, draft), inputs=draft.inputs[:logged])
    assert await storage.executions.commit(split)


async def test_runs_that_cannot_be_mended_are_told_when_the_others_are(storage: MobStorage) -> None:
    fleet = fleet_of(storage)
    damaged, unlike, split, sound = [await fleet.start(FLOW) for _ in range(4)]
    await begin(storage, damaged, StartRun(), logged=1)
    await begin(storage, unlike, StartRun(), CreateRootFrame(), logged=1)
    await begin(storage, split, StartRun(), CreateRootFrame(), logged=2)

    with pytest.raises(KernelError) as told:
        await fleet.recover()
    assert "mended 1 runs, could not mend 2: " in str(told.value)
    assert f"run {damaged}: frames is damaged: the root frame" in str(told.value)
    assert f"run {unlike} cannot be repaired" in str(told.value)
    assert split not in str(told.value)
    assert reconcile(await whole(storage, split)) == ()
    for run_id in (damaged, unlike):
        assert await fleet.cancel(run_id)
    async with at_work(storage, HANDLERS), asyncio.timeout(LONG):
        ended = {run_id: (await fleet.wait(run_id)).status for run_id in (damaged, split, sound)}
    assert ended == {damaged: "canceled", split: "completed", sound: "completed"}


async def test_no_more_runs_are_named_than_can_be_read(storage: MobStorage) -> None:
    for _ in range(MOST_NAMED + 2):
        await begin(storage, await fleet_of(storage).start(FLOW), StartRun(), logged=1)
    with pytest.raises(KernelError, match=r"; and 2 more$") as told:
        await fleet_of(storage).recover()
    assert str(told.value).count("is damaged") == MOST_NAMED


async def test_a_run_that_no_fleet_started_is_left_alone(storage: MobStorage) -> None:
    run = MobRun.pending(DEFINITION.id, FLOW, DEFINITION.flows[FLOW], {})
    await storage.runs.create_run(run)
    assert await fleet_of(storage).recover() == []
    assert await storage.runs.get_run(run.run_id) == run

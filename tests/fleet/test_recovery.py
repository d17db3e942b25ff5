"""Mending runs that a crash between two writes has left, as an engine that commits in pieces leaves them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.step_context import Handler
from redis_mob.kernel.actions import CreateRootFrame, StartRun
from redis_mob.kernel.draft import Draft
from redis_mob.kernel.machine import FlowMachine
from redis_mob.kernel.reconcile import reconcile
from redis_mob.kernel.repair import repaired_run
from redis_mob.models.events import MobEvent
from redis_mob.models.flow_events import FlowCompleted, FlowFailed
from redis_mob.models.run import FailureLedgerEntry, MobRun, MobRunStatus
from redis_mob.models.transition import Transition
from redis_mob.storage import MobStorage
from redis_mob.testing.waiting import LONG
from tests.fleet.flows import FLOW, mob, step
from tests.fleet.working import at_work, loaded, run_flow

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


async def test_an_active_run_is_repaired_and_goes_on(storage: MobStorage) -> None:
    """The root frame was stored, and the process died before it was listed as ready (contract: kernel-46)."""
    fleet, flow = fleet_of(storage), DEFINITION.flows[FLOW]
    run_id = await fleet.start(FLOW)
    view = await loaded(storage, run_id)
    draft = Draft(FlowMachine.from_run(view.run, flow))
    StartRun().apply(draft, flow)
    CreateRootFrame().apply(draft, flow)
    split = Transition(before=view, run=repaired_run(view.run, draft), inputs=draft.inputs)
    assert await storage.executions.commit(split)
    assert reconcile((await loaded(storage, run_id)).run)

    assert await fleet.recover() == [run_id]
    assert reconcile((await loaded(storage, run_id)).run) == ()
    async with at_work(storage, HANDLERS), asyncio.timeout(LONG):
        run = await fleet.wait(run_id)
    assert run.status is MobRunStatus.COMPLETED
    assert reconcile(run) == ()


async def test_a_run_that_no_fleet_started_is_left_alone(storage: MobStorage) -> None:
    run = MobRun.pending(DEFINITION.id, FLOW, DEFINITION.flows[FLOW], {})
    await storage.runs.create_run(run)
    assert await fleet_of(storage).recover() == []
    assert await storage.runs.get_run(run.run_id) == run

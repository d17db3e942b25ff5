"""What happens once only: the words of its refusals, its times, and several processes (see the conformance suite)."""

from __future__ import annotations

from uuid import uuid4

import pytest

from redis_mob.contracts import MobEventStore
from redis_mob.errors import CasConflictError, InternalError
from redis_mob.models import MobEventKind, MobReset, StepCompleted
from redis_mob.storage import MobStorage
from redis_mob.testing.conformance.run_guarantee import created
from redis_mob.testing.conformance.terminal_commit import end
from redis_mob.testing.samples.compound import FRAME
from redis_mob.testing.samples.new_events import RUN, completed, new_event, numbered, step_failed
from tests.stores.processes import run_together


@pytest.mark.parametrize("kind", [StepCompleted(run_id=RUN, step_id="a"), MobReset()])
async def test_an_event_that_ends_no_flow_is_named(storage: MobStorage, kind: MobEventKind) -> None:
    with pytest.raises(InternalError, match=f"{kind.type} ends no flow"):
        await storage.events.append_terminal_event_if_absent(new_event(kind))
    with pytest.raises(InternalError, match="step_completed ends no flow"):
        await end(storage.runs, (await created(storage.runs)).run_id, numbered(1))


async def test_an_input_that_no_log_may_hold_is_named(storage: MobStorage) -> None:
    run = await created(storage.runs)
    with pytest.raises(InternalError, match="FrameSnapshot is no input"):
        await end(storage.runs, run.run_id, completed(run.run_id), authority_inputs=[FRAME])


async def test_a_run_is_completed_at_the_time_of_its_event(storage: MobStorage) -> None:
    run = await created(storage.runs)
    event = await end(storage.runs, run.run_id, completed(run.run_id))
    stored = await storage.runs.get_run(run.run_id)
    assert event is not None
    assert stored is not None
    assert stored.completed_at == event.timestamp


async def test_what_a_step_cannot_fail_with_is_named(events: MobEventStore) -> None:
    with pytest.raises(InternalError, match="a step_failed event is needed, not flow_completed"):
        await events.append_step_failed_event_if_absent(completed())
    await events.append_step_failed_event_if_absent(step_failed())
    with pytest.raises(CasConflictError, match="another step_failed event"):
        await events.append_step_failed_event_if_absent(step_failed(reason="exit 2"))


@pytest.mark.usefixtures("server_url")
async def test_case_024_concurrent_terminal_events_of_several_processes(storage: MobStorage) -> None:
    runs = [str(uuid4()) for _ in range(50)]
    results = await run_together("terminate", storage, runs, runs, runs)
    for run, cursors in zip(runs, zip(*results, strict=True), strict=True):
        assert len([cursor for cursor in cursors if cursor is not None]) == 1, run
    assert await storage.events.latest_cursor() == len(runs)

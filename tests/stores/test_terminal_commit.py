"""The end of a run and its event are committed together, or not at all (decision 13)."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from redis_mob.errors import InternalError
from redis_mob.models import FlowAuthorityInput, MobEvent, MobRun, MobRunStatus, NewMobEvent
from redis_mob.storage import MobStorage
from redis_mob.testing.samples.compound import FRAME, INPUTS, NEXT_RUN, RUN, scene, stale
from redis_mob.testing.samples.new_events import canceled, completed, failed, numbered
from redis_mob.testing.samples.states import NOON
from redis_mob.testing.waiting import LONG
from tests.stores.conftest import Opener

ENDS = {
    MobRunStatus.COMPLETED: completed,
    MobRunStatus.FAILED: failed,
    MobRunStatus.CANCELED: canceled,
}

EXPECTED = {"expected_status": MobRunStatus.RUNNING, "expected_flow_state": RUN}

both_forms = pytest.mark.parametrize("inputs", [(), INPUTS], ids=["plain", "with_authority"])


async def end(
    storage: MobStorage,
    run_id: str,
    event: NewMobEvent,
    status: MobRunStatus = MobRunStatus.COMPLETED,
    **changes: Any,
) -> MobEvent | None:
    arguments: dict[str, Any] = {**EXPECTED, "next_status": status, "next_flow_state": NEXT_RUN, "event": event}
    return await storage.runs.cas_run_snapshot_and_append_terminal_event(run_id, **{**arguments, **changes})


async def made(storage: MobStorage, **changes: Any) -> MobRun:
    run = scene(**changes)
    await storage.runs.create_run(run)
    return run


@pytest.mark.parametrize("status", ENDS)
@both_forms
async def test_run_and_event_end_together(
    storage: MobStorage, status: MobRunStatus, inputs: tuple[FlowAuthorityInput, ...]
) -> None:
    run = await made(storage)
    async with storage.events.subscribe() as following:
        event = await end(storage, run.run_id, ENDS[status](run.run_id), status, authority_inputs=inputs)
        async with asyncio.timeout(LONG):
            assert await anext(following) == event
    assert event is not None
    assert await storage.events.replay_all() == [event]
    stored = await storage.runs.get_run(run.run_id)
    assert stored is not None
    assert stored.completed_at == event.timestamp
    written: dict[str, Any] = {"status": status, "flow_state": NEXT_RUN, "completed_at": stored.completed_at}
    written["flow_authority_inputs"] = (*run.flow_authority_inputs, *inputs)
    assert stored == run.model_copy(update=written)


async def test_an_event_keeps_the_time_it_brings(storage: MobStorage) -> None:
    run = await made(storage)
    event = await end(storage, run.run_id, completed(run.run_id).model_copy(update={"timestamp": NOON}))
    assert event is not None
    assert event.timestamp == NOON
    assert await storage.events.replay_all() == [event]


@pytest.mark.parametrize("part", EXPECTED)
@both_forms
async def test_a_lost_compare_leaves_no_event(
    storage: MobStorage, part: str, inputs: tuple[FlowAuthorityInput, ...]
) -> None:
    run = await made(storage)
    lost = {part: stale(EXPECTED[part])}
    assert await end(storage, run.run_id, completed(run.run_id), **lost, authority_inputs=inputs) is None
    assert await storage.runs.get_run(run.run_id) == run
    assert await storage.events.replay_all() == []


@pytest.mark.parametrize("status", ENDS)
async def test_a_run_that_is_over_ends_no_second_time(storage: MobStorage, status: MobRunStatus) -> None:
    run = await made(storage, status=status)
    for expected in (status, MobRunStatus.RUNNING):
        assert await end(storage, run.run_id, failed(run.run_id), expected_status=expected) is None
    assert await storage.runs.get_run(run.run_id) == run
    assert await storage.events.replay_all() == []


async def test_a_missing_run_is_a_lost_compare(storage: MobStorage) -> None:
    missing = str(uuid4())
    assert await end(storage, missing, completed(missing), authority_inputs=INPUTS) is None
    assert await storage.runs.get_run(missing) is None
    assert await storage.events.replay_all() == []


@pytest.mark.parametrize("path", ["append", "append_batch", "append_terminal_event_if_absent", "pruned"])
async def test_a_flow_that_was_terminated_on_any_path_leaves_the_run_as_it_was(storage: MobStorage, path: str) -> None:
    run = await made(storage)
    event = failed(run.run_id).model_copy(update={"timestamp": NOON})
    match path:
        case "append_batch":
            await storage.events.append_batch([event])
        case "append_terminal_event_if_absent":
            await storage.events.append_terminal_event_if_absent(event)
        case _:
            await storage.events.append(event)
    if path == "pruned":
        assert await storage.events.prune(NOON.replace(year=2027)) == 1
    log = await storage.events.replay_all()
    assert await end(storage, run.run_id, completed(run.run_id), authority_inputs=INPUTS) is None
    assert await storage.runs.get_run(run.run_id) == run
    assert await storage.events.replay_all() == log


async def test_the_committed_event_terminates_the_flow(storage: MobStorage) -> None:
    run = await made(storage)
    assert await end(storage, run.run_id, completed(run.run_id)) is not None
    assert await storage.events.append_terminal_event_if_absent(failed(run.run_id)) is None


async def test_an_event_that_ends_no_flow_is_refused_before_any_write(storage: MobStorage) -> None:
    run = await made(storage)
    with pytest.raises(InternalError, match="step_completed ends no flow"):
        await end(storage, run.run_id, numbered(1))
    assert await storage.runs.get_run(run.run_id) == run
    assert await storage.events.replay_all() == []


async def test_an_input_that_no_log_may_hold_is_refused_before_any_write(storage: MobStorage) -> None:
    run = await made(storage)
    with pytest.raises(InternalError, match="FrameSnapshot is no input"):
        await end(storage, run.run_id, completed(run.run_id), authority_inputs=[*INPUTS, FRAME])
    assert await storage.runs.get_run(run.run_id) == run
    assert await storage.events.replay_all() == []


async def test_one_of_many_ends_wins(open_storage: Opener) -> None:
    storages = [await open_storage() for _ in range(4)]
    run = await made(storages[0])
    ended = await asyncio.gather(
        *(end(storage, run.run_id, event(run.run_id), status) for storage in storages for status, event in ENDS.items())
    )
    [event] = [event for event in ended if event is not None]
    stored = await storages[0].runs.get_run(run.run_id)
    assert stored is not None
    assert ENDS[stored.status](run.run_id).kind == event.kind
    assert await storages[0].events.replay_all() == [event]

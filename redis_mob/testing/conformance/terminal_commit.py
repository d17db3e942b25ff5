"""The end of a run and the event that tells it (contract: runs-9)."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from redis_mob.contracts import MobEventStore, MobRunStore
from redis_mob.errors import InternalError
from redis_mob.models import MobEvent, MobRun, MobRunStatus, NewMobEvent
from redis_mob.testing.conformance.base import Opener, given
from redis_mob.testing.conformance.run_guarantee import Inputs, RunGuarantee, both_forms, created
from redis_mob.testing.samples.compound import FRAME, INPUTS, NEXT_RUN, RUN, stale
from redis_mob.testing.samples.new_events import canceled, completed, failed, numbered
from redis_mob.testing.samples.states import NOON
from redis_mob.testing.waiting import LONG

ENDS = {
    MobRunStatus.COMPLETED: completed,
    MobRunStatus.FAILED: failed,
    MobRunStatus.CANCELED: canceled,
}

EXPECTED = {"expected_status": MobRunStatus.RUNNING, "expected_flow_state": RUN}


async def end(
    runs: MobRunStore,
    run_id: str,
    event: NewMobEvent,
    status: MobRunStatus = MobRunStatus.COMPLETED,
    **changes: Any,
) -> MobEvent | None:
    """End a run that was created as `scene()`."""
    arguments: dict[str, Any] = {**EXPECTED, "next_status": status, "next_flow_state": NEXT_RUN, "event": event}
    return await runs.cas_run_snapshot_and_append_terminal_event(run_id, **{**arguments, **changes})


class TestTerminalCommit(RunGuarantee):
    """The end of a run and its terminal event are committed together, or neither is."""

    @pytest.mark.parametrize("status", ENDS)
    @both_forms
    async def test_run_and_event_end_together(
        self, runs: MobRunStore, events: MobEventStore, status: MobRunStatus, inputs: Inputs
    ) -> None:
        run = await created(runs)
        async with events.subscribe() as following:
            event = await end(runs, run.run_id, ENDS[status](run.run_id), status, authority_inputs=inputs)
            async with asyncio.timeout(LONG):
                assert await anext(following) == event
        assert event is not None
        assert await events.replay_all() == [event]
        stored = await runs.get_run(run.run_id)
        assert stored is not None
        assert stored.completed_at is not None
        written: dict[str, Any] = {"status": status, "flow_state": NEXT_RUN, "completed_at": stored.completed_at}
        written["flow_authority_inputs"] = (*run.flow_authority_inputs, *inputs)
        assert stored == run.model_copy(update=written)

    async def test_an_event_keeps_the_time_it_brings(self, runs: MobRunStore, events: MobEventStore) -> None:
        run = await created(runs)
        event = await end(runs, run.run_id, completed(run.run_id).model_copy(update={"timestamp": NOON}))
        assert event is not None
        assert event.timestamp == NOON
        assert await events.replay_all() == [event]

    @pytest.mark.parametrize("part", EXPECTED)
    @both_forms
    async def test_a_lost_compare_leaves_no_event(
        self, runs: MobRunStore, events: MobEventStore, part: str, inputs: Inputs
    ) -> None:
        run = await created(runs)
        lost = {part: stale(EXPECTED[part])}
        assert await end(runs, run.run_id, completed(run.run_id), **lost, authority_inputs=inputs) is None
        await _is_untouched(runs, events, run)

    @pytest.mark.parametrize("status", ENDS)
    async def test_a_run_that_is_over_ends_no_second_time(
        self, runs: MobRunStore, events: MobEventStore, status: MobRunStatus
    ) -> None:
        run = await created(runs, status=status)
        for expected in (status, MobRunStatus.RUNNING):
            assert await end(runs, run.run_id, failed(run.run_id), expected_status=expected) is None
        await _is_untouched(runs, events, run)

    async def test_a_missing_run_is_a_lost_compare(self, runs: MobRunStore, events: MobEventStore) -> None:
        missing = str(uuid4())
        assert await end(runs, missing, completed(missing), authority_inputs=INPUTS) is None
        assert await runs.get_run(missing) is None
        assert await events.replay_all() == []

    @pytest.mark.parametrize("path", ["append", "append_batch", "append_terminal_event_if_absent", "pruned"])
    async def test_a_flow_that_was_terminated_on_any_path_leaves_the_run_as_it_was(
        self, runs: MobRunStore, events: MobEventStore, path: str
    ) -> None:
        run = await created(runs)
        event = failed(run.run_id).model_copy(update={"timestamp": NOON})
        match path:
            case "append_batch":
                await events.append_batch([event])
            case "append_terminal_event_if_absent":
                await events.append_terminal_event_if_absent(event)
            case _:
                await events.append(event)
        if path == "pruned":
            assert await events.prune(NOON.replace(year=2027)) == 1
        log = await events.replay_all()
        assert await end(runs, run.run_id, completed(run.run_id), authority_inputs=INPUTS) is None
        assert await runs.get_run(run.run_id) == run
        assert await events.replay_all() == log

    async def test_the_committed_event_terminates_the_flow(self, runs: MobRunStore, events: MobEventStore) -> None:
        run = await created(runs)
        assert await end(runs, run.run_id, completed(run.run_id)) is not None
        assert await events.append_terminal_event_if_absent(failed(run.run_id)) is None

    async def test_an_event_that_ends_no_flow_is_refused(self, runs: MobRunStore, events: MobEventStore) -> None:
        run = await created(runs)
        with pytest.raises(InternalError):
            await end(runs, run.run_id, numbered(1))
        await _is_untouched(runs, events, run)

    async def test_an_input_that_no_log_may_hold_is_refused(self, runs: MobRunStore, events: MobEventStore) -> None:
        run = await created(runs)
        with pytest.raises(InternalError):
            await end(runs, run.run_id, completed(run.run_id), authority_inputs=[*INPUTS, FRAME])
        await _is_untouched(runs, events, run)

    async def test_one_of_many_concurrent_ends_wins(self, open_stores: Opener) -> None:
        handles = [await open_stores() for _ in range(4)]
        stores = [given("runs", handle.runs) for handle in handles]
        run = await created(stores[0])
        ended = await asyncio.gather(
            *(end(store, run.run_id, event(run.run_id), status) for store in stores for status, event in ENDS.items())
        )
        [event] = [event for event in ended if event is not None]
        stored = await stores[0].get_run(run.run_id)
        assert stored is not None
        assert ENDS[stored.status](run.run_id).kind == event.kind
        assert await given("events", handles[0].events).replay_all() == [event]


async def _is_untouched(runs: MobRunStore, events: MobEventStore, run: MobRun) -> None:
    assert await runs.get_run(run.run_id) == run
    assert await events.replay_all() == []

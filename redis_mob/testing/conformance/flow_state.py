"""The flow state of a run, alone and together with its status (contract: runs-7, runs-8)."""

from __future__ import annotations

from uuid import uuid4

import pytest

from redis_mob.contracts import MobRunStore
from redis_mob.models import MobRun, MobRunStatus
from redis_mob.models.flow import FlowPhase
from redis_mob.testing.backend import Backend
from redis_mob.testing.conformance.run_guarantee import (
    Inputs,
    RunGuarantee,
    both_forms,
    created,
    every_terminal_status,
    read,
)
from redis_mob.testing.samples.compound import INPUTS, OPERATIONS, RUN, backwards, stale, with_one_other_field
from redis_mob.testing.samples.states import NOON, flow_state, rebuilt

FLOW_STATE, SNAPSHOT = OPERATIONS["cas_flow_state"], OPERATIONS["cas_run_snapshot"]


class TestFlowState(RunGuarantee):
    """A flow state changes only if it is what was expected, as a whole and by value, in every status."""

    @both_forms
    async def test_a_won_compare_writes_the_flow_state_alone(
        self, runs: MobRunStore, run: MobRun, inputs: Inputs
    ) -> None:
        assert await FLOW_STATE.call(runs, run.run_id, authority_inputs=inputs) is True
        assert await read(runs, run) == FLOW_STATE.left(run, inputs)

    @both_forms
    async def test_case_050_a_missing_run_is_a_lost_compare(self, runs: MobRunStore, inputs: Inputs) -> None:
        missing = str(uuid4())
        assert await FLOW_STATE.call(runs, missing, authority_inputs=inputs) is False
        assert await runs.get_run(missing) is None

    @both_forms
    async def test_case_052_every_single_field_is_compared(
        self, runs: MobRunStore, run: MobRun, inputs: Inputs
    ) -> None:
        for field, other in with_one_other_field(RUN):
            assert await FLOW_STATE.call(runs, run.run_id, expected=other, authority_inputs=inputs) is False, field
        assert await read(runs, run) == run

    @every_terminal_status
    async def test_case_053_the_flow_state_of_a_terminal_run_may_change(
        self, runs: MobRunStore, status: MobRunStatus
    ) -> None:
        run = await created(runs, status=status)
        assert await FLOW_STATE.call(runs, run.run_id, authority_inputs=INPUTS) is True
        assert await read(runs, run) == FLOW_STATE.left(run, INPUTS)

    async def test_case_054_the_order_of_lists_counts(self, runs: MobRunStore) -> None:
        stored = rebuilt(RUN, ready_frames=("a", "b"), ready_frame_membership=("a", "b"))
        run = await created(runs, flow_state=stored)
        reversed_list = rebuilt(stored, ready_frames=("b", "a"))
        reversed_set = rebuilt(stored, ready_frame_membership=("b", "a", "b"))
        assert await FLOW_STATE.call(runs, run.run_id, expected=reversed_list) is False
        assert await FLOW_STATE.call(runs, run.run_id, expected=reversed_set) is True

    async def test_case_055_the_order_of_maps_does_not_count(self, runs: MobRunStore) -> None:
        run = await created(runs, flow_state=rebuilt(RUN, target_retry_counts={"a": 1, "b": 2}))
        assert await FLOW_STATE.call(runs, run.run_id, expected=backwards(run.flow_state)) is True

    async def test_what_was_read_can_be_compared_and_changed_on(self, runs: MobRunStore) -> None:
        run = await created(runs, flow_state=flow_state([f"s{number:03}" for number in range(100)]))
        for number in range(1, 6):
            known = (await read(runs, run)).flow_state
            following = known.model_copy(update={"failure_count": number, "phase": FlowPhase.FAILED})
            assert await runs.cas_flow_state(run.run_id, expected=known, next=following)
            assert (await read(runs, run)).flow_state == rebuilt(run.flow_state, failure_count=number, phase="Failed")


class TestRunSnapshots(RunGuarantee):
    """Status and flow state change together, and only if both are what was expected and the run is not over."""

    async def test_a_snapshot_that_ends_nothing_has_no_time_of_completion(self, runs: MobRunStore, run: MobRun) -> None:
        assert await SNAPSHOT.call(runs, run.run_id) is True
        assert await read(runs, run) == SNAPSHOT.left(run)

    @every_terminal_status
    async def test_case_049_a_terminal_status_is_final(self, runs: MobRunStore, status: MobRunStatus) -> None:
        run = await created(runs, status=status)
        for following in MobRunStatus:
            assert await SNAPSHOT.call(runs, run.run_id, expected_status=status, next_status=following) is False
        assert await read(runs, run) == run

    @both_forms
    async def test_case_050_a_missing_run_is_a_lost_compare(self, runs: MobRunStore, inputs: Inputs) -> None:
        missing = str(uuid4())
        assert await SNAPSHOT.call(runs, missing, authority_inputs=inputs) is False
        assert await runs.get_run(missing) is None

    @every_terminal_status
    async def test_case_051_a_time_of_completion_is_kept(self, runs: MobRunStore, status: MobRunStatus) -> None:
        run = await created(runs, completed_at=NOON)
        assert await SNAPSHOT.call(runs, run.run_id, next_status=status) is True
        assert await read(runs, run) == SNAPSHOT.left(run).model_copy(update={"status": status})

    @both_forms
    async def test_case_052_every_single_field_is_compared(
        self, runs: MobRunStore, run: MobRun, inputs: Inputs
    ) -> None:
        for field, other in with_one_other_field(RUN):
            lost = await SNAPSHOT.call(runs, run.run_id, expected_flow_state=other, authority_inputs=inputs)
            assert lost is False, field
        assert await read(runs, run) == run

    @pytest.mark.parametrize("part", SNAPSHOT.compared)
    @both_forms
    async def test_case_056_a_snapshot_needs_both(
        self, runs: MobRunStore, run: MobRun, part: str, inputs: Inputs
    ) -> None:
        lost = {part: stale(SNAPSHOT.arguments[part])}
        assert await SNAPSHOT.call(runs, run.run_id, **lost, authority_inputs=inputs) is False
        assert await read(runs, run) == run

    @every_terminal_status
    @both_forms
    async def test_case_057_a_terminal_snapshot_sets_the_time_of_completion(
        self, runs: MobRunStore, run: MobRun, backend: Backend, status: MobRunStatus, inputs: Inputs
    ) -> None:
        before = await backend.now()
        assert await SNAPSHOT.call(runs, run.run_id, next_status=status, authority_inputs=inputs) is True
        stored = await read(runs, run)
        assert stored.completed_at is not None
        assert before <= stored.completed_at <= await backend.now()
        written = {"status": status, "completed_at": stored.completed_at}
        assert stored == SNAPSHOT.left(run, inputs).model_copy(update=written)

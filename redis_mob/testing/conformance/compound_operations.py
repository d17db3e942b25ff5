"""The compound operations compare everything, then write everything (contract: runs-15)."""

from __future__ import annotations

from itertools import pairwise
from typing import Any
from uuid import uuid4

import pytest

from redis_mob.contracts import MobRunStore
from redis_mob.errors import NotFoundError
from redis_mob.models import MobRun, MobRunStatus
from redis_mob.testing.conformance.run_guarantee import (
    Inputs,
    RunGuarantee,
    both_forms,
    created,
    every_terminal_status,
    read,
)
from redis_mob.testing.samples.compound import (
    COMPOUND,
    FRAME,
    LOOP,
    NEXT_FRAME,
    NEXT_LOOP,
    OPERATIONS,
    Operation,
    backwards,
    stale,
    with_one_other_field,
)
from redis_mob.testing.samples.states import frame, iteration_entry, loop, rebuilt

STALE = {
    ("cas_frame_state", "expected"): "case_070",
    ("cas_grant_node_slot", "expected_run_state"): "case_071",
    ("cas_grant_node_slot", "expected_frame"): "case_072",
    ("cas_complete_step_and_record_output", "expected_frame"): "case_077",
    ("cas_start_loop", "expected_run_state"): "start_loop_run_mismatch",
    ("cas_start_loop", "expected_frame"): "start_loop_frame_mismatch",
    ("cas_loop_request_body_frame", "expected_run_state"): "request_body_run_mismatch",
    ("cas_loop_request_body_frame", "expected_loop"): "case_080",
    ("cas_grant_body_frame_start", "expected_run_state"): "grant_body_run_mismatch",
    ("cas_grant_body_frame_start", "expected_loop"): "grant_body_loop_mismatch",
    ("cas_complete_body_frame", "expected_run_state"): "complete_body_run_mismatch",
    ("cas_complete_body_frame", "expected_loop"): "complete_body_loop_mismatch",
    ("cas_complete_body_frame", "expected_frame"): "complete_body_frame_mismatch",
    ("cas_complete_loop", "expected_run_state"): "case_084-run",
    ("cas_complete_loop", "expected_loop"): "case_084-loop",
    ("cas_complete_loop", "expected_frame"): "case_084-frame",
}
"""Every compared part of every operation, with its case."""

every_stale_part = pytest.mark.parametrize(
    ("operation", "part"),
    [
        pytest.param(operation, part, id=STALE[operation.name, part])
        for operation in COMPOUND
        for part in operation.compared
    ],
)


def every_operation(case: str = "") -> Any:
    """Runs a test on each of the eight, as this case if it is one."""
    prefix = case and f"{case}-"
    return pytest.mark.parametrize(
        "operation", [pytest.param(operation, id=f"{prefix}{operation.name}") for operation in COMPOUND]
    )


class TestCompoundOperations(RunGuarantee):
    """The eight compound operations compare every part, then write every part, or nothing, in every status."""

    @every_operation()
    @both_forms
    async def test_a_won_compare_leaves_exactly_what_it_promises(
        self, runs: MobRunStore, run: MobRun, operation: Operation, inputs: Inputs
    ) -> None:
        assert await operation.call(runs, run.run_id, authority_inputs=inputs) is True
        assert await read(runs, run) == operation.left(run, inputs)

    @every_stale_part
    @both_forms
    async def test_a_stale_part_leaves_everything_as_it_was(
        self, runs: MobRunStore, run: MobRun, operation: Operation, part: str, inputs: Inputs
    ) -> None:
        lost = {part: stale(operation.arguments[part])}
        assert await operation.call(runs, run.run_id, **lost, authority_inputs=inputs) is False
        assert await read(runs, run) == run

    @every_stale_part
    async def test_every_single_field_is_compared(
        self, runs: MobRunStore, run: MobRun, operation: Operation, part: str
    ) -> None:
        for field, other in with_one_other_field(operation.arguments[part]):
            assert await operation.call(runs, run.run_id, **{part: other}) is False, field
        assert await read(runs, run) == run

    @every_operation()
    async def test_equal_parts_win_however_they_were_made(
        self, runs: MobRunStore, run: MobRun, operation: Operation
    ) -> None:
        expected = {part: backwards(operation.arguments[part]) for part in operation.compared}
        assert await operation.call(runs, run.run_id, **expected) is True
        assert await read(runs, run) == operation.left(run)

    @every_operation("case_083")
    @both_forms
    async def test_a_part_may_stay_what_it_is(
        self, runs: MobRunStore, run: MobRun, operation: Operation, inputs: Inputs
    ) -> None:
        same = {name.replace("expected", "next"): operation.arguments[name] for name in operation.compared}
        assert await operation.call(runs, run.run_id, **same, authority_inputs=inputs) is True
        stored = await read(runs, run)
        assert (stored.flow_state, stored.frames["root"], stored.loops["loop-1"]) == (run.flow_state, FRAME, LOOP)
        assert stored.flow_authority_inputs == (*run.flow_authority_inputs, *inputs)

    @every_terminal_status
    @every_operation("case_085")
    @both_forms
    async def test_the_status_is_not_looked_at(
        self, runs: MobRunStore, operation: Operation, status: MobRunStatus, inputs: Inputs
    ) -> None:
        run = await created(runs, status=status)
        assert await operation.call(runs, run.run_id, authority_inputs=inputs) is True
        assert await read(runs, run) == operation.left(run, inputs)

    @every_operation("case_064")
    @both_forms
    async def test_a_missing_run_is_named(self, runs: MobRunStore, operation: Operation, inputs: Inputs) -> None:
        missing = str(uuid4())
        with pytest.raises(NotFoundError, match=missing):
            await operation.call(runs, missing, authority_inputs=inputs)
        assert await runs.get_run(missing) is None


class TestPresenceAndAbsence(RunGuarantee):
    """What an operation changes must be there, and what it inserts must not be."""

    @both_forms
    async def test_case_067_a_frame_is_inserted_when_absent(
        self, runs: MobRunStore, run: MobRun, inputs: Inputs
    ) -> None:
        arguments: dict[str, Any] = {"frame_id": "new", "expected": None, "next": frame("new")}
        assert await runs.cas_frame_state(run.run_id, **arguments, authority_inputs=inputs) is True
        stored = await read(runs, run)
        assert stored.frames == {"root": FRAME, "new": frame("new")}
        assert stored.flow_authority_inputs == (*run.flow_authority_inputs, *inputs)

    @both_forms
    async def test_case_068_a_frame_is_not_inserted_when_present(
        self, runs: MobRunStore, run: MobRun, inputs: Inputs
    ) -> None:
        for snapshot in (FRAME, NEXT_FRAME):
            arguments: dict[str, Any] = {"frame_id": "root", "expected": None, "next": snapshot}
            assert await runs.cas_frame_state(run.run_id, **arguments, authority_inputs=inputs) is False
        assert await read(runs, run) == run

    @pytest.mark.parametrize(
        ("operation", "absent"),
        [
            pytest.param(operation, absent, id=f"case_069-{operation.name}-{absent}")
            for operation in COMPOUND
            for absent, part in (("frames", ("expected", "expected_frame")), ("loops", ("expected_loop",)))
            if set(part) & set(operation.compared)
        ],
    )
    @both_forms
    async def test_what_is_expected_must_be_there(
        self, runs: MobRunStore, operation: Operation, absent: str, inputs: Inputs
    ) -> None:
        run = await created(runs, **{absent: {}})
        assert await operation.call(runs, run.run_id, authority_inputs=inputs) is False
        assert await read(runs, run) == run

    @pytest.mark.parametrize(
        ("name", "present"),
        [
            pytest.param("cas_start_loop", {"loops": {"loop-1": LOOP, "loop-2": loop("loop-2")}}, id="case_078"),
            pytest.param(
                "cas_grant_body_frame_start", {"frames": {"root": FRAME, "body": frame("body")}}, id="case_081"
            ),
        ],
    )
    @both_forms
    async def test_what_must_be_absent_is_not_overwritten(
        self, runs: MobRunStore, name: str, present: dict[str, Any], inputs: Inputs
    ) -> None:
        run = await created(runs, **present)
        assert await OPERATIONS[name].call(runs, run.run_id, authority_inputs=inputs) is False
        assert await read(runs, run) == run

    @both_forms
    async def test_case_079_a_loop_is_started_with_all_its_parts(self, runs: MobRunStore, inputs: Inputs) -> None:
        operation = OPERATIONS["cas_start_loop"]
        run = await created(runs, loops={})
        assert await operation.call(runs, run.run_id, authority_inputs=inputs) is True
        left = operation.left(run, inputs).model_copy(update={"loops": {"loop-2": loop("loop-2")}})
        assert await read(runs, run) == left

    @both_forms
    async def test_case_082_an_iteration_is_recorded_once(self, runs: MobRunStore, inputs: Inputs) -> None:
        operation = OPERATIONS["cas_grant_body_frame_start"]
        run = await created(runs, loop_iteration_ledger=[iteration_entry(), iteration_entry(iteration=1)])
        assert await operation.call(runs, run.run_id, authority_inputs=inputs) is True
        left = operation.left(run, inputs).model_copy(update={"loop_iteration_ledger": run.loop_iteration_ledger})
        assert await read(runs, run) == left


class TestFrames(RunGuarantee):
    """A frame is compared and stored by its present value, apart from all others."""

    async def test_a_change_back_and_forth_does_not_hinder(self, runs: MobRunStore, run: MobRun) -> None:
        for before, after in pairwise([FRAME, NEXT_FRAME, FRAME, NEXT_FRAME]):
            assert await runs.cas_frame_state(run.run_id, frame_id="root", expected=before, next=after) is True

    async def test_the_order_of_lists_counts(self, runs: MobRunStore) -> None:
        state = rebuilt(FRAME.kernel_state, ready_queue=("n1", "n2"), branch_winners=("a", "b"))
        stored, turned, equal = (
            FRAME.model_copy(update={"kernel_state": rebuilt(state, **changes)})
            for changes in ({}, {"ready_queue": ("n2", "n1")}, {"branch_winners": ("b", "a", "b")})
        )
        run = await created(runs, frames={"root": stored})
        for expected, won in ((turned, False), (equal, True)):
            assert await runs.cas_frame_state(run.run_id, frame_id="root", expected=expected, next=FRAME) is won

    async def test_a_frame_may_grow_and_shrink(self, runs: MobRunStore, run: MobRun) -> None:
        big = frame(nodes=[f"n{number:03}" for number in range(100)])
        for before, after in pairwise([FRAME, big, frame(nodes=()), big, NEXT_FRAME]):
            assert await runs.cas_frame_state(run.run_id, frame_id="root", expected=before, next=after)
            assert (await read(runs, run)).frames == {"root": after}

    async def test_operations_on_one_frame_leave_others_alone(self, runs: MobRunStore) -> None:
        frames = {name: frame(name) for name in ("root", "roo", "root:", "", "é")}
        run = await created(runs, frames=frames, loops={"": loop(""), "loop-1": NEXT_LOOP})
        assert await runs.cas_frame_state(run.run_id, frame_id="root", expected=frame("root"), next=NEXT_FRAME)
        assert await read(runs, run) == run.model_copy(update={"frames": frames | {"root": NEXT_FRAME}})

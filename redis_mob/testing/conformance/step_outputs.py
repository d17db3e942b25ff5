"""Completing a step records its output (contract: runs-19, runs-25)."""

from __future__ import annotations

from typing import Any

import pytest

from redis_mob.contracts import MobRunStore
from redis_mob.errors import InternalError
from redis_mob.models import MobRun
from redis_mob.models.base import U64_MAX
from redis_mob.models.ledger import MAX_LOOP_ITERATION
from redis_mob.testing.comparing import exact
from redis_mob.testing.conformance.run_guarantee import Inputs, RunGuarantee, both_forms, created, read
from redis_mob.testing.samples.compound import NEXT_FRAME, NEXT_RUN, OPERATIONS, RUN
from redis_mob.testing.samples.json_values import ANY_JSON, DEEPEST, NO_JSON

COMPLETE_STEP = OPERATIONS["cas_complete_step_and_record_output"]

AGAIN: dict[str, Any] = {"expected_frame": NEXT_FRAME, "next_frame": NEXT_FRAME}
"""Wins once more after it was won."""


class TestStepOutputs(RunGuarantee):
    """An output is recorded with the completion of its step: exactly, in its iteration, in the place it first had."""

    @both_forms
    async def test_case_073_a_root_output_is_recorded(self, runs: MobRunStore, run: MobRun, inputs: Inputs) -> None:
        assert await COMPLETE_STEP.call(runs, run.run_id, step_output=ANY_JSON, authority_inputs=inputs) is True
        left = COMPLETE_STEP.left(run, inputs).model_copy(update={"root_step_outputs": {"build": ANY_JSON}})
        assert exact(await read(runs, run)) == exact(left)

    @both_forms
    async def test_case_074_another_flow_state_does_not_matter(
        self, runs: MobRunStore, run: MobRun, inputs: Inputs
    ) -> None:
        assert await runs.cas_flow_state(run.run_id, expected=RUN, next=NEXT_RUN)
        assert await COMPLETE_STEP.call(runs, run.run_id, authority_inputs=inputs) is True
        left = COMPLETE_STEP.left(run, inputs).model_copy(update={"flow_state": NEXT_RUN})
        assert await read(runs, run) == left

    @both_forms
    async def test_case_075_skipped_iterations_read_as_empty(
        self, runs: MobRunStore, run: MobRun, inputs: Inputs
    ) -> None:
        assert await COMPLETE_STEP.call(runs, run.run_id, loop_context=("refine", 2), authority_inputs=inputs)
        stored = await read(runs, run)
        assert stored.loop_iteration_outputs == {"refine": ({}, {}, {"build": {"ok": True}})}
        assert stored.root_step_outputs == {}
        assert await COMPLETE_STEP.call(runs, run.run_id, **AGAIN, loop_context=("refine", 0), step_output=1)
        stored = await read(runs, run)
        assert stored.loop_iteration_outputs == {"refine": ({"build": 1}, {}, {"build": {"ok": True}})}

    @both_forms
    async def test_case_076_two_steps_of_one_iteration(self, runs: MobRunStore, run: MobRun, inputs: Inputs) -> None:
        assert await COMPLETE_STEP.call(runs, run.run_id, loop_context=("refine", 0), authority_inputs=inputs)
        more = {"step_output_key": "assess", "step_output": None, "loop_context": ("refine", 0)}
        assert await COMPLETE_STEP.call(runs, run.run_id, **AGAIN, **more, authority_inputs=inputs)
        stored = await read(runs, run)
        assert stored.loop_iteration_outputs == {"refine": ({"build": {"ok": True}, "assess": None},)}

    async def test_loops_iterations_and_the_root_do_not_mix(self, runs: MobRunStore, run: MobRun) -> None:
        assert await COMPLETE_STEP.call(runs, run.run_id, step_output="root")
        for loop_id in ("refine", "ref", "", "é"):
            for iteration in (1, 0):
                assert await COMPLETE_STEP.call(
                    runs, run.run_id, **AGAIN, step_output=[loop_id, iteration], loop_context=(loop_id, iteration)
                )
        stored = await read(runs, run)
        assert stored.root_step_outputs == {"build": "root"}
        assert stored.loop_iteration_outputs == {
            loop_id: ({"build": [loop_id, 0]}, {"build": [loop_id, 1]}) for loop_id in ("refine", "ref", "", "é")
        }

    async def test_an_output_that_is_recorded_again_keeps_its_place(self, runs: MobRunStore) -> None:
        run = await created(
            runs, root_step_outputs={"z": 0, "a": 0}, loop_iteration_outputs={"refine": ({"y": 0, "b": 0},)}
        )
        assert await COMPLETE_STEP.call(runs, run.run_id, step_output_key="m", step_output=1)
        for key in ("z", "c", "z", "a"):
            assert await COMPLETE_STEP.call(runs, run.run_id, **AGAIN, step_output_key=key, step_output=2)
            assert await COMPLETE_STEP.call(
                runs, run.run_id, **AGAIN, step_output_key=key, step_output=2, loop_context=("refine", 0)
            )
        stored = await read(runs, run)
        assert list(stored.root_step_outputs.items()) == [("z", 2), ("a", 2), ("m", 1), ("c", 2)]
        [iteration] = stored.loop_iteration_outputs["refine"]
        assert list(iteration.items()) == [("y", 0), ("b", 0), ("z", 2), ("c", 2), ("a", 2)]

    @pytest.mark.parametrize("output", NO_JSON.values(), ids=NO_JSON)
    async def test_an_output_that_is_no_json_is_refused_before_any_write(
        self, runs: MobRunStore, run: MobRun, output: Any
    ) -> None:
        with pytest.raises(InternalError):
            await COMPLETE_STEP.call(runs, run.run_id, step_output=output)
        assert await read(runs, run) == run

    async def test_the_deepest_output_comes_back(self, runs: MobRunStore, run: MobRun) -> None:
        assert await COMPLETE_STEP.call(runs, run.run_id, step_output=DEEPEST)
        assert (await read(runs, run)).root_step_outputs == {"build": DEEPEST}


class TestBoundOfIterations(RunGuarantee):
    """An output is recorded for an iteration from 0 to 1,000,000, and refused for any other before any write."""

    @pytest.mark.parametrize("iteration", [MAX_LOOP_ITERATION + 1, U64_MAX, -1, 1.0, True, "1", None])
    async def test_an_iteration_out_of_bounds_is_refused(self, runs: MobRunStore, run: MobRun, iteration: Any) -> None:
        with pytest.raises(InternalError):
            await COMPLETE_STEP.call(runs, run.run_id, loop_context=("refine", iteration))
        assert await read(runs, run) == run

    async def test_the_greatest_iteration_is_recorded(self, runs: MobRunStore, run: MobRun) -> None:
        assert await COMPLETE_STEP.call(runs, run.run_id, loop_context=("refine", MAX_LOOP_ITERATION))
        *earlier, greatest = (await read(runs, run)).loop_iteration_outputs["refine"]
        assert len(earlier) == MAX_LOOP_ITERATION
        assert not any(earlier)
        assert greatest == {"build": {"ok": True}}

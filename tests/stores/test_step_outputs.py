"""Completing a step records its output (cases 73-77, decision 15)."""

from __future__ import annotations

import math
from typing import Any

import pytest

from redis_mob.errors import InternalError
from redis_mob.models import FlowAuthorityInput
from redis_mob.models.base import MAX_VALUE_DEPTH
from redis_mob.models.run import MAX_LOOP_ITERATION
from redis_mob.stores.runs import RedisRunStore
from redis_mob.testing.samples.compound import COMPOUND, INPUTS, NEXT_FRAME, NEXT_RUN, RUN, scene

Inputs = tuple[FlowAuthorityInput, ...]

[COMPLETE_STEP] = (operation for operation in COMPOUND if operation.name == "cas_complete_step_and_record_output")

AGAIN: dict[str, Any] = {"expected_frame": NEXT_FRAME, "next_frame": NEXT_FRAME}
"""Wins once more after it was won."""

both_forms = pytest.mark.parametrize("inputs", [(), INPUTS], ids=["plain", "with_authority"])


@both_forms
async def test_case_073_a_root_output_is_recorded(runs: RedisRunStore, inputs: Inputs) -> None:
    run = scene()
    await runs.create_run(run)
    assert await COMPLETE_STEP.call(runs, run.run_id, step_output=[1, 1.0, None], authority_inputs=inputs)
    stored = await runs.get_run(run.run_id)
    assert stored == COMPLETE_STEP.left(run, inputs).model_copy(update={"root_step_outputs": {"build": [1, 1.0, None]}})
    assert stored.model_dump()["root_step_outputs"]["build"] == [1, 1.0, None]
    assert type(stored.root_step_outputs["build"][0]) is int


@both_forms
async def test_case_074_another_flow_state_does_not_matter(runs: RedisRunStore, inputs: Inputs) -> None:
    run = scene()
    await runs.create_run(run)
    assert await runs.cas_flow_state(run.run_id, expected=RUN, next=NEXT_RUN)
    assert await COMPLETE_STEP.call(runs, run.run_id, authority_inputs=inputs) is True


@both_forms
async def test_case_075_skipped_iterations_read_as_empty(runs: RedisRunStore, inputs: Inputs) -> None:
    run = scene()
    await runs.create_run(run)
    assert await COMPLETE_STEP.call(runs, run.run_id, loop_context=("refine", 2), authority_inputs=inputs)
    stored = await runs.get_run(run.run_id)
    assert stored is not None
    assert stored.loop_iteration_outputs == {"refine": ({}, {}, {"build": {"ok": True}})}
    assert stored.root_step_outputs == {}
    assert await COMPLETE_STEP.call(runs, run.run_id, **AGAIN, loop_context=("refine", 0), step_output=1)
    stored = await runs.get_run(run.run_id)
    assert stored is not None
    assert stored.loop_iteration_outputs == {"refine": ({"build": 1}, {}, {"build": {"ok": True}})}


@both_forms
async def test_case_076_two_steps_of_one_iteration(runs: RedisRunStore, inputs: Inputs) -> None:
    run = scene()
    await runs.create_run(run)
    assert await COMPLETE_STEP.call(runs, run.run_id, loop_context=("refine", 0), authority_inputs=inputs)
    more = {"step_output_key": "assess", "step_output": None, "loop_context": ("refine", 0)}
    assert await COMPLETE_STEP.call(runs, run.run_id, **AGAIN, **more, authority_inputs=inputs)
    stored = await runs.get_run(run.run_id)
    assert stored is not None
    assert stored.loop_iteration_outputs == {"refine": ({"build": {"ok": True}, "assess": None},)}


async def test_an_output_that_is_recorded_again_keeps_its_place(runs: RedisRunStore) -> None:
    run = scene(root_step_outputs={"z": 0, "a": 0}, loop_iteration_outputs={"refine": ({"y": 0, "b": 0},)})
    await runs.create_run(run)
    assert await COMPLETE_STEP.call(runs, run.run_id, step_output_key="m", step_output=1)
    for key in ("z", "c", "z", "a"):
        assert await COMPLETE_STEP.call(runs, run.run_id, **AGAIN, step_output_key=key, step_output=2)
        assert await COMPLETE_STEP.call(
            runs, run.run_id, **AGAIN, step_output_key=key, step_output=2, loop_context=("refine", 0)
        )
    stored = await runs.get_run(run.run_id)
    assert stored is not None
    assert list(stored.root_step_outputs.items()) == [("z", 2), ("a", 2), ("m", 1), ("c", 2)]
    [iteration] = stored.loop_iteration_outputs["refine"]
    assert list(iteration.items()) == [("y", 0), ("b", 0), ("z", 2), ("c", 2), ("a", 2)]


@pytest.mark.parametrize("iteration", [MAX_LOOP_ITERATION + 1, 2**64 - 1, -1])
async def test_an_iteration_out_of_bounds_is_refused_by_decision_15(runs: RedisRunStore, iteration: int) -> None:
    run = scene()
    await runs.create_run(run)
    with pytest.raises(InternalError, match=f"iteration {iteration} of loop 'refine'"):
        await COMPLETE_STEP.call(runs, run.run_id, loop_context=("refine", iteration))
    assert await runs.get_run(run.run_id) == run


async def test_the_greatest_iteration_is_recorded(runs: RedisRunStore) -> None:
    run = scene()
    await runs.create_run(run)
    assert await COMPLETE_STEP.call(runs, run.run_id, loop_context=("refine", MAX_LOOP_ITERATION))
    stored = await runs.get_run(run.run_id)
    assert stored is not None
    assert len(stored.loop_iteration_outputs["refine"]) == MAX_LOOP_ITERATION + 1


def nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth - 1):
        value = [value]
    return value


@pytest.mark.parametrize(
    "output",
    [math.nan, math.inf, ["\ud800"], {"\udfff": 1}, {1: 1}, {"a": {1, 2}}, b"bytes", nested(MAX_VALUE_DEPTH + 2)],
    ids=["nan", "infinity", "surrogate", "surrogate_key", "number_as_key", "set", "bytes", "too_deep"],
)
async def test_an_output_that_is_no_json_is_refused_before_any_write(runs: RedisRunStore, output: Any) -> None:
    run = scene()
    await runs.create_run(run)
    with pytest.raises(InternalError, match="output of step 'build'"):
        await COMPLETE_STEP.call(runs, run.run_id, step_output=output)
    assert await runs.get_run(run.run_id) == run


async def test_the_deepest_output_comes_back(runs: RedisRunStore) -> None:
    run = scene()
    await runs.create_run(run)
    assert await COMPLETE_STEP.call(runs, run.run_id, step_output=nested(MAX_VALUE_DEPTH))
    stored = await runs.get_run(run.run_id)
    assert stored is not None
    assert stored.root_step_outputs == {"build": nested(MAX_VALUE_DEPTH)}

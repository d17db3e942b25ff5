"""The compound operations compare everything, then write everything (cases 67-90)."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any
from uuid import uuid4

import pytest

from redis_mob.errors import InternalError, NotFoundError
from redis_mob.models import FlowAuthorityInput, FrameSnapshot, MobRunStatus
from redis_mob.storage import MobStorage
from redis_mob.stores.runs import RedisRunStore
from redis_mob.testing.samples.compound import (
    COMPOUND,
    FRAME,
    INPUTS,
    LOOP,
    NEXT_FRAME,
    NEXT_LOOP,
    NEXT_RUN,
    RUN,
    SIMPLE,
    Operation,
    scene,
    stale,
    with_one_other_field,
)
from redis_mob.testing.samples.states import authority_input, frame, iteration_entry, loop
from tests.stores.conftest import Opener
from tests.stores.processes import run_together

BY_NAME = {operation.name: operation for operation in COMPOUND}

Inputs = tuple[FlowAuthorityInput, ...]

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

every_operation = pytest.mark.parametrize("operation", COMPOUND, ids=lambda operation: operation.name)
every_stale_part = pytest.mark.parametrize(
    ("operation", "part"), [pytest.param(BY_NAME[name], part, id=case) for (name, part), case in STALE.items()]
)
both_forms = pytest.mark.parametrize("inputs", [(), INPUTS], ids=["plain", "with_authority"])


@every_operation
@both_forms
async def test_a_won_compare_leaves_exactly_what_it_promises(
    runs: RedisRunStore, operation: Operation, inputs: Inputs
) -> None:
    run = scene()
    await runs.create_run(run)
    assert await operation.call(runs, run.run_id, authority_inputs=inputs) is True
    assert await runs.get_run(run.run_id) == operation.left(run, inputs)


def test_every_compared_part_has_a_case() -> None:
    assert set(STALE) == {(operation.name, part) for operation in COMPOUND for part in operation.compared}


@every_stale_part
@both_forms
async def test_a_stale_part_leaves_everything_as_it_was(
    runs: RedisRunStore, operation: Operation, part: str, inputs: Inputs
) -> None:
    run = scene()
    await runs.create_run(run)
    changes = {part: stale(operation.arguments[part]), "authority_inputs": inputs}
    assert await operation.call(runs, run.run_id, **changes) is False
    assert await runs.get_run(run.run_id) == run


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("cas_grant_node_slot", "expected_run_state"),
        ("cas_frame_state", "expected"),
        ("cas_loop_request_body_frame", "expected_loop"),
    ],
)
async def test_every_single_field_is_compared(runs: RedisRunStore, name: str, part: str) -> None:
    run, operation = scene(), BY_NAME[name]
    await runs.create_run(run)
    for field, other in with_one_other_field(operation.arguments[part]):
        assert await operation.call(runs, run.run_id, **{part: other}) is False, field
    assert await runs.get_run(run.run_id) == run


@both_forms
async def test_case_067_a_frame_is_inserted_when_absent(runs: RedisRunStore, inputs: Inputs) -> None:
    run = scene()
    await runs.create_run(run)
    arguments: dict[str, Any] = {"frame_id": "new", "expected": None, "next": frame("new")}
    assert await runs.cas_frame_state(run.run_id, **arguments, authority_inputs=inputs) is True
    stored = await runs.get_run(run.run_id)
    assert stored is not None
    assert stored.frames == {"root": FRAME, "new": frame("new")}
    assert stored.flow_authority_inputs == (*run.flow_authority_inputs, *inputs)


@both_forms
async def test_case_068_a_frame_is_not_inserted_when_present(runs: RedisRunStore, inputs: Inputs) -> None:
    run = scene()
    await runs.create_run(run)
    for snapshot in (FRAME, NEXT_FRAME):
        arguments: dict[str, Any] = {"frame_id": "root", "expected": None, "next": snapshot}
        assert await runs.cas_frame_state(run.run_id, **arguments, authority_inputs=inputs) is False
    assert await runs.get_run(run.run_id) == run


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
    runs: RedisRunStore, operation: Operation, absent: str, inputs: Inputs
) -> None:
    run = scene(**{absent: {}})
    await runs.create_run(run)
    assert await operation.call(runs, run.run_id, authority_inputs=inputs) is False
    assert await runs.get_run(run.run_id) == run


@pytest.mark.parametrize(
    ("operation", "present"),
    [
        pytest.param(BY_NAME["cas_start_loop"], {"loops": {"loop-1": LOOP, "loop-2": loop("loop-2")}}, id="case_078"),
        pytest.param(
            BY_NAME["cas_grant_body_frame_start"], {"frames": {"root": FRAME, "body": frame("body")}}, id="case_081"
        ),
    ],
)
@both_forms
async def test_what_must_be_absent_is_not_overwritten(
    runs: RedisRunStore, operation: Operation, present: dict[str, Any], inputs: Inputs
) -> None:
    run = scene(**present)
    await runs.create_run(run)
    assert await operation.call(runs, run.run_id, authority_inputs=inputs) is False
    assert await runs.get_run(run.run_id) == run


@both_forms
async def test_case_079_a_loop_is_started_with_all_its_parts(runs: RedisRunStore, inputs: Inputs) -> None:
    run = scene(loops={})
    await runs.create_run(run)
    assert await BY_NAME["cas_start_loop"].call(runs, run.run_id, authority_inputs=inputs) is True
    stored = await runs.get_run(run.run_id)
    assert stored is not None
    assert (stored.flow_state, stored.frames, stored.loops) == (
        NEXT_RUN,
        {"root": NEXT_FRAME},
        {"loop-2": loop("loop-2")},
    )


@both_forms
async def test_case_082_an_iteration_is_recorded_once(runs: RedisRunStore, inputs: Inputs) -> None:
    run = scene(loop_iteration_ledger=[iteration_entry(), iteration_entry(iteration=1)])
    await runs.create_run(run)
    assert await BY_NAME["cas_grant_body_frame_start"].call(runs, run.run_id, authority_inputs=inputs) is True
    stored = await runs.get_run(run.run_id)
    assert stored is not None
    assert stored.loop_iteration_ledger == run.loop_iteration_ledger


@pytest.mark.parametrize(
    "operation",
    [pytest.param(operation, id=f"case_083-{operation.name}") for operation in COMPOUND],
)
@both_forms
async def test_a_part_may_stay_what_it_is(runs: RedisRunStore, operation: Operation, inputs: Inputs) -> None:
    run = scene()
    await runs.create_run(run)
    same = {name.replace("expected", "next"): operation.arguments[name] for name in operation.compared}
    assert await operation.call(runs, run.run_id, **same, authority_inputs=inputs) is True
    stored = await runs.get_run(run.run_id)
    assert stored is not None
    assert (stored.flow_state, stored.frames["root"], stored.loops["loop-1"]) == (RUN, FRAME, LOOP)


@pytest.mark.parametrize("status", [MobRunStatus.COMPLETED, MobRunStatus.FAILED, MobRunStatus.CANCELED])
@pytest.mark.parametrize(
    "operation", [pytest.param(operation, id=f"case_085-{operation.name}") for operation in COMPOUND]
)
@both_forms
async def test_the_status_is_not_looked_at(
    runs: RedisRunStore, operation: Operation, status: MobRunStatus, inputs: Inputs
) -> None:
    run = scene(status=status)
    await runs.create_run(run)
    assert await operation.call(runs, run.run_id, authority_inputs=inputs) is True
    assert await runs.get_run(run.run_id) == operation.left(run, inputs)


@pytest.mark.parametrize(
    "operation", [pytest.param(operation, id=f"case_086-{operation.name}") for operation in (*COMPOUND, *SIMPLE)]
)
@both_forms
async def test_one_of_several_storages_wins(open_storage: Opener, operation: Operation, inputs: Inputs) -> None:
    run = scene()
    stores = [(await open_storage()).runs for _ in range(4)]
    await stores[0].create_run(run)
    calls = [operation.call(store, run.run_id, authority_inputs=inputs) for store in stores for _ in range(2)]
    assert sorted(await asyncio.gather(*calls)) == [False] * 7 + [True]
    assert await stores[0].get_run(run.run_id) == operation.left(run, inputs)


@pytest.mark.usefixtures("server_url")
async def test_case_086_one_of_several_processes_wins(storage: MobStorage) -> None:
    made = [scene(run_id=str(uuid4())) for _ in range(40)]
    for run in made:
        await storage.runs.create_run(run)
    ids = [run.run_id for run in made]
    results = await run_together("grant", storage, ids, ids, ids)
    assert [sorted(won) for won in zip(*results, strict=True)] == [[False, False, True]] * len(ids)
    for run in await storage.runs.list_runs("mob"):
        assert run.flow_state.active_node_count == 1


@pytest.mark.parametrize(
    "operation", [pytest.param(operation, id=f"case_087-{operation.name}") for operation in (*COMPOUND, *SIMPLE)]
)
async def test_inputs_are_appended_in_order(runs: RedisRunStore, operation: Operation) -> None:
    run = scene(flow_authority_inputs=[authority_input(1), authority_input(0)])
    await runs.create_run(run)
    assert await operation.call(runs, run.run_id, authority_inputs=list(INPUTS)) is True
    stored = await runs.get_run(run.run_id)
    assert stored is not None
    assert stored.flow_authority_inputs == (authority_input(1), authority_input(0), *INPUTS)


@pytest.mark.parametrize(
    ("operation", "part"),
    [
        pytest.param(operation, part, id=f"case_088-{operation.name}-{part}")
        for operation in (*COMPOUND, *SIMPLE)
        for part in operation.compared
    ],
)
async def test_a_lost_compare_appends_no_input(runs: RedisRunStore, operation: Operation, part: str) -> None:
    run = scene()
    await runs.create_run(run)
    lost = {part: stale(operation.arguments[part])}
    assert await operation.call(runs, run.run_id, **lost, authority_inputs=INPUTS) is False
    stored = await runs.get_run(run.run_id)
    assert stored is not None
    assert stored.flow_authority_inputs == run.flow_authority_inputs


@pytest.mark.parametrize(
    "operation", [pytest.param(operation, id=f"case_089-{operation.name}") for operation in (*COMPOUND, *SIMPLE)]
)
async def test_an_input_that_no_log_may_hold_leaves_everything_as_it_was(
    runs: RedisRunStore, operation: Operation
) -> None:
    """By decision 9."""
    run = scene()
    await runs.create_run(run)
    for wrong in ({"input": "Stop"}, FRAME, None):
        with pytest.raises(InternalError, match=f"{type(wrong).__name__} is no input"):
            await operation.call(runs, run.run_id, authority_inputs=[*INPUTS, wrong])
    assert await runs.get_run(run.run_id) == run


@pytest.mark.parametrize(
    "operation", [pytest.param(operation, id=f"case_090-{operation.name}") for operation in (*COMPOUND, *SIMPLE)]
)
async def test_no_inputs_are_as_good_as_none_given(runs: RedisRunStore, operation: Operation) -> None:
    run = scene()
    await runs.create_run(run)
    assert await operation.call(runs, run.run_id, authority_inputs=[]) is True
    assert await runs.get_run(run.run_id) == operation.left(run)


async def test_thousands_of_inputs_are_appended(runs: RedisRunStore) -> None:
    run = scene()
    await runs.create_run(run)
    inputs = tuple(map(authority_input, range(9000)))
    assert await BY_NAME["cas_frame_state"].call(runs, run.run_id, authority_inputs=inputs) is True
    assert await runs.get_run(run.run_id) == BY_NAME["cas_frame_state"].left(run, inputs)


@pytest.mark.parametrize(
    "operation", [pytest.param(operation, id=f"case_064-{operation.name}") for operation in COMPOUND]
)
@both_forms
async def test_a_missing_run_is_named(runs: RedisRunStore, operation: Operation, inputs: Inputs) -> None:
    missing = str(uuid4())
    with pytest.raises(NotFoundError, match=missing):
        await operation.call(runs, missing, authority_inputs=inputs)
    assert await runs.get_run(missing) is None


async def test_a_change_back_and_forth_does_not_hinder(runs: RedisRunStore) -> None:
    run = scene()
    await runs.create_run(run)
    there: dict[str, Any] = {"expected": FRAME, "next": NEXT_FRAME}
    back: dict[str, Any] = {"expected": NEXT_FRAME, "next": FRAME}
    for change in (there, back, there):
        assert await runs.cas_frame_state(run.run_id, frame_id="root", **change)


async def test_a_frame_may_grow_and_shrink(runs: RedisRunStore) -> None:
    """The groups of the stored frame are those of its present value, not a mixture."""
    run = scene()
    await runs.create_run(run)
    big: FrameSnapshot = frame(nodes=[f"n{number:03}" for number in range(100)])
    sizes = [FRAME, big, frame(nodes=()), big, NEXT_FRAME]
    for before, after in pairwise(sizes):
        assert await runs.cas_frame_state(run.run_id, frame_id="root", expected=before, next=after)
        stored = await runs.get_run(run.run_id)
        assert stored is not None
        assert stored.frames == {"root": after}


async def test_operations_on_one_frame_leave_others_alone(runs: RedisRunStore) -> None:
    frames = {name: frame(name) for name in ("root", "roo", "root:", "", "é")}
    run = scene(frames=frames, loops={"": loop(""), "loop-1": NEXT_LOOP})
    await runs.create_run(run)
    assert await runs.cas_frame_state(run.run_id, frame_id="root", expected=frame("root"), next=NEXT_FRAME)
    stored = await runs.get_run(run.run_id)
    assert stored is not None
    assert (stored.frames, stored.loops) == (frames | {"root": NEXT_FRAME}, run.loops)

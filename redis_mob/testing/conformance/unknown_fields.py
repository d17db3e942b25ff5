"""Fields of runs that no class of ours has (contract: runs-30, runs-31)."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest

from redis_mob.contracts import MobRunStore
from redis_mob.errors import CasConflictError
from redis_mob.models import FrameSnapshot, LoopSnapshot, MobRun
from redis_mob.models.base import json_equal
from redis_mob.models.flow import FlowRunState
from redis_mob.testing.conformance.run_guarantee import RunGuarantee, created, read
from redis_mob.testing.samples.compound import INPUTS, LOOP, NEXT_LOOP, OPERATIONS, Operation, scene
from redis_mob.testing.samples.full_run import full_run
from redis_mob.testing.samples.states import failure_entry, iteration_entry, step_entry
from redis_mob.testing.samples.unknown_fields import LATER, with_unknown

_STATES = FlowRunState | FrameSnapshot | LoopSnapshot

each_operation = pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)


def document(run: MobRun) -> Any:
    """What is written of a run."""
    return json.loads(run.model_dump_json())


def assert_same(one: MobRun, other: MobRun) -> None:
    """Both are equal, to the last digit of what is in unknown fields."""
    assert one == other
    assert json_equal(document(one), document(other))


def later(operation: Operation, fields: Any = LATER) -> dict[str, Any]:
    """The arguments of an operation, with unknown fields in all states."""
    return {
        name: with_unknown(value, fields) if isinstance(value, _STATES) else value
        for name, value in operation.arguments.items()
    }


class TestUnknownFields(RunGuarantee):
    """Fields that no class of ours has are kept with a run, its states, its rows and its inputs, and are compared."""

    async def test_a_run_is_read_with_all_its_unknown_fields(self, runs: MobRunStore) -> None:
        run = with_unknown(full_run())
        await runs.create_run(run)
        assert_same(await read(runs, run), run)
        [listed] = await runs.list_runs(run.mob_id, run.flow_id)
        assert_same(listed, run)

    async def test_a_run_of_schema_7_is_read_as_it_was_written(self, runs: MobRunStore) -> None:
        plain = document(scene(schema_version=7))
        plain |= {"flow_definition_digest": f"sha256:{'ab' * 32}", "role_targets": {"b": ["m2", "m1"], "a": ["m1"]}}
        plain["flow_authority_inputs"] = [
            {
                "input": "AuthorizeFlowRunReducerCommand",
                "payload": {
                    "run_id": plain["run_id"],
                    "command": "StartRun",
                    "step_id": None,
                    "step_status": None,
                    **dict.fromkeys(("target_count", "frame_id", "node_id", "loop_instance_id", "retry_key")),
                },
            },
            {
                "input": "AuthorizeFlowFrameReducerCommand",
                "payload": {
                    "frame_id": "root",
                    "command": "SealFrame",
                    "node_id": None,
                    "node_status": None,
                    "terminal_status": "Completed",
                },
            },
        ]
        run = MobRun.model_validate_json(json.dumps(plain))
        await runs.create_run(run)
        stored = await read(runs, run)
        assert_same(stored, run)
        plain["role_targets"] = {"a": ["m1"], "b": ["m1", "m2"]}
        assert json_equal(document(stored), plain)

    @each_operation
    async def test_unknown_fields_of_states_are_compared_and_written(
        self, runs: MobRunStore, operation: Operation
    ) -> None:
        run = with_unknown(scene())
        await runs.create_run(run)
        assert await operation.call(runs, run.run_id) is False
        for other in ({**LATER, "later_flag": 0}, {**LATER, "one_more": None}, {"later_flag": False}):
            assert await operation.call(runs, run.run_id, **later(operation, other)) is False
        assert_same(await read(runs, run), run)
        inputs = tuple(map(with_unknown, INPUTS))
        assert await operation.call(runs, run.run_id, **later(operation), authority_inputs=inputs) is True
        after = await read(runs, run)
        changes = {
            name: with_unknown(scene(**{name: value})).__dict__[name]
            for name, value in operation.leaves.items()
            if name in ("flow_state", "frames", "loops")
        }
        for name, value in changes.items():
            assert json_equal(_plain(getattr(after, name)), _plain(value)), name
        assert json_equal(document(after)["flow_authority_inputs"][1:], [*map(_plain, inputs)])
        assert after.model_extra == run.model_extra

    @each_operation
    async def test_states_may_get_unknown_fields_and_lose_them(self, runs: MobRunStore, operation: Operation) -> None:
        run = await created(runs)
        begun = {
            name: with_unknown(value) if isinstance(value, _STATES) and "next" in name else value
            for name, value in operation.arguments.items()
        }
        assert await operation.call(runs, run.run_id, **begun) is True
        after = await read(runs, run)
        left = operation.left(run)
        assert after != left
        assert document(_without_unknown(after)) == document(left)

    async def test_the_order_of_unknown_fields_does_not_count(self, runs: MobRunStore) -> None:
        run = with_unknown(scene())
        await runs.create_run(run)
        backwards = {name: LATER[name] for name in reversed(LATER)}
        operation = OPERATIONS["cas_complete_loop"]
        assert await operation.call(runs, run.run_id, **later(operation, backwards)) is True

    async def test_a_zero_without_its_sign_is_the_same_unknown_field(self, runs: MobRunStore) -> None:
        run = with_unknown(scene(), {"zero": -0.0})
        await runs.create_run(run)
        operation = OPERATIONS["cas_complete_body_frame"]
        assert await operation.call(runs, run.run_id, **later(operation, {"zero": 0})) is False
        assert await operation.call(runs, run.run_id, **later(operation, {"zero": 0.0})) is True

    @each_operation
    async def test_unknown_fields_are_stored_as_they_were_in_the_call(
        self, runs: MobRunStore, operation: Operation
    ) -> None:
        """What lies in them is no value of ours, and may be changed: that changes nothing that is stored."""
        run = with_unknown(scene())
        await runs.create_run(run)
        arguments = later(operation)
        assert await operation.call(runs, run.run_id, **arguments) is True
        stored = document(await read(runs, run))
        for value in (*arguments.values(), run.flow_state, *run.frames.values(), *run.loops.values()):
            if isinstance(value, _STATES):
                for one in (value, getattr(value, "kernel_state", value)):
                    cast("dict[str, Any]", one.model_extra)["later_field"]["a"]["changed"] = True
        assert json_equal(document(await read(runs, run)), stored)

    async def test_a_loop_that_is_overwritten_has_no_more_than_the_new_one(
        self, runs: MobRunStore, run: MobRun
    ) -> None:
        for loop in (with_unknown(LOOP), NEXT_LOOP):
            await runs.upsert_loop_snapshot(
                run.run_id, loop_instance_id="loop-1", snapshot=loop, ledger_entry=iteration_entry()
            )
        assert_same(
            await read(runs, run),
            run.model_copy(
                update={"loops": run.loops.set(("loop-1", NEXT_LOOP)), "loop_iteration_ledger": (iteration_entry(),)}
            ),
        )

    async def test_rows_keep_their_unknown_fields(self, runs: MobRunStore, run: MobRun) -> None:
        step, failure = with_unknown(step_entry(output={"x": 1})), with_unknown(failure_entry())
        iteration = with_unknown(iteration_entry())
        await runs.append_step_entry(run.run_id, entry=step)
        assert await runs.append_step_entry_if_absent(run.run_id, entry=step_entry()) is False
        await runs.append_failure_entry(run.run_id, entry=failure)
        loop = with_unknown(LOOP)
        for _ in range(2):
            await runs.upsert_loop_snapshot(
                run.run_id, loop_instance_id="loop-1", snapshot=loop, ledger_entry=iteration
            )
        await runs.upsert_loop_snapshot(
            run.run_id, loop_instance_id="loop-2", snapshot=NEXT_LOOP, ledger_entry=iteration_entry()
        )
        await runs.put_step_output(run.run_id, step_id=step.step_id, output={"y": 2})
        rows = {
            "step_ledger": (step.model_copy(update={"output": {"y": 2}}),),
            "failure_ledger": (failure,),
            "loop_iteration_ledger": (iteration,),
            "loops": run.loops.set(("loop-1", loop), ("loop-2", NEXT_LOOP)),
        }
        assert_same(await read(runs, run), run.model_copy(update=rows))

    async def test_failures_that_differ_in_an_unknown_field_say_something_else(
        self, runs: MobRunStore, run: MobRun
    ) -> None:
        entry = with_unknown(failure_entry())
        assert await runs.append_failure_entry_if_absent(run.run_id, entry=entry) is True
        assert await runs.append_failure_entry_if_absent(run.run_id, entry=entry) is False
        with pytest.raises(CasConflictError):
            await runs.append_failure_entry_if_absent(run.run_id, entry=failure_entry())


def _plain(value: Any) -> Any:
    """What is written of a model, or of each in a mapping."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in cast("dict[str, Any]", value).items()}
    return json.loads(value.model_dump_json())


def _without_unknown(run: MobRun) -> MobRun:
    """The same run without the fields that `with_unknown` has added."""

    def bare(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: bare(item) for name, item in cast("dict[str, Any]", value).items() if name not in LATER}
        return [bare(item) for item in cast("list[Any]", value)] if isinstance(value, list) else value

    return MobRun.model_validate_json(json.dumps(bare(document(run))))

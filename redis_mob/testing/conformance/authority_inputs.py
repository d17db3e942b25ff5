"""The log of authority inputs, to which ten operations append (contract: runs-28, runs-29)."""

from __future__ import annotations

from typing import Any

import pytest

from redis_mob.contracts import MobRunStore
from redis_mob.errors import InternalError
from redis_mob.models import MobRun
from redis_mob.testing.conformance.run_guarantee import RunGuarantee, created, read
from redis_mob.testing.samples.compound import FRAME, INPUTS, OPERATIONS, Operation, stale
from redis_mob.testing.samples.full_run import EVERY_INPUT
from redis_mob.testing.samples.states import authority_input


def every_operation(case: str) -> Any:
    """Runs a test on each of the ten, as this case."""
    return pytest.mark.parametrize(
        "operation", [pytest.param(operation, id=f"{case}-{name}") for name, operation in OPERATIONS.items()]
    )


class TestAuthorityInputs(RunGuarantee):
    """Authority inputs are appended in order with the change that they belong to, or not at all."""

    @every_operation("case_087")
    async def test_inputs_are_appended_in_order(self, runs: MobRunStore, operation: Operation) -> None:
        run = await created(runs, flow_authority_inputs=[authority_input(1), authority_input(0)])
        assert await operation.call(runs, run.run_id, authority_inputs=list(INPUTS)) is True
        assert await read(runs, run) == operation.left(run, INPUTS)

    @pytest.mark.parametrize(
        ("operation", "part"),
        [
            pytest.param(operation, part, id=f"case_088-{name}-{part}")
            for name, operation in OPERATIONS.items()
            for part in operation.compared
        ],
    )
    async def test_a_lost_compare_appends_no_input(
        self, runs: MobRunStore, run: MobRun, operation: Operation, part: str
    ) -> None:
        lost = {part: stale(operation.arguments[part])}
        assert await operation.call(runs, run.run_id, **lost, authority_inputs=INPUTS) is False
        assert (await read(runs, run)).flow_authority_inputs == run.flow_authority_inputs

    @every_operation("case_089")
    @pytest.mark.parametrize("wrong", [{"input": "Stop"}, FRAME, None], ids=["stop", "frame", "none"])
    async def test_an_input_that_no_log_may_hold_leaves_everything_as_it_was(
        self, runs: MobRunStore, run: MobRun, operation: Operation, wrong: Any
    ) -> None:
        """The inputs are checked before the first write (contract: runs-29)."""
        with pytest.raises(InternalError):
            await operation.call(runs, run.run_id, authority_inputs=[*INPUTS, wrong])
        assert await read(runs, run) == run
        assert await operation.call(runs, run.run_id, authority_inputs=INPUTS) is True

    @every_operation("case_090")
    async def test_no_inputs_are_as_good_as_none_given(
        self, runs: MobRunStore, run: MobRun, operation: Operation
    ) -> None:
        assert await operation.call(runs, run.run_id, authority_inputs=[]) is True
        assert await read(runs, run) == operation.left(run)

    async def test_every_kind_of_input_is_appended(self, runs: MobRunStore, run: MobRun) -> None:
        operation = OPERATIONS["cas_frame_state"]
        assert await operation.call(runs, run.run_id, authority_inputs=EVERY_INPUT) is True
        assert await read(runs, run) == operation.left(run, EVERY_INPUT)

    async def test_thousands_of_inputs_are_appended(self, runs: MobRunStore, run: MobRun) -> None:
        inputs, operation = tuple(map(authority_input, range(9000))), OPERATIONS["cas_frame_state"]
        assert await operation.call(runs, run.run_id, authority_inputs=inputs) is True
        assert await read(runs, run) == operation.left(run, inputs)

"""The ledgers of a run (contract: runs-10)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from redis_mob.contracts import MobRunStore
from redis_mob.errors import CasConflictError, InternalError, NotFoundError
from redis_mob.models import AgentErrorReport, MobRun, MobRunStatus, StepRunStatus, TurnError
from redis_mob.models.base import U64_MAX
from redis_mob.testing.comparing import exact
from redis_mob.testing.conformance.run_guarantee import RunGuarantee, created, every_terminal_status, read
from redis_mob.testing.samples.compound import LOOP, NEXT_LOOP, scene
from redis_mob.testing.samples.json_values import ANY_JSON, DEEPEST, NO_JSON
from redis_mob.testing.samples.states import NOON, failure_entry, iteration_entry, step_entry

LATER = NOON + timedelta(microseconds=1)
COMPLETED = StepRunStatus.COMPLETED

REPORT = AgentErrorReport.model_validate(
    {"class": "Timeout", "reason": {"b": 1, "a": [1.0]}, "message": "too late"},
)
TURN = TurnError(kind="provider", retryable=True)


class TestStepLedger(RunGuarantee):
    """Rows of the step ledger keep their order; on demand there is only one of each step, agent and status."""

    async def test_case_058_step_agent_and_status_are_what_counts(self, runs: MobRunStore, run: MobRun) -> None:
        first = step_entry()
        others = [step_entry("test"), step_entry(agent="agent-2"), step_entry(status=COMPLETED)]
        assert await runs.append_step_entry_if_absent(run.run_id, entry=first) is True
        for same in (first, step_entry(output={"a": 1}), step_entry(timestamp=LATER)):
            assert await runs.append_step_entry_if_absent(run.run_id, entry=same) is False
        for other in others:
            assert await runs.append_step_entry_if_absent(run.run_id, entry=other) is True
        assert (await read(runs, run)).step_ledger == (first, *others)

    async def test_a_row_that_was_there_on_any_path_counts(self, runs: MobRunStore) -> None:
        run = await created(runs, step_ledger=[step_entry()])
        await runs.append_step_entry(run.run_id, entry=step_entry("test"))
        assert await runs.append_step_entry_if_absent(run.run_id, entry=step_entry()) is False
        assert await runs.append_step_entry_if_absent(run.run_id, entry=step_entry("test")) is False
        assert (await read(runs, run)).step_ledger == (step_entry(), step_entry("test"))

    async def test_the_parts_of_a_row_do_not_run_together(self, runs: MobRunStore, run: MobRun) -> None:
        entries = [step_entry("ab", "c"), step_entry("a", "bc"), step_entry("", "abc"), step_entry("abc", "")]
        for entry in entries:
            assert await runs.append_step_entry_if_absent(run.run_id, entry=entry) is True
        assert (await read(runs, run)).step_ledger == tuple(entries)

    async def test_a_row_comes_back_as_it_was(self, runs: MobRunStore, run: MobRun) -> None:
        entries = [step_entry(status=status, output=ANY_JSON, timestamp=LATER) for status in StepRunStatus]
        for entry in entries:
            await runs.append_step_entry(run.run_id, entry=entry)
        assert list(map(exact, (await read(runs, run)).step_ledger)) == list(map(exact, entries))

    async def test_case_059_a_plain_append_never_deduplicates(self, runs: MobRunStore, run: MobRun) -> None:
        for _ in range(2):
            await runs.append_step_entry(run.run_id, entry=step_entry(output=1))
        assert (await read(runs, run)).step_ledger == (step_entry(output=1),) * 2


class TestStepLedgerOutputs(RunGuarantee):
    """An output in the step ledger belongs to the last row of its step, and is kept exactly."""

    async def test_case_060_an_output_belongs_to_the_last_row_of_its_step(self, runs: MobRunStore, run: MobRun) -> None:
        dispatched, completed = step_entry(), step_entry(agent="agent-2", status=COMPLETED)
        for entry in (dispatched, step_entry("test", output=0), completed, step_entry("deploy")):
            await runs.append_step_entry(run.run_id, entry=entry)
        for output in ({"first": True}, ANY_JSON, [1, 2.0, None], None):
            await runs.put_step_output(run.run_id, step_id="build", output=output)
            left = run.model_copy(
                update={
                    "step_ledger": (
                        dispatched,
                        step_entry("test", output=0),
                        completed.model_copy(update={"output": output}),
                        step_entry("deploy"),
                    )
                }
            )
            assert exact(await read(runs, run)) == exact(left)

    async def test_an_output_can_be_put_on_a_row_of_a_created_run(self, runs: MobRunStore) -> None:
        run = await created(runs, step_ledger=[step_entry(output=1), step_entry(output=2), step_entry("test")])
        await runs.put_step_output(run.run_id, step_id="build", output=3)
        assert [entry.output for entry in (await read(runs, run)).step_ledger] == [1, 3, None]

    async def test_an_output_is_not_what_deduplicates(self, runs: MobRunStore, run: MobRun) -> None:
        await runs.append_step_entry(run.run_id, entry=step_entry())
        await runs.put_step_output(run.run_id, step_id="build", output=1)
        assert await runs.append_step_entry_if_absent(run.run_id, entry=step_entry()) is False
        assert (await read(runs, run)).step_ledger == (step_entry(output=1),)

    async def test_case_061_an_output_of_an_unknown_step_is_refused(self, runs: MobRunStore, run: MobRun) -> None:
        await runs.append_step_entry(run.run_id, entry=step_entry())
        with pytest.raises(InternalError):
            await runs.put_step_output(run.run_id, step_id="absent", output=1)
        assert (await read(runs, run)).step_ledger == (step_entry(),)

    @pytest.mark.parametrize("output", NO_JSON.values(), ids=NO_JSON)
    async def test_an_output_that_is_no_json_is_refused(self, runs: MobRunStore, run: MobRun, output: Any) -> None:
        await runs.append_step_entry(run.run_id, entry=step_entry(output="before"))
        with pytest.raises(InternalError):
            await runs.put_step_output(run.run_id, step_id="build", output=output)
        assert (await read(runs, run)).step_ledger == (step_entry(output="before"),)

    async def test_the_deepest_output_comes_back(self, runs: MobRunStore, run: MobRun) -> None:
        await runs.append_step_entry(run.run_id, entry=step_entry())
        await runs.put_step_output(run.run_id, step_id="build", output=DEEPEST)
        assert (await read(runs, run)).step_ledger[0].output == DEEPEST


class TestFailureLedger(RunGuarantee):
    """Rows of the failure ledger keep their order; on demand there is only one of each step."""

    async def test_case_062_a_failure_never_deduplicates(self, runs: MobRunStore, run: MobRun) -> None:
        for _ in range(2):
            await runs.append_failure_entry(run.run_id, entry=failure_entry())
        assert (await read(runs, run)).failure_ledger == (failure_entry(),) * 2

    async def test_a_failure_of_a_step_is_appended_once(self, runs: MobRunStore, run: MobRun) -> None:
        first = failure_entry(error_report=REPORT, error=TURN)
        assert await runs.append_failure_entry_if_absent(run.run_id, entry=first) is True
        shuffled = REPORT.model_copy(update={"reason": {"a": [1.0], "b": 1}})
        for same in (first, first.model_copy(update={"timestamp": LATER, "error_report": shuffled})):
            assert await runs.append_failure_entry_if_absent(run.run_id, entry=same) is False
        for other in (
            failure_entry(),
            failure_entry(error=TURN),
            failure_entry("build", "exit 2", error_report=REPORT, error=TURN),
            failure_entry(error_report=REPORT.model_copy(update={"reason": {"b": 1, "a": [1]}}), error=TURN),
            failure_entry(error_report=REPORT.model_copy(update={"reason": {"b": True, "a": [1.0]}}), error=TURN),
        ):
            with pytest.raises(CasConflictError):
                await runs.append_failure_entry_if_absent(run.run_id, entry=other)
        assert await runs.append_failure_entry_if_absent(run.run_id, entry=failure_entry("test")) is True
        assert (await read(runs, run)).failure_ledger == (first, failure_entry("test"))

    async def test_numbers_of_failures_are_compared_exactly(self, runs: MobRunStore, run: MobRun) -> None:
        zero, *others = (
            failure_entry(error_report=REPORT.model_copy(update={"reason": [number]}))
            for number in (0.0, 0, False, 5e-324, "0.0")
        )
        assert await runs.append_failure_entry_if_absent(run.run_id, entry=zero) is True
        negative = failure_entry(error_report=REPORT.model_copy(update={"reason": [-0.0]}))
        assert await runs.append_failure_entry_if_absent(run.run_id, entry=negative) is False
        for other in others:
            with pytest.raises(CasConflictError):
                await runs.append_failure_entry_if_absent(run.run_id, entry=other)
        assert (await read(runs, run)).failure_ledger == (zero,)

    async def test_a_failure_that_is_there_on_any_path_counts(self, runs: MobRunStore) -> None:
        run = await created(runs, failure_ledger=[failure_entry()])
        await runs.append_failure_entry(run.run_id, entry=failure_entry(reason="exit 2"))
        for reason in ("exit 1", "exit 2"):
            entry = failure_entry(reason=reason, timestamp=LATER)
            assert await runs.append_failure_entry_if_absent(run.run_id, entry=entry) is False
        with pytest.raises(CasConflictError):
            await runs.append_failure_entry_if_absent(run.run_id, entry=failure_entry(reason="exit 3"))
        assert (await read(runs, run)).failure_ledger == (failure_entry(), failure_entry(reason="exit 2"))

    async def test_a_row_comes_back_as_it_was(self, runs: MobRunStore, run: MobRun) -> None:
        report = REPORT.model_copy(update={"reason": ANY_JSON})
        entries = [failure_entry(error_report=report, error=TURN), failure_entry("", "", timestamp=LATER)]
        for entry in entries:
            await runs.append_failure_entry(run.run_id, entry=entry)
        assert list(map(exact, (await read(runs, run)).failure_ledger)) == list(map(exact, entries))


class TestLoops(RunGuarantee):
    """A loop is overwritten without a compare, and each of its iterations recorded once."""

    async def test_case_065_an_iteration_is_recorded_once(self, runs: MobRunStore, run: MobRun) -> None:
        entries = [
            iteration_entry(),
            iteration_entry("other"),
            iteration_entry(iteration=U64_MAX),
            iteration_entry(iteration=U64_MAX - 1),
            iteration_entry("c", loop_instance_id="ab"),
            iteration_entry("bc", loop_instance_id="a"),
        ]
        for entry in (*entries, None, *reversed(entries)):
            await runs.upsert_loop_snapshot(run.run_id, loop_instance_id="loop-1", snapshot=LOOP, ledger_entry=entry)
        assert await read(runs, run) == run.model_copy(update={"loop_iteration_ledger": tuple(entries)})

    async def test_an_iteration_that_a_created_run_has_is_not_recorded_again(self, runs: MobRunStore) -> None:
        run = await created(runs, loop_iteration_ledger=[iteration_entry()])
        await runs.upsert_loop_snapshot(
            run.run_id, loop_instance_id="loop-1", snapshot=LOOP, ledger_entry=iteration_entry()
        )
        assert await read(runs, run) == run

    async def test_case_066_a_loop_is_overwritten_without_a_compare(self, runs: MobRunStore, run: MobRun) -> None:
        for snapshot in (NEXT_LOOP, LOOP, NEXT_LOOP):
            await runs.upsert_loop_snapshot(run.run_id, loop_instance_id="loop-1", snapshot=snapshot)
            assert (await read(runs, run)).loops == {"loop-1": snapshot}
        await runs.upsert_loop_snapshot(run.run_id, loop_instance_id="loop-2", snapshot=LOOP)
        assert (await read(runs, run)).loops == {"loop-1": NEXT_LOOP, "loop-2": LOOP}


LEDGER_OPERATIONS: dict[str, Callable[[MobRunStore, str], Awaitable[object]]] = {
    "append_step_entry": lambda runs, run: runs.append_step_entry(run, entry=step_entry()),
    "append_step_entry_if_absent": lambda runs, run: runs.append_step_entry_if_absent(run, entry=step_entry()),
    "put_step_output": lambda runs, run: runs.put_step_output(run, step_id="build", output=1),
    "append_failure_entry": lambda runs, run: runs.append_failure_entry(run, entry=failure_entry()),
    "append_failure_entry_if_absent": lambda runs, run: runs.append_failure_entry_if_absent(run, entry=failure_entry()),
    "upsert_loop_snapshot": lambda runs, run: runs.upsert_loop_snapshot(
        run, loop_instance_id="loop-1", snapshot=LOOP, ledger_entry=iteration_entry()
    ),
}


class TestLedgers(RunGuarantee):
    """Ledgers grow in every status of the run, and a run that does not exist is named."""

    @every_terminal_status
    async def test_case_063_ledgers_of_a_terminal_run_grow_on(self, runs: MobRunStore, status: MobRunStatus) -> None:
        run = await created(runs, status=status)
        await runs.append_failure_entry(run.run_id, entry=failure_entry())
        assert await runs.append_failure_entry_if_absent(run.run_id, entry=failure_entry("test")) is True
        await runs.append_step_entry(run.run_id, entry=step_entry())
        assert await runs.append_step_entry_if_absent(run.run_id, entry=step_entry("test")) is True
        await runs.put_step_output(run.run_id, step_id="test", output=1)
        await runs.upsert_loop_snapshot(run.run_id, loop_instance_id="l", snapshot=LOOP, ledger_entry=iteration_entry())
        written = {
            "failure_ledger": (failure_entry(), failure_entry("test")),
            "step_ledger": (step_entry(), step_entry("test", output=1)),
            "loops": {"loop-1": LOOP, "l": LOOP},
            "loop_iteration_ledger": (iteration_entry(),),
        }
        assert await read(runs, run) == run.model_copy(update=written)

    @pytest.mark.parametrize("name", [pytest.param(name, id=f"case_064-{name}") for name in LEDGER_OPERATIONS])
    async def test_a_missing_run_is_named_and_left_missing(self, runs: MobRunStore, name: str) -> None:
        run = scene()
        with pytest.raises(NotFoundError, match=run.run_id):
            await LEDGER_OPERATIONS[name](runs, run.run_id)
        assert await runs.get_run(run.run_id) is None
        await runs.create_run(run)
        assert await read(runs, run) == run

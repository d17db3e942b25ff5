"""Several handles change and read the same runs at the same moment (contract: store-2)."""

from __future__ import annotations

import asyncio
from itertools import cycle
from typing import Any

import pytest

from redis_mob.contracts import MobRunStore
from redis_mob.errors import CasConflictError, RunAlreadyExistsError
from redis_mob.models import MobRun, MobRunStatus
from redis_mob.testing.backend import Backend
from redis_mob.testing.conformance.run_guarantee import Inputs, RunGuarantee, both_forms, created, read
from redis_mob.testing.samples.compound import (
    FRAME,
    LOOP,
    NEXT_FRAME,
    NEXT_LOOP,
    NEXT_RUN,
    OPERATIONS,
    RUN,
    Operation,
    scene,
)
from redis_mob.testing.samples.states import authority_input, failure_entry, rebuilt, step_entry

BACK: dict[str, Any] = {
    "expected_run_state": NEXT_RUN,
    "next_run_state": RUN,
    "expected_loop": NEXT_LOOP,
    "next_loop": LOOP,
    "expected_frame": NEXT_FRAME,
    "next_frame": FRAME,
}
"""What makes an operation on all three parts undo itself."""


class TestConcurrentChanges(RunGuarantee):
    """Of clients that make the same change of a run at once exactly one wins, and no change that won is lost."""

    async def test_one_of_many_creations_wins(self, handles: list[MobRunStore]) -> None:
        first = scene()
        made = [first.model_copy(update={"mob_id": f"mob-{number}"}) for number in range(len(handles))]
        outcomes = await asyncio.gather(
            *(runs.create_run(run) for runs, run in zip(handles, made, strict=True)), return_exceptions=True
        )
        winner = made[outcomes.index(None)]
        assert await read(handles[0], winner) == winner
        for run, outcome in zip(made, outcomes, strict=True):
            assert isinstance(outcome, RunAlreadyExistsError) is (run is not winner)
            assert await handles[0].list_runs(run.mob_id) == ([run] if run is winner else [])

    async def test_every_run_that_was_created_is_listed(self, handles: list[MobRunStore]) -> None:
        made = [scene() for _ in range(20)]
        await asyncio.gather(*(runs.create_run(run) for runs, run in zip(cycle(handles), made, strict=False)))
        listed = await handles[0].list_runs("mob")
        assert {run.run_id: run for run in listed} == {run.run_id: run for run in made}
        assert len(listed) == len(made)

    async def test_case_047_one_of_many_status_changes_wins(
        self, handles: list[MobRunStore], run: MobRun, backend: Backend
    ) -> None:
        before = await backend.now()
        won = await asyncio.gather(
            *(
                runs.cas_run_status(run.run_id, expected=MobRunStatus.RUNNING, next=MobRunStatus.COMPLETED)
                for runs in handles * 3
            )
        )
        assert sorted(won) == [False] * 11 + [True]
        stored = await read(handles[0], run)
        assert stored.completed_at is not None
        assert before <= stored.completed_at <= await backend.now()
        assert stored == run.model_copy(update={"status": MobRunStatus.COMPLETED, "completed_at": stored.completed_at})

    async def test_case_048_one_of_two_ends_wins(self, handles: list[MobRunStore]) -> None:
        ends = [MobRunStatus.COMPLETED, MobRunStatus.FAILED]
        for _ in range(20):
            run = await created(handles[0])
            won = await asyncio.gather(
                *(
                    runs.cas_run_status(run.run_id, expected=MobRunStatus.RUNNING, next=end)
                    for runs, end in zip(handles, ends, strict=False)
                )
            )
            assert sorted(won) == [False, True]
            assert (await read(handles[2], run)).status == ends[won.index(True)]

    @pytest.mark.parametrize(
        "operation", [pytest.param(operation, id=f"case_086-{name}") for name, operation in OPERATIONS.items()]
    )
    @both_forms
    async def test_one_of_several_handles_wins(
        self, handles: list[MobRunStore], run: MobRun, operation: Operation, inputs: Inputs
    ) -> None:
        calls = [operation.call(runs, run.run_id, authority_inputs=inputs) for runs in handles * 2]
        assert sorted(await asyncio.gather(*calls)) == [False] * 7 + [True]
        assert await read(handles[0], run) == operation.left(run, inputs)

    async def test_one_of_many_equal_rows_is_appended(self, handles: list[MobRunStore], run: MobRun) -> None:
        appended = await asyncio.gather(
            *(runs.append_step_entry_if_absent(run.run_id, entry=step_entry()) for runs in handles * 3)
        )
        assert sorted(appended) == [False] * 11 + [True]
        assert (await read(handles[0], run)).step_ledger == (step_entry(),)

    async def test_one_of_many_failures_of_a_step_is_appended(self, handles: list[MobRunStore], run: MobRun) -> None:
        entries = [failure_entry(reason=reason) for reason in ("exit 1", "exit 2", "exit 3", "exit 4")] * 2
        outcomes = await asyncio.gather(
            *(
                runs.append_failure_entry_if_absent(run.run_id, entry=entry)
                for runs, entry in zip(handles * 2, entries, strict=True)
            ),
            return_exceptions=True,
        )
        [first] = (await read(handles[0], run)).failure_ledger
        assert first == entries[outcomes.index(True)]
        same = [outcome for outcome, entry in zip(outcomes, entries, strict=True) if entry == first]
        others = [outcome for outcome, entry in zip(outcomes, entries, strict=True) if entry != first]
        assert set(same) == {True, False}
        assert all(isinstance(outcome, CasConflictError) for outcome in others)

    async def test_no_row_gets_lost(self, handles: list[MobRunStore], run: MobRun) -> None:
        entries = [step_entry(f"s{number:02}") for number in range(40)]
        await asyncio.gather(
            *(
                runs.append_step_entry(run.run_id, entry=entry)
                for runs, entry in zip(cycle(handles), entries, strict=False)
            )
        )
        rows = (await read(handles[0], run)).step_ledger
        assert sorted(rows, key=lambda row: row.step_id) == entries

    async def test_no_change_gets_lost(self, handles: list[MobRunStore], run: MobRun) -> None:
        async def fail_ten_times(runs: MobRunStore) -> None:
            won = 0
            while won < 10:
                known = (await read(runs, run)).flow_state
                following = rebuilt(known, failure_count=known.failure_count + 1)
                won += await runs.cas_flow_state(run.run_id, expected=known, next=following)

        await asyncio.gather(*map(fail_ten_times, handles))
        assert (await read(handles[0], run)).flow_state == rebuilt(run.flow_state, failure_count=40)


class TestReadingOfRuns(RunGuarantee):
    """A run is read as it was at one moment: with all that an operation wrote, or with nothing of it."""

    async def test_no_reader_sees_a_part_of_an_operation(self, handles: list[MobRunStore], run: MobRun) -> None:
        operation, times = OPERATIONS["cas_complete_body_frame"], 30
        states = [(RUN, FRAME, LOOP), (NEXT_RUN, NEXT_FRAME, NEXT_LOOP)]

        async def write(runs: MobRunStore) -> None:
            for number in range(times):
                changes = BACK if number % 2 else {}
                assert await operation.call(runs, run.run_id, **changes, authority_inputs=[authority_input(number)])

        async def follow(runs: MobRunStore) -> None:
            written = 0
            while written < times:
                await asyncio.sleep(0)
                stored = await read(runs, run)
                written = len(stored.flow_authority_inputs) - len(run.flow_authority_inputs)
                assert (stored.flow_state, stored.frames["root"], stored.loops["loop-1"]) == states[written % 2]

        async with asyncio.TaskGroup() as group:
            for runs in handles[1:]:
                group.create_task(follow(runs))
            group.create_task(write(handles[0]))

"""Runs as such: creating, reading and listing them, and damage to them (contract: runs-3, runs-5)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from redis_mob.contracts import MobRunStore
from redis_mob.errors import InternalError, RunAlreadyExistsError, SerializationError, ValidationError
from redis_mob.models import MobRun, MobRunStatus
from redis_mob.testing.backend import Backend, StoredRun
from redis_mob.testing.comparing import exact
from redis_mob.testing.conformance.base import given
from redis_mob.testing.conformance.run_guarantee import RunGuarantee, created, read
from redis_mob.testing.samples.compound import LOOP, OPERATIONS, RUN, Operation, scene
from redis_mob.testing.samples.full_run import full_run
from redis_mob.testing.samples.states import NOON, failure_entry, flow_state, frame, new_run, step_entry

NO_TEXT = "\ud800"
"""A lone surrogate, which no encoding of texts has."""


class TestRuns(RunGuarantee):
    """A run is stored as it is, once, and read as it was."""

    async def test_case_042_a_created_run_comes_back_as_it_was(self, runs: MobRunStore) -> None:
        run = full_run()
        await runs.create_run(run)
        stored = await read(runs, run)
        assert stored == run
        assert exact(stored) == exact(run)
        assert list(stored.root_step_outputs) == ["z", "a", ""]
        assert list(stored.loop_iteration_outputs["refine"][1]) == ["y", "b"]

    async def test_a_run_that_was_read_is_stored_anew_under_another_id(self, runs: MobRunStore) -> None:
        run = full_run()
        await runs.create_run(run)
        stored = await runs.get_run(run.run_id)
        assert stored is not None
        # of `stored` nothing has been asked for yet: a store may read its parts late
        again = stored.model_copy(update={"run_id": str(uuid4())})
        await runs.create_run(again)
        assert exact(await read(runs, again)) == exact(run.model_copy(update={"run_id": again.run_id}))

    @pytest.mark.parametrize("completed_at", [None, NOON], ids=["open", "completed"])
    @pytest.mark.parametrize("status", list(MobRunStatus))
    async def test_any_status_is_stored(self, runs: MobRunStore, status: MobRunStatus, completed_at: Any) -> None:
        run = new_run(status=status, completed_at=completed_at, schema_version=0, mob_id="", flow_id="")
        await runs.create_run(run)
        assert await read(runs, run) == run

    async def test_a_big_run_comes_back_as_it_was(self, runs: MobRunStore) -> None:
        steps = [f"s{number:04}" for number in range(3000)]
        run = new_run(
            flow_state=flow_state(steps),
            frames={f"frame-{number}": frame(nodes=steps[:40]) for number in range(30)},
            step_ledger=[step_entry(step, output={"number": number}) for number, step in enumerate(steps)],
            failure_ledger=[failure_entry(step) for step in steps],
            root_step_outputs={step: number for number, step in enumerate(reversed(steps))},
        )
        await runs.create_run(run)
        stored = await read(runs, run)
        assert stored == run
        assert list(stored.root_step_outputs) == steps[::-1]

    async def test_case_043_a_second_run_with_the_same_id_is_refused(self, runs: MobRunStore) -> None:
        run = await created(runs)
        other = scene(run_id=run.run_id, mob_id="other", step_ledger=[step_entry()], root_step_outputs={"build": 1})
        for again in (run, other):
            with pytest.raises(RunAlreadyExistsError, match=run.run_id) as refused:
                await runs.create_run(again)
            assert isinstance(refused.value, InternalError)
            assert refused.value.run_id == run.run_id
        assert await read(runs, run) == run
        assert await runs.list_runs("other") == []
        assert await runs.list_runs(run.mob_id) == [run]

    async def test_case_044_a_missing_run_is_none(self, runs: MobRunStore) -> None:
        await created(runs)
        assert await runs.get_run(str(uuid4())) is None

    async def test_a_run_is_found_by_any_spelling_of_its_id(self, runs: MobRunStore) -> None:
        run = await created(runs)
        for spelling in (run.run_id.upper(), UUID(run.run_id).hex, UUID(run.run_id).urn, f"{{{run.run_id}}}"):
            assert await runs.get_run(spelling) == run
            assert await runs.cas_flow_state(spelling, expected=RUN, next=RUN)
        with pytest.raises(ValidationError):
            await runs.get_run("absent")

    async def test_runs_do_not_touch_each_other(self, runs: MobRunStore) -> None:
        for operation in OPERATIONS.values():
            run, other = await created(runs), await created(runs)
            assert await operation.call(runs, run.run_id) is True
            assert await read(runs, run) == operation.left(run)
            assert await read(runs, other) == other

    async def test_handles_share_the_runs(self, handles: list[MobRunStore]) -> None:
        one, two, *_ = handles
        run = await created(one)
        assert await read(two, run) == run
        assert await two.cas_run_status(run.run_id, expected=run.status, next=MobRunStatus.PENDING)
        assert (await read(one, run)).status == MobRunStatus.PENDING

    async def test_the_store_shares_no_value_with_its_callers(self, runs: MobRunStore) -> None:
        params: dict[str, list[int]] = {"list": [1]}
        output: dict[str, list[int]] = {"list": [1]}
        run = await created(runs, activation_params=params, step_ledger=[step_entry()])
        await runs.put_step_output(run.run_id, step_id="build", output=output)
        for shared in (params, output, (await read(runs, run)).activation_params):
            shared["list"].append(2)
        stored = await read(runs, run)
        assert stored.activation_params == stored.step_ledger[0].output == {"list": [1]}

    async def test_runs_that_are_opened_again_go_on(self, backend: Backend) -> None:
        run = full_run()
        async with backend.open() as stores:
            runs = given("runs", stores.runs)
            await runs.create_run(run)
            second = await created(runs, mob_id=run.mob_id)
        async with backend.open() as stores:
            runs = given("runs", stores.runs)
            assert await runs.list_runs(run.mob_id) == [run, second]
            with pytest.raises(RunAlreadyExistsError):
                await runs.create_run(run)
            assert await runs.append_step_entry_if_absent(run.run_id, entry=run.step_ledger[0]) is False
            assert await OPERATIONS["cas_start_loop"].call(runs, second.run_id) is True
            third = await created(runs, mob_id=run.mob_id)
            assert [stored.run_id for stored in await runs.list_runs(run.mob_id)] == [
                run.run_id,
                second.run_id,
                third.run_id,
            ]


class TestNamesInRuns(RunGuarantee):
    """A name that is no text which can be stored is refused, and leaves everything as it was."""

    @pytest.mark.parametrize(
        ("operation", "name"),
        [
            pytest.param(operation, name, id=f"{operation.name}-{name}")
            for operation in OPERATIONS.values()
            for name in ("frame_id", "loop_instance_id", "step_output_key")
            if name in operation.arguments
        ],
    )
    async def test_in_an_operation(self, runs: MobRunStore, run: MobRun, operation: Operation, name: str) -> None:
        with pytest.raises(InternalError):
            await operation.call(runs, run.run_id, **{name: NO_TEXT})
        assert await read(runs, run) == run

    async def test_elsewhere(self, runs: MobRunStore, run: MobRun) -> None:
        complete = OPERATIONS["cas_complete_step_and_record_output"]
        for call in (
            runs.list_runs(NO_TEXT),
            runs.list_runs("mob", NO_TEXT),
            runs.put_step_output(run.run_id, step_id=NO_TEXT, output=1),
            runs.upsert_loop_snapshot(run.run_id, loop_instance_id=NO_TEXT, snapshot=LOOP),
            complete.call(runs, run.run_id, loop_context=(NO_TEXT, 0)),
        ):
            with pytest.raises(InternalError):
                await call
        assert await read(runs, run) == run


class TestListsOfRuns(RunGuarantee):
    """The runs of a mob, or of one of its flows, are listed whole and in the order of their creation."""

    async def test_case_045_lists_are_filtered_and_in_the_order_of_creation(self, runs: MobRunStore) -> None:
        made: dict[tuple[str, str | None], list[str]] = {}
        mobs, flows = ("a", "ab", "", "é", "m" * 40), ("review", "deploy", "", "f" * 40, "f" * 41, "f" * 300)
        for number in range(60):
            mob, flow = mobs[number % 5], flows[number % 6]
            run = new_run(mob_id=mob, flow_id=flow, created_at=NOON - timedelta(days=number))
            await runs.create_run(run)
            made.setdefault((mob, flow), []).append(run.run_id)
            made.setdefault((mob, None), []).append(run.run_id)
        for (mob, flow), ids in made.items():
            assert [run.run_id for run in await runs.list_runs(mob, flow)] == ids
        assert await runs.list_runs("b") == await runs.list_runs("a", "revie") == await runs.list_runs("b", "f") == []

    async def test_a_list_holds_the_runs_as_they_are_now(self, runs: MobRunStore) -> None:
        made = [full_run(mob_id="mob"), full_run(mob_id="mob", flow_id="deploy"), scene()]
        for run in made:
            await runs.create_run(run)
        assert await runs.list_runs("mob") == made
        operation = OPERATIONS["cas_complete_step_and_record_output"]
        assert await operation.call(runs, made[2].run_id)
        assert await runs.list_runs("mob") == [made[0], made[1], operation.left(made[2])]
        assert await runs.list_runs("mob", "deploy") == [made[1]]


class TestDamagedRuns(RunGuarantee):
    """A run that cannot be read is named in the error of each call that reads it; calls for other mobs do not fail."""

    async def test_case_046_a_damaged_run_hurts_only_those_who_read_it(
        self, runs: MobRunStore, backend: Backend
    ) -> None:
        fine, damaged, neighbour = [await created(runs, mob_id=mob) for mob in ("a", "b", "b")]
        await backend.damage(StoredRun(damaged.run_id))
        for reading in (runs.get_run(damaged.run_id), runs.list_runs("b")):
            with pytest.raises(SerializationError, match=damaged.run_id):
                await reading
        assert await runs.list_runs("a") == [fine]
        for run in (fine, neighbour):
            assert await OPERATIONS["cas_flow_state"].call(runs, run.run_id) is True
            assert await read(runs, run) == OPERATIONS["cas_flow_state"].left(run)
        assert await read(runs, another := await created(runs, mob_id="b")) == another

"""What a fleet needs of its store: runs that are started once, their cancellation, and what is compared."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from redis_mob.contracts import ExecutionStore, MobRunStore
from redis_mob.errors import NotFoundError, SerializationError
from redis_mob.kernel.actions import StartRun
from redis_mob.kernel.draft import Draft
from redis_mob.kernel.machine import FlowMachine
from redis_mob.models import MobRunStatus
from redis_mob.models.execution import Execution
from redis_mob.models.transition import Commit, Transition
from redis_mob.testing.backend import Backend
from redis_mob.testing.comparing import exact
from redis_mob.testing.conformance.base import Guarantee, Opener, given
from redis_mob.testing.samples.driven_runs import (
    FLOW,
    ONE_MINUTE,
    ONE_STEP,
    STEPS_AND_LOOP,
    at_noon,
    keys_of,
    launched,
    pending,
    waiting,
)
from redis_mob.testing.samples.states import new_run


class TestFleetRuns(Guarantee):
    """A run is started once, keeps what it was started with, and is driven only if a fleet started it."""

    async def test_the_store_has_every_method_of_the_contract(self, executions: ExecutionStore) -> None:
        assert isinstance(executions, ExecutionStore)

    async def test_a_run_is_read_as_it_was_started(self, executions: ExecutionStore, runs: MobRunStore) -> None:
        run, launch = pending(STEPS_AND_LOOP)
        assert await executions.start_run(run, launch, STEPS_AND_LOOP) is True
        view = await executions.load(run.run_id)
        assert view is not None
        assert (view.run, view.launch, dict(view.executions), view.cancel_requested) == (run.core(), launch, {}, False)
        assert await runs.get_run(run.run_id) == run
        assert [listed.run_id for listed in await runs.list_runs("mob", FLOW)] == [run.run_id]
        assert await executions.status(run.run_id) is MobRunStatus.PENDING

    async def test_the_definition_is_kept_with_the_run(self, executions: ExecutionStore) -> None:
        run = await launched(executions, STEPS_AND_LOOP)
        kept = await executions.get_definition((await run.view()).launch.definition)
        assert exact(kept) == exact(STEPS_AND_LOOP)
        assert list(kept.flows[FLOW].steps) == ["b", "a", "in"]

    async def test_a_run_that_exists_is_not_started_again(self, executions: ExecutionStore, runs: MobRunStore) -> None:
        run = await launched(executions, ONE_STEP)
        before = await run.view()
        again, launch = pending(STEPS_AND_LOOP, members=9, run_id=run.run_id)
        assert await executions.start_run(again, launch, STEPS_AND_LOOP) is False
        assert at_noon(await run.view()) == at_noon(before)
        created = new_run()
        await runs.create_run(created)
        assert await executions.start_run(*pending(ONE_STEP, run_id=created.run_id), ONE_STEP) is False
        assert await runs.get_run(created.run_id) == created

    async def test_a_running_run_without_its_root_frame_can_only_be_canceled(self, executions: ExecutionStore) -> None:
        run = await launched(executions, ONE_STEP)
        view, flow = await run.view(), ONE_STEP.flows[FLOW]
        draft = Draft(FlowMachine.from_run(view.run, flow))
        StartRun().apply(draft, flow)
        begun = Transition(before=view, run=draft.machine.stored_in(view.run), inputs=draft.inputs)
        assert await executions.commit(begun) is Commit.WON
        with pytest.raises(SerializationError, match="root frame"):
            await executions.load(run.run_id)
        assert await executions.request_cancel(run.run_id) is True
        assert (await run.view()).cancel_requested

    async def test_of_many_who_start_one_run_one_wins(self, open_stores: Opener) -> None:
        stores = await _several(open_stores)
        run_id = str(uuid4())
        starts = [pending(ONE_STEP, members, run_id) for members in range(1, 10)]
        won = await asyncio.gather(
            *(stores[number % len(stores)].start_run(*start, ONE_STEP) for number, start in enumerate(starts))
        )
        assert won.count(True) == 1
        view = await stores[0].load(run_id)
        assert view is not None
        started, launch = starts[won.index(True)]
        assert (view.run, view.launch) == (started.core(), launch)

    async def test_the_time_of_a_flow_counts_from_its_start(self, executions: ExecutionStore, backend: Backend) -> None:
        before = await backend.now()
        run = await launched(executions, ONE_MINUTE)
        view = await run.view()
        assert before <= view.launched_at <= view.now <= await backend.now()
        assert view.deadline == view.launched_at + timedelta(minutes=1)
        await run.advance()
        assert (await run.view()).launched_at == view.launched_at

    async def test_a_run_that_no_fleet_started_is_refused(self, executions: ExecutionStore, runs: MobRunStore) -> None:
        run = new_run()
        await runs.create_run(run)
        with pytest.raises(NotFoundError, match=run.run_id):
            await executions.load(run.run_id)
        assert await executions.status(run.run_id) is run.status

    async def test_what_does_not_exist(self, executions: ExecutionStore) -> None:
        missing = str(uuid4())
        assert await executions.load(missing) is None
        assert await executions.status(missing) is None
        with pytest.raises(NotFoundError, match="abc"):
            await executions.get_definition("abc")
        with pytest.raises(NotFoundError, match=missing):
            await executions.request_cancel(missing)

    async def test_runs_that_are_opened_again_go_on(self, backend: Backend) -> None:
        async with backend.open() as stores:
            executions = given("executions", stores.executions)
            run = await waiting(executions, STEPS_AND_LOOP)
            before = await run.view()
            await executions.request_cancel(run.run_id)
        async with backend.open() as stores:
            run = replace(run, executions=given("executions", stores.executions))
            assert at_noon(await run.view()) == replace(at_noon(before), cancel_requested=True)
            await run.advance()
            assert await run.executions.status(run.run_id) is MobRunStatus.CANCELED


class TestCancellation(Guarantee):
    """A request for cancellation stays with the run until it is over, and refuses what was decided without it."""

    async def test_a_request_is_left_with_the_run(self, executions: ExecutionStore) -> None:
        run = await waiting(executions, STEPS_AND_LOOP)
        assert not (await run.view()).cancel_requested
        for _ in range(2):
            assert await executions.request_cancel(run.run_id) is True
            assert (await run.view()).cancel_requested

    async def test_a_run_that_is_over_is_not_canceled(self, executions: ExecutionStore) -> None:
        run = await waiting(executions, STEPS_AND_LOOP)
        await executions.request_cancel(run.run_id)
        await run.advance()
        assert await executions.status(run.run_id) is MobRunStatus.CANCELED
        over = await run.view()
        assert await executions.request_cancel(run.run_id) is False
        assert at_noon(await run.view()) == at_noon(over)

    async def test_a_run_may_be_canceled_before_anybody_looked_at_it(self, executions: ExecutionStore) -> None:
        run = await launched(executions, ONE_STEP)
        assert await executions.request_cancel(run.run_id) is True
        await run.advance()
        assert await executions.status(run.run_id) is MobRunStatus.CANCELED


class TestComparing(Guarantee):
    """A fact about an execution happens only if that is what was read, to the last detail."""

    async def test_of_many_who_claim_one_execution_one_wins(self, open_stores: Opener) -> None:
        stores = await _several(open_stores)
        run = await waiting(stores[0], ONE_STEP, members=1)
        view = await run.view()
        [key] = keys_of(view)
        claims = [run.claimed(view, key, owner) for owner in ("one", "two", "three")]
        won = await asyncio.gather(*(store.commit(claim) for store, claim in zip(stores, claims, strict=True)))
        assert won.count(Commit.WON) == 1

    async def test_executions_are_compared_to_the_last_detail(self, executions: ExecutionStore) -> None:
        """1 is neither 1.0 nor true (contract: store-6)."""
        run = await waiting(executions, ONE_STEP, members=1)
        view = await run.view()
        [(key, execution)] = view.executions.items()

        def fact(before: Execution, after: Execution) -> Transition:
            read = replace(view, executions={key: before})
            return Transition(before=read, run=view.run, executions={key: after}, is_decision=False)

        one = execution.model_copy(update={"output": {"n": 1}})
        assert await executions.commit(fact(execution, one)) is Commit.WON
        for other in (1.0, True):
            as_read = execution.model_copy(update={"output": {"n": other}})
            assert await executions.commit(fact(as_read, execution)) is Commit.LOST
        assert await executions.commit(fact(one, execution)) is Commit.WON


async def _several(open_stores: Opener) -> list[ExecutionStore]:
    """The store of three handles."""
    return [given("executions", (await open_stores()).executions) for _ in range(3)]

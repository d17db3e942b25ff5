"""Runs that steps of other runs wait for: started as long as one waits, and told of once when they are over."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest

from redis_mob.contracts import ExecutionStore
from redis_mob.errors import InternalError
from redis_mob.fleet import engine
from redis_mob.models import MobRunStatus
from redis_mob.models.due_work import DueWork
from redis_mob.models.execution import ExecutionStatus
from redis_mob.models.signal import Signal
from redis_mob.testing.conformance.base import Guarantee, Opener, given
from redis_mob.testing.samples.driven_runs import RUNS_A_FLOW, at_noon, awaited, must


class TestChildren(Guarantee):
    """A run that a step waits for is started while it waits, and its end is told once."""

    async def test_a_child_is_started_once_and_knows_its_parent(self, open_stores: Opener) -> None:
        stores = [given("executions", (await open_stores()).executions) for _ in range(3)]
        one = await awaited(stores[0])
        assert await stores[0].status(one.run.run_id) is None
        before = at_noon(await one.above.view())
        started = await asyncio.gather(*(one.start(store) for store in stores for _ in range(2)))
        assert started.count(True) == 1
        view = await one.driven.view()
        assert (view.run.status, view.run.flow_id, view.parent) == (MobRunStatus.PENDING, "inner", one.parent)
        assert view.launch == one.launch
        assert at_noon(await one.above.view()) == before
        assert (await one.above.view()).parent is None
        assert one.run.run_id in (await _due(stores[0])).runs

    async def test_a_child_is_not_started_for_a_step_that_does_not_wait_for_it(
        self, executions: ExecutionStore
    ) -> None:
        one = await awaited(executions)
        other = one.execution.model_copy(update={"attempt": 2})
        assert not await executions.start_child(one.run, one.launch, RUNS_A_FLOW, parent=one.parent, execution=other)
        unknown = one.parent.model_copy(update={"run_id": str(uuid4())})
        assert not await executions.start_child(
            one.run, one.launch, RUNS_A_FLOW, parent=unknown, execution=one.execution
        )
        await executions.request_cancel(one.above.run_id)
        await one.above.advance()
        assert not await one.start()
        assert await executions.status(one.run.run_id) is None

    async def test_a_child_that_was_told_of_is_not_started_again(self, executions: ExecutionStore) -> None:
        one = await awaited(executions)
        await one.end()
        assert await one.tell()
        assert not await one.start()

    async def test_a_parent_is_told_once(self, open_stores: Opener) -> None:
        stores = [given("executions", (await open_stores()).executions) for _ in range(3)]
        one = await awaited(stores[0])
        await one.end()
        before = await one.above.view()
        await _due(stores[0])
        assert await stores[0].commit(must(engine.give_back(before)))
        assert all(await asyncio.gather(*(one.tell(store) for store in stores for _ in range(2))))
        view = await one.above.view()
        assert [signal.payload["status"] for signal in view.signals.values()] == ["canceled"]
        assert view.reports == before.reports + 1
        due = await _due(stores[0])
        assert one.above.run_id in due.runs
        assert one.run.run_id not in due.runs

    async def test_what_it_is_told_is_taken_by_the_step_that_waits(self, executions: ExecutionStore) -> None:
        one = await awaited(executions)
        await one.end()
        await one.tell()
        await one.above.advance()
        view = await one.above.view()
        [execution] = view.executions.values()
        assert (execution.status, execution.signal) == (ExecutionStatus.FAILED, 1)
        assert not view.signals

    async def test_the_end_of_a_child_is_due_until_it_is_told(self, executions: ExecutionStore) -> None:
        one = await awaited(executions)
        await one.end()
        due = await _due(executions)
        assert one.run.run_id in due.runs or (due.next_run_at is not None and due.next_run_at <= due.now + _SOON)
        await one.tell()
        assert one.run.run_id not in (await _due(executions)).runs

    async def test_a_parent_that_is_over_is_told_nothing(self, executions: ExecutionStore) -> None:
        one = await awaited(executions)
        await one.end()
        await executions.request_cancel(one.above.run_id)
        await one.above.advance()
        before = at_noon(await one.above.view())
        assert await one.tell()
        assert at_noon(await one.above.view()) == before

    async def test_nothing_is_told_of_a_run_that_is_not_over(self, executions: ExecutionStore) -> None:
        one = await awaited(executions)
        signal = Signal(name="redis_mob.child", payload=None)
        assert not await executions.tell_parent(one.run.run_id, one.parent, signal)
        assert await one.start()
        assert not await one.tell()
        assert not (await one.above.view()).signals

    async def test_news_that_nothing_waits_for_are_dropped(self, executions: ExecutionStore) -> None:
        one = await awaited(executions)
        await one.end()
        await one.tell()
        stale = Signal(name="redis_mob.child", payload={"key": ["f", "n", "t"], "run_id": "none", "status": "failed"})
        await executions.send_signal(one.above.run_id, stale)
        transition = must(engine.advance(await one.above.view(), RUNS_A_FLOW))
        assert transition.dropped == (2,)
        assert await executions.commit(transition)
        assert not (await one.above.view()).signals

    async def test_what_cannot_be_read_back_is_refused(self, executions: ExecutionStore) -> None:
        one = await awaited(executions)
        wrong = one.parent.model_copy(update={"flows": object()})
        with pytest.raises(InternalError):
            await executions.start_child(one.run, one.launch, RUNS_A_FLOW, parent=wrong, execution=one.execution)
        with pytest.raises(InternalError):
            await executions.tell_parent(one.run.run_id, wrong, Signal(name="redis_mob.child"))
        assert await executions.status(one.run.run_id) is None


_SOON = timedelta(seconds=5)


async def _due(executions: ExecutionStore) -> DueWork:
    return await executions.take_due(max_runs=100, max_executions=0, keep=timedelta(hours=1))

"""Signals to runs, which commits take, and values that workers publish."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from redis_mob.contracts import ExecutionStore
from redis_mob.errors import CasConflictError, InternalError, NotFoundError, ValidationError
from redis_mob.fleet import engine
from redis_mob.models import MobRunStatus
from redis_mob.models.base import json_text
from redis_mob.models.due_work import DueWork
from redis_mob.models.execution import ExecutionStatus, HowLost, Loss
from redis_mob.models.signal import Published, Sent, Signal
from redis_mob.models.transition import Commit, RunView
from redis_mob.testing.conformance.base import Guarantee, Opener, given
from redis_mob.testing.samples.driven_runs import (
    LONG_LEASE,
    ONE_STEP,
    WAIT_AND_STEP,
    DrivenRun,
    at_noon,
    keys_of,
    launched,
    must,
    pending,
    waiting,
)


class TestSignals(Guarantee):
    """A signal is sent once, waits behind those before it, and is taken by one commit."""

    async def test_signals_wait_in_the_order_in_which_they_were_sent(self, executions: ExecutionStore) -> None:
        run = await waiting(executions, WAIT_AND_STEP)
        before = await run.view()
        sent = [await executions.send_signal(run.run_id, _go(number)) for number in (3, 1.0, None, {"é": [1]})]
        assert sent == [Sent(number) for number in (1, 2, 3, 4)]
        view = await run.view()
        assert list(view.signals) == [1, 2, 3, 4]
        assert json_text([one.payload for one in view.signals.values()]) == json_text([3, 1.0, None, {"é": [1]}])
        assert dict(view.executions) == dict(before.executions)
        assert view.version == before.version

    async def test_many_senders_have_numbers_of_their_own(self, open_stores: Opener) -> None:
        stores = await _several(open_stores)
        run = await waiting(stores[0], WAIT_AND_STEP)
        sending = [store.send_signal(run.run_id, _go(n)) for n in range(5) for store in stores]
        assert sorted(one.number for one in await asyncio.gather(*sending)) == list(range(1, 16))
        assert len((await run.view()).signals) == 15

    async def test_a_signal_makes_its_run_due(self, executions: ExecutionStore) -> None:
        run = await waiting(executions, WAIT_AND_STEP)
        await _take_runs(executions)
        assert await executions.commit(must(engine.give_back(await run.view())))
        assert (await _take_runs(executions)).runs == ()
        await executions.send_signal(run.run_id, _go())
        assert (await _take_runs(executions)).runs == (run.run_id,)

    async def test_a_decision_that_has_not_seen_it_leaves_the_run_due(self, executions: ExecutionStore) -> None:
        run = await waiting(executions, WAIT_AND_STEP)
        await executions.send_signal(run.run_id, _go())
        assert (await _take_runs(executions)).runs == (run.run_id,)
        before = await run.view()
        await executions.send_signal(run.run_id, _go())
        assert (await _take_runs(executions)).runs == ()
        assert await executions.commit(must(engine.give_back(before)))
        assert (await _take_runs(executions)).runs == (run.run_id,)

    async def test_a_run_begins_at_its_time_also_if_a_signal_comes_before(self, executions: ExecutionStore) -> None:
        later = (await (await launched(executions, ONE_STEP)).view()).now + timedelta(hours=1)
        await _take_runs(executions)
        run, launch = pending(WAIT_AND_STEP)
        assert await executions.start_run(run, launch, WAIT_AND_STEP, at=later)
        await executions.send_signal(run.run_id, _go())
        assert (await _take_runs(executions)).runs == ()

    async def test_the_commit_that_takes_a_signal_takes_it_away(self, executions: ExecutionStore) -> None:
        run = await waiting(executions, WAIT_AND_STEP)
        for number in (1, 2):
            await executions.send_signal(run.run_id, _go(number))
        await run.advance()
        view = await run.view()
        assert list(view.signals) == [2]
        [taken] = (one for one in view.executions.values() if one.step_id == "a")
        assert (taken.status, taken.signal) == (ExecutionStatus.COMPLETED, 1)
        assert (await executions.send_signal(run.run_id, _go())).number == 3

    async def test_of_many_commits_that_take_a_signal_one_wins(self, open_stores: Opener) -> None:
        stores = await _several(open_stores)
        run = await waiting(stores[0], WAIT_AND_STEP)
        await stores[0].send_signal(run.run_id, _go())
        transition = must(engine.advance(await run.view(), WAIT_AND_STEP))
        assert transition.taken == (1,)
        won = await asyncio.gather(*(store.commit(transition) for store in stores for _ in range(3)))
        assert won.count(Commit.WON) == 1

    async def test_a_lost_commit_takes_no_signal(self, executions: ExecutionStore) -> None:
        run = await waiting(executions, WAIT_AND_STEP)
        await executions.send_signal(run.run_id, _go())
        transition = must(engine.advance(await run.view(), WAIT_AND_STEP))
        await executions.request_cancel(run.run_id)
        assert await executions.commit(transition) is Commit.LOST
        assert list((await run.view()).signals) == [1]

    async def test_the_same_key_sends_it_once(self, executions: ExecutionStore) -> None:
        run = await waiting(executions, WAIT_AND_STEP)
        signal = _go({"a": 1, "b": 2})
        assert await executions.send_signal(run.run_id, signal, idempotency_key="k") == Sent(1)
        before = await run.view()
        again = _go({"b": 2, "a": 1})
        assert await executions.send_signal(run.run_id, again, idempotency_key="k") == Sent(1, is_repeated=True)
        assert await executions.send_signal(run.run_id, signal, idempotency_key="") == Sent(2)
        for other in (_go({"a": 1.0, "b": 2}), Signal(name="stop", payload=signal.payload)):
            with pytest.raises(ValidationError):
                await executions.send_signal(run.run_id, other, idempotency_key="k")
        assert list((await run.view()).signals) == [1, 2]
        assert (await run.view()).reports == before.reports + 1

    async def test_a_run_that_is_over_gets_none_and_knows_those_that_it_got(self, executions: ExecutionStore) -> None:
        run = await waiting(executions, WAIT_AND_STEP)
        await executions.send_signal(run.run_id, _go(), idempotency_key="k")
        await executions.request_cancel(run.run_id)
        await run.advance()
        assert await executions.status(run.run_id) is MobRunStatus.CANCELED
        before = at_noon(await run.view())
        with pytest.raises(CasConflictError):
            await executions.send_signal(run.run_id, _go())
        assert await executions.send_signal(run.run_id, _go(), idempotency_key="k") == Sent(1, is_repeated=True)
        assert at_noon(await run.view()) == before

    async def test_an_unknown_run_and_what_is_no_signal(self, executions: ExecutionStore) -> None:
        run = await waiting(executions, WAIT_AND_STEP)
        with pytest.raises(NotFoundError):
            await executions.send_signal(str(uuid4()), _go())
        wrong: Any = {"name": "go"}
        with pytest.raises(ValidationError):
            await executions.send_signal(run.run_id, wrong)
        with pytest.raises(InternalError):
            await executions.send_signal(run.run_id, _go().model_copy(update={"payload": object()}))
        assert dict((await run.view()).signals) == {}

    async def test_what_was_given_can_change_without_changing_what_was_sent(self, executions: ExecutionStore) -> None:
        run, payload = await waiting(executions, WAIT_AND_STEP), {"a": [1]}
        await executions.send_signal(run.run_id, _go(payload))
        payload["a"].append(2)
        assert [one.payload for one in (await run.view()).signals.values()] == [{"a": [1]}]


class TestPublishedValues(Guarantee):
    """The last value of each name is there at once; of the workers of an execution only the newest publishes."""

    async def test_the_last_value_of_a_name_is_given(self, executions: ExecutionStore) -> None:
        run, view = await _claimed(executions)
        assert await executions.published(run.run_id, "k") == Published(is_over=False)
        for value in (1, 1.0, {"é": [None]}):
            assert await _publish(run, view, value) is True
            found = await executions.published(run.run_id, "k")
            assert found is not None
            assert json_text(found) == json_text([False, True, value])
        assert await executions.published(run.run_id, "other") == Published(is_over=False)

    async def test_null_is_a_value(self, executions: ExecutionStore) -> None:
        run, view = await _claimed(executions)
        await _publish(run, view, None)
        assert await executions.published(run.run_id, "k") == Published(False, True, None)

    async def test_who_was_overtaken_publishes_nothing(self, executions: ExecutionStore) -> None:
        run, view = await _claimed(executions)
        await run.claim(_key(view), owner="two", loss=Loss(HowLost.ALONE, "one", "host", view.now))
        assert await _publish(run, view, 1) is False
        assert await executions.published(run.run_id, "k") == Published(is_over=False)
        assert await _publish(run, await run.view(), 2) is True

    async def test_what_is_over_publishes_nothing_more(self, executions: ExecutionStore) -> None:
        run, view = await _claimed(executions)
        assert await _publish(run, view, 1) is True
        await run.settle(_key(view))
        assert await executions.status(run.run_id) is MobRunStatus.COMPLETED
        assert await _publish(run, view, 2) is False
        assert await executions.published(run.run_id, "k") == Published(True, True, 1)

    async def test_an_execution_that_never_was_publishes_nothing(self, executions: ExecutionStore) -> None:
        run, view = await _claimed(executions)
        key = _key(view)
        claimed = view.executions[key]
        assert await executions.publish(run.run_id, key._replace(target="another"), claimed, "k", 1) is False
        with pytest.raises(NotFoundError):
            await executions.publish(str(uuid4()), key, claimed, "k", 1)
        assert await executions.published(str(uuid4()), "k") is None

    async def test_those_who_listen_for_the_run_are_woken(self, open_stores: Opener) -> None:
        one, two, _ = await _several(open_stores)
        run, view = await _claimed(one)
        async with two.listen(run.run_id) as wake_up:
            await wake_up.wait(LONG_LEASE.total_seconds())
            await _publish(run, view, 1)
            assert await wake_up.wait(LONG_LEASE.total_seconds())

    async def test_what_cannot_be_stored_is_refused(self, executions: ExecutionStore) -> None:
        run, view = await _claimed(executions)
        with pytest.raises(InternalError):
            await _publish(run, view, object())
        assert await executions.published(run.run_id, "k") == Published(is_over=False)


def _go(payload: Any = None) -> Signal:
    return Signal(name="go", payload=payload)


async def _take_runs(executions: ExecutionStore) -> DueWork:
    return await executions.take_due(max_runs=9, max_executions=0, keep=LONG_LEASE)


async def _claimed(executions: ExecutionStore) -> tuple[DrivenRun, RunView]:
    """A run with one execution, which a worker has claimed."""
    run = replace(await waiting(executions, ONE_STEP, members=1))
    await run.claim(_key(await run.view()))
    return run, await run.view()


def _key(view: RunView) -> Any:
    return keys_of(view)[0]


async def _publish(run: DrivenRun, view: RunView, value: Any) -> bool:
    key = _key(view)
    return await run.executions.publish(run.run_id, key, view.executions[key], "k", value)


async def _several(open_stores: Opener) -> list[ExecutionStore]:
    return [given("executions", (await open_stores()).executions) for _ in range(3)]

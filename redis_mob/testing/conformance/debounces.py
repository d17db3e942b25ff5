"""Starts under a debounce key: gathered in one run until that begins, with what the last of them gave."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from redis_mob.codec.labels import checked_labels
from redis_mob.contracts import ExecutionStore
from redis_mob.errors import ValidationError
from redis_mob.fleet import engine
from redis_mob.models import MobDefinition, MobRunStatus
from redis_mob.models.debounce import Debounce
from redis_mob.models.execution import RunLaunch
from redis_mob.models.labels import NO_LABELS, Labels
from redis_mob.models.signal import Signal
from redis_mob.testing.conformance.base import Guarantee, Opener, given
from redis_mob.testing.samples.driven_runs import ONE_STEP, STEPS_AND_LOOP, DrivenRun, must, pending

HOUR = timedelta(hours=1)
SOON = timedelta(milliseconds=1)


async def start(
    executions: ExecutionStore,
    params: Mapping[str, Any],
    key: str = "key",
    *,
    after: timedelta = HOUR,
    most: timedelta | None = None,
    labels: Labels = NO_LABELS,
    definition: MobDefinition = ONE_STEP,
    **launch: object,
) -> DrivenRun:
    """Start a run under a key."""
    run, default = pending(definition, params=params)
    given_launch = RunLaunch.model_validate({**default.model_dump(), **launch})
    run_id = await executions.start_debounced(
        run, given_launch, definition, debounce=Debounce(key, after, most), labels=labels
    )
    return DrivenRun(executions, definition, run_id)


async def due(executions: ExecutionStore) -> tuple[str, ...]:
    """The runs that are due, which a worker has in hand after that."""
    return (await executions.take_due(max_runs=10, max_executions=0, keep=HOUR)).runs


class TestDebounces(Guarantee):
    """Of all starts under a key one run begins, with what the last of them gave, and only once its time has come."""

    async def test_the_last_start_counts(self, executions: ExecutionStore) -> None:
        one = await start(executions, {"n": 1}, labels=checked_labels({"a": 1, "b": 2}, "said"), release="old")
        before = await one.view()
        same = await start(executions, {"n": 2, "é": "ü"}, labels=checked_labels({"b": 3}, None), priority=5)
        view = await one.view()
        assert same.run_id == one.run_id
        assert dict(view.run.activation_params) == {"n": 2, "é": "ü"}
        assert (view.launch.priority, view.launch.release) == (5, None)
        assert view.labels == checked_labels({"b": 3}, None)
        assert (view.run.status, view.run.created_at) == (MobRunStatus.PENDING, before.run.created_at)
        await start(executions, {})
        assert (await one.view()).labels == NO_LABELS

    async def test_another_definition_counts_too(self, executions: ExecutionStore) -> None:
        one = await start(executions, {})
        await start(executions, {}, definition=STEPS_AND_LOOP)
        view = await one.view()
        assert view.run.flow_state == pending(STEPS_AND_LOOP)[0].flow_state
        assert await executions.get_definition(view.launch.definition) == STEPS_AND_LOOP
        await DrivenRun(executions, STEPS_AND_LOOP, one.run_id).advance()
        assert {key.node_id for key in (await one.view()).executions} == {"a", "b", "i"}

    async def test_each_key_and_flow_has_its_own(self, executions: ExecutionStore) -> None:
        other = ONE_STEP.model_copy(update={"id": "other"})
        runs = [await start(executions, {}, key) for key in ("", "a", "a\0", "é")]
        runs.append(await start(executions, {}, "a", definition=other))
        assert len({run.run_id for run in runs}) == 5

    async def test_of_many_at_once_none_is_lost(self, open_stores: Opener) -> None:
        stores = [given("executions", (await open_stores()).executions) for _ in range(3)]
        runs = await asyncio.gather(*(start(store, {"n": n}) for n in range(4) for store in stores))
        assert len({run.run_id for run in runs}) == 1
        assert (await runs[0].view()).run.status is MobRunStatus.PENDING
        await start(stores[0], {"n": "last"})
        assert dict((await runs[0].view()).run.activation_params) == {"n": "last"}

    async def test_it_begins_after_the_last_start(self, executions: ExecutionStore) -> None:
        one = await start(executions, {}, after=SOON)
        await start(executions, {}, after=HOUR)
        await asyncio.sleep(0.01)
        assert await due(executions) == ()
        view = await one.view()
        assert HOUR - timedelta(minutes=1) < view.launched_at - view.now <= HOUR
        await start(executions, {}, after=SOON)
        await asyncio.sleep(0.01)
        assert await due(executions) == (one.run_id,)

    async def test_it_begins_so_long_after_the_first_start(self, executions: ExecutionStore) -> None:
        one = await start(executions, {}, after=HOUR, most=2 * HOUR)
        first = (await one.view()).launched_at - HOUR
        await start(executions, {}, after=2 * HOUR, most=2 * HOUR)
        await start(executions, {}, after=2 * HOUR, most=2 * HOUR)
        assert abs((await one.view()).launched_at - (first + 2 * HOUR)) < timedelta(milliseconds=2)
        await start(executions, {}, after=SOON, most=SOON)
        await asyncio.sleep(0.01)
        await start(executions, {"n": "overdue"}, after=SOON, most=SOON)
        assert await due(executions) == (one.run_id,)
        assert dict((await one.view()).run.activation_params) == {"n": "overdue"}

    async def test_a_run_that_has_begun_is_left_alone(self, executions: ExecutionStore) -> None:
        one = await start(executions, {"n": 1})
        await one.advance()
        assert not (await one.view()).is_debounced
        other = await start(executions, {"n": 2})
        assert other.run_id != one.run_id
        assert dict((await one.view()).run.activation_params) == {"n": 1}
        await one.claim(*(await one.view()).executions)
        assert (await start(executions, {"n": 3})).run_id == other.run_id

    async def test_a_decision_on_the_run_as_it_was_before_is_lost(self, executions: ExecutionStore) -> None:
        one = await start(executions, {"n": 1})
        seen = await one.view()
        await start(executions, {"n": 2})
        assert not await executions.commit(must(engine.advance(seen, ONE_STEP)))
        assert not await executions.commit(engine.put_off(seen))
        view = await one.view()
        assert (view.run.status, view.is_debounced, view.waits_to_begin) == (MobRunStatus.PENDING, True, True)
        await one.advance()
        assert dict((await one.view()).run.activation_params) == {"n": 2}

    async def test_a_run_that_is_put_off_is_gathered_further(self, executions: ExecutionStore) -> None:
        one = await start(executions, {}, after=SOON)
        await asyncio.sleep(0.01)
        assert await due(executions) == (one.run_id,)
        await start(executions, {})
        assert await executions.commit(engine.put_off(await one.view()))
        assert (await start(executions, {})).run_id == one.run_id
        assert await due(executions) == ()

    async def test_a_run_that_is_to_be_cancelled_is_left_alone(self, executions: ExecutionStore) -> None:
        one = await start(executions, {"n": 1})
        assert await executions.request_cancel(one.run_id)
        assert not (await one.view()).waits_to_begin
        other = await start(executions, {"n": 2})
        assert other.run_id != one.run_id
        await one.advance()
        assert await executions.status(one.run_id) is MobRunStatus.CANCELED
        assert (await start(executions, {"n": 3})).run_id == other.run_id

    async def test_what_was_sent_to_the_run_stays(self, executions: ExecutionStore) -> None:
        one = await start(executions, {"n": 1})
        await executions.send_signal(one.run_id, Signal(name="go", payload=1), idempotency_key="k")
        await start(executions, {"n": 2})
        assert [signal.payload for signal in (await one.view()).signals.values()] == [1]
        again = await executions.send_signal(one.run_id, Signal(name="go", payload=1), idempotency_key="k")
        assert again.is_repeated

    async def test_an_id_that_is_taken_gives_way(self, executions: ExecutionStore) -> None:
        run, launch = pending(ONE_STEP)
        assert await executions.start_run(run, launch, ONE_STEP)
        started = await executions.start_debounced(run, launch, ONE_STEP, debounce=Debounce("key", HOUR))
        assert started != run.run_id
        assert (await start(executions, {})).run_id == started

    async def test_what_cannot_be_gathered_is_refused(self, executions: ExecutionStore) -> None:
        for after, most in ((timedelta(), None), (-HOUR, None), (HOUR, SOON), (timedelta.max, None)):
            with pytest.raises(ValidationError, match="debounce"):
                await start(executions, {}, after=after, most=most)
        run, launch = pending(ONE_STEP, run_id=str(uuid4()))
        begun = run.model_copy(update={"status": MobRunStatus.RUNNING})
        with pytest.raises(ValidationError, match="has not begun"):
            await executions.start_debounced(begun, launch, ONE_STEP, debounce=Debounce("key", HOUR))
        assert await executions.status(run.run_id) is None

"""Signals to runs that workers drive: before, while and after a step waits, once each, and what is refused."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from redis_mob.errors import CasConflictError, NotFoundError, ValidationError
from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.step_context import StepContext
from redis_mob.models import signal as bounds
from redis_mob.models.conditions import EqCondition
from redis_mob.models.definition import MobDefinition
from redis_mob.models.execution import ExecutionStatus
from redis_mob.storage import MobStorage
from redis_mob.testing.waiting import LONG
from tests.fleet.flows import FLOW, loop, mob, node, step, wait
from tests.fleet.working import at_work, check_told_once, loaded, whole

SCHEMA = '{"type": "object", "required": ["ok"], "properties": {"ok": {"type": "boolean"}}}'

APPROVAL = mob({"ask": wait(schema_ref=SCHEMA), "act": step("ask")})
UNKNOWN = "00000000-0000-4000-8000-000000000000"


async def act(ctx: StepContext) -> Any:
    return ctx.outputs["ask"]["payload"]


async def nothing(_ctx: StepContext) -> None:
    pass


def fleet_of(storage: MobStorage, definition: MobDefinition = APPROVAL, handler: Any = act) -> Fleet:
    return Fleet(storage, definition, {"*": handler})


async def until_waiting(storage: MobStorage, run_id: str, *steps: str) -> None:
    """Until these steps of a run wait for a signal."""
    async with asyncio.timeout(LONG), storage.executions.listen(run_id) as wake_up:
        while True:
            await wake_up.wait(0.05)
            view = await loaded(storage, run_id)
            waiting = {one.step_id for one in view.executions.values() if one.status is ExecutionStatus.AWAITING}
            if waiting == set(steps):
                return


async def ended(fleet: Fleet, run_id: str) -> Any:
    async with asyncio.timeout(LONG):
        return await fleet.wait(run_id)


async def test_a_signal_reaches_a_step_that_waits(storage: MobStorage, other_storage: MobStorage) -> None:
    fleet = fleet_of(storage)
    async with at_work(storage, {"*": act}):
        run_id = await fleet.start(FLOW)
        await until_waiting(storage, run_id, "ask")
        await fleet_of(other_storage).signal(run_id, "go", {"ok": True})
        run = await ended(fleet, run_id)
    assert run.root_step_outputs["act"] == {"worker-1": {"ok": True}}
    await check_told_once(storage, await whole(storage, run_id))
    assert not (await loaded(storage, run_id)).signals


async def test_a_signal_waits_for_its_step_where_no_worker_is_alive(storage: MobStorage) -> None:
    fleet = fleet_of(storage)
    run_id = await fleet.start(FLOW)
    await fleet.signal(run_id, "go", {"ok": False})
    assert (await loaded(storage, run_id)).run.status == "pending"
    async with at_work(storage, {"*": act}):
        run = await ended(fleet, run_id)
    assert run.root_step_outputs["act"] == {"worker-1": {"ok": False}}


async def test_a_signal_does_not_begin_a_run_before_its_time(storage: MobStorage) -> None:
    fleet = fleet_of(storage)
    later = (await loaded(storage, await fleet.start(FLOW))).now + timedelta(hours=1)
    run_id = await fleet.start(FLOW, at=later)
    await fleet.signal(run_id, "go", {"ok": True})
    due = await storage.executions.take_due(max_runs=9, max_executions=0, keep=timedelta(seconds=1))
    assert run_id not in due.runs


async def test_a_loop_takes_one_in_each_round_and_leaves_the_others(storage: MobStorage) -> None:
    until = EqCondition(path="steps.a.payload", value=3)
    definition = mob({"a": wait(), "b": step()}, {"l": loop("l", until, 9, a=node("a"), b=node("b", "a"))})
    fleet = fleet_of(storage, definition, nothing)
    run_id = await fleet.start(FLOW)
    async with at_work(storage, {"*": nothing}, workers=2):
        for number in range(6):
            await fleet.signal(run_id, "go", number)
        run = await ended(fleet, run_id)
    assert [one["a"]["payload"] for one in run.loop_iteration_outputs["l"]] == [0, 1, 2, 3]
    assert [one.payload for one in (await loaded(storage, run_id)).signals.values()] == [4, 5]


async def test_time_that_is_over_wakes_the_run(storage: MobStorage) -> None:
    fleet = fleet_of(storage, mob({"a": wait(timeout_ms=100)}))
    async with at_work(storage, {"*": act}):
        run = await ended(fleet, await fleet.start(FLOW))
    assert run.root_step_outputs == {"a": {"signal": "go", "payload": None, "timed_out": True}}


async def test_a_run_is_canceled_while_it_waits(storage: MobStorage) -> None:
    fleet = fleet_of(storage)
    async with at_work(storage, {"*": act}):
        run_id = await fleet.start(FLOW)
        await until_waiting(storage, run_id, "ask")
        assert await fleet.cancel(run_id)
        assert (await ended(fleet, run_id)).status == "canceled"
    with pytest.raises(CasConflictError, match="is over: no step of it will take the signal 'go'"):
        await fleet.signal(run_id, "go", {"ok": True})


async def test_many_signals_that_race_the_steps_are_taken_once_each(
    storage: MobStorage, other_storage: MobStorage
) -> None:
    steps = {f"a{number}": wait(signal=f"s{number % 2}") for number in range(20)}
    fleets = [fleet_of(one, mob(steps)) for one in (storage, other_storage)]
    run_id = await fleets[0].start(FLOW)
    async with at_work(storage, {"*": act}, workers=2), at_work(other_storage, {"*": act}):
        await asyncio.gather(*(fleets[number % 2].signal(run_id, f"s{number % 2}", number) for number in range(20)))
        run = await ended(fleets[0], run_id)
    assert sorted(one["payload"] for one in run.root_step_outputs.values()) == list(range(20))


async def test_the_same_key_sends_a_signal_once(storage: MobStorage) -> None:
    definition = mob({"a": wait(), "b": wait()})
    fleet = fleet_of(storage, definition)
    run_id = await fleet.start(FLOW)
    for _ in range(3):
        await fleet.signal(run_id, "go", {"n": 1.0, "m": [1]}, idempotency_key="k")
    assert len((await loaded(storage, run_id)).signals) == 1
    for payload in ({"n": 1, "m": [1]}, None):
        with pytest.raises(ValidationError, match="idempotency_key 'k' belongs to another signal"):
            await fleet.signal(run_id, "go", payload, idempotency_key="k")
    await fleet.signal(run_id, "go", "another", idempotency_key="j")
    async with at_work(storage, {"*": act}):
        await ended(fleet, run_id)
        # also when the run is over: it was sent
        taken = await fleet.signal(run_id, "go", {"m": [1], "n": 1.0}, idempotency_key="k", wait=True)
    assert (taken.step_id, taken.iteration) == ("a", None)
    assert taken.output == {"signal": "go", "payload": {"n": 1.0, "m": [1]}, "timed_out": False}


async def test_a_caller_may_wait_for_the_step_that_takes_its_signal(storage: MobStorage) -> None:
    until = EqCondition(path="steps.a.payload", value=1)
    fleet = fleet_of(storage, mob({"a": wait()}, {"l": loop("l", until, 9, a=node("a"))}))
    run_id = await fleet.start(FLOW)
    async with asyncio.timeout(LONG), at_work(storage, {"*": act}):
        assert (await fleet.signal(run_id, "go", 0, wait=True)).iteration == 0
        assert (await fleet.signal(run_id, "go", 1, wait=True)).iteration == 1


async def test_a_caller_is_told_that_the_run_has_ended_without_taking_its_signal(storage: MobStorage) -> None:
    never = EqCondition(path="params.none", value=1)
    fleet = fleet_of(storage, mob({"a": wait(condition=never), "b": step()}), nothing)
    run_id = await fleet.start(FLOW)
    async with asyncio.timeout(LONG), asyncio.TaskGroup() as group:
        sending = group.create_task(_refused(fleet, run_id))
        async with at_work(storage, {"*": nothing}):
            await ended(fleet, run_id)
            assert "is completed, and no step of it took the signal" in await sending


async def _refused(fleet: Fleet, run_id: str) -> str:
    with pytest.raises(CasConflictError) as raised:
        await fleet.signal(run_id, "go", wait=True)
    return str(raised.value)


async def test_what_no_step_could_take_is_refused_before_anything_is_written(storage: MobStorage) -> None:
    definition = mob(dict(APPROVAL.flows[FLOW].steps), limits={"max_output_bytes": 100})
    fleet = fleet_of(storage, definition)
    run_id = await fleet.start(FLOW)
    refused: list[tuple[type[Exception], str, str, Any]] = [
        (NotFoundError, "waits for a signal 'og'; nearest: 'go'", "og", {"ok": True}),
        (
            ValidationError,
            r"'go' is refused: it does not fit its schema at \$.ok: 1 is not of type 'boolean'",
            "go",
            {"ok": 1},
        ),
        (ValidationError, "is 110 bytes of JSON, more than the 100", "go", {"ok": True, "why": "x" * 90}),
        (ValidationError, r"'go' is refused: \$.ok", "go", {"ok": object()}),
    ]
    for error, message, name, payload in refused:
        with pytest.raises(error, match=message):
            await fleet.signal(run_id, name, payload)
    with pytest.raises(NotFoundError, match=f"run {UNKNOWN} does not exist"):
        await fleet.signal(UNKNOWN, "go")
    view = await loaded(storage, run_id)
    assert (dict(view.signals), view.reports) == ({}, 0)


async def test_the_nearest_of_no_signals(storage: MobStorage) -> None:
    fleet = fleet_of(storage, mob({"a": step()}))
    with pytest.raises(NotFoundError, match="none of them waits for any"):
        await fleet.signal(await fleet.start(FLOW), "go")


async def test_more_signals_than_may_wait_are_refused(storage: MobStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("stores", "memory"):
        monkeypatch.setattr(f"redis_mob.{module}.signals.MOST_QUEUED", 3)
    assert bounds.MOST_QUEUED == 10_000
    fleet = fleet_of(storage, mob({"a": wait()}))
    run_id = await fleet.start(FLOW)
    for number in range(3):
        await fleet.signal(run_id, "go", number, idempotency_key=str(number))
    with pytest.raises(CasConflictError, match="10,000 signals that no step has taken: signal 'go' was not sent"):
        await fleet.signal(run_id, "go", 4)
    await fleet.signal(run_id, "go", 2, idempotency_key="2")
    assert Counter(one.payload for one in (await loaded(storage, run_id)).signals.values()) == {0: 1, 1: 1, 2: 1}

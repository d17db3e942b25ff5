"""A handler that blocks the event loop of its worker is named in the log, with where it is and for how long."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import re
import threading
import time
from collections.abc import Mapping
from typing import Any

import pytest

from redis_mob import StepContext
from redis_mob.fleet import loop_watch
from redis_mob.fleet.calls import Calls
from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.handler_call import HandlerCall
from redis_mob.fleet.lease import DEFAULT_LEASE
from redis_mob.fleet.step_context import Handler
from redis_mob.models.run import MobRun
from redis_mob.models.run_status import MobRunStatus
from redis_mob.models.transition import RunView
from redis_mob.storage import MobStorage
from redis_mob.testing.waiting import LONG, until
from tests.fleet.flows import FLOW, mob, step
from tests.fleet.working import at_work, run_flow


@pytest.fixture(autouse=True)
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_watch, "BLOCKED_SECONDS", 0.6)
    monkeypatch.setattr(loop_watch, "CHECK_SECONDS", 0.01)


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == loop_watch.__name__]


def wait_until_told(caplog: pytest.LogCaptureFixture) -> None:
    """Block the thread, as a client does that is not asynchronous, until the worker has told of it."""
    deadline = time.monotonic() + LONG
    while not told(caplog):
        assert time.monotonic() < deadline, "the worker has told nothing"
        time.sleep(0.005)


async def run_beside_a_healthy_step(storage: MobStorage, handler: Handler) -> MobRun:
    """The blocking step is followed by one that is not, on the same worker."""
    served: Mapping[str, Handler] = {"worker": handler, "healthy": lambda _ctx: "done"}
    steps = {"a": step(policy="any"), "b": step(role="healthy", policy="any"), "c": step("a", role="healthy")}
    run = await run_flow(storage, mob(steps), served, lease=DEFAULT_LEASE)
    assert run.status is MobRunStatus.COMPLETED, run.failure_ledger
    return run


async def test_a_blocked_loop_is_told_once_with_handler_place_and_seconds_and_once_when_it_goes_on(
    storage: MobStorage, caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[int] = []

    async def agent(ctx: StepContext) -> Any:
        calls.append(ctx.attempt)
        wait_until_told(caplog)
        await until(lambda: len(told(caplog)) == 2)  # the loop goes on

    run = await run_beside_a_healthy_step(storage, agent)
    blocked, goes_on = told(caplog)
    for_seconds = re.search(r": its event loop has been blocked for (\d+\.\d) s by ", blocked)
    assert for_seconds is not None, blocked
    assert float(for_seconds[1]) >= loop_watch.BLOCKED_SECONDS
    assert f"agent for role 'worker', step 'a' of run {run.run_id}, since " in blocked
    assert re.search(rf"at {re.escape(__file__)}:\d+ in agent \({re.escape(__file__)}:\d+ in \w+\)", blocked), blocked
    assert re.search(r": its event loop goes on; it was blocked for \d\.\d s$", goes_on), goes_on
    assert calls == [1]


async def test_a_task_that_a_handler_has_started_is_found_by_its_place(
    storage: MobStorage, caplog: pytest.LogCaptureFixture
) -> None:
    async def part() -> None:
        wait_until_told(caplog)

    async def agent(_ctx: StepContext) -> None:
        await asyncio.gather(part(), asyncio.sleep(0))

    await run_beside_a_healthy_step(storage, agent)
    blocked = told(caplog)[0]
    assert "by a task or callback of one of " in blocked
    assert "agent for role 'worker', step 'a'" in blocked
    assert re.search(rf"at {re.escape(__file__)}:\d+ in part ", blocked), blocked


def hold_until_told(caplog: pytest.LogCaptureFixture) -> None:
    """C code that does not let go of the interpreter stops all threads, that of the watch too."""
    milliseconds = 500
    while not stillness(caplog):
        ctypes.PyDLL(None).poll(None, 0, milliseconds)
        milliseconds += 250


def stillness(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was told of the process with that handler; a machine with much to do may make it late before that."""
    return [text for text in told(caplog) if ": the process stood still for about " in text and "role 'worker'" in text]


@pytest.fixture
def short_stillness(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_watch, "LATE_SECONDS", 0.2)


@pytest.mark.usefixtures("short_stillness")
async def test_a_function_that_held_the_interpreter_is_told_with_handler_place_and_seconds(
    storage: MobStorage, caplog: pytest.LogCaptureFixture
) -> None:
    def agent(_ctx: StepContext) -> None:
        hold_until_told(caplog)

    async def waits(_ctx: StepContext) -> None:
        await until(lambda: stillness(caplog))

    steps = {"a": step(policy="any"), "b": step(role="waits", policy="any")}
    run = await run_flow(storage, mob(steps), {"worker": agent, "waits": waits}, lease=DEFAULT_LEASE)
    assert run.status is MobRunStatus.COMPLETED, run.failure_ledger
    stood_still = stillness(caplog)[0]
    assert re.search(
        r": the process stood still for about \d+\.\d s: it was suspended, or the interpreter", stood_still
    )
    assert "was held, most likely by " in stood_still
    assert "agent for role 'worker', step 'a'" in stood_still
    assert "for role 'waits'" not in stood_still
    assert re.search(rf", at {re.escape(__file__)}:\d+ in agent \({re.escape(__file__)}:\d+ in ", stood_still)


@pytest.mark.usefixtures("short_stillness")
async def test_of_several_functions_any_may_have_held_the_interpreter(
    storage: MobStorage, caplog: pytest.LogCaptureFixture
) -> None:
    begun = threading.Barrier(2)

    def agent(_ctx: StepContext) -> None:
        begun.wait(LONG)
        hold_until_told(caplog)

    def beside(_ctx: StepContext) -> None:
        begun.wait(LONG)
        while not stillness(caplog):
            time.sleep(0.001)

    steps = {"a": step(policy="any"), "b": step(role="beside", policy="any")}
    await run_flow(storage, mob(steps), {"worker": agent, "beside": beside}, lease=DEFAULT_LEASE)
    stood_still = stillness(caplog)[0]
    assert "was held, perhaps by one of " in stood_still
    assert "for role 'worker', step 'a'" in stood_still
    assert "for role 'beside', step 'b'" in stood_still


@pytest.mark.usefixtures("short_stillness")
async def test_a_function_that_ended_before_it_could_be_told_is_named_and_no_coroutine_beside_it(
    storage: MobStorage, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = Calls.running

    def running_later(calls: Calls) -> list[HandlerCall]:
        """The watch comes to look only after the call of the function has been left."""
        deadline = time.monotonic() + LONG
        while any(call.is_in_thread for call in running(calls)):
            assert time.monotonic() < deadline, "the function has not ended"
            time.sleep(0.001)
        return running(calls)

    monkeypatch.setattr(Calls, "running", running_later)

    def agent(_ctx: StepContext) -> None:
        ctypes.PyDLL(None).poll(None, 0, 1500)

    async def waits(_ctx: StepContext) -> None:
        await until(lambda: stillness(caplog))

    steps = {"a": step(policy="any"), "b": step(role="waits", policy="any")}
    run = await run_flow(storage, mob(steps), {"worker": agent, "waits": waits}, lease=DEFAULT_LEASE)
    assert run.status is MobRunStatus.COMPLETED, run.failure_ledger
    stood_still = stillness(caplog)[0]
    assert "was held, most likely by " in stood_still
    assert re.search(r"agent for role 'worker', step 'a' of run \S+, since \d+ s \(it has ended\)", stood_still), (
        stood_still
    )
    assert "for role 'waits'" not in stood_still


@pytest.mark.usefixtures("short_stillness")
async def test_a_coroutine_that_the_loop_is_not_at_is_never_the_most_likely_one(
    storage: MobStorage, caplog: pytest.LogCaptureFixture
) -> None:
    async def waits(_ctx: StepContext) -> None:
        left = threading.Event()  # set in a turn of the loop that is not of this coroutine

        def hold() -> None:
            assert left.wait(LONG), "the loop has not left the coroutine"
            hold_until_told(caplog)

        asyncio.get_running_loop().call_soon(left.set)
        await asyncio.to_thread(hold)

    run = await run_flow(storage, mob({"a": step()}), {"worker": waits}, lease=DEFAULT_LEASE)
    assert run.status is MobRunStatus.COMPLETED, run.failure_ledger
    stood_still = stillness(caplog)[0]
    assert "most likely" not in stood_still
    assert re.search(r"perhaps by one of .*waits for role 'worker', step 'a' .*, or by what these have", stood_still)


async def test_a_worker_that_blocks_its_own_loop_says_so(
    storage: MobStorage, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = storage.executions.load

    async def slow(run_id: str) -> RunView | None:
        wait_until_told(caplog)
        return await load(run_id)

    monkeypatch.setattr(storage.executions, "load", slow)
    async with at_work(storage, {"*": lambda _ctx: "done"}, lease=DEFAULT_LEASE):
        fleet = Fleet(storage, mob({"a": step()}), {"*": print})
        await fleet.start(FLOW)
        await until(lambda: told(caplog))
    blocked = told(caplog)[0]
    assert " s by the worker itself, at " in blocked
    assert re.search(rf"/run_driver.py:\d+ in \w+ \({re.escape(__file__)}:\d+ in wait_until_told\)$", blocked), blocked


async def test_what_is_of_no_handler_is_not_taken_for_one(
    storage: MobStorage, caplog: pytest.LogCaptureFixture
) -> None:
    async with at_work(storage, {"*": lambda _ctx: "done"}, lease=DEFAULT_LEASE):
        async with asyncio.timeout(LONG):
            while not told(caplog):
                time.sleep(2 * loop_watch.BLOCKED_SECONDS)  # noqa: ASYNC251 - the event loop is blocked on purpose
                await asyncio.sleep(0.01)
    assert " s by a task or callback that is of no handler under way, at " in told(caplog)[0]


async def test_a_loop_that_turns_is_not_told(
    storage: MobStorage, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop_watch, "BLOCKED_SECONDS", 5.0)
    caplog.set_level(logging.INFO, loop_watch.__name__)
    await run_beside_a_healthy_step(storage, lambda _ctx: time.sleep(0.3))
    assert told(caplog) == []

"""Handlers that go on although they were given up: what is healthy goes on beside them, and the program ends."""

from __future__ import annotations

import asyncio
import gc
import logging
import subprocess
import sys
import textwrap
import threading
import warnings
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from redis_mob import StepContext
from redis_mob.errors import ValidationError
from redis_mob.fleet import calls, deadline
from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.slots import Slots
from redis_mob.fleet.step_context import Handler
from redis_mob.fleet.typed.binding import bound_to_context
from redis_mob.fleet.worker import Worker
from redis_mob.models.run import MobRun
from redis_mob.models.run_status import MobRunStatus
from redis_mob.storage import MobStorage
from redis_mob.testing.steps import step_context
from redis_mob.testing.waiting import LONG, until
from tests.fleet.flows import FLOW, mob, step
from tests.fleet.working import at_work

HANGS = mob({"a": step(timeout_ms=50)})
HEALTHY = mob({"a": step(role="healthy", policy="any")})


class Hanging:
    """Handlers that hang until they are released, and one beside them that is healthy; all calls are counted."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.released = threading.Event()
        self.threads: set[threading.Thread] = set()

    def in_thread(self, ctx: StepContext) -> str:
        self.calls[ctx.run_id] += 1
        self.threads.add(threading.current_thread())
        self.released.wait()
        return "too late"

    async def in_loop(self, ctx: StepContext) -> str:
        self.calls[ctx.run_id] += 1
        while not self.released.is_set():
            try:
                await asyncio.sleep(0.001)
            except asyncio.CancelledError:
                continue
        return "too late"

    def late_coroutine(self, ctx: StepContext) -> Any:
        self.in_thread(ctx)
        return self.in_loop(ctx)  # never awaited: of that Python warns

    def healthy(self, ctx: StepContext) -> str:
        self.calls[ctx.run_id] += 1
        return "done"

    def handlers(self, kind: str) -> dict[str, Handler]:
        return {"worker": getattr(self, kind), "healthy": self.healthy}


@pytest.fixture
async def hanging(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Hanging]:
    """Handlers that are released at the end of the test; then their threads end too."""
    monkeypatch.setattr(deadline, "GRACE_SECONDS", 0.01)
    hanging = Hanging()
    yield hanging
    hanging.released.set()
    await until(lambda: not any(thread.is_alive() for thread in hanging.threads))


async def ended(fleet: Fleet, run_id: str) -> MobRun:
    async with asyncio.timeout(LONG):
        return await fleet.wait(run_id)


async def dispatched(storage: MobStorage, run_id: str) -> None:
    """Return when the first step of the run has been given to its member."""
    async with asyncio.timeout(LONG), storage.executions.listen(run_id) as wake_up:
        while not ((view := await storage.executions.load(run_id)) and view.executions):
            await wake_up.wait(1)


KINDS = ["in_thread", "in_loop", "late_coroutine"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("concurrency", [1, 2])
async def test_engine_case_25_runs_go_on_although_the_handlers_of_others_hang_in_all_slots(
    storage: MobStorage, hanging: Hanging, kind: str, concurrency: int
) -> None:
    handlers = hanging.handlers(kind)
    hangs, healthy = Fleet(storage, HANGS, handlers), Fleet(storage, HEALTHY, handlers)
    async with at_work(storage, handlers, concurrency=concurrency):
        for run_id in [await hangs.start(FLOW) for _ in range(concurrency)]:
            run = await ended(hangs, run_id)
            assert [failure.reason for failure in run.failure_ledger] == ["timeout after 50ms"]
        for _ in range(3):
            run = await ended(healthy, await healthy.start(FLOW))
            assert run.root_step_outputs == {"a": "done"}
    assert set(hanging.calls.values()) == {1}


def kept(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == calls.__name__]


@pytest.mark.parametrize("kind", KINDS)
async def test_engine_case_24_above_the_bound_a_slot_is_kept_until_a_handler_ends_which_is_told_once(
    storage: MobStorage, hanging: Hanging, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    caplog.set_level(logging.WARNING, calls.__name__)
    handlers = hanging.handlers(kind)
    hangs, healthy = Fleet(storage, HANGS, handlers), Fleet(storage, HEALTHY, handlers)
    async with at_work(storage, handlers, concurrency=2, max_orphaned_turns=1):
        first = await ended(hangs, await hangs.start(FLOW))
        assert kept(caplog) == []
        second = await ended(hangs, await hangs.start(FLOW))
        third = await ended(hangs, await hangs.start(FLOW))
        [warning] = kept(caplog)
        assert "2 handlers go on" in warning
        assert "max_orphaned_turns=1" in warning
        for run in (first, second):
            assert f"Hanging.{kind} for role 'worker', step 'a' of run {run.run_id}, since 0 s" in warning

        waiting = await healthy.start(FLOW)
        await dispatched(storage, waiting)
        assert await hangs.cancel(waiting)
        assert (await ended(hangs, waiting)).status is MobRunStatus.CANCELED
        assert waiting not in hanging.calls, "a worker begins what it dispatches if it has a slot"

        hanging.released.set()
        run = await ended(healthy, await healthy.start(FLOW))
        assert run.root_step_outputs == {"a": "done"}
        assert third.run_id in hanging.calls

        hanging.released.clear()
        for _ in range(2):
            await ended(hangs, await hangs.start(FLOW))
        assert len(kept(caplog)) == 2, "the slots were all free, and are taken again"


async def test_a_fleet_takes_the_bound_of_its_definition(
    storage: MobStorage, hanging: Hanging, caplog: pytest.LogCaptureFixture
) -> None:
    definition = mob({"a": step(timeout_ms=50)}, limits={"max_orphaned_turns": 0})
    fleet = Fleet(storage, definition, hanging.handlers("in_thread"))
    stop = asyncio.Event()
    working = asyncio.create_task(fleet.work(stop=stop))
    await ended(fleet, await fleet.start(FLOW))
    assert len(kept(caplog)) == 1
    stop.set()
    await working


async def test_the_bound_is_a_number(storage: MobStorage) -> None:
    with pytest.raises(ValidationError, match="max_orphaned_turns"):
        Worker(storage.executions, {}, max_orphaned_turns=-1)


async def test_threads_are_used_again_and_end_with_their_worker(storage: MobStorage) -> None:
    used: set[threading.Thread] = set()

    def handler(_ctx: StepContext) -> None:
        used.add(threading.current_thread())

    handlers: dict[str, Handler] = {"*": handler}
    fleet = Fleet(storage, HEALTHY, handlers)
    async with at_work(storage, handlers):
        for _ in range(5):
            await ended(fleet, await fleet.start(FLOW))
    [thread] = used
    await until(lambda: not thread.is_alive())


@pytest.mark.parametrize("kind", ["time.sleep(3600)", "ignore()"])
def test_a_program_ends_although_a_handler_does_not(kind: str) -> None:
    program = f"""
        import asyncio, time
        from redis_mob import Fleet, MobStorage
        from redis_mob.fleet import deadline
        from tests.fleet.flows import FLOW, mob, step

        deadline.GRACE_SECONDS = 0.01

        async def ignore():
            while True:
                try:
                    await asyncio.sleep(3600)
                except asyncio.CancelledError:
                    continue

        async def main():
            async with MobStorage.open("memory:") as storage:
                fleet = Fleet(storage, mob({{"a": step(timeout_ms=50)}}), {{"*": lambda ctx: {kind}}})
                stop = asyncio.Event()
                working = asyncio.create_task(fleet.work(stop=stop))
                run = await fleet.wait(await fleet.start(FLOW))
                print(run.failure_ledger[0].reason)
                stop.set()
                await working

        asyncio.run(main())
    """
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=3 * LONG, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr.count("Error")) == (0, "timeout after 50ms\n", 0), ended.stderr


async def test_a_call_that_is_cancelled_before_its_first_turn_leaves_no_coroutine() -> None:
    """Python warns of a coroutine that is never awaited, and warnings are errors here."""
    call = calls.Calls("worker", Slots(1), 1).start(bound_to_context(lambda _ctx: 1), step_context())
    call.outcome.cancel()
    await asyncio.wait([call.outcome])
    assert call.outcome.cancelled()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        del call
        gc.collect()
    assert [str(one.message) for one in told] == []

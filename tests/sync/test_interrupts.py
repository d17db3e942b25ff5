"""Ctrl-C while a call without async waits: what it waits for ends, and the storage goes on.

It looks at the frames of the thread that is interrupted, to know that it waits.
"""
# pyright: reportPrivateUsage=false

from __future__ import annotations

import asyncio
import signal
import sys
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager
from typing import Any

import pytest

from redis_mob.fleet.step_context import StepContext
from redis_mob.sync import Fleet, MobStorage
from redis_mob.sync.loop_thread import Held
from redis_mob.testing.waiting import LONG
from tests.fleet.flows import FLOW, mob, step


@pytest.fixture(params=["memory", "server"])
def storage(request: pytest.FixtureRequest, namespace: str) -> Iterator[MobStorage]:
    url = "memory:" if request.param == "memory" else request.getfixturevalue("server_url")
    with MobStorage.open(url, namespace=namespace) as opened:
        yield opened


def until(condition: Callable[[], object]) -> None:
    """Return once it holds."""
    deadline = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < deadline, "it does not come true"
        time.sleep(0.001)


def interrupted(call: Callable[[], object]) -> None:
    """Call it, and press Ctrl-C while it waits for its result."""
    here = threading.get_ident()

    def waits() -> bool:
        frame = sys._current_frames().get(here)
        while frame is not None and frame.f_code is not Future[Any].result.__code__:
            frame = frame.f_back
        return frame is not None

    def press() -> None:
        until(waits)
        signal.pthread_kill(here, signal.SIGINT)

    # a shell that starts the tests in the background has them ignore it
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    presser = threading.Thread(target=press)
    presser.start()
    try:
        call()
    finally:
        presser.join()
        signal.signal(signal.SIGINT, before)


def done(_ctx: StepContext) -> str:
    return "done"


def test_an_interrupt_ends_a_wait_and_the_storage_goes_on(storage: MobStorage) -> None:
    fleet = Fleet(storage, mob({"a": step()}), {"*": done})
    run_id = fleet.start(FLOW)
    with pytest.raises(KeyboardInterrupt):
        interrupted(lambda: fleet.wait(run_id))
    with pytest.raises(KeyboardInterrupt):
        interrupted(lambda: next(storage.events.subscribe()))
    with pytest.raises(KeyboardInterrupt):
        interrupted(fleet.work)
    until(lambda: not storage.executions.workers())  # it leaves, since its call was cancelled
    assert fleet.cancel(run_id) or storage.executions.status(run_id) == "completed"


@pytest.mark.parametrize("way", ["call", "subscription"])
def test_an_interrupt_just_after_work_was_handed_over_ends_that_too(
    storage: MobStorage, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    hand_over = asyncio.BaseEventLoop.call_soon_threadsafe
    begun, ended = threading.Event(), threading.Event()

    async def work() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    @asynccontextmanager
    async def opening() -> AsyncGenerator[None]:
        await work()
        yield

    def interrupted_once(loop: asyncio.BaseEventLoop, *given: Any) -> None:
        monkeypatch.undo()
        hand_over(loop, *given)
        assert begun.wait(LONG)
        raise KeyboardInterrupt

    monkeypatch.setattr(asyncio.BaseEventLoop, "call_soon_threadsafe", interrupted_once)
    with pytest.raises(KeyboardInterrupt):
        if way == "call":
            storage.loop.run(work())
        else:
            Held(storage.loop, opening())
    assert ended.wait(LONG)

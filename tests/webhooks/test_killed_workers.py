"""Workers that are killed while they deliver: another one goes on, nothing is lost, and each run keeps its order."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.storage import MobStorage
from redis_mob.testing.waiting import LONG
from redis_mob.testing.waiting import until as until_true
from tests.webhooks.receiver import Received, Reply, receiving
from tests.webhooks.scenes import delivering, made, tell
from tests.webhooks.test_delivery import in_order, up_to

RUNS = [0, 1, 0, 2, 1, 0, 3, 3, 2, 0] * 3


@pytest.fixture
async def storage(server_url: str, namespace: str) -> AsyncIterator[MobStorage]:
    async with MobStorage.open(server_url, namespace=namespace) as opened:
        yield opened


def worker(url: str, namespace: str, call: int = 0) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.webhooks.killed_worker", url, namespace, str(call)], stderr=subprocess.PIPE
    )


@pytest.mark.parametrize("call", [1, 2, 3, 5])
async def test_a_worker_that_is_killed_in_a_call_of_the_store_loses_nothing(
    storage: MobStorage, server_url: str, namespace: str, call: int
) -> None:
    failed: set[int] = set()

    def behave(request: Received) -> Reply:
        if request.cursor % 5 == 0 and request.cursor not in failed:
            failed.add(request.cursor)
            return Reply(500)
        return Reply()

    with receiving() as receiver:
        receiver.behaviour = behave
        await made(storage, receiver.url, timeout=timedelta(seconds=1))
        cursors = await tell(storage, *RUNS)
        killed = worker(server_url, namespace, call)
        cursors += await told_slowly(storage, killed)
        _, said = await asyncio.to_thread(killed.communicate)
        assert killed.returncode == -signal.SIGKILL, said
        async with delivering(storage):
            await up_to(storage, cursors[-1])
        runs = [*RUNS, *(number % 3 for number in range(len(cursors) - len(RUNS)))]
        in_order(receiver, list(zip(cursors, runs, strict=True)))


async def told_slowly(storage: MobStorage, killed: subprocess.Popen[bytes]) -> list[int]:
    """Events until the worker is dead."""
    cursors: list[int] = []
    async with asyncio.timeout(LONG):
        while killed.poll() is None:
            cursors += await tell(storage, len(cursors) % 3)
            await asyncio.sleep(0.02)
    return cursors


@pytest.mark.parametrize("number", [1, 9])
async def test_what_was_taken_and_not_stored_is_posted_again_under_its_id(
    storage: MobStorage, server_url: str, namespace: str, number: int
) -> None:
    processes: list[subprocess.Popen[bytes]] = []

    def behave(request: Received) -> Reply:
        if len(receiver.received) == number and processes[0].poll() is None:
            processes[0].kill()  # it has sent this one, and will never know what became of it
        return Reply()

    with receiving() as receiver:
        receiver.behaviour = behave
        await made(storage, receiver.url, timeout=timedelta(seconds=1))
        cursors = await tell(storage, *RUNS)
        processes.append(worker(server_url, namespace))
        await until_true(lambda: processes[0].poll() is not None)
        _, said = await asyncio.to_thread(processes[0].communicate)
        assert processes[0].returncode == -signal.SIGKILL, said
        async with delivering(storage):
            await up_to(storage, cursors[-1])
        in_order(receiver, list(zip(cursors, RUNS, strict=True)))
        assert len({one.headers["webhook-id"] for one in receiver.received}) == len(cursors)
    assert (await FleetAdmin(storage).webhook("w")).progress.missed == 0


async def test_a_worker_that_has_lost_its_turn_stores_nothing(storage: MobStorage) -> None:
    with receiving() as receiver:
        await made(storage, receiver.url)
        turn = await storage.webhooks.take_turn("w", "one", timedelta())
        assert turn is not None
        assert turn.progress is not None
        async with delivering(storage):
            cursors = await tell(storage, *RUNS)
            await up_to(storage, cursors[-1])
            late = turn.progress.model_copy(update={"cursor": 10**6})
            assert await storage.webhooks.advance("w", "one", turn.number, late, length=timedelta()) is None
        assert (await FleetAdmin(storage).webhook("w")).progress.cursor == cursors[-1]

"""Several writers of one thread, and connections that are lost under them."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from redis_mob.langgraph import RedisMobSaver, RedisMobStore
from redis_mob.testing.faults import Fault, at_random, fault_proxy
from tests.langgraph.threads import checkpoint, config, metadata

ROOT = Path(__file__).parents[2]
LOST = (Fault.CUT_BEFORE, Fault.CUT_WITHIN, Fault.CUT_AFTER, Fault.TRUNCATED, Fault.LATE)


async def test_two_processes_at_one_thread_lose_nothing(server_url: str, namespace: str) -> None:
    started = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.langgraph.writer", server_url, namespace, name, "40", stdin=-1, cwd=ROOT
        )
        for name in ("one", "two")
    ]
    async with RedisMobSaver.open(server_url, namespace=namespace) as saver:
        await asyncio.gather(*(process.communicate(b"go\n") for process in started))
        assert [process.returncode for process in started] == [0, 0]
        found = [one async for one in saver.alist(config())]
    kept = {(one.metadata.get("writer"), one.metadata.get("step")): one for one in found}
    assert kept.keys() == {(name, step) for name in ("one", "two") for step in range(40)}
    for (name, step), one in kept.items():
        assert one.checkpoint["channel_values"] == {"a": [name, step]}
        assert one.pending_writes == [(f"{name}-{step}", "a", [name, step])]


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_lost_connections_lose_and_double_no_write(server_url: str, namespace: str, seed: int) -> None:
    async with fault_proxy(server_url, at_random(seed=seed, one_in=4, faults=LOST)) as proxy:
        async with RedisMobSaver.open(proxy.url, namespace=namespace) as saver:
            at = config()
            for step in range(30):
                version = str(step)
                at = await saver.aput(at, checkpoint({"a": step}, {"a": version}), metadata(step), {"a": version})
                await saver.aput_writes(at, [("a", step), ("__error__", step)], "task")
            await saver.acopy_thread("thread", "copy")
            await saver.aprune(["thread"])
        assert proxy.count(*LOST) > 10
    async with RedisMobSaver.open(server_url, namespace=namespace) as saver:
        [left] = [one async for one in saver.alist(config())]
        copied = [one async for one in saver.alist(config("copy"))]
    assert [one.checkpoint["channel_values"]["a"] for one in copied] == list(range(29, -1, -1))
    assert left.checkpoint == copied[0].checkpoint
    assert all(len(one.pending_writes or []) == 2 for one in copied)


async def test_lost_connections_double_no_item(server_url: str, namespace: str) -> None:
    async with fault_proxy(server_url, at_random(seed=5, one_in=4, faults=LOST)) as proxy:
        async with RedisMobStore.open(proxy.url, namespace=namespace) as store:
            for number in range(40):
                await store.aput(("a", str(number % 3)), str(number), {"number": number})
                if number % 4 == 0:
                    await store.adelete(("a", str(number % 3)), str(number))
        assert proxy.count(*LOST) > 5
    async with RedisMobStore.open(server_url, namespace=namespace) as store:
        found = await store.asearch(("a",), limit=100)
    assert sorted(one.value["number"] for one in found) == [number for number in range(40) if number % 4]

"""What workers cost and reach apart from throughput: long handlers on many slots, idle workers, many executions kept.

Long handlers are compared with the time that they take if no slot is ever free while one waits. Commands are those that
clients send; the server is the embedded one.
"""

from __future__ import annotations

import argparse
import asyncio
import heapq
import json
import time
from collections import Counter
from contextlib import AsyncExitStack
from random import Random
from typing import Any

from redis_mob import Fleet, MobDefinition, MobStorage, StepContext
from redis_mob.connection.calls.client import connect

_DEFINITION = """
[mob]
id = "bench"
[profiles]
worker = { model = "none" }
[flows.flow.steps.step]
role = "worker"
message = "go"
timeout_ms = 600000
"""


def ideal_seconds(durations: list[float], slots: int) -> float:
    """How long these take if each begins as soon as a slot is free, in their order."""
    free = [0.0] * slots
    for duration in durations:
        heapq.heapreplace(free, free[0] + duration)
    return max(free)


async def long_handlers(members: int, slots: int) -> dict[str, Any]:
    """Members of one step, each of which takes one to three seconds, on one worker."""
    durations = {f"worker-{n}": Random(n).uniform(1, 3) for n in range(1, members + 1)}
    called: Counter[str] = Counter()

    async def handler(ctx: StepContext) -> None:
        called[ctx.member] += 1
        await asyncio.sleep(durations[ctx.member])

    async with MobStorage.open("embedded:") as storage:
        fleet = Fleet(storage, MobDefinition.from_toml(_DEFINITION), {"worker": handler}, members={"worker": members})
        stop = asyncio.Event()
        working = asyncio.create_task(fleet.work(slots, stop))
        began = time.perf_counter()
        await fleet.wait(await fleet.start("flow"))
        seconds = time.perf_counter() - began
        stop.set()
        await working
    ideal = ideal_seconds(list(durations.values()), slots)
    return {
        "members": members,
        "slots": slots,
        "seconds": round(seconds, 2),
        "ideal": round(ideal, 2),
        "ratio": round(seconds / ideal, 2),
        "most calls of one": max(called.values()),
    }


async def commands_of(url: str, seconds: float) -> float:
    """Commands a second that clients send meanwhile; those that scripts run are not counted."""

    async def scripts() -> int:
        client = await connect(url)
        try:
            reply: bytes = await client.router.request("INFO", "commandstats")
        finally:
            await client.aclose()
        calls = dict(line.split(":", 1) for line in reply.decode().splitlines() if ":" in line)
        names = ("cmdstat_evalsha", "cmdstat_evalsha_ro", "cmdstat_ping", "cmdstat_ssubscribe")
        return sum(int(calls[name].split("calls=")[1].split(",")[0]) for name in names if name in calls)

    before = await scripts()
    await asyncio.sleep(seconds)
    return (await scripts() - before) / seconds


async def idle_workers(number: int, seconds: float, settle: float) -> dict[str, Any]:
    """Workers with nothing to do, after they have settled."""
    async with MobStorage.open("embedded:") as storage, AsyncExitStack() as storages:
        stop = asyncio.Event()
        working: list[asyncio.Task[None]] = []
        for _ in range(number):
            own = await storages.enter_async_context(MobStorage.open(storage.url))
            fleet = Fleet(own, MobDefinition.from_toml(_DEFINITION), {"worker": lambda _ctx: None})
            working.append(asyncio.create_task(fleet.work(stop=stop)))
        await asyncio.sleep(settle)
        rate = await commands_of(storage.url, seconds)
        stop.set()
        await asyncio.gather(*working)
    return {"idle workers": number, "commands/s": round(rate, 1)}


async def kept_executions(number: int, seconds: float, settle: float) -> dict[str, Any]:
    """Executions of one worker that are under way, and nothing else happens."""
    release = asyncio.Event()

    async def handler(_ctx: StepContext) -> None:
        await release.wait()

    async with MobStorage.open("embedded:") as storage:
        fleet = Fleet(storage, MobDefinition.from_toml(_DEFINITION), {"worker": handler}, members={"worker": number})
        stop = asyncio.Event()
        working = asyncio.create_task(fleet.work(number, stop))
        run_id = await fleet.start("flow")
        await asyncio.sleep(settle)
        rate = await commands_of(storage.url, seconds)
        release.set()
        await fleet.wait(run_id)
        stop.set()
        await working
    return {"executions kept": number, "commands/s": round(rate, 2)}


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--members", type=int, default=200)
    parser.add_argument("--slots", type=int, default=100)
    parser.add_argument("--workers", type=int, default=100)
    parser.add_argument("--executions", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--settle", type=float, default=20.0, help="seconds before the commands are counted")
    given = parser.parse_args()
    for measured in (
        long_handlers(given.members, given.slots),
        idle_workers(given.workers, given.seconds, given.settle),
        kept_executions(given.executions, given.seconds, given.settle),
    ):
        print(json.dumps(await measured), flush=True)


if __name__ == "__main__":
    asyncio.run(main())

"""Processes answer what handlers ask, through networks that lose one request in ten, and each answer counts once.

Each ask is answered by two processes, each of which does so twice, with an answer of its own; half of the processes are
so impatient that they often do not know what happened. Workers have bad networks too. Of each ask one answer is the
one: the process that gave it knows that, the other one does not claim it, and the handler gets that very answer, once.

    python -m tests.robustness.asks [--seed 7] [--asks 200] [--processes 8] [--runs 10] [--one-in 10]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from random import Random
from typing import Any, cast
from uuid import uuid4

from redis_mob.connection.embedded.server import EmbeddedServer
from redis_mob.connection.retry import RetryPolicy
from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.step_context import StepContext
from redis_mob.models.ask import PendingAsk
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.storage import MobStorage
from redis_mob.testing.faults import Fault, at_random, fault_proxy
from tests.fleet.flows import FLOW, mob, step
from tests.robustness.report import Report, parser, run_program
from tests.robustness.signaller import REPLY_TIMEOUT
from tests.robustness.signals import ANY_FAULT, IMPATIENCE, LONG, PATIENCE, ended

WORKERS = 2

DEFINITION = mob({"a": step(for_each="params.items", timeout_ms=600_000)}, limits={"max_step_retries": 5})


async def asks(ctx: StepContext) -> Any:
    """Who has answered, and in which attempt."""
    answer = await ctx.ask("who", ctx.item)
    return {"item": ctx.item, "by": answer.by, "value": answer.value, "attempt": ctx.attempt}


def judge(asked: Sequence[PendingAsk], own: Mapping[str, Sequence[Sequence[str]]], got: Sequence[Any]) -> list[str]:
    """What is wrong: `own` says of each process which answers it takes for the one, each of the two times."""
    broken = [f"{name} has changed its mind" for name, (first, second) in own.items() if set(first) != set(second)]
    claimed = Counter(ask for first, _ in own.values() for ask in first)
    items = {one.ask.id: one.ask.payload for one in asked}
    for what, wrong in (
        ("answered by none", [ask for ask in items if not claimed[ask]]),
        ("answered by two", [ask for ask, times in claimed.items() if times > 1]),
    ):
        if wrong:
            broken.append(f"{len(wrong)} asks were {what}: {wrong[:3]}")
    taken = {one["item"]: one["by"] for one in got}
    others = [ask for name, (first, _) in own.items() for ask in first if taken.get(items[ask]) != name]
    if others:
        broken.append(f"{len(others)} handlers got another answer than the one that counts: {others[:3]}")
    if len(got) != len(items) or any(one["by"] != one["value"] for one in got):
        broken.append(f"{len(got)} results of {len(items)} asks, or of two answers at once")
    return broken


async def all_asked(storage: MobStorage, number: int) -> tuple[PendingAsk, ...]:
    """All asks, once so many are pending."""
    async with storage.executions.listen() as wake_up:
        while len(await storage.asks.pending(limit=number)) < number:
            await wake_up.wait(1)
    return await FleetAdmin(storage).inbox(limit=number)


async def run(*, seed: int, asks_in_all: int = 200, processes: int = 8, runs: int = 10, one_in: int = 10) -> Report:
    """Run the program."""
    namespace, random = f"asks-{uuid4().hex}", Random(seed)
    server = await EmbeddedServer.start()
    try:
        async with AsyncExitStack() as stack, asyncio.timeout(LONG):
            storage = await stack.enter_async_context(MobStorage.open(server.url, namespace=namespace))
            fleet = Fleet(storage, DEFINITION, {"*": asks})
            items = [list(range(number, asks_in_all, runs)) for number in range(runs)]
            ids = [await fleet.start(FLOW, {"items": some}) for some in items]
            proxies = [await stack.enter_async_context(fault_proxy(server.url)) for _ in range(processes + WORKERS)]
            stop, retry = asyncio.Event(), RetryPolicy(deadline=PATIENCE, reply_timeout=REPLY_TIMEOUT)
            workers: list[asyncio.Task[None]] = []
            for proxy in proxies[processes:]:
                bad = await stack.enter_async_context(MobStorage.open(proxy.url, namespace=namespace, retry=retry))
                workers.append(asyncio.create_task(Fleet(bad, DEFINITION, {"*": asks}).work(stop=stop)))
            answerers: list[asyncio.subprocess.Process] = []
            for number in range(processes):
                patience = IMPATIENCE if number % 2 else PATIENCE
                words = ["-m", "tests.robustness.answerer", proxies[number].url, namespace, str(patience), f"p{number}"]
                process = await asyncio.create_subprocess_exec(
                    sys.executable, *words, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
                )
                stack.push_async_callback(ended, process)
                assert process.stdout is not None
                assert await process.stdout.readline() == b"ready\n"
                answerers.append(process)
            for number, proxy in enumerate(proxies):
                proxy.plan = at_random(seed=seed + number, one_in=one_in, faults=ANY_FAULT)
            before = time.monotonic()
            asked = await all_asked(storage, asks_in_all)
            pending = time.monotonic() - before
            shares: list[list[tuple[str, str]]] = [[] for _ in range(processes)]
            for number, one in enumerate(asked):
                for which in (number, number + 1):
                    shares[which % processes].append((one.run_id, one.ask.id))
            for share in shares:
                random.shuffle(share)
            given = await asyncio.gather(
                *(
                    process.communicate(json.dumps(share).encode() + b"\n")
                    for process, share in zip(answerers, shares, strict=True)
                )
            )
            answered = time.monotonic() - before
            told = [json.loads(out) for out, _ in given]
            over = [await fleet.wait(run_id) for run_id in ids]
            seconds = time.monotonic() - before
            stop.set()
            await asyncio.gather(*workers)
            left = await storage.asks.pending()
    finally:
        await server.aclose()
    got = [result for one in over for result in cast("list[Any]", one.root_step_outputs.get("a", []))]
    own = {f"p{number}": one["own"] for number, one in enumerate(told)}
    broken = judge(asked, own, got)
    broken += [f"run {one.run_id} is {one.status}" for one in over if one.status != "completed"]
    if left:
        broken.append(f"{len(left)} asks are still pending")
    learned = sum((Counter(cast("dict[str, int]", one["learned"])) for one in told), Counter[str]())
    figures: dict[str, Any] = {
        "asks": asks_in_all,
        "processes": processes,
        "runs": runs,
        "asks answered once": sum(len(first) for first, _ in own.values()),
        "seconds until all were pending": round(pending, 1),
        "seconds until all were answered": round(answered, 1),
        "seconds until all runs were over": round(seconds, 1),
        "requests by fault": {fault.value: sum(proxy.count(fault) for proxy in proxies) for fault in Fault},
        "outcomes": {name: learned[name] for name in sorted(learned)},
    }
    return Report("asks", seed, figures, broken)


async def main(options: argparse.Namespace) -> Report:
    return await run(
        seed=options.seed,
        asks_in_all=options.asks,
        processes=options.processes,
        runs=options.runs,
        one_in=options.one_in,
    )


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--asks", type=int, default=200)
    arguments.add_argument("--processes", type=int, default=8)
    arguments.add_argument("--runs", type=int, default=10)
    arguments.add_argument("--one-in", type=int, default=10)
    run_program(arguments.parse_args(), main)

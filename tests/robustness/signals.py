"""Signals from many processes, through networks that lose one request in ten, race the steps that wait for them.

Runs of two loops side by side wait for signals of one name, and a handler is called after each. Processes send them, in
part with idempotency keys; half of the processes are so impatient that they often do not know what happened. Workers
have bad networks too. Each signal must be taken once, by its own run, and those of one process in the order in which it
sent them.

    python -m tests.robustness.signals [--seed 7] [--signals 1000] [--processes 8] [--runs 10] [--one-in 10]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any, NamedTuple, cast
from uuid import uuid4

from redis_mob.connection.embedded.server import EmbeddedServer
from redis_mob.connection.retry import RetryPolicy
from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.step_context import StepContext
from redis_mob.models.conditions import GtCondition
from redis_mob.models.definition import MobDefinition
from redis_mob.models.flow_spec import DispatchMode
from redis_mob.models.transition import RunView
from redis_mob.storage import MobStorage
from redis_mob.testing.faults import Fault, FaultProxy, at_random, fault_proxy
from tests.fleet.flows import FLOW, loop, mob, node, step, wait
from tests.robustness.report import Report, parser, run_program
from tests.robustness.signaller import REPLY_TIMEOUT

PATIENCE, IMPATIENCE = 50.0, 0.2
"""Seconds for which a process tries a call again."""

WORKERS = 2

ANY_FAULT = sorted(set(Fault) - {Fault.NONE}, key=lambda fault: fault.value)

LONG = 600.0
"""Seconds after which what is not over never will be."""


class TakenSignal(NamedTuple):
    """A signal that a step took: what it says, its run, and its number there."""

    payload: int
    run: int
    number: int


def definition(rounds: int) -> MobDefinition:
    """A flow of two loops side by side, each of which takes so many signals of one name."""
    steps = {
        name: spec
        for side in "ab"
        for name, spec in (
            (f"wait-{side}", wait()),
            (f"count-{side}", step(policy="any", dispatch_mode=DispatchMode.ONE_TO_ONE)),
        )
    }
    root = {
        side: loop(
            side,
            GtCondition(path=f"steps.count-{side}", value=rounds - 2),
            rounds,
            wait=node(f"wait-{side}"),
            count=node(f"count-{side}", "wait"),
        )
        for side in "ab"
    }
    return mob(steps, root)


async def count(ctx: StepContext) -> int | None:
    """The number of the iteration."""
    return ctx.iteration


def taken_in(view: RunView, run: int) -> list[TakenSignal]:
    """The signals that the steps of a run took, in the order in which they were sent."""
    taken = [
        TakenSignal(cast("Any", one.output)["payload"], run, one.signal)
        for one in view.executions.values()
        if one.signal is not None
    ]
    return sorted(taken, key=lambda one: one.number)


def judge(taken: Sequence[TakenSignal], *, signals: int, runs: int, processes: int) -> list[str]:
    """What is wrong with what was taken."""
    broken: list[str] = []
    times = Counter(one.payload for one in taken)
    lost = [number for number in range(signals) if not times[number]]
    doubled = [number for number, found in times.items() if found > 1]
    strange = [number for number in times if number not in range(signals)]
    for what, which in (("lost", lost), ("taken twice", doubled), ("never sent", strange)):
        if which:
            broken.append(f"{len(which)} signals were {what}: {which[:10]}")
    astray = [one.payload for one in taken if one.payload % runs != one.run]
    if astray:
        broken.append(f"{len(astray)} signals went to another run: {astray[:10]}")
    of_process: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
    for one in taken:
        of_process[one.run, one.payload % processes].append(one.payload)
    broken += [
        f"run {run} took the signals of process {process} in another order: {numbers[:10]}"
        for (run, process), numbers in of_process.items()
        if numbers != sorted(numbers)
    ]
    return broken


async def hired(stack: AsyncExitStack, proxy: FaultProxy, arguments: Sequence[object]) -> asyncio.subprocess.Process:
    """A process that is ready to send; it is ended with the stack."""
    words = ["-m", "tests.robustness.signaller", proxy.url, *map(str, arguments)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *words, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    stack.push_async_callback(ended, process)
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    return process


async def ended(process: asyncio.subprocess.Process) -> None:
    """End a process that has not ended by itself."""
    if process.returncode is None:
        process.kill()
        await process.wait()


async def all_sent(process: asyncio.subprocess.Process) -> Counter[str]:
    """Let a process send, until it has sent everything; returns what it learned."""
    told, _ = await process.communicate(b"go\n")
    assert process.returncode == 0
    return Counter(json.loads(told))


async def run(*, seed: int, signals: int = 1000, processes: int = 8, runs: int = 10, one_in: int = 10) -> Report:
    """Run the program. Half of the signals of each run are for each of its loops."""
    assert signals % (2 * runs) == 0, "each of the two loops of each run takes as many signals"
    namespace, asked = f"signals-{uuid4().hex}", definition(signals // (2 * runs))
    server = await EmbeddedServer.start()
    try:
        async with AsyncExitStack() as stack, asyncio.timeout(LONG):
            storage = await stack.enter_async_context(MobStorage.open(server.url, namespace=namespace))
            fleet = Fleet(storage, asked, {"*": count})
            ids = [await fleet.start(FLOW) for _ in range(runs)]
            proxies = [await stack.enter_async_context(fault_proxy(server.url)) for _ in range(processes + WORKERS)]
            senders = await asyncio.gather(
                *(
                    hired(
                        stack,
                        proxies[number],
                        (namespace, IMPATIENCE if number % 2 else PATIENCE, number, processes, signals, *ids),
                    )
                    for number in range(processes)
                )
            )
            stop, retry = asyncio.Event(), RetryPolicy(deadline=PATIENCE, reply_timeout=REPLY_TIMEOUT)
            workers: list[asyncio.Task[None]] = []
            for proxy in proxies[processes:]:
                bad = await stack.enter_async_context(MobStorage.open(proxy.url, namespace=namespace, retry=retry))
                workers.append(asyncio.create_task(Fleet(bad, asked, {"*": count}).work(stop=stop)))
            for number, proxy in enumerate(proxies):
                proxy.plan = at_random(seed=seed + number, one_in=one_in, faults=ANY_FAULT)
            before = time.monotonic()
            learned = sum(await asyncio.gather(*map(all_sent, senders)), Counter[str]())
            sent = time.monotonic() - before
            over = [await fleet.wait(run_id) for run_id in ids]
            seconds = time.monotonic() - before
            stop.set()
            await asyncio.gather(*workers)
            views = [await storage.executions.load(run_id) for run_id in ids]
    finally:
        await server.aclose()
    taken = [one for number, view in enumerate(views) if view is not None for one in taken_in(view, number)]
    broken = judge(taken, signals=signals, runs=runs, processes=processes)
    broken += [f"run {one.run_id} is {one.status}" for one in over if one.status != "completed"]
    waiting = sum(len(view.signals) for view in views if view is not None)
    if waiting:
        broken.append(f"{waiting} signals still wait")
    figures: dict[str, Any] = {
        "signals": signals,
        "processes": processes,
        "runs": runs,
        "signals taken once": sum(times == 1 for times in Counter(one.payload for one in taken).values()),
        "seconds until all were sent": round(sent, 1),
        "seconds until all were taken": round(seconds, 1),
        "requests by fault": {fault.value: sum(proxy.count(fault) for proxy in proxies) for fault in Fault},
        "outcomes": {name: learned[name] for name in sorted(learned)},
    }
    return Report("signals", seed, figures, broken)


async def main(options: argparse.Namespace) -> Report:
    return await run(
        seed=options.seed,
        signals=options.signals,
        processes=options.processes,
        runs=options.runs,
        one_in=options.one_in,
    )


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--signals", type=int, default=1000)
    arguments.add_argument("--processes", type=int, default=8)
    arguments.add_argument("--runs", type=int, default=10)
    arguments.add_argument("--one-in", type=int, default=10)
    run_program(arguments.parse_args(), main)

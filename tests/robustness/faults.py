"""Calls of all kinds through a network that loses one request in ten: each happens once, and its outcome is learned.

Tracks of calls (traffic.py, driving.py) run at the same time, each compared with a model in memory; others share a log
and a counter (shared.py). Half of the clients are so impatient that they often do not know what happened: they ask,
and what did not happen they do again. Some requests come late, when all that is over.

    python -m tests.robustness.faults [--seed 7] [--operations 100000] [--one-in 10]
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from typing import Any

from redis_mob.connection.embedded.server import EmbeddedServer
from redis_mob.connection.retry import RetryPolicy
from redis_mob.testing.faults import Fault, FaultProxy, at_random, fault_proxy, in_order
from tests.robustness.clients import Clients
from tests.robustness.driving import drive
from tests.robustness.open_namespace import OpenNamespace, opened
from tests.robustness.report import Report, parser, run_program
from tests.robustness.traffic import TRACKS, WRITES
from tests.support.opening import entered

REPLY_TIMEOUT = 1.0
PATIENT = RetryPolicy(deadline=50, base=0.001, cap=0.05, reply_timeout=REPLY_TIMEOUT)
IMPATIENT = RetryPolicy(deadline=0.2, base=0.005, cap=0.01, reply_timeout=REPLY_TIMEOUT)
"""Seconds after which a reply is given up: what a black hole costs."""

DELAYS = (0.005, 0.3, 0.05)
"""Seconds by which each namespace is late: while a call is tried again, long after it, and at about its end."""

ANY_FAULT = sorted(set(Fault) - {Fault.NONE}, key=lambda fault: fault.value)
OFTEN_LATE = [*ANY_FAULT, *[Fault.LATE] * 3]
"""What impatient clients meet: what they were told did not happen must not happen later."""

NAMESPACES = 6
"""Namespaces of each kind of clients, half of which are patient."""

SHARING = 8
"""Clients of each kind that share a log and a counter."""


class Network:
    """Namespaces behind proxies of their own, which lose nothing at first."""

    def __init__(self, url: str, seed: int) -> None:
        self._url = url
        self._seed = seed
        self._proxies: list[FaultProxy] = []
        self._faults: list[Sequence[Fault]] = []
        self._stack = AsyncExitStack()

    async def opened(self, namespace: str, *, patient: bool) -> OpenNamespace:
        """Another namespace, open until the network is closed."""
        delay = DELAYS[len(self._proxies) % len(DELAYS)]
        proxy = await self._stack.enter_async_context(fault_proxy(self._url, delay=delay))
        self._proxies.append(proxy)
        self._faults.append(ANY_FAULT if patient else OFTEN_LATE)
        retry = PATIENT if patient else IMPATIENT
        return await entered(self._stack, lambda: opened(proxy.url, namespace, retry=retry))

    def get_worse(self, one_in: int) -> None:
        """From now on one request in so many meets a fault."""
        for number, (proxy, faults) in enumerate(zip(self._proxies, self._faults, strict=True)):
            proxy.plan = at_random(seed=self._seed + number, one_in=one_in, faults=faults)

    async def get_better(self) -> None:
        """Let everything arrive, and lose nothing more."""
        for proxy in self._proxies:
            proxy.plan = in_order(())
            await proxy.all_arrived()

    def count(self, fault: Fault) -> int:
        """How many requests have met this fault."""
        return sum(proxy.count(fault) for proxy in self._proxies)

    async def aclose(self) -> None:
        """Close all namespaces and their proxies."""
        await self._stack.aclose()


async def run(
    *, seed: int, operations: int, one_in: int = 10, saboteur: Callable[[str], Coroutine[Any, Any, None]] | None = None
) -> Report:
    """Run the program on a server of its own; a saboteur is given its URL, and does there what it likes meanwhile."""
    server = await EmbeddedServer.start()
    network = Network(server.url, seed)
    clients = Clients(seed, lambda clients: clients.writes >= operations)
    sabotage: asyncio.Task[None] | None = None
    try:
        async with clients:
            for number in range(NAMESPACES):
                patient = number % 2 == 0
                await clients.add_tracks(await network.opened(f"tracks-{number}", patient=patient), TRACKS)
                await clients.add_tracks(await network.opened(f"fleet-{number}", patient=patient), {"drive": drive})
            await clients.add_sharing(
                [await network.opened("shared", patient=patient) for patient in (True, False)], SHARING
            )
            network.get_worse(one_in)
            if saboteur is not None:
                sabotage = asyncio.create_task(saboteur(server.url))
            started = time.monotonic()
            await clients.work()
            seconds = time.monotonic() - started
            await network.get_better()
            await clients.check()
    finally:
        if sabotage is not None:
            sabotage.cancel()
            await asyncio.wait([sabotage])
        await network.aclose()
        await server.aclose()
    if sabotage is not None and not sabotage.cancelled():
        sabotage.result()  # one that has failed broke nothing
    figures = {
        "mutating operations": clients.writes,
        "seconds": round(seconds, 1),
        "mutating operations per second": round(clients.writes / seconds),
        "mutating operations by kind": {name: clients.counted[name] for name in sorted(WRITES)},
        "requests by fault": {fault.value: network.count(fault) for fault in Fault},
        "outcomes": clients.learned,
    }
    return Report("faults", seed, figures, clients.broken)


async def main(options: argparse.Namespace) -> Report:
    return await run(seed=options.seed, operations=options.operations, one_in=options.one_in)


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--operations", type=int, default=100_000)
    arguments.add_argument("--one-in", type=int, default=10)
    run_program(arguments.parse_args(), main)

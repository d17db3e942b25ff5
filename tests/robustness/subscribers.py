"""Many subscribers whose connections are killed again and again: each sees each event once, and in order.

They live in several processes (subscriber_process.py), each behind a proxy that cuts all its connections from time to
time; the server is told to kill connections as well. Events are appended meanwhile, not too far ahead of the slowest.

    python -m tests.robustness.subscribers [--seed 7] [--events 100000] [--processes 2] [--storages 10]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import Any

from redis_mob.connection.calls.client import connect
from redis_mob.connection.embedded.server import EmbeddedServer
from redis_mob.storage import MobStorage
from redis_mob.testing.samples.new_events import numbered
from tests.robustness import subscriber_process
from tests.robustness.report import Report, parser, run_program

NAMESPACE = "subscribers"

AHEAD = 2_000
"""Events that the slowest subscriber may be behind."""

LARGEST_BATCH = 200
PEACE = 2.0
"""Seconds at most for which nothing is killed, and nothing cut."""


class Followers:
    """A process of subscribers; `seen` is how far the slowest is."""

    def __init__(self, process: Process) -> None:
        self.seen = 0
        self._process = process

    @classmethod
    async def start(cls, *arguments: str | float) -> Followers:
        """Start a process, and wait until it is ready."""
        command = [sys.executable, "-m", subscriber_process.__name__, *map(str, arguments)]
        followers = cls(await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE))
        assert await followers._hear() == "ready"
        return followers

    async def follow(self) -> dict[str, Any]:
        """Let them follow the log to its end; what they found."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")
        while isinstance(words := await self._hear(), int):
            self.seen = words
        return words

    async def end(self) -> None:
        """Kill the process: it may be waiting for events."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    async def _hear(self) -> Any:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        assert line, "a process of subscribers ended before it was done"
        return json.loads(line)


async def append(storage: MobStorage, events: int, random: Random, followers: list[Followers]) -> None:
    """Append so many numbered events in batches, never too far ahead."""
    last = 0
    while last < events:
        while last - min(one.seen for one in followers) > AHEAD:  # noqa: ASYNC110 - other processes have to go on
            await asyncio.sleep(0.001)
        batch = range(last + 1, min(events, last + random.randint(1, LARGEST_BATCH)) + 1)
        await storage.events.append_batch([numbered(number) for number in batch])
        last = batch[-1]


@asynccontextmanager
async def killer(url: str, random: Random, peace: float) -> AsyncGenerator[list[int]]:
    """Let the server kill connections until the block ends, of subscribers and of others; how many each time."""
    kills: list[int] = []
    connection = await connect(url)

    async def kill() -> None:
        while True:
            await asyncio.sleep(random.uniform(0, peace))
            kind = random.choice(["pubsub", "normal"])
            kills.append(await connection.router.request("CLIENT", "KILL", "TYPE", kind))

    killing = asyncio.create_task(kill())
    try:
        yield kills
    finally:
        killing.cancel()
        await asyncio.wait([killing])
        await connection.aclose()


async def run(
    *,
    seed: int,
    events: int,
    processes: int,
    storages: int,
    subscribers: int,
    peace: float = PEACE,
    saboteur: Callable[[MobStorage], Awaitable[None]] | None = None,
) -> Report:
    """Run the program on a server of its own; before it begins, `saboteur` may damage the log."""
    server, followers = await EmbeddedServer.start(), list[Followers]()
    try:
        async with MobStorage.open(server.url, namespace=NAMESPACE) as storage:
            for number in range(processes):
                numbers = (storages, subscribers, events, seed + number, peace)
                followers.append(await Followers.start(server.url, NAMESPACE, *numbers))
            if saboteur is not None:
                await saboteur(storage)
            async with killer(server.url, Random(seed), peace) as kills:
                started = time.monotonic()
                appending = asyncio.create_task(append(storage, events, Random(seed), followers))
                found = await asyncio.gather(*(one.follow() for one in followers))
                seconds = time.monotonic() - started
                appending.cancel()
                await asyncio.wait([appending])
    finally:
        for one in followers:
            await one.end()
        await server.aclose()
    deliveries = sum(one["deliveries"] for one in found)
    figures = {
        "subscribers": processes * storages * subscribers,
        "events": events,
        "deliveries": deliveries,
        "seconds": round(seconds, 1),
        "deliveries per second": round(deliveries / seconds),
        "connections killed by the server": sum(kills),
        "connections of subscribers": sum(one["connections"] for one in found),
        "interrupted subscriptions": sum(one["interruptions"] for one in found),
    }
    return Report("subscribers", seed, figures, [wrong for one in found for wrong in one["wrong"]])


async def main(options: argparse.Namespace) -> Report:
    return await run(
        seed=options.seed,
        events=options.events,
        processes=options.processes,
        storages=options.storages,
        subscribers=options.subscribers,
    )


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--events", type=int, default=100_000)
    arguments.add_argument("--processes", type=int, default=2)
    arguments.add_argument("--storages", type=int, default=10, help="of each process")
    arguments.add_argument("--subscribers", type=int, default=10, help="of each storage")
    run_program(arguments.parse_args(), main)

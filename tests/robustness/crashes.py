"""Servers that are killed again and again under load: what was promised to be on the disk is there afterwards.

In the modes `fsync` (Valkey, which says what it has written) and `always` (Redis 7.0, which writes before it answers)
clients call everything there is (traffic.py, driving.py, shared.py), with durability="fsync": each call happens once,
and nothing that was acknowledged is lost. In the mode `limits` the clients are fleets with limits, pauses and debounced
starts (limited_fleet.py); they need many calls between two crashes, so that it has a Valkey that writes before it
answers. In the mode `memory` the server comes back as it was at its last snapshot: acknowledged writes are lost, and
each client that made one must be told (losses.py).

    python -m tests.robustness.crashes [--seed 7] [--crashes 50] [--modes fsync always limits memory]
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from functools import partial
from itertools import count
from random import Random
from statistics import median
from typing import Any

from redis_mob.connection.embedded.server_process import find_server
from redis_mob.testing.servers.node import HOST, Node, started
from redis_mob.testing.waiting import until
from tests.robustness.clients import Clients
from tests.robustness.driving import drive
from tests.robustness.losses import Losses
from tests.robustness.open_namespace import opened
from tests.robustness.report import Report, parser, run_program
from tests.robustness.traffic import TRACKS
from tests.support.servers import redis7_program

SHARING = 8
"""Clients that share a log and a counter."""

FLEETS = 2
"""Fleets with limits, each in a namespace of its own."""

ALWAYS = ("--appendonly", "yes", "--appendfsync", "always")

LONGEST_LIFE = 1.0
LONGEST_DEATH = 0.3
"""Seconds at most for which a server lives after its first answer to a client, and for which it then stays dead."""

MODES = ("fsync", "always", "limits", "memory")


class Crashes:
    """Kills a server so many times; `recoveries` are the seconds from a new start to the first answer to a client."""

    def __init__(self, server: Node, seed: int, crashes: int) -> None:
        self.recoveries: list[float] = []
        self.left = crashes
        self._server = server
        self._random = Random(seed)

    async def crash(self, answers: Callable[[], int], dead: Callable[[], None] = lambda: None) -> None:
        """Let the server live, die, and come back; `answers` counts what clients were answered, `dead` is called."""
        await asyncio.sleep(self._random.uniform(0, LONGEST_LIFE))
        self._server.kill()
        await asyncio.sleep(self._random.uniform(LONGEST_DEATH / 10, LONGEST_DEATH))
        dead()
        before, started = answers(), time.monotonic()
        await asyncio.to_thread(self._server.start_again)
        await until(lambda: answers() > before)
        self.recoveries.append(time.monotonic() - started)
        self.left -= 1

    @property
    def figures(self) -> dict[str, Any]:
        """What is to be reported."""
        return {
            "crashes": len(self.recoveries),
            "median recovery (s)": round(median(self.recoveries), 3),
            "longest recovery (s)": round(max(self.recoveries), 3),
        }


async def durable(
    server: Node, seed: int, crashes: int, durability: str = "fsync", *, syncs_first: bool = False
) -> tuple[dict[str, Any], list[str]]:
    """Crash under a load of calls of all kinds; the figures, and what is broken.

    `syncs_first` says that the server syncs before it answers.
    """
    url, crashing = url_of(server), Crashes(server, seed, crashes)
    async with (
        opened(url, "tracks", durability=durability) as tracks,
        opened(url, "fleet", durability=durability) as fleet,
        opened(url, "shared", durability=durability) as shared,
        Clients(seed, lambda _: crashing.left == 0) as clients,
    ):
        await clients.add_tracks(tracks, TRACKS)
        await clients.add_tracks(fleet, {"drive": drive})
        await clients.add_sharing([shared], SHARING, syncs_first=syncs_first)
        working = asyncio.create_task(clients.work())
        while crashing.left and not clients.broken:
            await crashing.crash(lambda: clients.writes + len(clients.broken))
        await working
        await clients.check()
    return {**crashing.figures, "mutating operations": clients.writes, "outcomes": clients.learned}, clients.broken


async def limited(server: Node, seed: int, crashes: int) -> tuple[dict[str, Any], list[str]]:
    """Crash under fleets with limits; the figures, and what is broken."""
    url, crashing = url_of(server), Crashes(server, seed, crashes)
    async with AsyncExitStack() as stack, Clients(seed, lambda _: crashing.left == 0) as clients:
        for number in range(FLEETS):
            name = f"limits-{number}"
            clients.add_limited(await stack.enter_async_context(opened(url, name, durability="fsync")))
        working, ends = asyncio.create_task(clients.work()), count(sys.maxsize)
        while crashing.left and not clients.broken:
            # one that has found something broken calls no more
            await crashing.crash(lambda: next(ends) if clients.broken else clients.writes)
        await working
        await clients.check()
    return {**crashing.figures, **clients.limited_figures, "outcomes": clients.learned}, clients.broken


async def lossy(server: Node, seed: int, crashes: int) -> tuple[dict[str, Any], list[str]]:
    """Crash and come back as of the last snapshot; the figures, and what is broken."""
    url, crashing = url_of(server), Crashes(server, seed, crashes)
    async with Losses(url) as losses:
        while crashing.left and not losses.broken:
            server.do("SAVE")
            await crashing.crash(lambda: losses.answers, losses.crashed)
            await losses.judge()
        await losses.check()
    return {**crashing.figures, **losses.counted}, losses.broken


@contextmanager
def server_of(mode: str) -> Generator[Node]:
    """A server as a mode needs it, until the block ends."""
    program, settings = {
        "fsync": (find_server, ("--appendonly", "yes", "--appendfsync", "everysec")),
        "always": (redis7_program, ALWAYS),
        "limits": (find_server, ALWAYS),
        "memory": (find_server, ()),
    }[mode]
    with tempfile.TemporaryDirectory(prefix="redis-mob-test-") as directory:
        command = [str(program()), "--bind", HOST, "--dir", directory, "--save", "", *settings]
        server = started(lambda port: Node(port, [*command, "--port", str(port)]))
        try:
            yield server
        finally:
            server.kill()


def url_of(server: Node) -> str:
    """Where clients find a server."""
    return f"redis://{HOST}:{server.port}"


_PROGRAMS: Mapping[str, Callable[[Node, int, int], Awaitable[tuple[dict[str, Any], list[str]]]]] = {
    "fsync": durable,
    "always": partial(durable, syncs_first=True),
    "limits": limited,
    "memory": lossy,
}


async def run(*, seed: int, crashes: int, modes: Sequence[str] = MODES) -> Report:
    """Run the program in these modes, one after the other."""
    report = Report("crashes", seed)
    for mode in modes:
        with server_of(mode) as server:
            figures, broken = await _PROGRAMS[mode](server, seed, crashes)
        report.figures[mode] = figures
        report.broken += [f"{mode}: {text}" for text in broken]
    return report


async def main(options: argparse.Namespace) -> Report:
    return await run(seed=options.seed, crashes=options.crashes, modes=options.modes)


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--crashes", type=int, default=50)
    arguments.add_argument("--modes", nargs="+", choices=MODES, default=MODES)
    run_program(arguments.parse_args(), main)

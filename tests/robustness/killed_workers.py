"""Workers that are killed again and again while they drive many runs, and a server that dies once.

Four worker processes drive runs of twelve steps with fan-out, quorum, branch, items, retry and nested loops. Every two
seconds one of them gets SIGKILL and is replaced at once. When half of the runs are over the server gets it too, which
syncs every write to its disk, and it comes back. Each run must end with the right outputs and tell its end once, each
execution must have its effect under one key, and be executed again only where its worker or the server died
(effects.py).

    python -m tests.robustness.killed_workers [--seed 7] [--runs 1000] [--workers 4] [--every 2] [--lease 10]
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections import defaultdict
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import count
from pathlib import Path
from random import Random

from redis_mob.connection.embedded.server_process import find_server
from redis_mob.fleet.fleet import Fleet
from redis_mob.testing.servers.node import HOST, Node, started
from tests.fleet.crew import Crew, crew
from tests.fleet.everything import EVERYTHING
from tests.fleet.simulation import told
from tests.fleet.working import with_ended
from tests.robustness.effects import Incidents, StoredRun, effects_of, judge
from tests.robustness.report import Report, parser, run_program

STARTED_AT_ONCE = 32
"""Runs that the caller starts at a time."""

SERVER_DEATH = 0.5
"""Seconds for which the server stays dead."""

PATIENCE = 240.0
"""Seconds after which runs that are not over never will be, and one more for each run."""


class Killer:
    """Kills workers and the server of a crew, and remembers it."""

    def __init__(self, hired: Crew, server: Node, seed: int, every: float) -> None:
        self.incidents = Incidents(hired.lease)
        self._crew = hired
        self._server = server
        self._random = Random(seed)
        self._every = every
        self._calm = asyncio.Lock()
        """Held while the server is dead: no worker is killed meanwhile, and none begins."""
        self._hiring: set[asyncio.Task[None]] = set()

    async def kill_workers(self, over: asyncio.Event) -> None:
        """Kill one worker after the other until the runs are over; the next may die before the last is replaced."""
        begun = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for number in count(1):
                pause = begun + number * self._every - time.monotonic()
                with suppress(TimeoutError):
                    async with asyncio.timeout(max(pause, 0)):
                        await over.wait()
                        return
                async with self._calm:
                    if workers := self._crew.alive():
                        await self._kill(self._random.choice(workers))
                        replacement = group.create_task(self._crew.hire(1))
                        self._hiring.add(replacement)
                        replacement.add_done_callback(self._hiring.discard)

    async def _kill(self, victim: asyncio.subprocess.Process) -> None:
        self.incidents.killed[victim.pid] = time.time()
        victim.kill()
        await victim.wait()

    async def restart_server(self) -> None:
        """Kill the server, and start it again."""
        async with self._calm:
            await asyncio.gather(*self._hiring)
            down = time.time()
            self._server.kill()
            await asyncio.sleep(SERVER_DEATH)
            await asyncio.to_thread(self._server.start_again)
            self.incidents.outages.append((down, time.time()))


async def drive(hired: Crew, killer: Killer, runs: int) -> list[str]:
    """Start the runs and wait for them; the server dies when half of them are over. Returns their ids."""
    fleet, over = Fleet(hired.storage, EVERYTHING, {}), asyncio.Event()
    some = asyncio.Semaphore(STARTED_AT_ONCE)

    async def start() -> str:
        async with some:
            return await hired.start(EVERYTHING, "work")

    async with asyncio.TaskGroup() as group:
        group.create_task(killer.kill_workers(over))
        ids = await asyncio.gather(*(start() for _ in range(runs)))
        for number, run_id in enumerate(ids):
            if number == runs // 2:
                await killer.restart_server()
            await fleet.wait(run_id)
        over.set()
    return list(ids)


async def stored_runs(hired: Crew, ids: Sequence[str]) -> list[StoredRun]:
    """The runs as they are stored in the end, with their events."""
    events: dict[str, list[str]] = defaultdict(list)
    for event in await hired.storage.events.replay_all():
        events[getattr(event.kind, "run_id", "")].append(told(event.kind))
    found: list[StoredRun] = []
    for run_id in ids:
        view, run = await hired.storage.executions.load(run_id), await hired.storage.runs.get_run(run_id)
        assert view is not None
        assert run is not None
        view = await with_ended(hired.storage, view)
        found.append(StoredRun(replace(view, run=run), events[run_id]))  # whole, so that its log can be replayed
    return found


@contextmanager
def durable_server() -> Generator[Node]:
    """A server that syncs each write to its disk before it answers, until the block ends."""
    with tempfile.TemporaryDirectory(prefix="redis-mob-test-") as directory:
        settings = ("--save", "", "--appendonly", "yes", "--appendfsync", "always")
        command = [str(find_server()), "--bind", HOST, "--dir", directory, *settings]
        server = started(lambda port: Node(port, [*command, "--port", str(port)]))
        try:
            yield server
        finally:
            server.kill()


async def run(*, seed: int, runs: int, workers: int = 4, every: float = 2.0, lease: float = 10.0) -> Report:
    """Run the program."""
    report = Report("killed_workers", seed)
    with durable_server() as server, tempfile.TemporaryDirectory(prefix="redis-mob-test-") as directory:
        async with crew(f"redis://{HOST}:{server.port}", Path(directory), workers, lease) as hired:
            killer = Killer(hired, server, seed, every)
            before = time.monotonic()
            async with asyncio.timeout(PATIENCE + runs):
                ids = await drive(hired, killer, runs)
            seconds = time.monotonic() - before
            stored = await stored_runs(hired, ids)
            counted, report.broken = judge(stored, effects_of(hired.told()), killer.incidents)
    report.figures = {
        "runs": runs,
        "seconds": round(seconds, 1),
        "workers killed": len(killer.incidents.killed),
        "server deaths": len(killer.incidents.outages),
        **counted,
    }
    return report


async def main(options: argparse.Namespace) -> Report:
    return await run(
        seed=options.seed, runs=options.runs, workers=options.workers, every=options.every, lease=options.lease
    )


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--runs", type=int, default=1000)
    arguments.add_argument("--workers", type=int, default=4)
    arguments.add_argument("--every", type=float, default=2.0, help="seconds between two deaths of workers")
    arguments.add_argument("--lease", type=float, default=10.0, help="seconds")
    run_program(arguments.parse_args(), main)

"""A fleet that goes from the release before to this one under load, one process after the other, and back again.

Both releases work on one namespace. In each round workers and clients of the release before begin: the clients start
runs (fan-out, a signal, items, a loop, a child), count in a config document and follow the log, and a schedule fires
every second. Then one process after the other is replaced by one of this release, and afterwards by one of the release
before again. One worker in four is not stopped but killed, so that the other release takes over what it had begun. No
caller may get an error; each run must end once with the right outputs, no execution may be called again without a
reason, no count, event or due time may be lost or doubled, and nothing may be missing in the storage, as this release
counts it.

    python -m tests.robustness.rolling_upgrade [--seed 7] [--rounds 50] [--previous REVISION] [--workers 2]
        [--clients 2]

Without `--previous` that is the newest tag, and without one the revision in previous_release.txt.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any
from uuid import uuid4

from redis_mob.admin.losses import find_losses
from redis_mob.connection.embedded.server import EmbeddedServer
from redis_mob.fleet.fleet import Fleet
from redis_mob.kernel.reconcile import reconcile
from redis_mob.models.definition import MobDefinition
from redis_mob.models.revision import extract_meta_revision
from redis_mob.models.run import MobRun
from redis_mob.models.run_status import MobRunStatus
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.storage import MobStorage
from tests.project.checkout import ROOT
from tests.robustness.releases import MEMBER, environment_of, installed, previous_revision
from tests.robustness.report import Report, parser, run_program
from tests.robustness.upgrade_member import COUNTER, DEFINITION

MOB = MobDefinition.from_toml(DEFINITION)

PATIENCE = 600.0
"""Seconds after which what a round waits for is not going to happen."""

KILLED_ONE_IN = 4
"""One worker in so many gets SIGKILL instead of being stopped."""

RUNS_BETWEEN = 1
"""So many runs end between two replacements of a process."""


class Release:
    """A release of the library, of which processes are forked from one that has imported it."""

    def __init__(self, name: str, package: Path, process: asyncio.subprocess.Process, meeting: Meeting) -> None:
        self.name, self.package, self._process, self._meeting = name, package, process, meeting

    async def begin(self, what: str, url: str, namespace: str, name: str, told: Told) -> Process:
        """A worker or a client, once it has opened the namespace."""
        assert self._process.stdin is not None
        met = self._meeting.expected(name)
        self._process.stdin.write(f"{what} {url} {namespace} {name}\n".encode())
        package, process = await met
        if not package.is_relative_to(self.package):
            raise RuntimeError(f"{name} runs the package at {package}, and not that at {self.package}")
        process.read(told)
        return process

    async def aclose(self) -> None:
        """Begin no more."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()


@dataclass(slots=True)
class Told:
    """What the processes of a round have told."""

    errors: list[str] = field(default_factory=list[str])
    runs: dict[str, str] = field(default_factory=dict[str, str])
    """The runs that ended as they should, and the numbers that they were started with."""
    counted: list[int] = field(default_factory=list[int])
    effects: Counter[str] = field(default_factory=Counter[str])
    followed: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    """The last cursor of the log when a client ended, and the last one that its subscriber saw."""

    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait(self) -> None:
        """Wait until more was told."""
        self._news.clear()
        await self._news.wait()

    def take(self, name: str, words: dict[str, Any]) -> None:
        """What a process has said."""
        self._news.set()
        match words:
            case {"error": error}:
                self.errors.append(f"{name}: {error} {words.get('where', '')}".strip())
            case {"run": run_id, "number": number}:
                self.runs[run_id] = number
            case {"counted": revision}:
                self.counted.append(revision)
            case {"effect": key}:
                self.effects[key] += 1
            case {"last": last}:
                self.followed.append((last, -1))
            case {"followed": seen}:
                last, _ = self.followed.pop()
                self.followed.append((last, seen))
            case _:
                self.errors.append(f"{name} said {words}")


class Process:
    """A worker or a client of one release, and the connection on which it tells what it sees."""

    def __init__(self, name: str, pid: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.name, self._pid, self._reader, self._writer = name, pid, reader, writer
        self._reading: asyncio.Task[bool] | None = None

    def read(self, told: Told) -> None:
        """Take all that it tells from now on."""
        self._told = told
        self._reading = asyncio.create_task(self._read(told))

    async def _read(self, told: Told) -> bool:
        """Until the connection ends; returns whether the process had come to its end."""
        has_ended = False
        async for line in self._reader:
            if line.endswith(b"\n"):  # a killed process may leave half a line
                words = json.loads(line)
                has_ended = has_ended or words == {"ended": True}
                if not has_ended:
                    told.take(self.name, words)
        return has_ended

    async def end(self, *, kill: bool = False) -> None:
        """Stop it, or kill it, and wait until it has ended."""
        assert self._reading is not None
        if kill:
            os.kill(self._pid, signal.SIGKILL)
        else:
            self._writer.write_eof()
        if not await self._reading and not kill:
            self._told.errors.append(f"{self.name} has not come to its end")
        self._writer.close()

    def abandon(self) -> None:
        """Kill it after a failure."""
        with suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        self._writer.close()


class Meeting:
    """Where the processes that were forked tell who they are."""

    def __init__(self) -> None:
        self._expected: dict[str, asyncio.Future[tuple[Path, Process]]] = {}

    def expected(self, name: str) -> asyncio.Future[tuple[Path, Process]]:
        """The process of this name, and the package that it runs, once it is there."""
        self._expected[name] = future = asyncio.get_running_loop().create_future()
        return future

    async def met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A process has connected."""
        if line := await reader.readline():
            words = json.loads(line)
            process = Process(words["name"], words["pid"], reader, writer)
            self._expected.pop(words["name"]).set_result((Path(words["package"]), process))


class Round:
    """One upgrade and one rollback of a fleet on a namespace of its own."""

    def __init__(self, url: str, random: Random, workers: int, clients: int) -> None:
        self.namespace = f"rolling-{uuid4().hex}"
        self.told = Told()
        self.killed = 0
        self._url, self._random = url, random
        self._numbers = {"worker": workers, "client": clients}
        self._names = Counter[str]()
        self._alive: list[tuple[str, Process]] = []

    async def _begun(self, what: str, release: Release) -> None:
        self._names[what] += 1
        name = f"{what}-{self._names[what]}-{release.name}"
        self._alive.append((what, await release.begin(what, self._url, self.namespace, name, self.told)))

    async def play(self, old: Release, new: Release) -> None:
        """All processes of the one release, then of the other, then of the first again."""
        try:
            async with asyncio.timeout(PATIENCE):
                for what, number in self._numbers.items():
                    await asyncio.gather(*(self._begun(what, old) for _ in range(number)))
                await self._let_go_on()
                for release in (new, old):
                    await self._replace_all(release)
                while self._alive:
                    await self._end_one("client")
                    if all(what == "worker" for what, _ in self._alive):
                        await self._all_over()
                        await asyncio.gather(*(process.end() for _, process in self._alive))
                        self._alive.clear()
        except TimeoutError:
            self.told.errors.append(f"the round did not end within {PATIENCE:.0f} s")
        finally:
            for _, process in self._alive:
                process.abandon()

    async def _replace_all(self, release: Release) -> None:
        replaced = [what for what, number in self._numbers.items() for _ in range(number)]
        self._random.shuffle(replaced)
        for what in replaced:
            await self._begun(what, release)
            await self._end_one(what)
            await self._let_go_on()

    async def _end_one(self, what: str) -> None:
        """End the process of this kind that has been there for the longest time."""
        ended = next((one for one in self._alive if one[0] == what), None)
        if ended is None:
            return
        kill = what == "worker" and self._random.randrange(KILLED_ONE_IN) == 0
        self.killed += kill
        await ended[1].end(kill=kill)
        self._alive.remove(ended)

    async def _let_go_on(self) -> None:
        """Wait until some more runs have ended, by whichever release."""
        before = len(self.told.runs)
        while len(self.told.runs) < before + RUNS_BETWEEN and not self.told.errors:
            await self.told.wait()

    async def _all_over(self) -> None:
        """Pause the schedule, and wait until its runs are over."""
        async with MobStorage.open(self._url, namespace=self.namespace) as storage:
            admin = FleetAdmin(storage)
            await admin.pause_schedule("tick")
            while True:
                counts = await admin.count()
                if not counts[MobRunStatus.PENDING] + counts[MobRunStatus.RUNNING]:
                    return
                await asyncio.sleep(0.05)


async def judge(url: str, played: Round) -> tuple[Counter[str], list[str]]:
    """What happened in a round, and what is not as it must be."""
    told, broken = played.told, list(played.told.errors)
    figures = Counter[str]()
    async with MobStorage.open(url, namespace=played.namespace) as storage:
        admin = FleetAdmin(storage)
        runs = await storage.runs.list_runs("office")
        stored = {run.run_id: run for run in runs}
        events = await storage.events.replay_all()
        ends = Counter(event.kind.run_id for event in events if event.kind.type == "flow_completed")
        revision = extract_meta_revision(await storage.config.get(*COUNTER)) or 0
        [schedule] = await admin.schedules()
        broken += [
            f"run {run.run_id} of {run.flow_id} is {run.status}, and told its end {ends[run.run_id]} times"
            for run in runs
            if run.status is not MobRunStatus.COMPLETED or ends[run.run_id] != 1 or reconcile(run) or run.failure_ledger
        ]
        broken += _doubled(runs, told, played.killed)
    lost = [run_id for run_id in told.runs if run_id not in stored]
    started = Counter(str(run.activation_params.get("number")) for run in runs if run.flow_id == "work")
    if lost or set(started) != set(told.runs.values()) or max(started.values(), default=0) > 1:
        unknown = dict(started - Counter(told.runs.values()))
        broken.append(f"runs that callers know are lost: {lost}; runs of these numbers no caller knows: {unknown}")
    if sorted(told.counted) != list(range(1, revision + 1)):
        broken.append(f"the counter is at {revision}, and {len(told.counted)} increments won")
    broken += [f"a subscriber saw the log up to {seen} of {last}" for last, seen in told.followed if seen < last]
    if [event.cursor for event in events] != list(range(1, len(events) + 1)):
        broken.append("the log has not each cursor once")
    ticks = [run for run in runs if run.flow_id == "tick"]
    # The pause may come between the start of runs and the note of them, which is left to the look after it. None is
    # there twice: the id of a run is made of its due time.
    if len(ticks) < schedule.fired:
        broken.append(f"the schedule fired {schedule.fired} times, and {len(ticks)} runs are there")
    broken += [f"the storage says: {loss}" for loss in await find_losses(url, played.namespace)]
    figures.update(
        {
            "runs of callers": len(told.runs),
            "runs of the schedule": len(ticks),
            "events": len(events),
            "increments": revision,
            "workers killed": played.killed,
            "executions": len(told.effects),
            "executions called again, for their worker was killed": sum(told.effects.values()) - len(told.effects),
            "errors at callers": len(told.errors),
        }
    )
    return figures, broken


def _doubled(runs: list[MobRun], told: Told, killed: int) -> list[str]:
    """Executions that were called again without a killed worker, and runs that have too many."""
    again = [key for key, times in told.effects.items() if times > 1]
    if again and not killed:
        return [f"{len(again)} executions were called again, and no worker was killed"]
    by_flow = Counter(run.flow_id for run in runs)
    # of each run: gather by two, list, three items, polish twice, end; of a child or a tick one
    expected = 9 * by_flow["work"] + by_flow["check"] + by_flow["tick"]
    return [] if len(told.effects) == expected else [f"{len(told.effects)} executions had effects, and not {expected}"]


@asynccontextmanager
async def both_releases(previous: str) -> AsyncGenerator[tuple[Release, Release]]:
    """The release before, built from its revision, and this one."""
    async with AsyncExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="redis-mob-test-"))
        packages = {"previous": await installed(previous, Path(directory)), "this": ROOT}
        meeting, path = Meeting(), f"{directory}/socket"
        await stack.enter_async_context(await asyncio.start_unix_server(meeting.met, path, limit=2**20))
        releases: list[Release] = []
        for name, package in packages.items():
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", str(MEMBER), path), env=environment_of(package), stdin=asyncio.subprocess.PIPE
            )
            releases.append(Release(name, package, process, meeting))
            stack.push_async_callback(releases[-1].aclose)
        yield releases[0], releases[1]


async def run(
    *,
    seed: int,
    rounds: int = 50,
    previous: str | None = None,
    workers: int = 2,
    clients: int = 2,
    show: Callable[[str], None] = lambda _text: None,
) -> Report:
    """Run the program."""
    report, random, figures = Report("rolling_upgrade", seed), Random(seed), Counter[str]()
    revision = previous or previous_revision()
    if revision is None:
        raise SystemExit("the history of this clone lacks the release before: fetch it whole (git fetch --unshallow)")
    before = time.monotonic()
    server = await EmbeddedServer.start()
    try:
        url = server.address.url
        async with both_releases(revision) as (old, new):
            for number in range(1, rounds + 1):
                played = Round(url, random, workers, clients)
                async with MobStorage.open(url, namespace=played.namespace) as storage:
                    await Fleet(storage, MOB).schedule("tick", "tick", {}, every=timedelta(seconds=1), catch_up="all")
                await played.play(old, new)
                counted, broken = await judge(url, played)
                figures.update(counted)
                report.broken += [f"round {number}: {text}" for text in broken]
                show(f"round {number} of {rounds}: {dict(counted)}, broken: {broken}")
    finally:
        await server.aclose()
    report.figures = {
        "release before": revision[:12],
        "upgrades, each with a rollback": rounds,
        "seconds": round(time.monotonic() - before, 1),
        **figures,
    }
    return report


async def main(options: argparse.Namespace) -> Report:
    return await run(
        seed=options.seed,
        rounds=options.rounds,
        previous=options.previous,
        workers=options.workers,
        clients=options.clients,
        show=lambda text: print(text, file=sys.stderr, flush=True),
    )


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--rounds", type=int, default=50)
    arguments.add_argument("--previous", help="a revision of the release before", default=None)
    arguments.add_argument("--workers", type=int, default=2)
    arguments.add_argument("--clients", type=int, default=2)
    run_program(arguments.parse_args(), main)

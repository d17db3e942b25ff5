"""What deletion by retention costs the work beside it, what it leaves, and whether a namespace stays at its size.

    python -m bench.retention delete [--runs 50000]
    python -m bench.retention steady [--rate 100] [--seconds 360]

`delete` stores so many runs that are over, each with its events, and lets the duty of a worker, in a process of its own
and at its usual pace, delete them, while compound operations on other runs go on. By turns the duty is at work and
rests, so that other load of the machine tells for both. Then the keys and the memory are compared with those before the
runs were stored.

`steady` starts runs at a rate, lets workers execute them, and keeps each for some seconds after its end. Each minute it
tells how much there is.

Both name the scripts that the server's slow log has above a millisecond. The time of a script there is that on the
clock: on a machine that is busy, another process may have had the processor meanwhile.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import time
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from random import Random
from typing import Any
from uuid import uuid4

from redis_mob import Fleet, MobStorage
from redis_mob.bench.machine import machine
from redis_mob.bench.scenarios.fleet import definition_of, nothing
from redis_mob.bench.scenarios.runs import Swing, run_of
from redis_mob.connection.calls.client import Client, connect
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.calls.scripts import names_by_digest
from redis_mob.fleet.retention_duty import RetentionDuty
from redis_mob.models.retention import RetentionPolicy
from redis_mob.models.run_copy import RunCopy
from redis_mob.operations.fleet_admin import FleetAdmin

STEPS, STEPS_UNDER_WAY, AGENTS, RATE = 3, 100, 4, 200
"""Steps of a run that is deleted, and of one under way; how many of these there are, and their operations in a second.
"""

AT_WORK, AT_REST = 6.0, 3.0
"""Seconds of each turn."""

SLOW = 1_000
"""Microseconds from which on scripts are named."""

LOG = 100_000


class _AtOnce(Random):
    """Lets a duty begin without the pause by which workers that start together are spread."""

    def random(self) -> float:
        return 0.0


# --- the process beside -----------------------------------------------------------------------------------------------


async def be_duty(url: str, namespace: str) -> None:
    """Enforce the policies from each line `work` to the next line `rest`, which is answered when nothing goes on."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async with MobStorage.open(url, namespace=namespace) as storage:
        # one duty for all turns: it keeps what it has found, and its turn among workers
        duty = RetentionDuty(storage.retention, storage.steering, random=_AtOnce())
        stop, working = asyncio.Event(), None
        while line := (await reader.readline()).strip():
            stop.set()
            if working is not None:
                await working
            stop, working = asyncio.Event(), None
            if line == b"work":
                working = asyncio.create_task(duty.run(stop, "duty"))
            print("done", flush=True)


async def be_worker(url: str, namespace: str) -> None:
    """Work until the input ends, with all duties."""
    async with MobStorage.open(url, namespace=namespace) as storage:
        fleet, stop = Fleet(storage, definition_of("", 1), {"worker": nothing}), asyncio.Event()
        work = asyncio.create_task(fleet.work(64, stop))
        await asyncio.to_thread(sys.stdin.read)
        stop.set()
        await work


@asynccontextmanager
async def beside(role: str, url: str, namespace: str) -> AsyncGenerator[asyncio.subprocess.Process]:
    """A process of this module; it ends with the block."""
    pipe = asyncio.subprocess.PIPE
    words = [sys.executable, "-m", "bench.retention", role, "--url", url, "--namespace", namespace]
    process = await asyncio.create_subprocess_exec(*words, stdin=pipe, stdout=pipe)
    try:
        yield process
    finally:
        assert process.stdin
        process.stdin.close()
        await process.wait()


async def tell(process: asyncio.subprocess.Process, what: str) -> None:
    """Tell it what to do, and wait for its answer."""
    assert process.stdin
    assert process.stdout
    process.stdin.write(f"{what}\n".encode())
    await process.stdout.readline()


# --- what is there ----------------------------------------------------------------------------------------------------


async def names_of_keys(client: Client, keys: Keys) -> set[str]:
    """All keys of the namespace but receipts of sessions, which expire."""
    found, cursor = set[str](), 0
    while True:
        cursor, page = await client.router.request("SCAN", cursor, "MATCH", keys.pattern, "COUNT", 1000)
        found.update(key.decode() for key in page)
        if not (cursor := int(cursor)):
            session = keys.session("")
            return {key for key in found if not key.startswith(session)}


async def used_memory(client: Client) -> int:
    """What the server uses, once nothing that it frees by and by is left."""
    while True:
        lines = (await client.router.request("INFO", "memory")).decode().splitlines()
        fields = dict(line.split(":", 1) for line in lines if ":" in line)
        if not int(fields["lazyfree_pending_objects"]):
            return int(fields["used_memory"])
        await asyncio.sleep(0.1)


async def watch_scripts(client: Client) -> None:
    """Begin to write down what takes long."""
    for name, value in (("slowlog-log-slower-than", SLOW), ("slowlog-max-len", LOG)):
        await client.router.request("CONFIG", "SET", name, value)
    for words in (("SLOWLOG", "RESET"), ("CONFIG", "RESETSTAT")):
        await client.router.request(*words)


async def slow_scripts(client: Client) -> dict[str, Any]:
    """Which scripts took more than a millisecond: how often, how often more than two, and the longest time."""
    names = names_by_digest()
    times: defaultdict[str, list[int]] = defaultdict(list)
    for entry in await client.router.request("SLOWLOG", "GET", -1):
        words = [word.decode(errors="replace") for word in entry[3]]
        name = names.get(words[1], "?") if words[0].upper().startswith("EVALSHA") else words[0]
        times[name].append(entry[2])
    # the log itself takes a kilobyte for each entry, which is no memory of the namespace
    await client.router.request("SLOWLOG", "RESET")
    await client.router.request("CONFIG", "SET", "slowlog-log-slower-than", -1)
    found = await client.router.request("INFO", "commandstats")
    stats = [line.split(":")[1] for line in found.decode().splitlines() if line.startswith("cmdstat_evalsha:")]
    return {
        "evalsha": stats[0] if stats else "",
        "above 1 ms": {
            name: {"times": len(all), "above 2 ms": sum(one > 2 * SLOW for one in all), "longest ms": max(all) / 1e3}
            for name, all in sorted(times.items(), key=lambda item: -max(item[1]))
        },
    }


# --- deletion under load ----------------------------------------------------------------------------------------------


async def copied(storage: MobStorage, number: int) -> None:
    """Store so many runs that are over: copies of one that a worker has executed, each with its events."""
    definition = definition_of("chain", STEPS)
    async with MobStorage.open(storage.url, namespace=f"{storage.namespace}-origin") as origin:
        fleet = Fleet(origin, definition, {"worker": nothing})
        run_id = await fleet.start("flow")
        async with fleet.working():
            await fleet.wait(run_id)
        lines = [line async for line in FleetAdmin(origin).export([run_id])]
        await FleetAdmin(origin).delete(run_id)
    written = lines[-2]  # the last one counts the runs

    async def one() -> None:
        copy = RunCopy.model_validate_json(written.replace(run_id, str(uuid4())))
        assert await storage.steering.import_run(copy, definition)

    for first in range(0, number, 50):
        await asyncio.gather(*(one() for _ in range(min(50, number - first))))


class Load:
    """Compound operations at a rate, and how long they took, by what the duty did meanwhile."""

    def __init__(self) -> None:
        self.kind: str | None = None
        self.took: defaultdict[str, list[float]] = defaultdict(list)
        self._run_ids: list[str] = []
        self._agents: list[asyncio.Task[None]] = []

    async def begin(self, storage: MobStorage) -> None:
        """Create the runs, and begin."""
        for number in range(AGENTS):
            run = run_of(STEPS_UNDER_WAY)
            await storage.runs.create_run(run)
            swing = Swing(storage.runs, run)
            self._agents.append(asyncio.create_task(self._operate(swing, number)))

    async def _operate(self, swing: Swing, number: int) -> None:
        pause = AGENTS / RATE
        due = time.perf_counter() + pause * number / AGENTS
        while True:
            await asyncio.sleep(max(due - time.perf_counter(), 0))
            kind, begun = self.kind, time.perf_counter()
            await swing.cas_grant_node_slot()
            if kind is not None and kind == self.kind:
                self.took[kind].append(time.perf_counter() - begun)
            due = max(due + pause, time.perf_counter())

    async def end(self) -> None:
        """Stop."""
        for agent in self._agents:
            agent.cancel()
        await asyncio.gather(*self._agents, return_exceptions=True)


def milliseconds(times: list[float]) -> dict[str, float]:
    """Median and higher percentiles."""
    cuts = statistics.quantiles(times, n=1000)
    return {"n": len(times), **{f"p{at / 10:g}": round(cuts[at - 1] * 1e3, 3) for at in (500, 900, 990, 999)}}


async def delete(number: int) -> dict[str, Any]:
    """See the description of the module."""
    async with MobStorage.open("embedded:", namespace=f"deletion-{uuid4().hex[:8]}") as storage:
        client, keys, admin = await connect(storage.url), Keys(storage.namespace), FleetAdmin(storage)
        await admin.set_retention(RetentionPolicy(completed=timedelta(), failed=timedelta(), canceled=timedelta()))
        load = Load()
        async with beside("duty", storage.url, storage.namespace) as duty:
            # all scripts are loaded, and both processes are connected, before anything is compared
            await copied(storage, 50)
            await tell(duty, "work")
            await _until_gone(admin)
            await tell(duty, "rest")
            before, empty = await names_of_keys(client, keys), await used_memory(client)
            begun = time.perf_counter()
            await copied(storage, number)
            filled, full = time.perf_counter() - begun, await used_memory(client)
            print(f"{number} runs were stored in {filled:.0f} s", file=sys.stderr)
            await watch_scripts(client)
            await load.begin(storage)
            await asyncio.sleep(1)
            active, loads = 0.0, list[float]()
            while sum((await admin.count()).values()) > AGENTS:
                await tell(duty, "rest")
                load.kind = "at rest"
                await asyncio.sleep(AT_REST)
                load.kind = None
                await tell(duty, "work")
                load.kind, since = "at work", time.perf_counter()
                await asyncio.sleep(AT_WORK)
                load.kind = None
                active += time.perf_counter() - since
                loads.append(os.getloadavg()[0])
            await tell(duty, "rest")
            scripts = await slow_scripts(client)
            await load.end()
            for run in [run async for run in admin.all_runs()]:
                await admin.delete(run.run_id, cancel=True)
            after, left = await names_of_keys(client, keys), await used_memory(client)
        await client.aclose()
    rest, work = milliseconds(load.took["at rest"]), milliseconds(load.took["at work"])
    return {
        "runs": number,
        "deleted in a second": round(number / active, 1),
        "compound operation, ms": {"duty at rest": rest, "duty at work": work},
        "p99, ratio": round(work["p99"] / rest["p99"], 2),
        "keys left": sorted(after - before),
        "memory": {"before": empty, "full": full, "after": left, "after / before": round(left / empty, 4)},
        "scripts": scripts,
        "load of the machine": {"mean": round(statistics.fmean(loads), 2), "most": max(loads)},
    }


async def _until_gone(admin: FleetAdmin) -> None:
    while sum((await admin.count()).values()):  # noqa: ASYNC110 - it has to look
        await asyncio.sleep(0.1)


# --- a steady namespace -----------------------------------------------------------------------------------------------


async def steady(rate: float, seconds: float, keep: float, workers: int) -> dict[str, Any]:
    """See the description of the module."""
    async with MobStorage.open("embedded:", namespace=f"steady-{uuid4().hex[:8]}") as storage:
        client, keys, admin = await connect(storage.url), Keys(storage.namespace), FleetAdmin(storage)
        await admin.set_retention(RetentionPolicy(completed=timedelta(seconds=keep)))
        fleet = Fleet(storage, definition_of("", 1))
        samples, started = list[dict[str, Any]](), Counter[str]()
        async with asyncio.TaskGroup() as group:
            stop = asyncio.Event()
            for _ in range(workers):
                group.create_task(_worker(storage, stop))
            await watch_scripts(client)
            group.create_task(_start(fleet, rate, stop, started))
            begun = time.perf_counter()
            while time.perf_counter() < begun + seconds:
                peaks: list[dict[str, Any]] = []
                for _ in range(12):
                    await asyncio.sleep(5)
                    runs = await admin.count()
                    peaks.append(
                        {
                            "runs": sum(runs.values()),
                            "over": sum(number for status, number in runs.items() if status.is_terminal),
                            "events": await client.router.request("XLEN", keys.events),
                            "keys": await client.router.request("DBSIZE"),
                            "memory": await used_memory(client),
                        }
                    )
                samples.append({name: max(peak[name] for peak in peaks) for name in peaks[0]})
                samples[-1] |= {"started": started["runs"], "load": os.getloadavg()[0]}
                print(json.dumps(samples[-1]), file=sys.stderr)
            stop.set()
        scripts = await slow_scripts(client)
        await client.aclose()
    return {
        "runs in a second": round(samples[-1]["started"] / (60 * len(samples)), 1),
        "kept for seconds": keep,
        "the most of each minute": samples,
        "scripts": scripts,
    }


async def _worker(storage: MobStorage, stop: asyncio.Event) -> None:
    async with beside("worker", storage.url, storage.namespace):
        await stop.wait()


async def _start(fleet: Fleet, rate: float, stop: asyncio.Event, started: Counter[str]) -> None:
    due = time.perf_counter()
    while not stop.is_set():
        await asyncio.sleep(max(due - time.perf_counter(), 0))
        await fleet.start("flow")
        started["runs"] += 1
        due = max(due + 1 / rate, time.perf_counter() - 1)


async def main(options: argparse.Namespace) -> None:
    """Do what is asked."""
    match options.what:
        case "duty":
            return await be_duty(options.url, options.namespace)
        case "worker":
            return await be_worker(options.url, options.namespace)
        case "delete":
            found = await delete(options.runs)
        case _:
            found = await steady(options.rate, options.seconds, options.keep, options.workers)
    print(json.dumps({"machine": machine(), **found}, indent=2))
    return None


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("delete", "steady", "duty", "worker"))
    parser.add_argument("--runs", type=int, default=50_000)
    parser.add_argument("--rate", type=float, default=100)
    parser.add_argument("--seconds", type=float, default=360)
    parser.add_argument("--keep", type=float, default=10, help="seconds")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--url", default="")
    parser.add_argument("--namespace", default="")
    asyncio.run(main(parser.parse_args()))

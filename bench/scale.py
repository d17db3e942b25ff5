"""What a step and a transition cost on 1, 3 and 6 primaries of a Cluster, with one namespace on each.

    python -m bench.scale [--primaries 1,3,6] [--rounds 5] [--runs 20] [--transitions 2000] [--idle 0]

All Clusters are on this machine, and one process drives them: so figures by the clock tell how many cores there are,
and what is compared is CPU time. In each round all sizes have their turn, each with the same load for a namespace. The
cost of a step, or of a transition, is that of the servers or of the client, divided by all steps of the turn; its ratio
to the smallest size is made within a round. With `--idle SECONDS` it is also measured what a worker that serves so many
namespaces asks of the servers while it has nothing to do.

Figures for people go to stderr, one JSON object to stdout. `bench/scale_model.py` reads that object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any
from uuid import uuid4

from redis_mob.bench.machine import machine
from redis_mob.bench.meters import cpu_seconds
from redis_mob.bench.scenarios.fleet import definition_of, nothing
from redis_mob.bench.scenarios.runs import Swing, run_of
from redis_mob.sharding import FleetOfNamespaces, spread_names
from redis_mob.testing.servers.cluster import Cluster, run_cluster

STEPS = 10
"""Parallel steps of each run."""

SLOTS = 16
"""Slots of the worker for each namespace."""

AGENTS = 16
"""Callers at a time in each namespace, where transitions are measured."""

SCRIPTS = ("eval", "evalsha", "evalsha_ro", "fcall", "fcall_ro")
"""The commands that call scripts."""

STEPS_OF_A_STATE = 50
"""How many steps the run has whose state is changed by a transition."""


@dataclass(frozen=True)
class Cost:
    """What one unit cost in a turn, in microseconds of CPU time, and how many there were each second.

    `scripts` are those that were called: each is a request of its own. `commands` also counts what these executed.
    """

    server: float
    client: float
    scripts: float
    commands: float
    each_second: float


@dataclass(frozen=True)
class Counted:
    """CPU seconds of all servers, of this process, and scripts and commands so far."""

    server: float
    client: float
    scripts: int
    commands: int


def counted(cluster: Cluster) -> Counted:
    """The counters now; servers tell those of their main threads, which execute all commands."""
    told = [node.do("INFO", "everything") for node in cluster.nodes]
    server = sum(one["used_cpu_user_main_thread"] + one["used_cpu_sys_main_thread"] for one in told)
    scripts = sum(one.get(f"cmdstat_{name}", {"calls": 0})["calls"] for one in told for name in SCRIPTS)
    return Counted(server, cpu_seconds(), scripts, sum(one["total_commands_processed"] for one in told))


async def measured(cluster: Cluster, units: int, work: Callable[[], Awaitable[None]]) -> Cost:
    """What a unit costs of some work that has so many."""
    before, began = counted(cluster), time.perf_counter()
    await work()
    took, after = time.perf_counter() - began, counted(cluster)
    return Cost(
        server=(after.server - before.server) * 1e6 / units,
        client=(after.client - before.client) * 1e6 / units,
        scripts=(after.scripts - before.scripts) / units,
        commands=(after.commands - before.commands) / units,
        each_second=units / took,
    )


class Size:
    """A Cluster of some primaries, and a fleet with one namespace on each."""

    def __init__(self, cluster: Cluster, fleet: FleetOfNamespaces, swings: Sequence[Swing]) -> None:
        self.cluster = cluster
        self.fleet = fleet
        self._swings = swings

    async def steps(self, runs: int) -> Cost:
        """So many runs in each namespace, all at once."""

        async def work() -> None:
            async with self.fleet.working(SLOTS * len(self.fleet.namespaces)):
                ids = [await self.fleet.start("flow") for _ in range(runs * len(self.fleet.namespaces))]
                await asyncio.gather(*map(self.fleet.wait, ids))

        return await measured(self.cluster, runs * STEPS * len(self.fleet.namespaces), work)

    async def transitions(self, number: int) -> Cost:
        """So many transitions in each namespace: a node is granted a slot, as `redis-mob bench` measures it."""

        async def agent(swing: Swing) -> None:
            for _ in range(number // AGENTS):
                await swing.cas_grant_node_slot()

        async def work() -> None:
            await asyncio.gather(*map(agent, self._swings))

        return await measured(self.cluster, number // AGENTS * len(self._swings), work)

    async def idle(self, seconds: float, settle: float = 20.0) -> dict[str, float]:
        """What a worker asks each second that has nothing to do, for each namespace."""
        async with self.fleet.working():
            await asyncio.sleep(settle)  # it looks ever more seldom while it finds nothing
            before = counted(self.cluster)
            await asyncio.sleep(seconds)
            after = counted(self.cluster)
        asked = len(self.cluster.nodes)  # the questions of this program are commands, too
        each = seconds * len(self.fleet.namespaces)
        return {
            "scripts": (after.scripts - before.scripts) / each,
            "commands": (after.commands - before.commands - asked) / each,
            "server_us": (after.server - before.server) * 1e6 / each,
            "client_us": (after.client - before.client) * 1e6 / each,
        }


@asynccontextmanager
async def size_of(primaries: int) -> AsyncGenerator[Size]:
    """A Cluster of so many primaries until the block ends, its namespaces open, its runs made."""
    names = spread_names(f"scale-{uuid4().hex[:8]}", primaries)
    async with AsyncExitStack() as stack:
        cluster = stack.enter_context(run_cluster(primaries=primaries))
        opening = FleetOfNamespaces.open(
            definition_of("", STEPS), {"worker": nothing}, url=cluster.url, namespaces=names
        )
        fleet = await stack.enter_async_context(opening)
        swings: list[Swing] = []
        for name in names:
            storage = await fleet.storage(name)
            for _ in range(AGENTS):
                await storage.runs.create_run(run := run_of(STEPS_OF_A_STATE))
                swings.append(Swing(storage.runs, run))
        yield Size(cluster, fleet, swings)


def summed_up(costs: dict[int, list[Cost]]) -> dict[int, dict[str, float]]:
    """The medians of the rounds, and those of the ratios to the smallest size, which are made within a round."""
    smallest = min(costs)
    found: dict[int, dict[str, float]] = {}
    for primaries, rounds in costs.items():
        figures = {name: median(asdict(one)[name] for one in rounds) for name in asdict(rounds[0])}
        for name in ("server", "client"):
            ratios = [
                getattr(one, name) / getattr(base, name) for one, base in zip(rounds, costs[smallest], strict=True)
            ]
            figures[f"{name}_ratio"] = median(ratios)
        found[primaries] = figures
    return found


def tell(what: str, found: dict[int, dict[str, float]]) -> None:
    """Print the figures of one kind of unit."""
    head = f"{what:>12} {'server us':>10} {'ratio':>6} {'client us':>10} {'ratio':>6} {'scripts':>8} {'1/s':>8}"
    print(head, file=sys.stderr)
    for primaries, one in found.items():
        print(
            f"{primaries:>12} {one['server']:>10.1f} {one['server_ratio']:>6.2f} {one['client']:>10.1f} "
            f"{one['client_ratio']:>6.2f} {one['scripts']:>8.2f} {one['each_second']:>8.0f}",
            file=sys.stderr,
        )


async def main(options: argparse.Namespace) -> dict[str, Any]:
    """Measure all sizes in turn."""
    steps: dict[int, list[Cost]] = {}
    transitions: dict[int, list[Cost]] = {}
    idle: dict[int, dict[str, float]] = {}
    sizes = [int(one) for one in options.primaries.split(",")]
    async with AsyncExitStack() as stack:
        opened = {one: await stack.enter_async_context(size_of(one)) for one in sizes}
        for size in opened.values():  # what is imported, and made, when it is first used
            await size.steps(2)
            await size.transitions(AGENTS * 2)
        for number in range(options.rounds):
            for primaries, size in list(opened.items())[:: 1 if number % 2 else -1]:
                steps.setdefault(primaries, []).append(await size.steps(options.runs))
                transitions.setdefault(primaries, []).append(await size.transitions(options.transitions))
            print(f"round {number + 1} of {options.rounds}, load {os.getloadavg()[0]:.1f}", file=sys.stderr)
        if options.idle:
            for primaries, size in opened.items():
                idle[primaries] = await size.idle(options.idle)
    of_steps = summed_up({one: steps[one] for one in sizes})
    of_transitions = summed_up({one: transitions[one] for one in sizes})
    tell("step", of_steps)
    tell("transition", of_transitions)
    for primaries, one in idle.items():
        told = ", ".join(f"{figure:.2f} {name}" for name, figure in one.items())
        print(f"idle, {primaries} namespaces: {told} each second for each", file=sys.stderr)
    return {
        "machine": {**machine(), "load_at_the_end": round(os.getloadavg()[0], 2)},
        "steps": of_steps,
        "transitions": of_transitions,
        "idle": idle,
    }


def parsed(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options of the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--primaries", default="1,3,6", help="sizes of the Clusters, the smallest first")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=20, help="runs in each namespace in a turn")
    parser.add_argument("--transitions", type=int, default=2000, help="transitions in each namespace in a turn")
    parser.add_argument("--idle", type=float, default=0.0, help="how many seconds of idleness to measure")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(parsed()))))

"""Every method that writes, called under one nemesis after the other: each call happens once, and nothing is lost.

The traffic is that of `faults` and `crashes` (traffic.py, driving.py, shared.py), on a server that syncs each write;
the troubles are those of `redis_mob.testing.robustness`.

    python -m tests.robustness.disrupted [--seed 7] [--nemeses pause clock ...] [--disruptions 3] [--calls 500]
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from random import Random
from typing import Any

from redis_mob.testing.robustness.deployment import deployed
from redis_mob.testing.robustness.nemeses import NEMESES, of_topology
from redis_mob.testing.robustness.nemesis import Nemesis
from redis_mob.testing.waiting import until
from tests.robustness.clients import Clients
from tests.robustness.driving import drive
from tests.robustness.open_namespace import opened
from tests.robustness.report import Report, parser, run_program
from tests.robustness.traffic import TRACKS

SHARING = 4
"""Clients that share a log and a counter."""


async def disrupted(kind: type[Nemesis], seed: int, disruptions: int, calls: int) -> tuple[dict[str, Any], list[str]]:
    """So many troubles of one kind, each after so many calls; the figures, and what is broken."""
    left = disruptions
    async with deployed("single", "fsync", needs=kind.needs) as deployment:
        url, nemesis = deployment.url, kind(deployment, Random(seed))
        async with (
            opened(url, "tracks", durability="fsync") as tracks,
            opened(url, "fleet", durability="fsync") as fleet,
            opened(url, "shared", durability="fsync") as shared,
            Clients(seed, lambda _: left == 0) as clients,
        ):
            await clients.add_tracks(tracks, TRACKS)
            await clients.add_tracks(fleet, {"drive": drive})
            await clients.add_sharing([shared], SHARING)
            working = asyncio.create_task(clients.work())
            while left and not clients.broken:
                wanted = clients.writes + calls
                await until(lambda wanted=wanted: clients.writes >= wanted or clients.broken)
                await nemesis.begin()
                await asyncio.sleep(nemesis.seconds)
                await nemesis.end()
                await nemesis.heal()
                left -= 1
            await working
            await clients.check()
    return {"mutating operations": clients.writes, "outcomes": clients.learned}, clients.broken


async def run(*, seed: int, nemeses: Sequence[str], disruptions: int, calls: int) -> Report:
    """Run the program under these nemeses, one after the other."""
    report = Report("disrupted", seed)
    for name in nemeses:
        figures, broken = await disrupted(NEMESES[name], seed, disruptions, calls)
        report.figures[name] = figures
        report.broken += [f"{name}: {text}" for text in broken]
    return report


async def main(options: argparse.Namespace) -> Report:
    chosen = options.nemeses or of_topology("single")
    return await run(seed=options.seed, nemeses=chosen, disruptions=options.disruptions, calls=options.calls)


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--nemeses", nargs="+", choices=list(NEMESES), default=[])
    arguments.add_argument("--disruptions", type=int, default=3)
    arguments.add_argument("--calls", type=int, default=500, help="calls between two troubles")
    run_program(arguments.parse_args(), main)

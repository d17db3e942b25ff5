"""Histories of clients and a nemesis, one after the other; each verdict is a line of JSON.

    python -m redis_mob.testing.robustness [--histories 50] [--operations 2000] [--topology single]
        [--durability fsync] [--nemesis all] [--traffic stores] [--clients 8] [--disruptions 3] [--saboteur NAME]
        [--seed N] [--out FILE.jsonl]

`--nemesis all` takes the nemeses of the topology in turn. `--saboteur` plants a fault of that name, which has to be
found. The command ends with 1 if a promise was not kept, or, with a saboteur, if it was not found.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
import time
from pathlib import Path
from random import Random

from redis_mob.testing.robustness.sabotage import SABOTEURS, plant


def options(arguments: list[str]) -> argparse.Namespace:
    """The options of the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--histories", type=int, default=50)
    parser.add_argument("--operations", type=int, default=2000)
    parser.add_argument("--topology", choices=("single", "cluster", "sentinel"), default="single")
    parser.add_argument("--durability", default="fsync", help="fsync, memory or replicas:N")
    parser.add_argument("--nemesis", default="all")
    parser.add_argument("--traffic", choices=("stores", "fleet"), default="stores")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--disruptions", type=int, default=3)
    parser.add_argument("--saboteur", choices=sorted(SABOTEURS), default="")
    parser.add_argument("--seed", type=int, default=Random().randrange(1_000_000))
    parser.add_argument("--out", type=Path)
    return parser.parse_args(arguments)


async def main(chosen: argparse.Namespace) -> int:
    """Make the histories that were chosen; what the command ends with."""
    # what has a fault planted is imported after that
    from redis_mob.testing.robustness import fleet, nemeses, runner
    from redis_mob.testing.robustness.verdict import Setting

    names = (
        nemeses.of_topology(chosen.topology, fleets=chosen.traffic == "fleet")
        if chosen.nemesis == "all"
        else [chosen.nemesis]
    )
    if unknown := set(names) - set(nemeses.NEMESES):
        print(f"there is no nemesis {', '.join(unknown)}: choose of {', '.join(nemeses.NEMESES)}", file=sys.stderr)
        return 2
    began, unsound = time.monotonic(), 0
    for number in range(chosen.histories):
        setting = Setting(
            topology=chosen.topology,
            durability=chosen.durability,
            nemesis=names[number % len(names)],
            traffic=chosen.traffic,
            seed=chosen.seed + number,
            operations=chosen.operations,
            clients=chosen.clients,
            disruptions=chosen.disruptions,
            saboteur=chosen.saboteur,
        )
        verdict = await (fleet.history if chosen.traffic == "fleet" else runner.history)(setting)
        if chosen.out is not None:
            with chosen.out.open("a") as file:
                print(verdict.line, file=file)
        said = "skipped: " + verdict.skipped if verdict.skipped else "sound" if verdict.is_sound else "NOT SOUND"
        print(
            f"{setting.topology} {setting.durability} {setting.nemesis} seed {setting.seed}: "
            f"{verdict.operations} calls in {verdict.seconds:.1f} s, judged in {verdict.judged_in:.1f} s, "
            f"{verdict.told_losses} told losses: {said}",
            file=sys.stderr,
            flush=True,
        )
        for anomaly in verdict.anomalies[:3]:
            print(f"  {anomaly[:2000]}", file=sys.stderr)
        unsound += not (verdict.is_sound or verdict.skipped)
        if chosen.saboteur and verdict.anomalies:
            print(f"{chosen.saboteur} was found in {time.monotonic() - began:.1f} s", file=sys.stderr)
            return 0
    return 1 if unsound or chosen.saboteur else 0


if __name__ == "__main__":
    logging.disable()  # of interruptions, which are wanted here
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that servers and networks do not stay behind
    wanted = options(sys.argv[1:])
    if wanted.saboteur:
        plant(wanted.saboteur)
    sys.exit(asyncio.run(main(wanted)))

"""Histories over all topologies, durabilities and nemeses, and the hunt for all saboteurs: what a report is made of.

    python -m redis_mob.testing.robustness.campaign --out FILE.jsonl [--histories 60] [--operations 1000] [--seed N]
        [--saboteurs [NAME ...]]

Each line is the verdict of a history, or how a saboteur was found. With `--saboteurs` these are hunted, all of them
without a name, and no other history is made. It ends with 1 if a promise was not kept, or a saboteur was not found in
time.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import signal
import sys
import time
from itertools import cycle, islice
from pathlib import Path
from random import Random

from redis_mob.testing.robustness import fleet, runner
from redis_mob.testing.robustness.nemeses import of_topology
from redis_mob.testing.robustness.saboteurs import SABOTEURS, Saboteur
from redis_mob.testing.robustness.verdict import Setting, Verdict

LONGEST_HUNT = 600
"""Seconds within which a saboteur has to be found."""

SAFE = {"single": "fsync", "cluster": "replicas:1", "sentinel": "replicas:2"}
"""With which durability nothing may be lost that was acknowledged; Sentinels may prefer either of two replicas."""

LOSES = {"single": ("kill", "disk-full"), "cluster": ("primary-dies",), "sentinel": ("primary-dies", "hand-over")}
"""By which nemeses a server loses what was only to be in its memory."""

OF_FLEETS = ("none", "kill", "pause", "requests", "worker-dies", "worker-pauses")


def plan() -> list[Setting]:
    """One history of each kind that can be made on this machine."""
    settings = [
        Setting(topology=topology, durability=durability, nemesis=nemesis)
        for topology, durability in SAFE.items()
        for nemesis in of_topology(topology)
    ]
    settings += [
        Setting(topology=topology, durability="memory", nemesis=nemesis)
        for topology, nemeses in LOSES.items()
        for nemesis in nemeses
        if nemesis in of_topology(topology)
    ]
    settings += [Setting(nemesis=nemesis, traffic="fleet") for nemesis in OF_FLEETS]
    # mixed, so that a campaign that is cut short has some of each
    Random(0).shuffle(settings)
    return settings


async def make(setting: Setting) -> Verdict:
    """One history of this kind."""
    return await (fleet.history if setting.traffic == "fleet" else runner.history)(setting)


async def hunt(saboteur: Saboteur, seed: int) -> dict[str, object]:
    """Look for a saboteur in a process of its own, history after history; how that ended."""
    module = "redis_mob.testing.robustness"
    asked = ("--histories", "1000", "--operations", "1000", "--disruptions", "2", "--seed", str(seed))
    began = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *saboteur.arguments, *asked),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None, "it was asked for"
    said, is_found = "", False
    try:
        async with asyncio.timeout(LONGEST_HUNT):
            said = (await process.stderr.read()).decode()
            is_found = await process.wait() == 0
    except TimeoutError:
        pass  # it was not found
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    sentences = [line.strip() for line in said.splitlines() if line.startswith("  ")]
    return {
        "saboteur": saboteur.name,
        "room": saboteur.room,
        "found": is_found,
        "seconds": round(time.monotonic() - began, 1),
        "seed": seed,
        "anomaly": sentences[0][:300] if sentences else "",
        "command": " ".join(["python -m", module, *saboteur.arguments, *asked]),
    }


async def main(chosen: argparse.Namespace) -> int:
    """Make what was chosen; what the command ends with."""
    unsound = 0
    if chosen.saboteurs is not None:
        for number, name in enumerate(chosen.saboteurs or SABOTEURS):
            saboteur = SABOTEURS[name]
            found = await hunt(saboteur, chosen.seed + number)
            _write(chosen.out, json.dumps(found))
            print(f"{saboteur.name}: {found['found']} in {found['seconds']} s", file=sys.stderr, flush=True)
            unsound += not found["found"]
        return unsound > 0
    for number, one in enumerate(islice(cycle(plan()), chosen.histories)):
        setting = Setting(
            topology=one.topology,
            durability=one.durability,
            nemesis=one.nemesis,
            traffic=one.traffic,
            seed=chosen.seed + number,
            operations=chosen.operations,
            disruptions=2,
        )
        verdict = await make(setting)
        _write(chosen.out, verdict.line)
        said = verdict.skipped or ("sound" if verdict.is_sound else f"NOT SOUND {verdict.anomalies[:1]}")
        print(f"{number + 1}: {setting.command}: {said}", file=sys.stderr, flush=True)
        unsound += not (verdict.is_sound or verdict.skipped)
    return unsound > 0


def _write(file: Path, line: str) -> None:
    with file.open("a") as appended:
        print(line, file=appended)


if __name__ == "__main__":
    logging.disable()  # of interruptions, which are wanted here
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that servers and networks do not stay behind
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--histories", type=int, default=60)
    parser.add_argument("--operations", type=int, default=1000)
    parser.add_argument("--saboteurs", nargs="*", choices=list(SABOTEURS))
    parser.add_argument("--seed", type=int, default=Random().randrange(1_000_000))
    sys.exit(asyncio.run(main(parser.parse_args())))

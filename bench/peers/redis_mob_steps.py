"""How many steps a second one worker gets through, and what a step costs it, with handlers that do nothing.

Prints a table on stderr, and one JSON object on stdout. Steps a second tell more about the machine than about the
library: compare the CPU time per step of one form with that of another, in one run.

    python bench/peers/redis_mob_steps.py [--forms 20x10 1x1000 chain:20x10 loop:1x200 each:1x1000] [--slots 64]

A form is runs x parallel steps, runs x the length of a chain, runs x the iterations of a loop, or runs x the items of
one step. With latency:20x3, twenty chains of three steps run one after the other; "p50 ms" is how long one takes from
its start to its end.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from statistics import median
from typing import Any

from redis_mob import Fleet, MobStorage
from redis_mob.bench.meters import cpu_seconds
from redis_mob.bench.scenarios.fleet import definition_of, nothing, params_of

FORMS = ("20x10", "1x10", "1x100", "1x1000", "chain:20x10", "loop:1x200")


async def seconds_of_a_run(fleet: Fleet) -> float:
    """From the start of one run to its end, as the one who started it sees them."""
    began = time.perf_counter()
    await fleet.wait(await fleet.start("flow"))
    return time.perf_counter() - began


async def measured(storage: MobStorage, form: str, slots: int) -> dict[str, Any]:
    """The figures of one form: the runs wait until a worker begins, and it ends them all; but for a latency."""
    kind, _, numbers = form.rpartition(":")
    runs, size = map(int, numbers.split("x"))
    fleet = Fleet(storage, definition_of("chain" if kind == "latency" else kind, size), {"worker": nothing})
    alone = kind == "latency"
    ids = [] if alone else [await fleet.start("flow", params_of(kind, size)) for _ in range(runs)]
    stop = asyncio.Event()
    used, began = cpu_seconds(), time.perf_counter()
    worker = asyncio.create_task(fleet.work(slots, stop))
    took = [await seconds_of_a_run(fleet) for _ in range(runs)] if alone else []
    await asyncio.gather(*map(fleet.wait, ids))
    seconds, cpu = time.perf_counter() - began, cpu_seconds() - used
    stop.set()
    await worker
    steps = runs * size
    return {
        "form": form,
        "slots": slots,
        "steps/s": round(steps / seconds),
        "cpu ms/step": round(1000 * cpu / steps, 3),
        **({"p50 ms": round(1000 * median(took), 3)} if took else {}),
    }


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--forms", nargs="+", default=FORMS)
    parser.add_argument("--slots", type=int, default=64)
    parser.add_argument("--url", default="embedded:")
    arguments = parser.parse_args()
    results: list[dict[str, Any]] = []
    for number, form in enumerate(arguments.forms):
        async with MobStorage.open(arguments.url, namespace=f"bench-{os.getpid()}-{number}") as storage:
            results.append(await measured(storage, form, arguments.slots))
        print("{form:>14} {steps/s:8} steps/s {cpu ms/step:8.3f} ms CPU a step".format(**results[-1]), file=sys.stderr)
    print(json.dumps(results))


if __name__ == "__main__":
    asyncio.run(main())

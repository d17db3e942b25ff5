"""How much memory of the server a finished run takes, key by key, as MEMORY USAGE with SAMPLES 0 counts it.

Counted apart: the keys of the run itself, and its share of the keys that all runs of the namespace have in common,
among these the event log. Each figure is that of the namespace divided by its runs. What a namespace has once, however
many runs it has, is left out: `meta`, the definition, and the receipts of sessions, which expire.

Prints a table on stderr, and one JSON object on stdout.

    python bench/memory.py [--runs 20] [--steps 10] [--output BYTES] [--url embedded:]

The output of each step is the number 1, or a text of so many bytes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections import Counter
from typing import Any

from redis_mob import Fleet, MobStorage, StepContext
from redis_mob.bench.scenarios.fleet import definition_of
from redis_mob.bench.scenarios.memory import bytes_of_key, bytes_of_run
from redis_mob.connection.calls.client import Client, connect
from redis_mob.connection.calls.keys import Keys


async def end_runs(storage: MobStorage, runs: int, steps: int, output: int | str) -> list[str]:
    """The ids of so many runs of so many parallel steps, which one worker has ended."""

    async def answer(_ctx: StepContext) -> int | str:
        return output

    fleet = Fleet(storage, definition_of("", steps), {"worker": answer})
    ids = [await fleet.start("flow") for _ in range(runs)]
    stop = asyncio.Event()
    worker = asyncio.create_task(fleet.work(64, stop))
    await asyncio.gather(*map(fleet.wait, ids))
    stop.set()
    await worker
    return ids


async def measured(connection: Client, keys: Keys, ids: list[str]) -> tuple[Counter[str], Counter[str]]:
    """Bytes of the keys of all these runs, and of the keys that they share."""
    own: Counter[str] = Counter()
    for run_id in ids:
        own.update(await bytes_of_run(connection, keys, run_id))
    shared = (keys.events, keys.events_by_time, keys.events_index, keys.runs, keys.due, keys.ready)
    return own, Counter({key.partition("}:")[2]: await bytes_of_key(connection, key) for key in shared})


def table(title: str, shares: dict[str, int]) -> None:
    """Print bytes per run by key, and their sum."""
    print(title, file=sys.stderr)
    for name, size in sorted(shares.items(), key=lambda item: -item[1]):
        print(f"{name:>16} {size:8,}", file=sys.stderr)
    print(f"{'sum':>16} {sum(shares.values()):8,}\n", file=sys.stderr)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--output", type=int, default=0)
    parser.add_argument("--url", default="embedded:")
    arguments = parser.parse_args()
    output = "x" * arguments.output or 1
    namespace = f"bench-{os.getpid()}"
    async with MobStorage.open(arguments.url, namespace=namespace) as storage:
        ids = await end_runs(storage, arguments.runs, arguments.steps, output)
        connection = await connect(storage.url)
        own, shared = await measured(connection, Keys(namespace), ids)
        await connection.aclose()
    result: dict[str, Any] = {"runs": arguments.runs, "steps": arguments.steps}
    for name, total in (("own", own), ("shared", shared)):
        result[name] = {key: round(size / arguments.runs) for key, size in total.items()}
    table("bytes of its own keys", result["own"])
    table("bytes of its share of common keys", result["shared"])
    print(json.dumps(result))


if __name__ == "__main__":
    asyncio.run(main())

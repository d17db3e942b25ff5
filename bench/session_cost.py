"""What a session with receipts costs: each compound operation with and without one, measured in one interleaved run.

Prints a table on stderr, and one JSON object on stdout. Compare the ratios, see compound_operations.py.

    python bench/session_cost.py [--steps 5 50] [--rounds 2000] [--url embedded:]
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from statistics import median
from types import SimpleNamespace
from typing import Any

from compound_operations import WARM_UP, Bench, cores_awake, environment, parse_arguments, result

from redis_mob import MobStorage
from redis_mob.connection.calls.client import connect
from redis_mob.connection.calls.keys import Keys
from redis_mob.stores.runs import RedisRunStore


async def measured(benches: dict[str, Bench], rounds: int) -> dict[str, dict[str, list[float]]]:
    """Microseconds of each operation on each bench, in rounds that do each of them once, and the benches in turn."""
    operations = {which: bench.operations() for which, bench in benches.items()}
    names = [name for name in next(iter(operations.values())) if name.startswith("cas_")]
    times: dict[str, dict[str, list[float]]] = {name: {which: [] for which in benches} for name in names}
    for number in range(rounds + WARM_UP):
        for name in names:
            for which in sorted(benches, reverse=number % 2 == 0):
                started = time.perf_counter()
                await operations[which][name]()
                if number >= WARM_UP:
                    times[name][which].append((time.perf_counter() - started) * 1e6)
    return times


async def main() -> None:
    arguments = parse_arguments(__doc__)
    results: list[dict[str, Any]] = []
    namespace = f"bench-{os.getpid()}"
    async with MobStorage.open(arguments.url, namespace=namespace) as storage:
        connection = await connect(storage.url)  # without a namespace, it has no session
        without: Any = SimpleNamespace(runs=RedisRunStore(connection, Keys(namespace)))
        for steps in arguments.steps:
            benches = {"with": Bench(storage, connection, steps), "without": Bench(without, connection, steps)}
            for bench in benches.values():
                await bench.set_up()
            with cores_awake():
                times = await measured(benches, arguments.rounds)
            print(f"\n{steps} steps {'p50 us with':>33} {'without':>9} {'ratio':>9}", file=sys.stderr)
            for name, taken in times.items():
                value, base = median(taken["with"]), median(taken["without"])
                print(f"{name:36} {value:9.1f} {base:9.1f} {value / base:9.3f}", file=sys.stderr)
                results.append(result(name, steps, "p50", value, "without a session", base))
        await connection.aclose()
    print(json.dumps({"environment": environment(arguments.rounds), "results": results}))


if __name__ == "__main__":
    asyncio.run(main())

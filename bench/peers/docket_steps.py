"""The forms of redis_mob_steps.py with docket, a queue of tasks without flows: each step of a chain adds the next one.

Prints one JSON array on stdout, as that does. It runs in an environment that has docket, and nothing of this
package. What stands for a flow is the least that would do: the end of a fan-out is counted in the process alone, while
that of a chain is the stored result of its last task. So the figures are of a queue, below those of an engine.

    python bench/peers/docket_steps.py --forms 20x10 chain:20x10 latency:50x1 --url unix:///tmp/server.sock
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import time
from datetime import timedelta
from statistics import median
from typing import Any

from docket import Docket, Execution, Worker  # pyright: ignore[reportMissingModuleSource] - see typings

CHECK = timedelta(milliseconds=5)
"""How often its worker looks for tasks and for free slots; its default of 250 ms would be all that is measured."""


class Runs:
    """The runs of one form on one docket."""

    def __init__(self, docket: Docket, size: int, *, chained: bool) -> None:
        self.docket = docket
        self.size = size
        self.chained = chained
        self.open: dict[str, int] = {}
        self.last: dict[str, asyncio.Future[Execution | None]] = {}
        docket.register(self.member)
        docket.register(self.link)

    async def member(self, run: str) -> int:
        """One of the parallel steps of a run."""
        self.open[run] -= 1
        if not self.open[run]:
            self.last[run].set_result(None)
        return 1

    async def link(self, run: str, number: int) -> int:
        """A step of a chain: the next one is added when this one is done."""
        if number < self.size:
            await self.add_link(run, number + 1)
        return 1

    async def add_link(self, run: str, number: int) -> None:
        execution = await self.docket.add(self.link, key=f"{run}-{number}")(run, number)
        if number == self.size:
            self.last[run].set_result(execution)

    async def start(self, run: str) -> None:
        """Add what can begin of a run."""
        self.last[run] = asyncio.get_running_loop().create_future()
        if self.chained:
            await self.add_link(run, 1)
            return
        self.open[run] = self.size
        for number in range(self.size):
            await self.docket.add(self.member, key=f"{run}-{number}")(run)

    async def wait(self, run: str) -> None:
        """Wait until a run has ended."""
        execution = await self.last[run]
        if execution is not None:
            await execution.get_result()

    async def seconds_of(self, run: str) -> float:
        """From the start of one run to its end."""
        began = time.perf_counter()
        await self.start(run)
        await self.wait(run)
        return time.perf_counter() - began


def cpu_seconds() -> float:
    """The CPU time that this process has used."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def measured(docket: Docket, form: str, slots: int) -> dict[str, Any]:
    """The figures of one form: as far as a run can be started before the worker, it is."""
    kind, _, numbers = form.rpartition(":")
    count, size = map(int, numbers.split("x"))
    names = [f"run-{number}" for number in range(count)]
    runs = Runs(docket, size, chained=bool(kind))
    alone = kind == "latency"
    for run in () if alone else names:
        await runs.start(run)
    async with Worker(docket, concurrency=slots, minimum_check_interval=CHECK) as worker:
        used, began = cpu_seconds(), time.perf_counter()
        working = asyncio.create_task(worker.run_forever())
        took = [await runs.seconds_of(run) for run in names] if alone else []
        await asyncio.gather(*() if alone else map(runs.wait, names))
        seconds, cpu = time.perf_counter() - began, cpu_seconds() - used
        working.cancel()
        await asyncio.wait([working])
    steps = count * size
    return {
        "form": form,
        "slots": slots,
        "steps/s": round(steps / seconds),
        "cpu ms/step": round(1000 * cpu / steps, 3),
        **({"p50 ms": round(1000 * median(took), 3)} if alone else {}),
    }


async def main(forms: list[str], slots: int, url: str) -> None:
    results: list[dict[str, Any]] = []
    for number, form in enumerate(forms):
        async with Docket(name=f"bench-{number}", url=url) as docket:
            results.append(await measured(docket, form, slots))
    print(json.dumps(results))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--forms", nargs="+", required=True)
    parser.add_argument("--slots", type=int, default=64)
    parser.add_argument("--url", required=True)
    arguments = parser.parse_args()
    asyncio.run(main(arguments.forms, arguments.slots, arguments.url))

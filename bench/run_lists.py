"""What a page of runs costs with few runs and with many, how long each script takes, and what the index adds to a run.

    python -m bench.run_lists [--runs 100000]

The pages are those that operators ask for most. Scripts are measured by the server, in its slow log.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from statistics import median
from uuid import uuid4

from redis_mob import MobStorage
from redis_mob.connection.calls.client import Client, connect
from redis_mob.connection.calls.keys import Keys
from redis_mob.models import MobRunStatus
from redis_mob.models.base import SortedDict
from redis_mob.models.labels import AttributeValue, LabelChange
from redis_mob.models.run_summary import RunFilter
from redis_mob.testing.samples.compound import scene

FEW, TIMES, AT_ONCE, RARE = 100, 300, 50, 20
STATUSES = list(MobRunStatus)


async def fill(storage: MobStorage, first: int, last: int) -> None:
    """So many runs, of three mobs, of all statuses."""
    sample = scene()
    for number in range(first, last, AT_ONCE):
        runs = [
            sample.model_copy(
                update={
                    "run_id": str(uuid4()),
                    "mob_id": f"mob-{one % 3}",
                    "status": STATUSES[one % len(STATUSES)],
                    "activation_params": {"number": one},
                }
            )
            for one in range(number, min(number + AT_ONCE, last))
        ]
        await asyncio.gather(*map(storage.runs.create_run, runs))
        labels = [LabelChange(_attributes(one)) for one in range(number, number + len(runs))]
        await asyncio.gather(
            *(storage.executions.set_labels(run.run_id, change) for run, change in zip(runs, labels, strict=True))
        )


def _attributes(number: int) -> dict[str, AttributeValue | None]:
    """One that the first runs have alone, and one that each third run has."""
    return {"tenant": f"tenant-{number % 3}", **({"customer": "acme"} if number < RARE else {})}


async def seconds(*calls: Callable[[], Awaitable[object]]) -> list[float]:
    """The median of many calls of each, the first ones aside; in turns, so that other load tells for all."""
    times: list[list[float]] = [[] for _ in calls]
    for _ in range(TIMES):
        for call, taken in zip(calls, times, strict=True):
            begun = time.perf_counter()
            await call()
            taken.append(time.perf_counter() - begun)
    return [median(taken[TIMES // 10 :]) for taken in times]


def pages(storage: MobStorage) -> dict[str, Callable[[], Awaitable[object]]]:
    """What is measured, by name."""
    ask = storage.operations.runs
    return {
        "20 newest": lambda: ask(limit=20),
        "20 failed": lambda: ask(RunFilter(statuses=(MobRunStatus.FAILED,)), limit=20),
        "20 of a mob": lambda: ask(RunFilter(mob_id="mob-1"), limit=20),
        "5 failed of a mob": lambda: ask(RunFilter(mob_id="mob-1", statuses=(MobRunStatus.FAILED,)), limit=5),
        "20 with a rare attribute": lambda: ask(RunFilter(attributes=SortedDict({"customer": "acme"})), limit=20),
        "20 with a common one": lambda: ask(RunFilter(attributes=SortedDict({"tenant": "tenant-1"})), limit=20),
        "5 failed with it": lambda: ask(
            RunFilter(attributes=SortedDict({"tenant": "tenant-1"}), statuses=(MobRunStatus.FAILED,)), limit=5
        ),
        "rare and common": lambda: ask(
            RunFilter(attributes=SortedDict({"tenant": "tenant-1", "customer": "acme"})), limit=20
        ),
        "count": lambda: storage.operations.count(),
    }


async def main(number: int) -> None:
    """Measure and print."""
    url, namespace = "embedded:", f"lists-{uuid4().hex}"
    async with (
        MobStorage.open(url, namespace=namespace) as storage,
        MobStorage.open(storage.url, namespace=f"{namespace}-few") as small,
    ):
        client = await connect(storage.url)
        await fill(small, 0, FEW)
        begun = time.perf_counter()
        await fill(storage, 0, number)
        print(f"{number} runs were created in {time.perf_counter() - begun:.0f} s")
        for (name, ask), ask_many in zip(pages(small).items(), pages(storage).values(), strict=True):
            few, many = await seconds(ask, ask_many)
            print(f"{name:24} {few * 1e3:7.3f} ms with {FEW}, {many * 1e3:7.3f} ms: {many / few:.2f}")
        request = client.router.request
        await request("CONFIG", "SET", "slowlog-log-slower-than", 100)
        await request("CONFIG", "SET", "slowlog-max-len", 10_000)
        key = Keys(namespace).runs_by_status
        for name, call in {
            "count since a time": lambda: storage.operations.count(RunFilter(since=datetime.now(UTC))),
            "count by walking": lambda: storage.operations.count(RunFilter(text="no such text")),
            "find a beginning": lambda: _found(storage),
            "make that of attributes": lambda: _attributes_anew(storage, client, Keys(namespace).by_attribute),
            "index all anew": lambda: storage.operations.index_runs(),
            "make the index": lambda: _anew(storage, client, key),
        }.items():
            await request("SLOWLOG", "RESET")
            begun = time.perf_counter()
            await call()
            took = time.perf_counter() - begun
            entries = await request("SLOWLOG", "GET", -1)
            slow = sorted((entry[2] for entry in entries if entry[3][0].upper().startswith(b"EVALSHA")), reverse=True)
            middle, high = slow[len(slow) // 2], slow[len(slow) // 100]
            print(
                f"{name:20} {took:7.3f} s in {len(slow)} scripts; "
                f"median {middle / 1e3:.2f} ms, p99 {high / 1e3:.2f} ms, slowest {slow[0] / 1e3:.2f} ms"
            )
        used = await request("MEMORY", "USAGE", Keys(namespace).by_attribute, "SAMPLES", 0)
        print(f"the index of attributes takes {used / (number + RARE):.0f} bytes for each attribute of a run")
        await client.aclose()


async def _found(storage: MobStorage) -> None:
    page = await storage.operations.runs(limit=1)
    await storage.operations.find(page.runs[0].run_id[:14])


async def _attributes_anew(storage: MobStorage, client: Client, key: str) -> None:
    await client.router.request("UNLINK", key)
    await storage.operations.runs(RunFilter(attributes=SortedDict({"customer": "acme"})), limit=1)


async def _anew(storage: MobStorage, client: Client, key: str) -> None:
    await client.router.request("UNLINK", key)
    await storage.operations.runs(limit=1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100_000)
    asyncio.run(main(parser.parse_args().runs))

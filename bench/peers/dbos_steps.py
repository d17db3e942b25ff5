"""The forms of redis_mob_steps.py with DBOS: a run is a workflow, in whose process its steps are called.

Prints one JSON array on stdout, as that does. It runs in an environment that has DBOS, and nothing of this
package. Runs are started within the time that is measured, since a workflow begins when it is started. There are no
slots: the steps of a workflow are called as it says, so that `--slots` is taken and not used.

    python bench/peers/dbos_steps.py --forms 20x10 chain:20x10 latency:50x1 --url sqlite:////tmp/dbos.sqlite
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import time
from collections.abc import Callable, Coroutine
from statistics import median
from typing import Any

from dbos import DBOS  # pyright: ignore[reportMissingModuleSource] - see typings

Workflow = Callable[[int], Coroutine[Any, Any, None]]


@DBOS.step()
async def nothing() -> int:
    """The step of all workflows."""
    return 1


@DBOS.workflow()
async def chain(size: int) -> None:
    """So many steps, one after the other."""
    for _ in range(size):
        await nothing()


@DBOS.workflow()
async def parallel(size: int) -> None:
    """So many steps at once."""
    await asyncio.gather(*(nothing() for _ in range(size)))


def cpu_seconds() -> float:
    """The CPU time that this process has used."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def seconds_of_a_run(workflow: Workflow, size: int) -> float:
    """From the start of one workflow to its end."""
    began = time.perf_counter()
    handle = await DBOS.start_workflow_async(workflow, size)
    await handle.get_result()
    return time.perf_counter() - began


async def measured(form: str, slots: int) -> dict[str, Any]:
    """The figures of one form."""
    kind, _, numbers = form.rpartition(":")
    runs, size = map(int, numbers.split("x"))
    workflow = chain if kind else parallel
    used, began = cpu_seconds(), time.perf_counter()
    if kind == "latency":
        took = [await seconds_of_a_run(workflow, size) for _ in range(runs)]
    else:
        took = list(await asyncio.gather(*(seconds_of_a_run(workflow, size) for _ in range(runs))))
    seconds, cpu = time.perf_counter() - began, cpu_seconds() - used
    steps = runs * size
    return {
        "form": form,
        "slots": slots,
        "steps/s": round(steps / seconds),
        "cpu ms/step": round(1000 * cpu / steps, 3),
        **({"p50 ms": round(1000 * median(took), 3)} if kind == "latency" else {}),
    }


async def main(forms: list[str], slots: int) -> None:
    print(json.dumps([await measured(form, slots) for form in forms]))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--forms", nargs="+", required=True)
    parser.add_argument("--slots", type=int, default=64)
    parser.add_argument("--url", required=True)
    arguments = parser.parse_args()
    DBOS(config={"name": "bench", "system_database_url": arguments.url, "log_level": "ERROR"})
    DBOS.launch()
    asyncio.run(main(arguments.forms, arguments.slots))
    DBOS.destroy()

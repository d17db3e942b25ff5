"""redis_mob's fleet beside its peers in one sitting: steps a second, CPU time a step, and latency, with empty handlers.

Prints a table for each form on stderr, and one JSON object on stdout. Each measurement has a worker process and a
server of its own, and a measurement of the same form before it that is not counted. Repetitions are interleaved, since
a machine is not equally fast all the time; a figure is the median of them. CPU time is that of the worker process,
without the server; DBOS has SQLite in the process. Compare ratios: absolute figures tell more about the machine.

    python -m bench.peers.compare [--forms 20x10 1x1000 chain:20x10] [--peers BullMQ] [--slots 64] [--repetitions 3]

Forms are those of redis_mob_steps.py. Peers are named by a part of their names.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.peers.contestants import BASELINES, ROOT, Contestant, contestants
from bench.peers.table import latency, medians, table
from redis_mob import RedisMobError

FORMS = ("20x10", "1x30", "1x100", "1x1000", "chain:20x10")
ONE, THREE = "latency:50x1", "latency:50x3"
TIMEOUT = 300.0
"""Seconds after which a measurement counts as failed."""

WIDTH = 160
"""Columns of what is printed, also where standard error is a file."""

Results = dict[str, dict[str, list[dict[str, float]]]]
"""The figures of each repetition, by form and contestant."""


class MeasurementError(Exception):
    """A contestant's program or server failed, or did not end."""


async def figures_of(contestant: Contestant, form: str, slots: int) -> dict[str, float]:
    """One measurement: the second of two of the form in one process."""
    async with contestant.server() as url:
        # the form twice, so that nothing is measured that happens once in a process
        command = (*contestant.command, "--slots", str(slots), "--url", url, "--forms", form, form)
        process = await asyncio.create_subprocess_exec(
            *command, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        try:
            printed, complaints = await asyncio.wait_for(process.communicate(), TIMEOUT)
        except TimeoutError:
            raise MeasurementError(f"{form} did not end within {TIMEOUT:g} s") from None
        finally:
            # also when this program is interrupted
            if process.returncode is None:
                process.kill()
                await process.wait()
    if process.returncode:
        last = (complaints.decode(errors="replace").strip().splitlines() or ["(nothing)"])[-1]
        raise MeasurementError(f"{form} ended with status {process.returncode}; its last words: {last[:200]}")
    figures: dict[str, Any] = json.loads(printed.splitlines()[-1])[-1]
    return {name: figures[name] for name in ("steps/s", "cpu ms/step", "p50 ms") if name in figures}


async def measured(
    taking_part: list[Contestant], forms: list[str], slots: int, repetitions: int, console: Console
) -> Results:
    """All repetitions of all forms: in each repetition of a form, one contestant after the other.

    A contestant whose program fails takes no further part, and the console says why.
    """
    results: Results = {form: {} for form in forms}
    still = list(taking_part)
    with console.status("") as status:
        for form in forms:
            for number in range(repetitions):
                for contestant in list(still):
                    status.update(f"{form}, repetition {number + 1} of {repetitions}: {contestant.name}")
                    try:
                        figures = await figures_of(contestant, form, slots)
                    except (MeasurementError, OSError, RedisMobError) as error:
                        console.print(f"left out from here on: {contestant.name}: {error}")
                        still.remove(contestant)
                        results[form].pop(contestant.name, None)
                    else:
                        results[form].setdefault(contestant.name, []).append(figures)
            console.print(f"measured: {form}")
    return results


def tables(results: Results) -> list[Table]:
    """A table for each form, and one for both latencies."""
    of_form = {
        form: {name: medians(repetitions) for name, repetitions in of_all.items()} for form, of_all in results.items()
    }
    if {ONE, THREE} <= of_form.keys():
        one, three = of_form.pop(ONE), of_form.pop(THREE)
        latencies = {name: latency(one[name]["p50 ms"], three[name]["p50 ms"]) for name in one if name in three}
        of_form["start to end of a run, ms (p50)"] = latencies
    return [table(title, figures, BASELINES) for title, figures in of_form.items() if figures]


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--forms", nargs="+", default=[*FORMS, ONE, THREE])
    parser.add_argument("--peers", nargs="+", default=[""])
    parser.add_argument("--slots", type=int, default=64)
    parser.add_argument("--repetitions", type=int, default=3)
    arguments = parser.parse_args()
    found, left_out = contestants()
    taking_part = [
        contestant
        for contestant in found
        if contestant.name in BASELINES or any(part.lower() in contestant.name.lower() for part in arguments.peers)
    ]
    console = Console(stderr=True, highlight=False, markup=False, width=WIDTH)
    results = await measured(taking_part, arguments.forms, arguments.slots, arguments.repetitions, console)
    load = os.getloadavg()[1]
    console.print(f"{os.cpu_count()} cores, load {load:.1f} over five minutes, {arguments.slots} slots")
    for contestant in taking_part:
        console.print(f"  {contestant.name}: {contestant.versions}; durable: {contestant.durable}")
    for reason in left_out:
        console.print(f"  left out: {reason}")
    for shown in tables(results):
        console.print(shown)
    about = {each.name: {"versions": each.versions, "durable": each.durable} for each in taking_part}
    print(json.dumps({"cores": os.cpu_count(), "slots": arguments.slots, "contestants": about, "results": results}))


if __name__ == "__main__":
    asyncio.run(main())

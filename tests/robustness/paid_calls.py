"""Calls that cost are made once, although the workers that make them are killed again and again.

Each of many runs has one step, whose handler calls a server twenty times through `ctx.once`. Worker processes get
SIGKILL, and others take their place. The server counts the calls: there are at most as many as are needed, and one more
for each time that an execution was taken over from a lost worker. All runs complete, each with the answers of one
handler that was never killed. With one slot a worker loses one execution at a time, so that there are at most as many
more as kills.

    python -m tests.robustness.paid_calls [--seed 7] [--runs 500] [--calls 20] [--every 1] [--slots 1]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

from redis_mob.fleet.fleet import Fleet
from redis_mob.models.run_status import MobRunStatus
from redis_mob.testing.servers.node import HOST
from tests.fleet.crew import Crew, crew
from tests.fleet.flows import mob, step
from tests.robustness.limited_keys import server
from tests.robustness.report import Report, parser, run_program

PAYING = mob({"pay": step(dispatch_mode="one_to_one")}, limits={"max_step_retries": 0})

ANSWER_SECONDS = 0.002
"""How long the server takes for an answer."""


class Till:
    """A server that counts the calls of each run, and answers each with its square."""

    def __init__(self) -> None:
        self.port = 0
        self.calls: Counter[tuple[str, int]] = Counter()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the one call of a connection."""
        try:
            if line := await reader.readline():
                run_id, number = json.loads(line)
                self.calls[run_id, number] += 1
                await asyncio.sleep(ANSWER_SECONDS)
                writer.write(b"%d\n" % (number * number))
                await writer.drain()
        except ConnectionError:
            pass  # its worker was killed
        finally:
            writer.close()


@asynccontextmanager
async def till() -> AsyncGenerator[Till]:
    """A till that is open until the block ends."""
    made = Till()
    listening = await asyncio.start_server(made.serve, HOST, 0, backlog=1000)
    async with listening:
        made.port = listening.sockets[0].getsockname()[1]
        yield made


async def taken_over(hired: Crew, ids: list[str]) -> int:
    """How often an execution of these runs began on a further worker."""
    views = await asyncio.gather(*map(hired.storage.executions.load, ids))
    return sum(one.fencing_token - 1 for view in views if view is not None for one in view.executions.values())


async def run(
    *,
    seed: int,
    runs: int = 500,
    calls: int = 20,
    every: float = 1.0,
    workers: int = 4,
    slots: int = 1,
    lease: float = 0.5,
) -> Report:
    """Run the program."""
    report, random = Report("paid_calls", seed), Random(seed)
    with server() as node, tempfile.TemporaryDirectory(prefix="redis-mob-test-") as directory:
        url = f"redis://{HOST}:{node.port}"
        async with till() as counted, crew(url, Path(directory), workers, lease, slots) as hired:
            before = time.monotonic()
            fleet = Fleet(hired.storage, PAYING, {})
            ids = [await hired.start(PAYING, "call_once", port=counted.port, calls=calls) for _ in range(runs)]
            waiting = asyncio.gather(*map(fleet.wait, ids))
            killed = await hired.kill_until(waiting, random, every)
            ended, again = await waiting, await taken_over(hired, ids)
            report.figures |= {"runs": runs, "workers killed": killed, "executions taken over": again}
            report.figures["seconds"] = round(time.monotonic() - before, 1)
    needed, made = runs * calls, counted.calls.total()
    report.figures |= {"calls needed": needed, "calls made": made}
    expected = {"worker-1": [number * number for number in range(calls)]}
    for one in ended:
        answers = one.root_step_outputs.get("pay")
        if one.status is not MobRunStatus.COMPLETED or answers != expected:
            report.broken.append(f"run {one.run_id} has {one.status} with {answers}")
    if not needed <= made <= needed + again:
        report.broken.append(f"{made} calls were made, where {needed} to {needed + again} may be")
    if slots == 1 and made > needed + killed:
        report.broken.append(f"{made - needed} calls were made again for {killed} kills")
    return report


async def main(options: argparse.Namespace) -> Report:
    return await run(
        seed=options.seed,
        runs=options.runs,
        calls=options.calls,
        every=options.every,
        workers=options.workers,
        slots=options.slots,
        lease=options.lease,
    )


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--runs", type=int, default=500)
    arguments.add_argument("--calls", type=int, default=20, help="of each run")
    arguments.add_argument("--every", type=float, default=1.0, help="seconds between two deaths of workers")
    arguments.add_argument("--workers", type=int, default=4)
    arguments.add_argument("--slots", type=int, default=1, help="of each worker")
    arguments.add_argument("--lease", type=float, default=0.5, help="seconds")
    run_program(arguments.parse_args(), main)

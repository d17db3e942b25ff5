"""A limit in tokens holds over worker processes of which some are killed: 60,000 tokens in any minute, and used.

Each execution calls an endpoint, which uses a part of what was estimated for it, and notes how many tokens that were,
by the clock of the server of the storage. Four worker processes begin as many as they may, and one of them gets SIGKILL
now and then, and is replaced: what it had under way counts as it was estimated. No minute, wherever it begins, has more
than 60,000 tokens by what the endpoint has noted. Of what may be used at least 95 % are, while others wait.

    python -m tests.robustness.token_limit [--seed 7] [--minutes 5.2] [--per 60] [--every 5]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from bisect import bisect_left
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import Any, cast

from redis_mob.fleet.fleet import Fleet
from redis_mob.models.definition import MobDefinition
from redis_mob.models.limits import RateSpec
from redis_mob.testing.servers.node import HOST
from tests.fleet.crew import Crew, crew
from tests.fleet.flows import mob, step
from tests.robustness.limited_keys import server
from tests.robustness.report import Report, parser, run_program

LIMIT = 60_000
LEAST_USED = 0.95
ESTIMATES = (100, 1_000)
"""The least and the most that is estimated for an execution."""

RUNS = 4
"""Runs over which they are spread."""

SECONDS = 0.2
"""How long the endpoint takes at most."""


def limited(per: float) -> MobDefinition:
    """A mob with one step over the items of a run, whose tokens within a time are limited."""
    rate = RateSpec(limit=LIMIT, per=f"{round(per * 1000)}ms", units="{{ item }}")
    one = step(for_each="params.items", dispatch_mode="one_to_one", rate=rate)
    return mob({"work": one}, limits={"max_step_retries": 5})


class Endpoint:
    """Uses a part of the tokens of each call, and notes how many and when, by the clock of a server."""

    def __init__(self, client: Any, random: Random) -> None:
        self.port = 0
        self.calls: list[tuple[float, int]] = []
        self._client, self._random = client, random

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the one call of a connection."""
        try:
            if line := await reader.readline():
                used = max(round(json.loads(line) * self._random.uniform(0.3, 1)), 1)
                await asyncio.sleep(self._random.uniform(0, SECONDS / 2))
                seconds, microseconds = await self._client.time()
                self.calls.append((seconds + microseconds / 1e6, used))
                await asyncio.sleep(self._random.uniform(0, SECONDS / 2))
                writer.write(b"%d\n" % used)
                await writer.drain()
        except ConnectionError:
            pass  # its worker was killed
        finally:
            writer.close()


@asynccontextmanager
async def endpoint(url: str, random: Random) -> AsyncGenerator[Endpoint]:
    """An endpoint that is open until the block ends."""
    from redis.asyncio import Redis

    async with cast("Any", Redis).from_url(url) as client:
        made = Endpoint(client, random)
        listening = await asyncio.start_server(made.serve, HOST, 0, backlog=1000)
        async with listening:
            made.port = listening.sockets[0].getsockname()[1]
            yield made


def judged(calls: Sequence[tuple[float, int]], per: float) -> tuple[int, float, list[str]]:
    """The most tokens of any time of that length, which part of what may be used was, and what is wrong with that.

    What may be used comes back in bursts, as it was used. So it is measured how long it takes, on the average, from one
    token to the one that comes so many whole limits later; not from those of the first time, which may come at once.
    """
    calls, broken = sorted(calls), list[str]()
    most, within, first = 0, 0, 0
    for at, tokens in calls:
        within += tokens
        while calls[first][0] <= at - per:
            within -= calls[first][1]
            first += 1
        most = max(most, within)
    sums = list(accumulate(tokens for _, tokens in calls))
    begin = bisect_left(calls, (calls[0][0] + per, 0))
    whole = (sums[-1] - sums[begin]) // LIMIT if begin < len(calls) else 0
    limits = max(whole - 1, min(whole, 1))  # the less, the more of them there are to measure
    spans = [
        calls[bisect_left(sums, sums[one] + limits * LIMIT)][0] - calls[one][0]
        for one in range(begin, len(calls))
        if limits > 0 and sums[one] + limits * LIMIT <= sums[-1]
    ]
    used = limits * per / (sum(spans) / len(spans)) if spans else 0.0
    if most > LIMIT:
        broken.append(f"{most:,} tokens were used within {per:g} s, and {LIMIT:,} may be")
    if used < LEAST_USED:
        broken.append(f"only {used:.1%} of what may be used was, while others waited")
    return most, used, broken


async def use_up(hired: Crew, called: Endpoint, report: Report, per: float, times: float, every: float) -> None:
    """Use what may be used, for so many times the length of the limit, and kill a worker now and then."""
    random, definition = Random(report.seed), limited(per)
    number = round(times * LIMIT / (sum(ESTIMATES) / 2 * 0.65) / RUNS * 1.3)
    items = [[random.randint(*ESTIMATES) for _ in range(number)] for _ in range(RUNS)]
    ids = [await hired.start(definition, "use_tokens", port=called.port, items=part) for part in items]
    before, killed = time.monotonic(), 0
    while (left := before + times * per - time.monotonic()) > 0:
        await asyncio.sleep(min(every * random.uniform(0.5, 1.5), left))
        if len(hired.alive()) > 1 and left > per / 2:
            await hired.kill_one(random)
            killed += 1
            await hired.hire(1)
    calls = list(called.calls)
    fleet = Fleet(hired.storage, definition, {})
    for run_id in ids:
        await fleet.cancel(run_id)
    await asyncio.gather(*map(fleet.wait, ids))
    most, used, broken = judged(calls, per)
    report.broken += broken
    report.figures |= {"calls": len(calls), "tokens": sum(tokens for _, tokens in calls), "workers killed": killed}
    report.figures |= {"most tokens within the time": most, "used": round(used, 4)}


async def run(
    *,
    seed: int,
    per: float = 60.0,
    times: float = 4.0,
    every: float = 5.0,
    workers: int = 4,
    lease: float = 2.0,
) -> Report:
    """Run the program."""
    report = Report("token_limit", seed)
    with server() as node, tempfile.TemporaryDirectory(prefix="redis-mob-test-") as directory:
        url = f"redis://{HOST}:{node.port}"
        async with endpoint(url, Random(seed)) as called, crew(url, Path(directory), workers, lease) as hired:
            await use_up(hired, called, report, per, times, every)
    return report


async def main(options: argparse.Namespace) -> Report:
    return await run(
        seed=options.seed,
        per=options.per,
        times=options.minutes * 60 / options.per,
        every=options.every,
        workers=options.workers,
        lease=options.lease,
    )


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--minutes", type=float, default=5.2)
    arguments.add_argument("--per", type=float, default=60.0, help="seconds of the limit")
    arguments.add_argument("--every", type=float, default=5.0, help="seconds between two deaths of workers")
    arguments.add_argument("--workers", type=int, default=4)
    arguments.add_argument("--lease", type=float, default=2.0, help="seconds")
    run_program(arguments.parse_args(), main)

"""Limits hold over worker processes of which some are killed: a rate in every second, and concurrency of every key.

Of a step with `rate = {limit = 50, per = "1s"}` four worker processes begin as many executions as they may, and one of
them gets SIGKILL meanwhile. By the times that the server gave to the events, no second has more than 50 of them, and,
while others wait, none has less than 45, but for the first one: in that 50 begin at once.

Then the executions of 100 keys with `concurrency = {limit = 3}` are spread over four worker processes, one of which is
killed and replaced again and again. A reader looks, without a pause, at what the workers hold: of no key are there ever
more than 3. In the end all runs have completed.

    python -m tests.robustness.limited_keys [--seed 7] [--seconds 10] [--keys 100] [--each 40] [--every 0.5]
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, cast

from redis_mob.connection.embedded.server_process import find_server
from redis_mob.fleet.fleet import Fleet
from redis_mob.models.definition import MobDefinition
from redis_mob.models.flow_events import StepDispatched
from redis_mob.models.flow_spec import DispatchMode
from redis_mob.models.limits import ConcurrencySpec, RateSpec
from redis_mob.models.run_status import MobRunStatus
from redis_mob.storage import MobStorage
from redis_mob.testing.servers.node import HOST, Node, started
from tests.fleet.crew import Crew, crew
from tests.fleet.flows import mob, step
from tests.robustness.report import Report, parser, run_program

PER_SECOND = 50
LEAST_PER_SECOND = 45
OF_A_KEY = 3
RUNS = 4
"""Runs over which they are spread."""

SECOND = timedelta(seconds=1)


def limited(**limits: Any) -> MobDefinition:
    """A mob with one step over the items of a run, with these limits."""
    one = step(for_each="params.items", dispatch_mode=DispatchMode.ONE_TO_ONE, **limits)
    return mob({"work": one}, limits={"max_step_retries": 5})


RATE = limited(rate=RateSpec(limit=PER_SECOND, per="1s"))
KEYS = limited(concurrency=ConcurrencySpec(limit=OF_A_KEY, key="{{ item }}"))


def seconds_broken(times: Sequence[datetime]) -> tuple[int, int, list[str]]:
    """The most and the least that began in any second while others waited, and what is wrong with that."""
    times, broken = sorted(times), list[str]()
    most = max(bisect_left(times, at + SECOND) - number for number, at in enumerate(times))
    # a second that begins right behind one of them has the least
    behind = [at + timedelta(microseconds=1) for at in times if times[0] + SECOND <= at < times[-1] - SECOND]
    least = min((bisect_left(times, at + SECOND) - bisect_left(times, at) for at in behind), default=0)
    if most > PER_SECOND:
        broken.append(f"{most} began within a second, and {PER_SECOND} may")
    if least < LEAST_PER_SECOND:
        broken.append(f"only {least} began within a second, while others waited")
    return most, least, broken


async def begun(storage: MobStorage, run_ids: Sequence[str]) -> list[datetime]:
    """When the executions of these runs began, by the server's clock."""
    events = await storage.events.replay_all()
    return [one.timestamp for one in events if isinstance(one.kind, StepDispatched) and one.kind.run_id in run_ids]


async def wait_for(hired: Crew, definition: MobDefinition, ids: Sequence[str], report: Report) -> None:
    fleet = Fleet(hired.storage, definition, {})
    for run in await asyncio.gather(*(fleet.wait(run_id) for run_id in ids)):
        if run.status is not MobRunStatus.COMPLETED:
            report.broken.append(f"run {run.run_id} has {run.status}")


async def bound_rate(hired: Crew, report: Report, seconds: int) -> None:
    """Let a step begin as often as it may, for so many seconds, and kill a worker in the middle."""
    items = list(range(PER_SECOND * seconds // RUNS))
    ids = await asyncio.gather(*(hired.start(RATE, "work", items=items) for _ in range(RUNS)))
    await asyncio.sleep(seconds / 2)
    victim = hired.alive()[0]
    victim.kill()
    await victim.wait()
    await hired.hire(1)
    await wait_for(hired, RATE, ids, report)
    times = await begun(hired.storage, ids)
    most, least, broken = seconds_broken(times)
    report.broken += broken
    report.figures |= {"began": len(times), "most in a second": most, "least in a second": least}
    report.figures["seconds"] = round((max(times) - min(times)).total_seconds(), 2)


HELD = "return redis.call('ZRANGE', KEYS[1], '[h', '[h\\255', 'BYLEX')"


async def watch_keys(hired: Crew, url: str, report: Report, over: asyncio.Event) -> None:
    """Look at what workers hold, again and again, until all is over."""
    from redis.asyncio import Redis

    most, looks = 0, 0
    async with cast("Any", Redis).from_url(url) as client:
        try:
            while not over.is_set():
                held = await client.eval(HELD, 1, f"{{rm:{hired.storage.namespace}}}:queued")
                # behind the worker and its letter stands the entry, which has its limits behind its queue
                counts = Counter(member.split(b"\0", 1)[1][1:].split(b"\xc4\x1d", 1)[1][:29] for member in held)
                looks, most = looks + 1, max(most, *counts.values(), 0)
                if most > OF_A_KEY:
                    report.broken.append(f"{most} executions of one key were under way, and {OF_A_KEY} may be")
                    return
        finally:
            report.figures |= {"looks at what is held": looks, "most of one key": most}


async def bound_keys(hired: Crew, url: str, report: Report, keys: int, each: int, every: float, random: Random) -> None:
    """Spread the executions of many keys over workers that are killed now and then."""
    watching = asyncio.create_task(watch_keys(hired, url, report, over := asyncio.Event()))
    before, killed = time.monotonic(), 0
    items = [f"key-{number % keys}" for number in range(keys * each)]
    random.shuffle(items)
    parts = [items[number::RUNS] for number in range(RUNS)]
    ids = await asyncio.gather(*(hired.start(KEYS, "work", items=part) for part in parts))
    done = asyncio.create_task(wait_for(hired, KEYS, ids, report))
    while not done.done():
        await asyncio.wait([done], timeout=every * random.uniform(0.5, 1.5))
        if not done.done() and hired.alive():
            await hired.kill_one(random)
            killed += 1
            await hired.hire(1)
    await done
    over.set()  # it is not cancelled: the client may keep that to itself
    await watching
    report.figures |= {"keys": keys, "executions": len(items), "workers killed": killed}
    report.figures["seconds of keys"] = round(time.monotonic() - before, 1)


@contextmanager
def server() -> Generator[Node]:
    """A server of its own, until the block ends."""
    with tempfile.TemporaryDirectory(prefix="redis-mob-test-") as directory:
        command = [str(find_server()), "--bind", HOST, "--dir", directory, "--save", ""]
        made = started(lambda port: Node(port, [*command, "--port", str(port)]))
        try:
            yield made
        finally:
            made.kill()


async def run(
    *,
    seed: int,
    seconds: int,
    keys: int,
    each: int = 40,
    workers: int = 4,
    every: float = 0.5,
    lease: float = 2.0,
) -> Report:
    """Run the program."""
    report, random = Report("limited_keys", seed), Random(seed)
    with server() as node, tempfile.TemporaryDirectory(prefix="redis-mob-test-") as directory:
        url = f"redis://{HOST}:{node.port}"
        async with crew(url, Path(directory), workers, lease) as hired, asyncio.timeout(120 + 3 * seconds):
            await bound_rate(hired, report, seconds)
        async with crew(url, Path(directory), workers, lease) as hired, asyncio.timeout(120 + keys):
            await bound_keys(hired, url, report, keys, each, every, random)
    return report


async def main(options: argparse.Namespace) -> Report:
    return await run(
        seed=options.seed,
        seconds=options.seconds,
        keys=options.keys,
        each=options.each,
        workers=options.workers,
        every=options.every,
        lease=options.lease,
    )


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--seconds", type=int, default=10, help="of the rate")
    arguments.add_argument("--keys", type=int, default=100)
    arguments.add_argument("--each", type=int, default=40, help="executions of each key")
    arguments.add_argument("--workers", type=int, default=4)
    arguments.add_argument("--every", type=float, default=0.5, help="seconds between two deaths of workers")
    arguments.add_argument("--lease", type=float, default=2.0, help="seconds")
    run_program(arguments.parse_args(), main)

"""What open tabs cost the server: how many calls a second, and how many subscriptions.

python -m bench.ui tabs [--tabs 50] [--seconds 20] [--rate 500]

A fleet runs, events come at the rate that is asked for, and a third of the tabs shows the overview while each of the
others shows a run of its own. The page talks to the server through a proxy, which counts its calls.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import resource
import tempfile
import time
from collections import Counter
from contextlib import AsyncExitStack
from typing import Any

import uvicorn
from redis import Redis

from redis_mob import MobStorage
from redis_mob.fleet.fleet import Fleet
from redis_mob.http_serving import listening
from redis_mob.models.events import NewMobEvent
from redis_mob.models.flow_events import StepDispatched, StepTargetCompleted
from redis_mob.models.ids import AgentRuntimeId
from redis_mob.testing.faults import Fault, fault_proxy
from redis_mob.testing.servers.raw_client import RawClient
from redis_mob.ui.app import ui_app
from redis_mob.ui.settings import RETRY, UiSettings
from tests.fleet.flows import FLOW, mob, step

MOST_CALLS, MOST_SUBSCRIPTIONS = 100, 5
CHAIN = mob({f"s{n}": step(*([f"s{n - 1}"] if n else []), role=f"role-{n % 4}") for n in range(30)})
WARM_SECONDS = 5.0


async def handler(_ctx: Any) -> str:
    """A step that takes a while."""
    await asyncio.sleep(0.5)
    return "done"


async def listen(host: str, port: int, query: str, seen: Counter[str]) -> None:
    """One tab: reads all that it is told, and counts it by name."""
    reader, writer = await asyncio.open_connection(host, port, limit=2**24)
    writer.write(f"GET /api/live{query} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
    try:
        async for line in reader:
            if line.startswith(b"event: "):
                seen[line[7:].decode().strip()] += 1
    finally:
        writer.close()


async def write_events(storage: MobStorage, run_ids: list[str], rate: int) -> None:
    """Events of steps that begin and end, of all runs in turn, at this rate."""
    number, begun = 0, time.monotonic()
    while True:
        due = int((time.monotonic() - begun) * rate) - number
        batch: list[NewMobEvent] = []
        for one in range(number, number + due):
            run_id, target = (
                run_ids[one // 2 % len(run_ids)],
                AgentRuntimeId(identity=f"w-{one // 2 % 9}", generation=0),
            )
            kind = StepTargetCompleted if one % 2 else StepDispatched
            batch.append(NewMobEvent(mob_id="mob", kind=kind(run_id=run_id, step_id="s1", target=target)))
        number += due
        await storage.events.append_batch(batch)
        await asyncio.sleep(0.02)


async def measure(options: argparse.Namespace) -> bool:
    """Measure, print, and say whether the bar holds."""
    async with AsyncExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory())
        storage = await stack.enter_async_context(MobStorage.open(f"embedded:{directory}", namespace="bench"))
        proxy = await stack.enter_async_context(fault_proxy(storage.url))
        opening = MobStorage.open(proxy.url, namespace="bench", retry=RETRY)
        app = ui_app(await stack.enter_async_context(opening), UiSettings())
        bound = stack.enter_context(listening("127.0.0.1", 0, "--port 0"))
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, proxy_headers=False))
        serving = asyncio.create_task(server._serve([bound]))  # pyright: ignore[reportPrivateUsage] - takes no signals
        fleet = Fleet(storage, CHAIN, {"*": handler})
        run_ids = [await fleet.start(FLOW) for _ in range(options.tabs)]
        seen: Counter[str] = Counter()
        host, port = bound.getsockname()[:2]
        async with fleet.working():
            others = _subscriptions(storage.url)
            queries = ["" if n % 3 == 0 else f"?run={run_ids[n]}" for n in range(options.tabs)]
            tabs = [asyncio.create_task(listen(host, port, query, seen)) for query in queries]
            writing = asyncio.create_task(write_events(storage, run_ids, options.rate))
            await asyncio.sleep(WARM_SECONDS)
            calls, began, used = proxy.count(*Fault), time.monotonic(), _cpu()
            seen.clear()
            await asyncio.sleep(options.seconds)
            seconds = time.monotonic() - began
            rate, cpu = (proxy.count(*Fault) - calls) / seconds, (_cpu() - used) / seconds
            subscriptions = _subscriptions(storage.url) - others
            for task in (writing, *tabs):
                task.cancel()
            await asyncio.gather(writing, *tabs, return_exceptions=True)
        app.state.hub.end_tabs()
        server.should_exit = True
        await serving
    print(f"{options.tabs} tabs, {options.rate} events/s, {seconds:.0f} s")
    print(f"calls of the page to the server: {rate:.1f}/s (bar: below {MOST_CALLS})")
    print(f"channels that the page hears: {subscriptions} (bar: at most {MOST_SUBSCRIPTIONS})")
    print(f"messages to tabs: {', '.join(f'{name} {n / seconds:.0f}/s' for name, n in seen.most_common())}")
    print(f"CPU of the whole process, with fleet, page, and the tabs: {100 * cpu:.0f} %")
    return rate < MOST_CALLS and subscriptions <= MOST_SUBSCRIPTIONS


def _subscriptions(url: str) -> int:
    """How many channels all clients of an embedded server hear."""
    client = RawClient(Redis(unix_socket_path=url.removeprefix("unix://"), protocol=2))
    try:
        listed = str(client.execute_command("CLIENT", "LIST"))
    finally:
        client.close()
    return sum(map(int, re.findall(r" s?sub=(\d+)", listed)))


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Measure by the options of the command line; the exit status says whether the bar holds."""
    parser = argparse.ArgumentParser(prog="bench.ui tabs")
    parser.add_argument("--tabs", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rate", type=int, default=500)
    raise SystemExit(0 if asyncio.run(measure(parser.parse_args())) else 1)

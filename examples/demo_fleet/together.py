"""The whole demo on this machine: a server, two workers, the world around the fleet, and the page that shows it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import IO, Any

from examples.demo_fleet.traffic import World
from redis_mob import MobStorage

NAMESPACE = "demo"
END_SECONDS = 10.0
"""How long the processes may take to end when they are told to."""

LAST_WORDS = 2000
"""Characters that are shown of what the workers said, when one ends by itself."""


def run_all(port: int, directory: Path | None) -> int:
    """Run all of it until SIGINT or SIGTERM, and end it; the exit status, that of a process that ended by itself.

    The runs are kept in the directory; without one they are gone in the end.
    """
    url = "embedded:" if directory is None else f"embedded:{directory}"
    with TemporaryDirectory(prefix="demo-fleet-") as scratch:
        said = Path(scratch, "workers.log")
        with said.open("wb") as log:
            print(f"what the workers say is in {said}; Ctrl-C ends all of it", file=sys.stderr, flush=True)
            status = asyncio.run(_run(url, port, log))
        if status:
            sys.stderr.write(said.read_text(encoding="utf-8", errors="replace")[-LAST_WORDS:])
        return status


async def _run(url: str, port: int, log: IO[bytes]) -> int:
    ending = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ending.set)
    async with MobStorage.open(url, namespace=NAMESPACE) as storage:
        place = ("--url", storage.url, "--namespace", NAMESPACE)
        worker = ("worker", "examples.demo_fleet.flows:mob", *place, "--drain-timeout", "2")
        async with (
            _process("ui", *place, "--port", str(port)) as page,
            _process(*worker, output=log) as first,
            _process(*worker, output=log) as second,
        ):
            world = asyncio.create_task(World(storage, Random()).go_on())  # noqa: S311 - it guards nothing
            asked = asyncio.create_task(ending.wait())
            ends = [asyncio.create_task(process.wait()) for process in (page, first, second)]
            tasks: list[asyncio.Task[Any]] = [world, asked, *ends]
            done, going_on = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in going_on:
                task.cancel()
            await asyncio.gather(*going_on, return_exceptions=True)
    if asked in done:
        return 0
    if world in done:
        world.result()
    return max((end.result() for end in ends if end in done), default=0) or 1


@asynccontextmanager
async def _process(*words: str, output: IO[bytes] | None = None) -> AsyncGenerator[asyncio.subprocess.Process]:
    """A `redis-mob` command while the block lasts, in a session of its own: Ctrl-C reaches this process alone."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "redis_mob", *words),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        with suppress(TimeoutError):
            async with asyncio.timeout(END_SECONDS):
                await process.wait()
        with suppress(ProcessLookupError, PermissionError):  # with all that it has started
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()

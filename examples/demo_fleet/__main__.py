"""A fleet that runs for ever, to be looked at: all of it on this machine, or what happens to one elsewhere."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from random import Random

from examples.demo_fleet.together import NAMESPACE, run_all
from examples.demo_fleet.traffic import World
from redis_mob import MobStorage


async def happen(url: str) -> None:
    """Let things happen to the fleet of a server, whose workers others start."""
    async with MobStorage.open(url, namespace=NAMESPACE) as storage:
        await World(storage, Random()).go_on()  # noqa: S311 - it guards nothing


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m examples.demo_fleet", description=__doc__)
    parser.add_argument("--port", type=int, default=8790, help="where the page is")
    parser.add_argument("--data", type=Path, metavar="DIRECTORY", help="keeps the runs; else they are gone in the end")
    parser.add_argument("--url", help="only let things happen, on the server there; workers and page run elsewhere")
    given = parser.parse_args()
    if given.url is None:
        sys.exit(run_all(given.port, given.data))
    try:
        asyncio.run(happen(given.url))
    except KeyboardInterrupt:
        sys.exit(130)

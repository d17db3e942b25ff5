"""A process that starts a run under a debounce key again and again: with URL, namespace, its number, and how often."""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta

from redis_mob.fleet.fleet import Fleet
from redis_mob.storage import MobStorage
from tests.fleet.flows import FLOW, mob, step

ONE = mob({"a": step()})


async def main(url: str, namespace: str, number: str, times: str) -> None:
    async with MobStorage.open(url, namespace=namespace) as storage:
        fleet = Fleet(storage, ONE, {})
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        for turn in range(int(times)):
            params = {"starter": int(number), "turn": turn}
            run_id = await fleet.start(FLOW, params, debounce_key="key", debounce=timedelta(seconds=2))
            print(run_id, flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

"""A process that starts turns of one conversation, or works on them: with URL, namespace, and the number of its turns.

`talk NAME TIMES` starts so many turns, one after the other; `work` is a worker until its input ends.
"""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta
from typing import Any

from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.step_context import StepContext
from redis_mob.storage import MobStorage
from tests.fleet.flows import FLOW, mob, step

ONE = mob({"a": step()}, limits={"max_step_retries": 10})
CONVERSATION = "c"


async def speak(ctx: StepContext) -> Any:
    """Say when the turn begins and ends: what others say between would stand there."""
    await ctx.conversation.append({"begins": ctx.params})
    await asyncio.sleep(0)
    await ctx.conversation.append({"ends": ctx.params})
    return ctx.params


async def main(url: str, namespace: str, what: str, name: str = "", times: str = "0") -> None:
    async with MobStorage.open(url, namespace=namespace) as storage:
        fleet = Fleet(storage, ONE, {"*": speak}, lease=timedelta(seconds=0.5))
        print("ready", flush=True)
        if what == "work":
            stop = asyncio.Event()
            working = asyncio.create_task(fleet.work(stop=stop))
            await asyncio.to_thread(sys.stdin.readline)
            stop.set()
            await working
            return
        await asyncio.to_thread(sys.stdin.readline)
        for turn in range(int(times)):
            await fleet.start(FLOW, [name, turn], f"{name} {turn}", conversation=CONVERSATION, on_busy="enqueue")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

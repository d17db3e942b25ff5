"""Follows a log of events, or a channel, and says of each message when it came, and how much CPU time it has used."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

from redis_mob.bench.target import redis_py
from redis_mob.storage import MobStorage


def tell() -> None:
    """Both clocks; that of time is the same for all processes of a machine."""
    sys.stdout.write(f"{time.perf_counter()!r} {time.process_time()!r}\n")
    sys.stdout.flush()


async def tell_each(messages: AsyncIterator[Any]) -> None:
    async for _ in messages:
        tell()


async def main(order: dict[str, str]) -> None:
    if "channel" in order:
        async with redis_py(order["url"]) as client, client.pubsub() as channel:
            await channel.subscribe(order["channel"])
            await anext(messages := channel.listen())  # that it is subscribed, from where on nothing is missed
            tell()
            await tell_each(messages)
    async with (
        MobStorage.open(order["url"], namespace=order["namespace"]) as storage,
        storage.events.subscribe() as events,
    ):
        tell()
        await tell_each(events)


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.stdin.readline())))

"""Many subscribers in a process of their own, whose connections are cut at random.

It opens storages through a proxy, writes a line when it is ready, and waits for one; then it subscribes. It writes
lines of JSON: from time to time how far the slowest of its subscribers is, and at last, as an object, what they found.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
from contextlib import AsyncExitStack
from random import Random
from typing import Any

from redis_mob.errors import MobStoreError, ReadFailedError
from redis_mob.storage import MobStorage
from redis_mob.testing.faults import FaultProxy, fault_proxy
from redis_mob.testing.samples.new_events import number_of

PROGRESS_EVERY = 0.05
"""Seconds between two words of how far they are."""


class Subscriber:
    """Follows a log from its beginning, in which the event at each cursor has that number."""

    def __init__(self, events: int) -> None:
        self.seen = 0
        self.interruptions = 0
        self.wrong: str | None = None
        self._events = events

    @property
    def is_done(self) -> bool:
        return self.wrong is not None or self.seen == self._events

    async def follow(self, storage: MobStorage) -> None:
        """See every event once and in order, or say what was wrong."""
        async with storage.events.subscribe(0) as following:
            while not self.is_done:
                try:
                    event = await anext(following)
                except ReadFailedError:
                    self.interruptions += 1  # it goes on
                except MobStoreError as error:
                    self.wrong = f"after {self.seen} events: {error!r}"
                else:
                    self.seen += 1
                    if not event.cursor == number_of(event) == self.seen:
                        self.wrong = f"after {self.seen - 1} events: event {number_of(event)} at cursor {event.cursor}"


async def cut(proxy: FaultProxy, random: Random, peace: float) -> None:
    """Cut all connections again and again, after at most so many seconds."""
    while True:
        await asyncio.sleep(random.uniform(0, peace))
        proxy.cut_all()


async def work(options: argparse.Namespace) -> dict[str, Any]:
    """Let the subscribers follow until all are done, and give what they found."""
    subscribers = [Subscriber(options.events) for _ in range(options.storages * options.subscribers)]
    async with fault_proxy(options.url) as proxy, AsyncExitStack() as stack:
        opening = [MobStorage.open(proxy.url, namespace=options.namespace) for _ in range(options.storages)]
        storages = [await stack.enter_async_context(storage) for storage in opening]
        print(json.dumps("ready"), flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        cutting = asyncio.create_task(cut(proxy, Random(options.seed), options.peace))
        async with asyncio.TaskGroup() as group:
            for number, subscriber in enumerate(subscribers):
                group.create_task(subscriber.follow(storages[number % len(storages)]))
            while not all(subscriber.is_done for subscriber in subscribers):
                await asyncio.sleep(PROGRESS_EVERY)
                behind = [subscriber.seen for subscriber in subscribers if not subscriber.is_done]
                print(json.dumps(min(behind, default=options.events)), flush=True)
        cutting.cancel()
    return {
        "deliveries": sum(subscriber.seen for subscriber in subscribers),
        "connections": proxy.connections,
        "interruptions": sum(subscriber.interruptions for subscriber in subscribers),
        "wrong": [subscriber.wrong for subscriber in subscribers if subscriber.wrong],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("url", "namespace"):
        parser.add_argument(name)
    for name in ("storages", "subscribers", "events", "seed"):
        parser.add_argument(name, type=int)
    parser.add_argument("peace", type=float)
    logging.disable()  # of interruptions, which are wanted here
    print(json.dumps(asyncio.run(work(parser.parse_args()))), flush=True)


if __name__ == "__main__":
    main()

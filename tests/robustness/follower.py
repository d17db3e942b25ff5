"""A process that follows namespaces until their end, and notes what it is told.

python -m tests.robustness.follower URL NAMESPACE...
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import TypeVar

from redis_mob.connection.retry import RetryPolicy
from redis_mob.errors import ChangeFeedTruncatedError, EpochChangedError, RedisMobError
from redis_mob.storage import MobStorage
from redis_mob.testing.samples.new_events import number_of
from tests.robustness.notes import END, NUMBERS, Sighting, Trouble, now, number_in, say
from tests.robustness.writer import PATIENCE

T = TypeVar("T")


async def follow_events(storage: MobStorage) -> None:
    async with storage.events.subscribe(0) as events:
        while (event := await _next(events, storage.namespace, "event")).mob_id != END:
            say(Sighting(storage.namespace, "event", event.mob_id, number_of(event), event.cursor, now()))


async def follow_documents(storage: MobStorage) -> None:
    async with storage.config.subscribe(0) as changes:
        while (change := await _next(changes, storage.namespace, "config")).id != END:
            if change.namespace == NUMBERS:
                say(Sighting(storage.namespace, "config", *number_in(change.id), changes.cursor, now()))


async def _next(following: AsyncIterator[T], namespace: str, kind: str) -> T:
    while True:
        try:
            return await anext(following)
        except RedisMobError as error:
            say(Trouble(namespace, kind, now(), type(error).__name__, _kept(error), str(error)))


def _kept(error: RedisMobError) -> int | None:
    match error:
        case EpochChangedError():
            return error.kept
        case ChangeFeedTruncatedError():
            return error.first_available - 1
        case _:
            return None


async def main(url: str, *namespaces: str) -> None:
    async with AsyncExitStack() as stack:
        following: list[asyncio.Task[None]] = []
        for namespace in namespaces:
            opening = MobStorage.open(url, namespace=namespace, retry=RetryPolicy(deadline=PATIENCE))
            storage = await stack.enter_async_context(opening)
            following += [asyncio.create_task(follow(storage)) for follow in (follow_events, follow_documents)]
        await asyncio.gather(*following)


if __name__ == "__main__":
    logging.disable()  # of interruptions, which are wanted here
    asyncio.run(main(*sys.argv[1:]))

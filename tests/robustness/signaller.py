"""A process that sends signals, one after the other, and learns the outcome of each.

    python -m tests.robustness.signaller URL NAMESPACE DEADLINE SENDER SENDERS SIGNALS RUN...

Of all signals it sends those whose number leaves SENDER when divided by SENDERS, each to the next run. Every other one
has an idempotency key, and is sent again until that is answered, and now and then once more; for the others it asks
what became of a call of unknown outcome. In the end it prints what it did not know, and learned.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections import Counter
from collections.abc import Sequence

from redis_mob.connection.retry import RetryPolicy
from redis_mob.errors import OutcomeUnknownError, ReadFailedError, StorageUnavailableError, WriteFailedError
from redis_mob.fleet.signals import Signals
from redis_mob.storage import MobStorage

PAUSE = 0.01
"""Seconds between a failure and the next attempt."""

PATIENCE = 60.0
"""Seconds after which a storage is not going to open."""

REPLY_TIMEOUT = 0.5
"""Seconds after which a reply is given up."""

AGAIN = 7
"""One signal in so many that have a key is sent once more although it was sent."""


class Sender:
    """Sends signals until it knows that they are sent."""

    def __init__(self, storage: MobStorage) -> None:
        self._storage = storage
        self._signals = Signals(storage.executions, storage.namespace)
        self.learned: Counter[str] = Counter()

    async def send(self, run_id: str, number: int, key: str | None) -> None:
        """Send a signal, once."""
        while True:
            try:
                sent = await self._signals.send(run_id, "go", number, idempotency_key=key)
            except OutcomeUnknownError as error:
                self.learned["unknown"] += 1
                if key is None and await self._was_executed(error.token):
                    return
            except (ReadFailedError, WriteFailedError):
                self.learned["failed, and done again"] += 1
            else:
                self.learned["sent before, under its key"] += sent.is_repeated
                return
            await asyncio.sleep(PAUSE)

    async def _was_executed(self, token: str) -> bool:
        while True:
            try:
                executed = (await self._storage.resolve(token)).executed
            except OutcomeUnknownError:
                await asyncio.sleep(PAUSE)
                continue
            self.learned["unknown: executed" if executed else "unknown: not executed"] += 1
            return executed


async def opened(url: str, namespace: str, retry: RetryPolicy) -> MobStorage:
    """The storage, once it can be opened: an impatient process needs several attempts on a busy machine."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                return await MobStorage.open(url, namespace=namespace, retry=retry)
            except StorageUnavailableError:
                await asyncio.sleep(PAUSE)


async def main(url: str, namespace: str, deadline: float, numbers: Sequence[int], runs: Sequence[str]) -> None:
    retry = RetryPolicy(deadline=deadline, base=0.005, cap=0.05, reply_timeout=REPLY_TIMEOUT)
    storage = await opened(url, namespace, retry)
    try:
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        sender = Sender(storage)
        for number in numbers:
            key = f"signal {number}" if number % 2 else None
            run_id = runs[number % len(runs)]
            await sender.send(run_id, number, key)
            if key is not None and number % AGAIN == 0:
                await sender.send(run_id, number, key)
        print(json.dumps(sender.learned), flush=True)
    finally:
        await storage.aclose()


if __name__ == "__main__":
    logging.disable()  # of interruptions, which are wanted here
    url, namespace, deadline, sender, senders, signals, *runs = sys.argv[1:]
    asyncio.run(main(url, namespace, float(deadline), range(int(sender), int(signals), int(senders)), runs))

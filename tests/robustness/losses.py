"""Clients of a server that comes back without its newest data: each client that lost an acknowledged write is told.

Each client has a storage of its own. It appends numbered events to a log that all share, and follows that log.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, suppress
from itertools import count
from typing import Self

from redis_mob.errors import EpochChangedError, OutcomeUnknownError, ReadFailedError, WriteFailedError
from redis_mob.storage import MobStorage
from redis_mob.testing.samples.new_events import number_of, numbered
from redis_mob.testing.waiting import until
from tests.robustness.caller import PAUSE

NAMESPACE = "losses"

CLIENTS = 4
TASKS = 4
"""Calls that a client has under way at a time."""


class Client:
    """What one client was told: what was acknowledged, what its subscription showed, and whether some of it is lost."""

    def __init__(self, storage: MobStorage, numbers: Iterator[int]) -> None:
        self.acknowledged: set[int] = set()
        self.seen: set[int] = set()
        self.told_of_writes = 0
        self.told_of_events = 0
        """How often since the last crash."""
        self.answers = 0
        """How many calls have ended in any way."""
        self._storage = storage
        self._numbers = numbers

    async def append(self) -> None:
        """Append events for ever."""
        while True:
            number = next(self._numbers)
            try:
                await self._storage.events.append(numbered(number))
                self.acknowledged.add(number)
            except EpochChangedError:
                self.told_of_writes += 1
            except (OutcomeUnknownError, WriteFailedError):
                await asyncio.sleep(PAUSE)  # it was not acknowledged: nothing was promised
            self.answers += 1

    async def follow(self) -> None:
        """Follow the log for ever."""
        async with self._storage.events.subscribe() as following:
            while True:
                try:
                    self.seen.add(number_of(await anext(following)))
                except EpochChangedError:
                    self.told_of_events += 1
                except ReadFailedError:
                    pass  # it goes on

    async def has_begun_and_ended_a_call(self) -> None:
        """Wait until a call has ended that was begun after this."""
        before = self.answers
        await until(lambda: self.answers > before + TASKS)


class Losses:
    """Clients at work, and what became of their writes in each crash."""

    def __init__(self, url: str) -> None:
        self.broken: list[str] = []
        self.counted: Counter[str] = Counter()
        self._url = url
        self._numbers = count()
        self._clients: list[Client] = []
        self._gone: set[int] = set()
        self._before: list[tuple[Client, set[int], set[int]]] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        for _ in range(CLIENTS):
            client = Client(await self._open(), self._numbers)
            self._clients.append(client)
            work = [client.follow(), *(client.append() for _ in range(TASKS))]
            self._tasks += [asyncio.create_task(task) for task in work]
        return self

    async def __aexit__(self, *_exc: object) -> None:
        for task in self._tasks:
            task.cancel()
        failed = await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._stack.aclose()
        self.broken += [f"a client ended: {end!r}" for end in failed if not isinstance(end, asyncio.CancelledError)]

    @property
    def answers(self) -> int:
        """How many calls of all clients have ended."""
        return sum(client.answers for client in self._clients)

    def crashed(self) -> None:
        """The server is dead: what was acknowledged until now, and what was seen, may be lost."""
        self._before = [(client, set(client.acknowledged), set(client.seen)) for client in self._clients]
        self._forget_what_was_told()

    async def judge(self) -> None:
        """The server is back: compare what is gone with what its clients were told."""
        await asyncio.gather(*(client.has_begun_and_ended_a_call() for client in self._clients))
        log = set(await self._log())
        lost = await asyncio.gather(*(self._lost_by(number, log) for number in range(CLIENTS)))
        self._gone |= set[int]().union(*(acknowledged | seen for _, acknowledged, seen in self._before)) - log
        told = any(client.told_of_writes > 0 for client in self._clients)
        self.counted["acknowledged writes"] = sum(len(client.acknowledged) for client in self._clients)
        self.counted["acknowledged writes lost"] += sum(lost)
        self.counted["crashes that lost acknowledged writes"] += any(lost)
        self.counted["crashes of which a client was told"] += told
        self.counted["crashes of which a client was told although nothing was lost"] += told and not any(lost)

    async def _lost_by(self, number: int, log: set[int]) -> int:
        """How many acknowledged writes of a client are gone; notes it if the client was not told."""
        client, acknowledged, seen = self._before[number]
        writes, events = acknowledged - log - self._gone, seen - log - self._gone
        if writes and not client.told_of_writes:
            self.broken.append(f"client {number} lost {len(writes)} acknowledged writes, and was not told")
        if events and not await _soon(lambda: client.told_of_events > 0):
            self.broken.append(
                f"the subscription of client {number} showed {len(events)} lost events, and was not told"
            )
        return len(writes)

    def _forget_what_was_told(self) -> None:
        """Begin anew for the next crash; of the last one, each subscription and each call under way was told once."""
        for number, client in enumerate(self._clients):
            if client.told_of_writes > TASKS or client.told_of_events > 1:
                told = f"{client.told_of_writes} calls and {client.told_of_events} times its subscription"
                self.broken.append(f"client {number} was told too often of one crash: {told}")
            client.told_of_writes = client.told_of_events = 0

    async def check(self) -> None:
        """No event may be in the log twice, and no client was told of the last crash twice."""
        self._forget_what_was_told()
        doubled = [number for number, times in Counter(await self._log()).items() if times > 1]
        if doubled:
            self.broken.append(f"{len(doubled)} events are there twice: {doubled[:10]}")

    async def _open(self) -> MobStorage:
        return await self._stack.enter_async_context(MobStorage.open(self._url, namespace=NAMESPACE))

    async def _log(self) -> list[int]:
        """The numbers in the log, as a client with a new connection reads them."""
        async with MobStorage.open(self._url, namespace=NAMESPACE) as storage:
            return [number_of(event) for event in await storage.events.replay_all()]


async def _soon(condition: Callable[[], bool]) -> bool:
    """Whether a condition comes true within a long time."""
    with suppress(AssertionError):
        await until(condition)
    return condition()

"""A namespace in which all clients write to one log, in which every event has a number, and to one counter."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from itertools import count
from random import Random

from redis_mob.errors import EpochChangedError, ReadFailedError, VersionConflictError
from redis_mob.models import MobEvent
from redis_mob.models.revision import extract_meta_revision
from redis_mob.stores.storage import RedisStorage
from redis_mob.testing.samples.config_documents import at
from redis_mob.testing.samples.new_events import number_of, numbered
from redis_mob.testing.waiting import until
from tests.robustness.caller import Caller
from tests.robustness.report import BrokenError

_COUNTER = ("n", "counter")


class Shared:
    """What all were told that appended and counted.

    `syncs_first` says that the server syncs a write to its disk before anyone can read it. Where it does not, a crash
    may take back what the subscriber has seen and no call has acknowledged (contract: store-18).
    """

    def __init__(self, counted: Counter[str], *, syncs_first: bool) -> None:
        self._counted = counted
        self._syncs_first = syncs_first
        self._numbers = count()
        self._told: list[tuple[int, int]] = []
        self._followed: list[tuple[int, int]] = []
        self._count = 0
        self._following: asyncio.Task[None] | None = None

    async def work(self, caller: Caller, random: Random) -> AsyncGenerator[None]:
        """Append events and count up, for ever."""
        while True:
            await (self._append(caller) if random.randrange(2) else self._count_up(caller))
            yield

    @asynccontextmanager
    async def followed(self, storage: RedisStorage) -> AsyncGenerator[None]:
        """Follow the log as a subscriber until the block ends."""
        self._following = asyncio.create_task(self._follow(storage))
        try:
            yield
        finally:
            self._following.cancel()
            await asyncio.wait([self._following])

    async def _follow(self, storage: RedisStorage) -> None:
        async with storage.events.subscribe(0) as following:
            while True:
                try:
                    event = await anext(following)
                except ReadFailedError:
                    pass  # it goes on
                except EpochChangedError as error:
                    if self._syncs_first or (kept := error.kept) is None:
                        raise
                    self._counted["subscriptions that went back"] += 1
                    self._followed = [(cursor, number) for cursor, number in self._followed if cursor <= kept]
                else:
                    self._followed.append((event.cursor, number_of(event)))

    async def _has_followed(self, events: int) -> None:
        """Wait until the subscriber has seen so many events, or for long enough."""
        following = self._following
        assert following is not None, "the subscriber follows until the end"
        with suppress(AssertionError):
            await until(lambda: following.done() or len(self._followed) >= events)
        if following.done():
            raise BrokenError(f"the subscription ended: {following.exception()!r}")

    async def _append(self, caller: Caller) -> None:
        number = next(self._numbers)
        self._counted["events.append"] += 1
        event = await caller.answer(lambda s: s.events.append(numbered(number)))
        if not isinstance(event, MobEvent):
            raise BrokenError(f"event {number} was refused: {event!r}")
        self._told.append((event.cursor, number))

    async def _count_up(self, caller: Caller) -> None:
        """Add 1 to the revision of the counter; a client that loses does nothing."""
        revision = extract_meta_revision(await caller.answer(lambda s: s.config.get(*_COUNTER))) or 0
        self._counted["config.put_if_revision"] += 1
        match await caller.answer(lambda s: s.config.put_if_revision(*_COUNTER, at(revision + 1), revision)):
            case None:
                self._count += 1
            case VersionConflictError():
                pass
            case error:
                raise BrokenError(f"counting up from {revision} was refused: {error!r}")

    async def check(self, caller: Caller) -> None:
        """Compare what they were told with the log, with what the subscriber saw of it, and with the counter."""
        told = sorted(self._told)
        log = await caller.answer(lambda s: s.events.replay_all())
        _compare("the log", [(event.cursor, number_of(event)) for event in log], told)
        await self._has_followed(len(told))
        _compare("the subscriber", self._followed, told)
        revision = extract_meta_revision(await caller.answer(lambda s: s.config.get(*_COUNTER))) or 0
        if revision != self._count:
            raise BrokenError(f"{self._count} increments of the counter won, and it is at {revision}")


def _compare(who: str, seen: list[tuple[int, int]], told: list[tuple[int, int]]) -> None:
    numbers = Counter(number for _, number in seen)
    lost = [number for _, number in told if number not in numbers]
    doubled = [number for number, times in numbers.items() if times > 1]
    if lost or doubled:
        raise BrokenError(f"{who}: {len(lost)} events are lost {lost[:10]}, {len(doubled)} doubled {doubled[:10]}")
    if seen != told:
        raise BrokenError(f"{who}: events have other cursors than was told, or another order")

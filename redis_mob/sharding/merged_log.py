"""The event logs of several namespaces as one, in which the order of each is kept (contract: shards-6)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import NamedTuple

from redis_mob.errors import EpochChangedError, EventsTrimmedError, MobStoreError, SerializationError
from redis_mob.models.events import MobEvent
from redis_mob.operations.tailing import EventFilter
from redis_mob.sharding.cursors import LogPlaces, log_cursor, places_of_log
from redis_mob.sharding.failures import NamespacesFailedError
from redis_mob.sharding.namespaces import Namespaces, Shard

MOST_WAITING = 1000
"""Events that are read before they are asked for: a reader that is slow slows the reading down."""

PAUSE_SECONDS = 1.0
"""How long a namespace that failed is left alone."""


class NamespaceEvent(NamedTuple):
    """An event, the namespace in whose log it is, and the cursor from which `tail` goes on behind it."""

    namespace: str
    event: MobEvent
    cursor: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events are wanted; None stands for all."""

    mob: str | None = None
    flow: str | None = None
    kinds: Collection[str] | None = None


class _End(NamedTuple):
    """That nothing more comes from a namespace."""


class _Missed(NamedTuple):
    """An error of one namespace, and where it goes on."""

    error: MobStoreError
    place: int | None


class _Broken(NamedTuple):
    """An error that is nothing of a storage: the reading of a namespace has ended by it."""

    error: Exception


_Item = MobEvent | _Missed | _Broken | _End

_GOES_ON = (EventsTrimmedError, EpochChangedError, SerializationError)
"""Errors that a subscription raises once, and goes on behind what they are about."""


class MergedLog(AsyncIterator[NamespaceEvent]):
    """Events of all namespaces as they come; `cursor` says how far they were handed over.

    An error of one namespace is raised once, as a NamespacesFailedError that names it, then it goes on. A cancelled
    wait loses nothing.
    """

    def __init__(self, wanted: Wanted, places: LogPlaces, *, follow: bool) -> None:
        self._wanted = wanted
        self._places = places
        self._follow = follow
        self._items: asyncio.Queue[tuple[Shard, _Item]] = asyncio.Queue(MOST_WAITING)
        self._reading: dict[int, asyncio.Task[None]] = {}
        self._open: set[int] = set()
        self._begun: list[asyncio.Event] = []

    @property
    def cursor(self) -> str:
        """A text from which `tail` goes on, by any process: behind the last event of each namespace that was given."""
        return log_cursor(self._places)

    async def __anext__(self) -> NamespaceEvent:
        while self._follow or self._open:
            shard, item = await self._items.get()
            match item:
                case MobEvent():
                    self._places[shard.number] = item.cursor
                    return NamespaceEvent(shard.namespace, item, self.cursor)
                case _Missed(error, place):
                    if place is not None:
                        self._places[shard.number] = place
                    raise NamespacesFailedError({shard.namespace: error})
                case _Broken(error):
                    raise error
                case _End():
                    self._open.discard(shard.number)
        raise StopAsyncIteration

    def read(self, shard: Shard) -> None:
        """Take in a namespace; one that the places do not have is read from its beginning."""
        self._places += [0] * (shard.number + 1 - len(self._places))
        self._open.add(shard.number)
        self._begun.append(begun := asyncio.Event())
        self._reading[shard.number] = asyncio.create_task(self._read(shard, begun))

    async def begun(self) -> None:
        """Wait until each namespace is followed, or has failed."""
        await asyncio.gather(*(begun.wait() for begun in self._begun))

    async def aclose(self) -> None:
        """End the reading."""
        for task in self._reading.values():
            task.cancel()
        await asyncio.gather(*self._reading.values(), return_exceptions=True)

    async def _read(self, shard: Shard, begun: asyncio.Event) -> None:
        try:
            await self._hand_on(shard, begun)
        except Exception as error:  # noqa: BLE001 - the reader gets it: else it would wait for ever
            begun.set()
            await self._items.put((shard, _Broken(error)))
        if not self._follow:
            await self._items.put((shard, _End()))

    async def _hand_on(self, shard: Shard, begun: asyncio.Event) -> None:
        """Read one namespace. An outage of it is told once, and is over with the next event."""
        place, is_out = self._places[shard.number], False
        while True:
            try:
                async with _tail(shard, self._wanted, place, follow=self._follow) as (events, start):
                    if is_new := place is None:
                        self._places[shard.number] = place = start
                    begun.set()
                    async for item in _with_errors(events):
                        if isinstance(item, EventsTrimmedError) and is_new:
                            self._places[shard.number] = place = item.first_available - 1
                            continue  # what is gone was there before this began
                        place = _place_behind(item, place)
                        is_new = is_out = False
                        await self._items.put((shard, item if isinstance(item, MobEvent) else _Missed(item, place)))
                if not self._follow:
                    return
            except MobStoreError as error:
                begun.set()
                if not is_out:
                    await self._items.put((shard, _Missed(error, place)))
                if not self._follow:
                    return
                is_out = True
                await asyncio.sleep(PAUSE_SECONDS)


async def _with_errors(events: AsyncIterator[MobEvent]) -> AsyncGenerator[MobEvent | MobStoreError]:
    """Events, and the errors behind which they go on."""
    while True:
        try:
            yield await anext(events)
        except StopAsyncIteration:
            return
        except _GOES_ON as error:
            yield error


def _place_behind(item: MobEvent | MobStoreError, place: int | None) -> int | None:
    match item:
        case MobEvent():
            return item.cursor
        case EventsTrimmedError():
            return item.first_available - 1
        case EpochChangedError():
            return item.kept
        case _:
            return place


@asynccontextmanager
async def _tail(
    shard: Shard, wanted: Wanted, place: int | None, *, follow: bool
) -> AsyncGenerator[tuple[AsyncIterator[MobEvent], int]]:
    """The events of a namespace from a place on, and that place; that of the newest event for None."""
    storage, admin = await shard.storage(), await shard.admin()
    start = await storage.events.latest_cursor() if place is None else place
    async with admin.tail(mob=wanted.mob, flow=wanted.flow, kinds=wanted.kinds, after=start, follow=follow) as events:
        yield events, start


@asynccontextmanager
async def merged_log(
    namespaces: Namespaces, among: Iterable[Shard], wanted: Wanted, after: str | None, *, follow: bool, all_of: bool
) -> AsyncGenerator[MergedLog]:
    """The logs of namespaces as one until the block ends; with `all_of`, also of those that are added meanwhile."""
    places: LogPlaces = [None] * len(namespaces) if after is None else places_of_log(after)
    await namespaces.require_places(places)
    EventFilter.of(None, wanted.mob, wanted.flow, wanted.kinds)  # what is wrong with it is said here
    log = MergedLog(wanted, places, follow=follow)
    try:
        with namespaces.heard_of(log.read if all_of and follow else lambda _: None):
            for shard in among:
                log.read(shard)
            await log.begun()
            yield log
    finally:
        await log.aclose()

"""The namespaces of a fleet, as one process has them open."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from redis_mob.codec.arguments import texts
from redis_mob.connection.retry import RetryPolicy
from redis_mob.errors import MobStoreError, RedisMobError, SerializationError, ValidationError, did_you_mean, shown
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.payloads.settings import PayloadSettings
from redis_mob.security.sealing import SealKey, SealKeyring
from redis_mob.sharding import table
from redis_mob.sharding.failures import NamespacesFailedError
from redis_mob.sharding.key_slots import slot_of_key
from redis_mob.storage import MobStorage

T = TypeVar("T")

LOOK_SECONDS = 5.0
"""How often the table is read for namespaces that other processes have added."""

AT_ONCE = 16
"""How many namespaces are asked at a time."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Opening:
    """How the storages of all namespaces are opened: by the arguments of `MobStorage.open`.

    `urls` has the addresses of namespaces that are not where the first one is.
    """

    url: str | None = None
    urls: Mapping[str, str] = field(default_factory=dict[str, str])
    seal_key: SealKey | SealKeyring | None = None
    durability: str = "memory"
    retry: RetryPolicy | None = None
    payloads: PayloadSettings | None = None

    async def storage(self, namespace: str, url: str | None) -> MobStorage:
        """Open one. Raises as `MobStorage.open`."""
        return await MobStorage.open(
            self.urls.get(namespace, url),
            namespace=namespace,
            seal_key=self.seal_key,
            durability=self.durability,
            retry=self.retry,
            payloads=self.payloads,
        )


class Shard:
    """One namespace of a fleet, which is opened when it is first used, and again where that failed."""

    def __init__(
        self,
        number: int,
        namespace: str,
        opening: Callable[[], Awaitable[MobStorage]],
        storage: MobStorage | None = None,
    ) -> None:
        self.number = number
        self.namespace = namespace
        self.has_failed = False
        """Whether it could not be reached the last time that something was to begin there."""
        self._opening = opening
        self._storage = storage
        self._lock = asyncio.Lock()

    def __repr__(self) -> str:
        return f"Shard({self.number}, {self.namespace!r})"

    async def storage(self) -> MobStorage:
        """Its storage. Raises as `MobStorage.open`."""
        async with self._lock:
            if self._storage is None:
                self._storage = await self._opening()
            return self._storage

    async def admin(self) -> FleetAdmin:
        """What operators do there. Raises as `MobStorage.open`."""
        return FleetAdmin(await self.storage())

    async def aclose(self) -> None:
        """Close its storage, if it is open."""
        async with self._lock:
            storage, self._storage = self._storage, None
        if storage is not None:
            await storage.aclose()


class Namespaces:
    """All namespaces of a fleet, by their numbers; further ones come as they are added."""

    def __init__(self, opening: Opening) -> None:
        self._opening = opening
        self._url = opening.url
        self._shards: list[Shard] = []
        self._prepared: dict[str, MobStorage] = {}
        self._owners: dict[int, int] = {}
        self._listeners: set[Callable[[Shard], None]] = set()
        self._looking: asyncio.Task[None] | None = None

    async def open(self, names: Sequence[str]) -> None:
        """Open them, those that can be reached.

        Raises as `MobStorage.open` for the first one, which has the table, and as `table.found`.
        """
        async with AsyncExitStack() as undo:
            undo.push_async_callback(self.aclose)
            self._take_in(names[:1])
            first = await self._shards[0].storage()
            if names[0] not in self._opening.urls:
                self._url = first.url  # others reach the same server by it, also if this storage has started it
            self._take_in(await table.found(first, names))
            for shard, result in zip(self, await self._opened(), strict=True):
                if isinstance(result, MobStoreError):
                    shard.has_failed = True
                    _log.warning("namespace %s of the fleet cannot be opened: %s", shown(shard.namespace), result)
                elif isinstance(result, BaseException):
                    raise result
            self._looking = asyncio.create_task(self._look(), name="redis_mob namespaces of a fleet")
            undo.pop_all()

    def __iter__(self) -> Iterator[Shard]:
        return iter(tuple(self._shards))

    def __len__(self) -> int:
        return len(self._shards)

    @property
    def names(self) -> tuple[str, ...]:
        """Their names, by their numbers."""
        return tuple(shard.namespace for shard in self._shards)

    def url_of(self, shard: Shard) -> str | None:
        """Where a namespace is."""
        return self._opening.urls.get(shard.namespace, self._url)

    async def refresh(self) -> None:
        """Read the table for namespaces that were added since. Raises as a read of records does."""
        self._take_in(await table.read(await self._shards[0].storage()))

    async def add(self, namespace: str, prepare: Callable[[MobStorage], Awaitable[None]]) -> None:
        """Open a namespace, prepare it, and write it into the table."""
        storage = await self._opening.storage(namespace, self._url)
        try:
            await prepare(storage)
            known = await table.add(await self._shards[0].storage(), namespace)
        except BaseException:
            await storage.aclose()
            raise
        self._prepared[namespace] = storage
        self._take_in(known)
        for unused in [self._prepared.pop(name) for name in tuple(self._prepared)]:
            await unused.aclose()  # another call has taken it in meanwhile

    def named(self, namespace: str) -> Shard:
        """The one of this name. Raises ValidationError if the fleet has none."""
        for shard in self._shards:
            if shard.namespace == namespace:
                return shard
        raise ValidationError(
            f"{shown(namespace)} is no namespace of this fleet, which has {', '.join(map(shown, self.names))}"
            f"{did_you_mean(namespace, self.names)}"
        )

    def chosen(self, namespaces: Collection[str] | None) -> tuple[Shard, ...]:
        """Those of these names, all for None. Raises as `named`."""
        return tuple(self) if namespaces is None else tuple(map(self.named, texts("namespaces", namespaces)))

    async def numbered(self, number: int) -> Shard | None:
        """The one of this number; None if the table does not have it either."""
        if number >= len(self._shards):
            await self.refresh()
        return self._shards[number] if number < len(self._shards) else None

    async def require_places(self, places: Sequence[object]) -> None:
        """Raises ValidationError for the places of a cursor that knows of more namespaces than the table has."""
        if len(places) > len(self) and await self.numbered(len(places) - 1) is None:
            raise ValidationError(f"after is of a fleet of {len(places)} namespaces, and this one has {len(self)}")

    async def of_key(self, key: str) -> Shard:
        """The namespace of a key, which is the same for ever (contract: shards-2).

        The table is asked once for each slot. Raises as the store of records where it cannot be.
        """
        slot = slot_of_key(key)
        owner = self._owners.get(slot)
        if owner is None:
            first = await self._shards[0].storage()
            owner = self._owners[slot] = await table.owner_of(first, slot, range(len(self._shards)))
        shard = await self.numbered(owner)
        if shard is None:
            raise SerializationError(f"the slot of key {shown(key)} is bound to namespace {owner}, which is not there")
        return shard

    @contextmanager
    def heard_of(self, listener: Callable[[Shard], None]) -> Generator[None]:
        """Tell a listener of all namespaces that are added until the block ends."""
        self._listeners.add(listener)
        try:
            yield
        finally:
            self._listeners.discard(listener)

    async def each(
        self, ask: Callable[[Shard], Awaitable[T]], among: Iterable[Shard] | None = None
    ) -> tuple[dict[str, T], dict[str, RedisMobError]]:
        """The answers of all namespaces, or of some, and the errors of those that failed (contract: shards-8)."""
        shards, limit = tuple(self if among is None else among), asyncio.Semaphore(AT_ONCE)

        async def asked(shard: Shard) -> T | MobStoreError:
            async with limit:
                try:
                    return await ask(shard)
                except MobStoreError as failure:
                    return failure

        answers: dict[str, T] = {}
        failures: dict[str, RedisMobError] = {}
        for shard, answer in zip(shards, await asyncio.gather(*map(asked, shards)), strict=True):
            if isinstance(answer, MobStoreError):
                failures[shard.namespace] = answer
            else:
                answers[shard.namespace] = answer
        return answers, failures

    async def all(self, ask: Callable[[Shard], Awaitable[T]], among: Iterable[Shard] | None = None) -> dict[str, T]:
        """The answers of all namespaces. Raises NamespacesFailedError, with those of the others, if some failed."""
        answers, failures = await self.each(ask, among)
        if failures:
            raise NamespacesFailedError(failures, answers)
        return answers

    async def aclose(self) -> None:
        """Close all storages."""
        looking, self._looking = self._looking, None
        if looking is not None:
            looking.cancel()
            await asyncio.wait({looking})
        for shard in reversed(self._shards):  # the first one may have started the server of the others
            await shard.aclose()

    async def _opened(self) -> list[MobStorage | BaseException]:
        return await asyncio.gather(*(shard.storage() for shard in self), return_exceptions=True)

    def _take_in(self, names: Sequence[str]) -> None:
        for name in names[len(self._shards) :]:
            self._shards.append(shard := self._shard(len(self._shards), name))
            for listener in tuple(self._listeners):
                listener(shard)

    def _shard(self, number: int, namespace: str) -> Shard:
        opened = self._prepared.pop(namespace, None)
        return Shard(number, namespace, lambda: self._opening.storage(namespace, self._url), opened)

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self.refresh()
            except MobStoreError as failure:
                _log.debug("the table of the fleet cannot be read: %s", failure)
            await self.each(_reached, [shard for shard in self if shard.has_failed])


async def _reached(shard: Shard) -> None:
    await (await shard.storage()).executions.workers()
    shard.has_failed = False

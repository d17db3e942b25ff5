"""How an adapter reaches its namespace, from coroutines and from threads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Generator, Iterator
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Generic, Protocol, TypeVar

from redis_mob import sync
from redis_mob.connection.calls.open_namespace import OpenNamespace
from redis_mob.connection.retry import RetryPolicy
from redis_mob.errors import InternalError, StorageUnavailableError, ValidationError, shown
from redis_mob.storage import MobStorage

T = TypeVar("T")


class Home:
    """The event loop in which a storage is open, and how others have their calls made in it."""

    def __init__(self, storage: MobStorage | sync.MobStorage) -> None:
        self._thread = storage.loop if isinstance(storage, sync.MobStorage) else None
        try:
            own = self._thread
            self._loop = asyncio.get_running_loop() if own is None else own.run(_running_loop())
        except RuntimeError:
            raise ValidationError(
                "an asynchronous storage is used where it was opened: make this in its event loop, or give it a "
                "redis_mob.sync.MobStorage"
            ) from None

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of a coroutine, for a caller in another thread, who waits for it. Raises InternalError in the
        event loop itself, which would wait for itself."""
        if self._thread is not None:
            return self._thread.run(work)
        if _running() is self._loop:
            work.close()
            raise InternalError(
                "a synchronous call in the event loop of its storage would wait for itself: use the method that "
                "begins with a, as aget_tuple, or open it with `with` in place of `async with`"
            )
        return self._started(work).result()

    async def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of a coroutine, for a caller in any event loop."""
        if _running() is self._loop:
            return await work
        return await asyncio.wrap_future(self._started(work))

    def iterate(self, found: AsyncGenerator[T]) -> Iterator[T]:
        """What an asynchronous generator yields, for a caller in another thread."""
        try:
            while True:
                try:
                    yield self.run(_next(found))
                except StopAsyncIteration:
                    return
        finally:
            self.run(_closed(found))

    async def aiterate(self, found: AsyncGenerator[T]) -> AsyncIterator[T]:
        """What an asynchronous generator yields, for a caller in any event loop."""
        try:
            while True:
                try:
                    one = await self.wait(_next(found))
                except StopAsyncIteration:
                    return
                yield one
        finally:
            await self.wait(_closed(found))

    def _started(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        if self._thread is None:
            return asyncio.run_coroutine_threadsafe(work, self._loop)
        asked: Future[T] = Future()
        self._thread.start(work, asked)
        return asked


async def _running_loop() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


def _running() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


async def _next(found: AsyncGenerator[T]) -> T:
    return await anext(found)


async def _closed(found: AsyncGenerator[Any]) -> None:
    await found.aclose()


def server_of(storage: MobStorage | sync.MobStorage, what: str) -> OpenNamespace:
    """The connection of a storage. Raises ValidationError for no storage, StorageUnavailableError for one in memory."""
    if not isinstance(storage, MobStorage | sync.MobStorage):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ValidationError(f"storage must be a MobStorage of redis_mob or of redis_mob.sync, not {shown(storage)}")
    opened = storage.loop.value if isinstance(storage, sync.MobStorage) else storage
    if opened.on_server is None:
        raise StorageUnavailableError(f"{what} needs a server, and memory: is none: use embedded: in its place")
    return opened.on_server


class Adapter(Protocol):
    """What can be opened: it closes the storage that was opened for it."""

    def close(self) -> None:
        """Close it, from a thread."""

    async def aclose(self) -> None:
        """Close it, from a coroutine."""


A = TypeVar("A", bound=Adapter)


class Opening(Generic[A]):
    """An adapter about to be opened with a storage of its own.

    `async with` it, or await it, in the event loop that is to use it; or use `with` it where there is none: then an
    event loop in a thread serves it, and any thread and any event loop may use it.
    """

    def __init__(
        self,
        make: Callable[[MobStorage | sync.MobStorage], A],
        url: str | None,
        namespace: str,
        durability: str,
        retry: RetryPolicy | None,
    ) -> None:
        self._make = make
        self._url = url
        self._namespace = namespace
        self._durability = durability
        self._retry = retry
        self._opened: A | None = None

    def __await__(self) -> Generator[Any, None, A]:
        return self._open().__await__()

    async def __aenter__(self) -> A:
        self._opened = await self._open()
        return self._opened

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._opened is not None:
            await self._opened.aclose()

    def __enter__(self) -> A:
        storage = sync.MobStorage.open(
            self._url, namespace=self._namespace, durability=self._durability, retry=self._retry
        )
        try:
            self._opened = self._make(storage)
        except BaseException:
            storage.close()
            raise
        return self._opened

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._opened is not None:
            self._opened.close()

    async def _open(self) -> A:
        storage = await MobStorage.open(
            self._url, namespace=self._namespace, durability=self._durability, retry=self._retry
        )
        try:
            return self._make(storage)
        except BaseException:
            await storage.aclose()
            raise

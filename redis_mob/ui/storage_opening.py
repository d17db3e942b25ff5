"""Opens the namespace that the page shows, as soon as that is possible: the page is served before (contract: ui-13)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress

from redis_mob.errors import StorageUnavailableError
from redis_mob.storage import MobStorage

_log = logging.getLogger(__name__)

PAUSE = 2.0
"""Seconds between two attempts to open."""

Opens = Callable[[], AbstractAsyncContextManager[MobStorage]]


class StorageOpener:
    """The storage of the page: open, or the reason why it is not."""

    def __init__(self, namespace: str, opens: Opens | None = None, storage: MobStorage | None = None) -> None:
        self.namespace = namespace
        self._opens = opens
        self._storage = storage
        self._problem: str = "the storage is being opened"
        self._opened, self._tried, self._closing = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        if storage is not None:
            self._opened.set()

    @classmethod
    def of(cls, storage: MobStorage) -> StorageOpener:
        """One that is open; the caller closes the storage."""
        return cls(storage.namespace, storage=storage)

    @property
    def storage(self) -> MobStorage:
        """The storage. Raises StorageUnavailableError while it is not open."""
        if self._storage is None:
            raise StorageUnavailableError(self._problem)
        return self._storage

    @property
    def problem(self) -> str | None:
        """Why it is not open; None if it is."""
        return None if self._opened.is_set() else self._problem

    async def first_attempt(self) -> str | None:
        """Begin to open it; why it is not open after the first attempt, or None.

        It goes on in the background while the storage is away. Raises the error of anything else that is in the way.
        """
        if self._opens is None:
            return None
        self._task = asyncio.create_task(self._keep_open(self._opens), name="redis_mob ui opens its storage")
        tried = asyncio.create_task(self._tried.wait())
        await asyncio.wait({self._task, tried}, return_when=asyncio.FIRST_COMPLETED)
        tried.cancel()
        if self._task.done():
            self._task.result()
        return self.problem

    async def until_open(self) -> MobStorage:
        """Wait for the storage."""
        await self._opened.wait()
        return self.storage

    async def aclose(self) -> None:
        """Close what this has opened."""
        self._closing.set()
        if self._task is not None:
            if self._storage is None:
                self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _keep_open(self, opens: Opens) -> None:
        while not self._closing.is_set():
            try:
                async with opens() as storage:
                    self._storage = storage
                    self._opened.set()
                    self._tried.set()
                    await self._closing.wait()
            except StorageUnavailableError as error:
                if self._storage is not None:
                    raise
                if self._tried.is_set() and str(error) != self._problem:  # the first one is told by the caller
                    _log.warning("%s", error)
                self._problem = str(error)
                self._tried.set()
                await asyncio.sleep(PAUSE)

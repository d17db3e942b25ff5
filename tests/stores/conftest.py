"""Storages on the shared server, each on the namespace of the test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest

from redis_mob.stores.events import RedisEventStore
from redis_mob.stores.runs import RedisRunStore
from redis_mob.stores.storage import MobStorage

Opener = Callable[[], Awaitable[MobStorage]]


@pytest.fixture
async def open_storage(server_url: str, namespace: str) -> AsyncIterator[Opener]:
    """Opens one more storage on the namespace of the test, with connections of its own."""
    async with AsyncExitStack() as stack:

        async def opened() -> MobStorage:
            return await stack.enter_async_context(MobStorage.open(server_url, namespace=namespace))

        yield opened


@pytest.fixture
async def storage(open_storage: Opener) -> MobStorage:
    """The storage of the test."""
    return await open_storage()


@pytest.fixture
def events(storage: MobStorage) -> RedisEventStore:
    return storage.events


@pytest.fixture
def runs(storage: MobStorage) -> RedisRunStore:
    return storage.runs

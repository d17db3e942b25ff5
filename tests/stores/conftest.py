"""Storages on the namespace of the test, on the shared server and in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest

from redis_mob.connection.calls.client import Client, connect
from redis_mob.connection.calls.keys import Keys
from redis_mob.contracts import MobEventStore, MobRunStore
from redis_mob.notifications.wakeups import WakeUps
from redis_mob.storage import MobStorage
from redis_mob.stores.config import RedisConfigStore
from tests.support.backends import parametrize_backend, url_of

Opener = Callable[[], Awaitable[MobStorage]]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    parametrize_backend(metafunc)


@pytest.fixture
def url(backend: str, request: pytest.FixtureRequest) -> str:
    """Where the storages of the test are."""
    return url_of(backend, request)


@pytest.fixture
async def open_storage(url: str, namespace: str) -> AsyncIterator[Opener]:
    """Opens one more storage on the namespace of the test, with connections of its own."""
    async with AsyncExitStack() as stack:

        async def opened() -> MobStorage:
            return await stack.enter_async_context(MobStorage.open(url, namespace=namespace))

        yield opened


@pytest.fixture
async def storage(open_storage: Opener) -> MobStorage:
    """The storage of the test."""
    return await open_storage()


@pytest.fixture
def events(storage: MobStorage) -> MobEventStore:
    return storage.events


@pytest.fixture
def runs(storage: MobStorage) -> MobRunStore:
    return storage.runs


@pytest.fixture
async def config(connection: Client, keys: Keys) -> AsyncIterator[RedisConfigStore]:
    """The config documents of the test's namespace, over the test's connection."""
    async with WakeUps(connection) as wake_ups:
        yield RedisConfigStore(connection, keys, wake_ups)


@pytest.fixture
async def another_config(server_url: str, keys: Keys) -> AsyncIterator[RedisConfigStore]:
    """The same documents, over another connection."""
    other = await connect(server_url)
    async with WakeUps(other) as wake_ups:
        yield RedisConfigStore(other, keys, wake_ups)
    await other.aclose()

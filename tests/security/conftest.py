"""Fixtures of the sealing tests: ways to open the test's namespace with various keys."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from redis_mob.contracts import MobRuntimeMetadataStore
from redis_mob.security.sealing import SealKey, SealKeyring
from redis_mob.storage import MobStorage, OpeningStorage

Open = Callable[..., OpeningStorage]
OpenMetadata = Callable[..., AbstractAsyncContextManager[MobRuntimeMetadataStore]]


@pytest.fixture
def opened(server_url: str, namespace: str) -> Open:
    """Opens the namespace of the test with a key, a ring, or neither."""

    def open_with(seal_key: SealKey | SealKeyring | None = None) -> OpeningStorage:
        return MobStorage.open(server_url, namespace=namespace, seal_key=seal_key)

    return open_with


@pytest.fixture
def metadata_with(opened: Open) -> OpenMetadata:
    """The runtime metadata of the test's namespace, opened with a key, a ring, or neither."""

    @asynccontextmanager
    async def open_with(seal_key: SealKey | SealKeyring | None = None) -> AsyncGenerator[MobRuntimeMetadataStore]:
        async with opened(seal_key) as storage:
            yield storage.runtime_metadata

    return open_with

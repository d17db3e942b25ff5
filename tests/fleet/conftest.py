"""Storages on the shared server, each on the namespace of the test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from redis_mob.stores.storage import MobStorage


@pytest.fixture
async def storage(server_url: str, namespace: str) -> AsyncIterator[MobStorage]:
    """A storage on the namespace of the test."""
    async with MobStorage.open(server_url, namespace=namespace) as opened:
        yield opened


@pytest.fixture
async def other_storage(server_url: str, namespace: str) -> AsyncIterator[MobStorage]:
    """A second storage on the same namespace, with connections of its own."""
    async with MobStorage.open(server_url, namespace=namespace) as opened:
        yield opened

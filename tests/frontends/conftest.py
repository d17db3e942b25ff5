"""A storage of its own for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from redis_mob.storage import MobStorage


@pytest.fixture
async def storage(server_url: str, namespace: str) -> AsyncIterator[MobStorage]:
    """A storage on the shared server."""
    async with MobStorage.open(server_url, namespace=namespace) as opened:
        yield opened

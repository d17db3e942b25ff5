"""A storage for the tests of MCP."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from redis_mob.storage import MobStorage


@pytest.fixture
async def storage(server_url: str, namespace: str) -> AsyncIterator[MobStorage]:
    """An open storage of the shared server."""
    async with MobStorage.open(server_url, namespace=namespace) as opened:
        yield opened

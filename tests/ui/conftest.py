"""A storage and a page of it for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from redis_mob.storage import MobStorage
from tests.ui.served import page_of


@pytest.fixture
async def storage(server_url: str, namespace: str) -> AsyncIterator[MobStorage]:
    """An open storage of the shared server."""
    async with MobStorage.open(server_url, namespace=namespace) as opened:
        yield opened


@pytest.fixture
async def page(storage: MobStorage) -> AsyncIterator[httpx.AsyncClient]:
    """The page of that storage, for the user of this machine, who operates."""
    async with page_of(storage) as client:
        yield client

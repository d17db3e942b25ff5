"""Storages on the namespace of the test, on the shared server and in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from redis_mob.storage import MobStorage
from tests.support.backends import parametrize_backend, url_of


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    parametrize_backend(metafunc)


@pytest.fixture
def url(backend: str, request: pytest.FixtureRequest) -> str:
    """Where the storages of the test are."""
    return url_of(backend, request)


@pytest.fixture
async def storage(url: str, namespace: str) -> AsyncIterator[MobStorage]:
    """A storage on the namespace of the test."""
    async with MobStorage.open(url, namespace=namespace) as opened:
        yield opened


@pytest.fixture
async def other_storage(url: str, namespace: str) -> AsyncIterator[MobStorage]:
    """A second storage on the same namespace, with connections of its own."""
    async with MobStorage.open(url, namespace=namespace) as opened:
        yield opened

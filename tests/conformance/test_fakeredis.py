"""The conformance suite on fakeredis, for the subset it can do; `GAPS` says what it cannot, and why."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from redis_mob.testing import Backend
from redis_mob.testing.conformance import *  # noqa: F403
from tests.conformance.redis_backend import RedisBackend
from tests.support.fakeredis_server import fakeredis_server


class FakeredisBackend(RedisBackend):
    """CLIENT KILL makes fakeredis refuse every command from then on, so that no connection can be cut."""

    disconnect = Backend.disconnect


@pytest.fixture(scope="session")
def fakeredis_url() -> Iterator[str]:
    with fakeredis_server() as url:
        yield url


@pytest.fixture
def backend(fakeredis_url: str, namespace: str) -> Backend:
    return FakeredisBackend(fakeredis_url, namespace, "redis_mob on fakeredis")

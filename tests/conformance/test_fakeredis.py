"""The conformance suite on fakeredis, for the subset it can do; `GAPS` says what it cannot, and why."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from redis_mob.connection.retry import RetryPolicy
from redis_mob.testing import Backend
from redis_mob.testing.conformance import *  # noqa: F403
from redis_mob.testing.waiting import LONG
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
    # Python interprets its scripts, which takes seconds for a large run where the machine is busy
    patient = RetryPolicy(deadline=LONG, reply_timeout=LONG)
    return FakeredisBackend(fakeredis_url, namespace, "redis_mob on fakeredis", retry=patient)

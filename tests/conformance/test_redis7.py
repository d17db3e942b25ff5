"""The conformance suite on Redis 7."""

from __future__ import annotations

import pytest

from redis_mob.testing import Backend
from redis_mob.testing.conformance import *  # noqa: F403
from tests.conformance.redis_backend import RedisBackend


@pytest.fixture
def backend(redis7_url: str, namespace: str) -> Backend:
    return RedisBackend(redis7_url, namespace, "redis_mob on Redis 7")

"""The conformance suite on the embedded Valkey server."""

from __future__ import annotations

import pytest

from redis_mob.testing import Backend
from redis_mob.testing.conformance import *  # noqa: F403
from tests.conformance.redis_backend import RedisBackend


@pytest.fixture
def backend(server_url: str, namespace: str) -> Backend:
    return RedisBackend(server_url, namespace, "redis_mob on Valkey")

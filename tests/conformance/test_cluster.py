"""The conformance suite on a Redis Cluster of three primaries, over which the namespaces of its tests are spread."""

from __future__ import annotations

import pytest

from redis_mob.testing import Backend
from redis_mob.testing.conformance import *  # noqa: F403
from tests.conformance.redis_backend import RedisBackend


@pytest.fixture
def backend(cluster_url: str, namespace: str) -> Backend:
    return RedisBackend(cluster_url, namespace, "redis_mob on a Redis Cluster")

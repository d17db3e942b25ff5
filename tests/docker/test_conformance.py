"""The conformance suite on a server of any image: `make test-image IMAGE=redis:7.4`."""

from __future__ import annotations

import pytest

from redis_mob.testing import Backend
from redis_mob.testing.conformance import *  # noqa: F403
from tests.conformance.redis_backend import RedisBackend


@pytest.fixture
def backend(storage_url: str, server_image: str, namespace: str) -> Backend:
    return RedisBackend(storage_url, namespace, f"redis_mob on {server_image}")

"""The part of the conformance suite that handles secrets, on a server where they are sealed."""

from __future__ import annotations

import pytest

from redis_mob.security.sealing import SealKey
from redis_mob.testing import Backend
from redis_mob.testing.conformance import (
    TestMetadataOfMobs,
    TestOverlays,
    TestSupervisorAuthority,
    TestSupervisorSuccession,
    TestUnreadableMetadata,
)
from tests.conformance.redis_backend import RedisBackend

__all__ = [
    "TestMetadataOfMobs",
    "TestOverlays",
    "TestSupervisorAuthority",
    "TestSupervisorSuccession",
    "TestUnreadableMetadata",
]


@pytest.fixture
def backend(server_url: str, namespace: str) -> Backend:
    return RedisBackend(server_url, namespace, "redis_mob on Valkey, sealed", seal_key=SealKey.generate())

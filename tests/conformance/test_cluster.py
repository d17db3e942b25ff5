"""The conformance suite on a Redis Cluster of three primaries, over which the namespaces of its tests are spread.

Their payloads are compressed, sealed, and blobs from 1 KiB on: the suite holds for these too.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from redis_mob.payloads.settings import PayloadSettings
from redis_mob.security.sealing import SealKey
from redis_mob.testing import Backend
from redis_mob.testing.conformance import *  # noqa: F403
from tests.conformance.redis_backend import RedisBackend


@pytest.fixture
def backend(cluster_url: str, namespace: str, tmp_path: Path) -> Backend:
    payloads = PayloadSettings(seal=True, blobs=(tmp_path / "blobs").as_uri(), above=1024)
    name = "redis_mob on a Redis Cluster, payloads sealed"
    return RedisBackend(cluster_url, namespace, name, seal_key=SealKey.generate(), payloads=payloads)

"""The conformance suite on the stores in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from redis_mob.testing import Backend
from redis_mob.testing.conformance import *  # noqa: F403
from tests.conformance.memory_backend import MemoryBackend


@pytest.fixture
async def backend(namespace: str) -> AsyncIterator[Backend]:
    memory = MemoryBackend(namespace)
    yield memory
    memory.close()

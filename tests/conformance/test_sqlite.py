"""The conformance suite on a backend that shares nothing with ours but the contracts and the models."""

from __future__ import annotations

from pathlib import Path

import pytest

from redis_mob.testing import Backend
from redis_mob.testing.conformance import *  # noqa: F403
from tests.sqlite_backend.backend import SqliteBackend


@pytest.fixture
def backend(tmp_path: Path) -> Backend:
    return SqliteBackend(tmp_path / "database")

"""The published conformance suite as a user of the package writes it down; smoke.py runs it outside of the checkout."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from uuid import uuid4

import pytest

from redis_mob.connection.embedded.server import EmbeddedServer
from redis_mob.security.sealing import SealKey
from redis_mob.storage import MobStorage
from redis_mob.testing import Backend, Stores
from redis_mob.testing.conformance import *  # noqa: F403


class InstalledBackend(Backend):
    """A namespace of its own."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._namespace = uuid4().hex
        self._seal_key = SealKey.generate()

    def open(self) -> AbstractAsyncContextManager[Stores]:
        return MobStorage.open(self._url, namespace=self._namespace, seal_key=self._seal_key)


@pytest.fixture(scope="session")
def url() -> Iterator[str]:
    with asyncio.Runner() as runner:
        server = runner.run(EmbeddedServer.start())
        yield server.url
        runner.run(server.aclose())


@pytest.fixture
def backend(url: str) -> Backend:
    return InstalledBackend(url)

"""The conformance suite on Valkey, as a user who has the rights of its namespace alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from redis_mob.admin.acl import rights_in
from redis_mob.connection.calls.durability import Durability
from redis_mob.storage import MobStorage, OpeningStorage
from redis_mob.testing import Backend
from redis_mob.testing.conformance import *  # noqa: F403
from tests.conformance.redis_backend import RedisBackend
from tests.support.users import user_of


class UserBackend(RedisBackend):
    """Its stores are those of the user with few rights; faults are made over a connection with all rights."""

    def __init__(self, url: str, namespace: str, user_url: str) -> None:
        super().__init__(url, namespace, "redis_mob on Valkey, least privilege")
        self._user_url = user_url

    def open(self) -> OpeningStorage:
        return MobStorage.open(self._user_url, namespace=self.keys.namespace)


@pytest.fixture
def backend(server_url: str, namespace: str) -> Iterator[Backend]:
    with user_of(server_url, rights_in(namespace, Durability()), user=namespace) as user_url:
        yield UserBackend(server_url, namespace, user_url)

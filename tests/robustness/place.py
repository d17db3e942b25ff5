"""A namespace, and the clients that call there over one connection."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from redis_mob.connection.calls.client import Client, connect
from redis_mob.connection.calls.keys import Keys
from redis_mob.security.sealing import SealKey
from redis_mob.stores.seal_keys import open_with_seal_keys, secrets_with
from redis_mob.stores.storage import RedisStorage
from tests.robustness.caller import Caller

_SECRETS = secrets_with(SealKey("k", bytes(32)))


class Place:
    """An open namespace; `storage` are its stores as they are, for who can live with an error."""

    def __init__(self, connection: Client, keys: Keys) -> None:
        self.storage = RedisStorage(connection, keys, _SECRETS)
        self.callers: list[Caller] = []
        self._connection = connection
        self._keys = keys

    def caller(self) -> Caller:
        """Another client, which learns the outcome of every call."""
        caller = Caller(self._connection, self._keys, _SECRETS)
        self.callers.append(caller)
        return caller


@asynccontextmanager
async def place(url: str, namespace: str, **settings: Any) -> AsyncGenerator[Place]:
    """Open a namespace over a connection with these settings, until the block ends."""
    connection = await connect(url, namespace, **settings)
    try:
        keys = await connection.open_namespace(namespace)
        await open_with_seal_keys(connection, keys, _SECRETS)
        opened = Place(connection, keys)
        try:
            yield opened
        finally:
            await opened.storage.aclose()
    finally:
        await connection.aclose()

"""A namespace that is open, and the clients that call it over one connection."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from redis_mob.connection.calls.client import Client, connect
from redis_mob.connection.calls.keys import Keys
from redis_mob.security.sealing import SealKey, secrets_with
from redis_mob.stores.seal_keys import open_with_seal_keys
from redis_mob.stores.storage import RedisStorage
from tests.robustness.caller import Caller

_SECRETS = secrets_with(SealKey("k", bytes(32)))


class OpenNamespace:
    """An open namespace; `storage` are its plain stores, whose calls may end with an unknown outcome."""

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
async def opened(url: str, namespace: str, **settings: Any) -> AsyncGenerator[OpenNamespace]:
    """Open a namespace over a connection with these settings, until the block ends."""
    connection = await connect(url, namespace, **settings)
    try:
        keys = await connection.open_namespace(namespace)
        await open_with_seal_keys(connection, keys, _SECRETS)
        found = OpenNamespace(connection, keys)
        try:
            yield found
        finally:
            await found.storage.aclose()
    finally:
        await connection.aclose()

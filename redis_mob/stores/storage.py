"""The door to one namespace: opens a server and hands out the stores on it."""

from __future__ import annotations

from collections.abc import Generator
from types import TracebackType
from typing import Any

from redis_mob.connection.connection import Connection, connect
from redis_mob.connection.keys import Keys
from redis_mob.connection.wakeups import WakeUps
from redis_mob.stores.events import RedisEventStore
from redis_mob.stores.executions import RedisExecutionStore
from redis_mob.stores.runs import RedisRunStore


class MobStorage:
    """The stores of one namespace, for one event loop; `open` makes it.

    `events` is the event log, `runs` are the runs, `executions` is what a fleet needs beside them. `url` is the
    address under which other processes of this user reach the same server; it may hold a password.
    """

    def __init__(self, connection: Connection, keys: Keys) -> None:
        self._connection = connection
        self._wake_ups = WakeUps(connection)
        self.namespace = keys.namespace
        self.url = connection.url
        self.events = RedisEventStore(connection, keys, self._wake_ups)
        self.runs = RedisRunStore(connection, keys)
        self.executions = RedisExecutionStore(connection, keys, self._wake_ups)

    @classmethod
    def open(cls, url: str | None = None, *, namespace: str = "default") -> OpeningStorage:
        """Open a namespace: `async with MobStorage.open(...) as storage`, or `storage = await MobStorage.open(...)`.

        Without a URL the environment variable REDIS_MOB_URL counts, then `embedded:`. Opening reaches the server,
        checks its version and the schema of the namespace, and creates the namespace if it is new.
        Raises ValidationError for a bad URL or name, StorageUnavailableError for a server that cannot be used.
        """
        return OpeningStorage(url, namespace)

    def __repr__(self) -> str:
        return f"MobStorage({self._connection!r}, namespace={self.namespace!r})"

    async def aclose(self) -> None:
        """Close all connections, and end the embedded server if this storage started it."""
        await self._wake_ups.aclose()
        await self._connection.aclose()


class OpeningStorage:
    """A storage about to be opened: await it, or use it as an async context manager, which closes it again."""

    def __init__(self, url: str | None, namespace: str) -> None:
        self._url = url
        self._namespace = namespace
        self._storage: MobStorage | None = None

    def __await__(self) -> Generator[Any, None, MobStorage]:
        return self._open().__await__()

    async def __aenter__(self) -> MobStorage:
        self._storage = await self._open()
        return self._storage

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._storage is not None:
            await self._storage.aclose()

    async def _open(self) -> MobStorage:
        Keys(self._namespace)  # a bad name is refused before a server is started for it
        connection = await connect(self._url)
        try:
            return MobStorage(connection, await connection.open_namespace(self._namespace))
        except BaseException:
            await connection.aclose()
            raise

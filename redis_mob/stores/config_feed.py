"""The feed of config changes on Redis: a bounded stream whose ids are the cursors."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from redis_mob.codec.config import check_count, decode_change
from redis_mob.connection.connection import Connection
from redis_mob.connection.keys import Keys
from redis_mob.connection.wakeups import WakeUps
from redis_mob.contracts.config import ConfigChangeNotifier
from redis_mob.errors import ChangeFeedTruncatedError
from redis_mob.models.base import U64_MAX
from redis_mob.models.config import ConfigChangeEvent
from redis_mob.stores.subscription import Entry, Subscription, entries_of


class RedisConfigFeed(ConfigChangeNotifier):
    """The contract's `ConfigChangeNotifier` on Redis, for the namespaces that begin with `prefix`."""

    def __init__(self, connection: Connection, keys: Keys, wake_ups: WakeUps, prefix: str) -> None:
        self._connection = connection
        self._keys = keys
        self._wake_ups = wake_ups
        self._prefix = prefix

    async def read_after(self, after: int, limit: int) -> tuple[int, list[Entry]]:
        """(greatest cursor ever given, undecoded changes after a cursor)."""
        keys = [self._keys.meta, self._keys.config_feed]
        return entries_of(await self._connection.read("config/changes", keys, [after, limit]))

    @asynccontextmanager
    async def subscribe(self, after: int | None = None) -> AsyncGenerator[Subscription[ConfigChangeEvent]]:
        if after is not None:
            after = min(check_count("cursor", after), U64_MAX)
        async with self._wake_ups.listen(self._keys.wake_config) as bell:
            if after is None:
                after, _ = await self.read_after(0, 1)
            yield Subscription(self, bell, after, decode=self._decode, lost=ChangeFeedTruncatedError, restarts=True)

    def _decode(self, cursor: int, fields: dict[bytes, bytes]) -> ConfigChangeEvent | None:
        event = decode_change(cursor, fields)
        if not event.namespace.startswith(self._prefix):
            return None
        return event.model_copy(update={"namespace": event.namespace.removeprefix(self._prefix)})

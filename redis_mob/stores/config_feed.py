"""The feed of config changes on Redis: a bounded stream whose ids are the cursors."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial

from redis_mob.codec.config import check_cursor, decode_change
from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.contracts.config import ConfigChangeNotifier
from redis_mob.errors import ChangeFeedTruncatedError
from redis_mob.models.config import ConfigChangeEvent
from redis_mob.notifications.pushed_entries import Entry
from redis_mob.notifications.subscription import Subscription
from redis_mob.notifications.wakeups import WakeUps
from redis_mob.stores.readable import readable
from redis_mob.stores.streams import entries_of


@readable
class RedisConfigFeed(ConfigChangeNotifier):
    """The contract's `ConfigChangeNotifier` on Redis, for the namespaces that begin with `prefix`."""

    def __init__(self, client: Client, keys: Keys, wake_ups: WakeUps, prefix: str) -> None:
        self._client = client
        self._keys = keys
        self._wake_ups = wake_ups
        self._prefix = prefix

    async def read_after(self, after: int, limit: int) -> tuple[int, list[Entry]]:
        """(greatest cursor ever given, undecoded changes after a cursor)."""
        keys = [self._keys.meta, self._keys.config_feed]
        return entries_of(await self._client.read("config/read_after", keys, [after, limit]))

    @asynccontextmanager
    async def subscribe(self, after: int | None = None) -> AsyncGenerator[Subscription[ConfigChangeEvent]]:
        if after is not None:
            after = check_cursor(after)
        async with self._wake_ups.listen(self._keys.wake_config) as wake_up:
            if after is None:
                after, _ = await self.read_after(0, 1)
            decode = partial(decode_change, self._prefix)
            yield Subscription(self, wake_up, after, decode=decode, lost=ChangeFeedTruncatedError)

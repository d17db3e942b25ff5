"""A namespace on a server as a backend of the conformance suite."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from redis_mob.codec import config as config_codec
from redis_mob.codec.documents import encode_name
from redis_mob.codec.records import record_place
from redis_mob.codec.runtime_metadata import overlay_place
from redis_mob.connection.calls.client import Client, connect
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.retry import RetryPolicy
from redis_mob.payloads.settings import PayloadSettings
from redis_mob.security.sealing import SealKey
from redis_mob.storage import MobStorage, OpeningStorage
from redis_mob.stores.event_arguments import order_text
from redis_mob.testing import (
    Backend,
    Record,
    StoredDocument,
    StoredEvent,
    StoredOverlay,
    StoredProfile,
    StoredRecord,
    StoredRun,
    StoredSpec,
    StoredSupervisor,
)
from tests.support.raw import add_event, keys_of


def damaged(stored: bytes) -> bytes:
    """The first half, and what is neither JSON nor msgpack."""
    return stored[: len(stored) // 2] + b"\xff\xc1"


class RedisBackend(Backend):
    """A namespace of its own on the server at `url`, whose secrets are sealed if there is a key;
    with `payloads` these are stored so. `retry` is for servers that are slow."""

    def __init__(
        self,
        url: str,
        namespace: str,
        name: str = "redis_mob on Valkey",
        *,
        seal_key: SealKey | None = None,
        payloads: PayloadSettings | None = None,
        retry: RetryPolicy | None = None,
    ) -> None:
        self.url = url
        self.name = name
        self.keys = Keys(namespace)
        self._seal_key = seal_key
        self._payloads = payloads
        self._retry = retry

    def open(self) -> OpeningStorage:
        return MobStorage.open(
            self.url,
            namespace=self.keys.namespace,
            seal_key=self._seal_key,
            payloads=self._payloads,
            retry=self._retry,
        )

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[Client]:
        """A connection past the stores."""
        connection = await connect(self.url, self.keys.namespace)
        try:
            yield connection
        finally:
            await connection.aclose()

    async def now(self) -> datetime:
        async with self.connection() as connection:
            seconds, microseconds = await connection.router.request("TIME")
        return datetime.fromtimestamp(int(seconds), UTC) + timedelta(microseconds=int(microseconds))

    async def damage(self, record: Record) -> None:
        if isinstance(record, StoredEvent):
            return await self._damage_event(record.cursor)
        key, field = self._field(record)
        async with self.connection() as connection:
            stored: bytes = await connection.router.request("HGET", key, field)
            await connection.router.request("HSET", key, field, damaged(stored))
        return None

    def _field(self, record: Record) -> tuple[str, bytes | str]:
        """The hash and field that hold a record."""
        keys = self.keys
        match record:
            case StoredRun(run_id):
                return keys.run(run_id).run, "head"
            case StoredSpec(mob_id):
                return keys.specs, encode_name("mob id", mob_id)
            case StoredSupervisor(mob_id):
                return keys.supervisors, encode_name("mob id", mob_id)
            case StoredOverlay(mob_id, agent_identity, generation):
                return keys.overlays, overlay_place(mob_id, agent_identity, generation)
            case StoredProfile(name):
                return keys.profiles, encode_name("name", name)
            case StoredRecord(collection, key):
                return keys.records, record_place(collection, key)
            case StoredDocument(namespace, id):
                return keys.config_documents, config_codec.encode_place(namespace, id)
            case StoredEvent():
                raise AssertionError("the log is a stream")

    async def _damage_event(self, cursor: int) -> None:
        """An entry of a stream cannot be changed: the stream is made again, with the damage in it."""
        async with self.connection() as connection:
            request = connection.router.request
            entries = await request("XRANGE", self.keys.events, "-", "+")
            await request("DEL", self.keys.events)
            for id, parts in entries:
                fields = dict(zip(parts[::2], parts[1::2], strict=True))
                if id == b"%d-0" % cursor:
                    fields[b"kind"] = damaged(fields[b"kind"])
                await request("XADD", self.keys.events, id, *(part for field in fields.items() for part in field))

    async def add_event(self, kind: str, *, schema_version: str | None = "6") -> int:
        async with self.connection() as connection:
            version = None if schema_version is None else schema_version.encode()
            cursor = await add_event(connection, self.keys, kind=kind.encode(), schema_version=version)
            await connection.router.request("ZADD", self.keys.events_by_time, 0, f"{order_text(0)}:{cursor}")
            return cursor

    async def forget_changes(self, *, keep: int) -> None:
        async with self.connection() as connection:
            await connection.router.request("XTRIM", self.keys.config_feed, "MAXLEN", keep)

    async def disconnect(self) -> None:
        async with self.connection() as connection:
            for kind in ("pubsub", "normal"):
                await connection.router.request("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")

    async def destroy(self) -> None:
        async with self.connection() as connection:
            await connection.router.request("DEL", *await keys_of(connection, self.keys))

    async def is_destroyed(self) -> bool:
        async with self.connection() as connection:
            return not await keys_of(connection, self.keys)

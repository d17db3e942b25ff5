"""Config documents on Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from redis_mob.codec import config as codec
from redis_mob.codec.documents import decode_decimal
from redis_mob.codec.packing import Argument
from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.calls.replies import Reply
from redis_mob.contracts.config import FEED_LENGTH, ConfigSubscription, Documents, WatchableConfigStore
from redis_mob.errors import shown
from redis_mob.models.config import (
    ConfigSnapshot,
    ConfigVersion,
    ConfigWrite,
    Delete,
    DeleteIfRevision,
    Found,
    Put,
    PutIfAbsent,
    PutIfRevision,
)
from redis_mob.notifications.wakeups import WakeUps
from redis_mob.stores.config_feed import RedisConfigFeed
from redis_mob.stores.readable import readable

_EVERYTHING = 2**48
"""More documents than any server holds; a number that Lua can still add to another."""


@readable
class RedisConfigStore(WatchableConfigStore):
    """The contract's `WatchableConfigStore` on Redis; its docstrings say what holds.

    The feed keeps up to a hundred changes more than `feed_length`.
    """

    def __init__(
        self,
        client: Client,
        keys: Keys,
        wake_ups: WakeUps,
        *,
        feed_length: int = FEED_LENGTH,
        prefix: str = "",
    ) -> None:
        self.feed_length = feed_length
        self._client = client
        self._keys = keys
        self._wake_ups = wake_ups
        self._prefix = prefix
        self._feed = RedisConfigFeed(client, keys, wake_ups, prefix)

    async def get(self, namespace: str, id: str) -> Any:
        found = await self.lookup(namespace, id)
        return None if found is None else found.value

    async def lookup(self, namespace: str, id: str) -> Found | None:
        place = self._place(namespace, id)
        text = await self._client.read("config/lookup", self._readable, [place, id])
        return None if text is None else Found(codec.decode_document(codec.document_name(namespace, id), text))

    async def exists(self, namespace: str, id: str) -> bool:
        place = self._place(namespace, id)
        return bool(await self._client.read("config/exists", self._readable, [place, id]))

    async def list(self, namespace: str, offset: int = 0, limit: int | None = None) -> Documents:
        first = min(codec.check_count("offset", offset), _EVERYTHING)
        most = _EVERYTHING if limit is None else min(codec.check_count("limit", limit), _EVERYTHING)
        arguments = [self._packed(namespace), first, most]
        return self._documents(namespace, await self._client.read("config/list", self._readable, arguments))

    async def put(self, namespace: str, id: str, value: Any) -> None:
        await self._write("config/put", Put(namespace, id, value))

    async def put_if_absent(self, namespace: str, id: str, value: Any) -> None:
        await self._write("config/put_if_absent", PutIfAbsent(namespace, id, value))

    async def put_if_revision(self, namespace: str, id: str, value: Any, expected_revision: int) -> None:
        await self._write("config/put_if_revision", PutIfRevision(namespace, id, value, expected_revision))

    async def delete(self, namespace: str, id: str) -> None:
        await self._write("config/delete", Delete(namespace, id))

    async def delete_if_revision(self, namespace: str, id: str, expected_revision: int) -> None:
        await self._write("config/delete_if_revision", DeleteIfRevision(namespace, id, expected_revision))

    async def apply(self, writes: Iterable[ConfigWrite]) -> None:
        checked = codec.checked_writes(writes)
        encoded = [_conditional(codec.encode_write(self._prefix, write)) for write in checked]
        codec.check_distinct(checked)
        reply = await self._call("config/apply", writes=encoded)
        if reply != Reply.WON:
            raise codec.refusal(checked[int(reply[0])], int(reply[1]))

    async def snapshot(self, namespaces: Iterable[str]) -> ConfigSnapshot:
        wanted = tuple(dict.fromkeys(codec.checked_namespaces(namespaces)))
        keys = [*self._readable, self._keys.config_feed]
        packed = [self._packed(namespace) for namespace in wanted]
        cursor, *found = await self._client.read("config/snapshot", keys, {"namespaces": packed})
        documents = {name: dict(self._documents(name, rows)) for name, rows in zip(wanted, found, strict=True)}
        return ConfigSnapshot(documents, decode_decimal("the feed of config changes", "its cursor", cursor))

    async def change_token(self, namespace: str) -> int:
        packed, keys = self._packed(namespace), [self._keys.meta, self._keys.config_tokens]
        token = await self._client.read("config/change_token", keys, [packed])
        return decode_decimal(f"config namespace {shown(namespace)}", "its change token", token)

    async def history(self, namespace: str, id: str) -> Sequence[ConfigVersion]:
        name = [self._packed(namespace), codec.check_id(id)]
        stored = await self._client.read("config/history", self._all_keys, name)
        return [codec.decode_version(codec.document_name(namespace, id), version) for version in stored]

    async def walk(self, namespace: str, page_size: int = 100) -> AsyncIterator[tuple[str, Any]]:
        size = min(codec.check_page_size(page_size), _EVERYTHING)
        packed = place = self._packed(namespace)
        while rows := await self._client.read("config/walk", self._readable, [packed, place, size]):
            place = rows[-1][0]
            for document in self._documents(namespace, rows):
                yield document

    def subscribe(self, after: int | None = None) -> AbstractAsyncContextManager[ConfigSubscription]:
        return self._feed.subscribe(after)

    def scoped(self, scope_id: str) -> RedisConfigStore:
        prefix = self._prefix + codec.scope_prefix(scope_id)
        return RedisConfigStore(self._client, self._keys, self._wake_ups, feed_length=self.feed_length, prefix=prefix)

    @property
    def _readable(self) -> Sequence[str]:
        return (self._keys.meta, self._keys.config_documents, self._keys.config_ids)

    @property
    def _all_keys(self) -> Sequence[str]:
        """In the order of lua/lib/config_documents."""
        keys = self._keys
        return (
            keys.meta,
            keys.config_documents,
            keys.config_versions,
            keys.config_history,
            keys.config_ids,
            keys.config_tokens,
            keys.config_feed,
            keys.wake_config,
        )

    def _packed(self, namespace: str) -> bytes:
        return codec.encode_namespace(codec.check_namespace(self._prefix, namespace))

    def _place(self, namespace: str, id: str) -> bytes:
        return codec.encode_place(codec.check_namespace(self._prefix, namespace), codec.check_id(id))

    def _documents(self, namespace: str, rows: Sequence[tuple[bytes, bytes | None]]) -> Documents:
        start = len(self._packed(namespace))
        ids = [place[start:].decode() for place, _ in rows]
        return [
            (id, codec.decode_document(codec.document_name(namespace, id), text))
            for id, (_, text) in zip(ids, rows, strict=True)
        ]

    async def _write(self, script: str, write: ConfigWrite) -> None:
        encoded = codec.encode_write(self._prefix, write)
        expected = {"expected": encoded.condition} if isinstance(encoded.condition, int) else {}
        reply = await self._call(script, write=_subject(encoded), **expected)
        if reply != Reply.WON:
            raise codec.refusal(write, int(reply))

    async def _call(self, script: str, **arguments: Any) -> Any:
        length = min(codec.check_count("feed_length", self.feed_length), _EVERYTHING)
        return await self._client.call(script, self._all_keys, {"feed_length": length, **arguments})


def _subject(write: codec.EncodedWrite) -> Sequence[Argument]:
    """What a script gets of a write, its condition aside."""
    return (codec.encode_namespace(write.namespace), write.id, *(write.document or ()))


def _conditional(write: codec.EncodedWrite) -> Sequence[Argument]:
    """A write as lua/config/apply takes it."""
    return (write.condition, "delete" if write.document is None else "put", *_subject(write))

"""Config documents in memory."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from redis_mob.codec import config as codec
from redis_mob.contracts.config import FEED_LENGTH, Documents, WatchableConfigStore
from redis_mob.errors import ChangeFeedTruncatedError
from redis_mob.memory.config_documents import ConfigDocuments, Rows, StoredVersion
from redis_mob.memory.namespace import Access
from redis_mob.models.config import (
    ConfigChangeEvent,
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
from redis_mob.notifications.pushed_entries import Entry
from redis_mob.notifications.subscription import Subscription


class MemoryConfigStore(WatchableConfigStore):
    """The contract's `WatchableConfigStore` in memory; its docstrings say what holds.

    Every write is an `apply`. Reading a namespace looks at the ids of all documents.
    """

    def __init__(self, access: Access, *, feed_length: int = FEED_LENGTH, prefix: str = "") -> None:
        self.feed_length = feed_length
        self._access = access
        self._prefix = prefix

    async def get(self, namespace: str, id: str) -> Any:
        found = await self.lookup(namespace, id)
        return None if found is None else found.value

    async def lookup(self, namespace: str, id: str) -> Found | None:
        versions = self._versions(namespace, id)
        return Found(codec.decode_document(codec.document_name(namespace, id), versions[-1].text)) if versions else None

    async def exists(self, namespace: str, id: str) -> bool:
        return bool(self._versions(namespace, id))

    async def list(self, namespace: str, offset: int = 0, limit: int | None = None) -> Documents:
        first = codec.check_count("offset", offset)
        stop = None if limit is None else first + codec.check_count("limit", limit)
        outside = self._outside(namespace)
        return _documents(namespace, self._stored.rows(outside)[first:stop])

    async def put(self, namespace: str, id: str, value: Any) -> None:
        await self.apply([Put(namespace, id, value)])

    async def put_if_absent(self, namespace: str, id: str, value: Any) -> None:
        await self.apply([PutIfAbsent(namespace, id, value)])

    async def put_if_revision(self, namespace: str, id: str, value: Any, expected_revision: int) -> None:
        await self.apply([PutIfRevision(namespace, id, value, expected_revision)])

    async def delete(self, namespace: str, id: str) -> None:
        await self.apply([Delete(namespace, id)])

    async def delete_if_revision(self, namespace: str, id: str, expected_revision: int) -> None:
        await self.apply([DeleteIfRevision(namespace, id, expected_revision)])

    async def apply(self, writes: Iterable[ConfigWrite]) -> None:
        checked = codec.checked_writes(writes)
        encoded = [codec.encode_write(self._prefix, write) for write in checked]
        codec.check_distinct(checked)
        feed_length = codec.check_count("feed_length", self.feed_length)
        content = self._access.content
        for write, wanted in zip(checked, encoded, strict=True):
            if not content.config.allows(wanted):
                raise codec.refusal(write, content.config.revision(wanted))
        for wanted in encoded:
            content.config.perform(wanted, content.clock.now(), feed_length)

    async def snapshot(self, namespaces: Iterable[str]) -> ConfigSnapshot:
        wanted, stored = {name: self._outside(name) for name in codec.checked_namespaces(namespaces)}, self._stored
        documents = {
            namespace: dict(_documents(namespace, stored.rows(outside))) for namespace, outside in wanted.items()
        }
        return ConfigSnapshot(documents, stored.feed.newest)

    async def change_token(self, namespace: str) -> int:
        outside = self._outside(namespace)
        return self._stored.tokens.get(outside, 0)

    async def history(self, namespace: str, id: str) -> Sequence[ConfigVersion]:
        versions, name = self._versions(namespace, id), codec.document_name(namespace, id)
        return [
            ConfigVersion(version.revision, version.written_at, codec.decode_document(name, version.text))
            for version in reversed(versions)
        ]

    async def walk(self, namespace: str, page_size: int = 100) -> AsyncIterator[tuple[str, Any]]:
        size, outside, last = codec.check_page_size(page_size), self._outside(namespace), ""
        while rows := self._stored.rows(outside, after=last)[:size]:
            last = rows[-1][0]
            for document in _documents(namespace, rows):
                yield document

    @asynccontextmanager
    async def subscribe(self, after: int | None = None) -> AsyncGenerator[Subscription[ConfigChangeEvent]]:
        if after is not None:
            after = codec.check_cursor(after)
        feed, decode = self._stored.feed, partial(codec.decode_change, self._prefix)
        with feed.wake_ups.listen() as wake_up:
            start = feed.newest if after is None else after
            yield Subscription(self, wake_up, start, decode=decode, lost=ChangeFeedTruncatedError)

    async def read_after(self, after: int, limit: int) -> tuple[int, list[Entry]]:
        """(greatest cursor ever given, undecoded changes after a cursor)."""
        feed = self._stored.feed
        return feed.newest, feed.read_after(after, limit)

    def scoped(self, scope_id: str) -> MemoryConfigStore:
        prefix = self._prefix + codec.scope_prefix(scope_id)
        return MemoryConfigStore(self._access, feed_length=self.feed_length, prefix=prefix)

    @property
    def _stored(self) -> ConfigDocuments:
        return self._access.content.config

    def _outside(self, namespace: str) -> str:
        return codec.check_namespace(self._prefix, namespace)

    def _versions(self, namespace: str, id: str) -> Sequence[StoredVersion]:
        outside, id = self._outside(namespace), codec.check_id(id)
        return self._stored.versions(outside, id)


def _documents(namespace: str, rows: Rows) -> Documents:
    return [(id, codec.decode_document(codec.document_name(namespace, id), text)) for id, text in rows]

"""Config documents on sqlite3: every write, of one or of several, is the same transaction."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from redis_mob.codec.config import (
    check_count,
    check_cursor,
    check_distinct,
    check_id,
    check_namespace,
    check_page_size,
    check_revision,
    checked_namespaces,
    checked_writes,
    document_name,
    scope_prefix,
)
from redis_mob.contracts import WatchableConfigStore
from redis_mob.contracts.config import FEED_LENGTH, Documents
from redis_mob.errors import ChangeFeedTruncatedError
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
from tests.sqlite_backend import config_rows
from tests.sqlite_backend.config_rows import Checked, Place, decode_value, encode_value
from tests.sqlite_backend.database import Database, Sql, bounded, newest
from tests.sqlite_backend.documents import decode
from tests.sqlite_backend.subscription import Row, Subscription


class SqliteConfigStore(WatchableConfigStore):
    """The contract's `WatchableConfigStore` on sqlite3, for the namespaces that begin with `prefix`."""

    def __init__(self, database: Database, *, feed_length: int = FEED_LENGTH, prefix: str = "") -> None:
        self.feed_length = feed_length
        self._database = database
        self._prefix = prefix

    async def get(self, namespace: str, id: str) -> Any:
        found = await self.lookup(namespace, id)
        return None if found is None else found.value

    async def lookup(self, namespace: str, id: str) -> Found | None:
        place = self._place(namespace, id)
        text = await self._database.read(lambda sql: config_rows.find(sql, place))
        return None if text is None else Found(decode_value(document_name(namespace, id), text))

    async def exists(self, namespace: str, id: str) -> bool:
        place = self._place(namespace, id)
        query = "SELECT 1 FROM config_documents WHERE namespace = ? AND id = ?"
        return await self._database.read(lambda sql: sql.execute(query, place).fetchone() is not None)

    async def list(self, namespace: str, offset: int = 0, limit: int | None = None) -> Documents:
        first = bounded(check_count("offset", offset))
        most = -1 if limit is None else bounded(check_count("limit", limit))
        window = (self._full(namespace), most, first)
        query = "SELECT id, document FROM config_documents WHERE namespace = ? ORDER BY id LIMIT ? OFFSET ?"
        rows = await self._database.read(lambda sql: sql.execute(query, window).fetchall())
        return _documents(namespace, rows)

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
        given = checked_writes(writes)
        checked = list(map(self._checked, given))
        check_distinct(given)

        def compare_and_write(sql: Sql) -> None:
            for one in checked:
                config_rows.compare(sql, one)
            for one in checked:
                config_rows.write(sql, one, self.feed_length)

        await self._database.write(compare_and_write)

    async def snapshot(self, namespaces: Iterable[str]) -> ConfigSnapshot:
        wanted = {namespace: self._full(namespace) for namespace in checked_namespaces(namespaces)}
        query = "SELECT id, document FROM config_documents WHERE namespace = ? ORDER BY id"

        def find(sql: Sql) -> tuple[int, dict[str, list[Row]]]:
            found = {namespace: sql.execute(query, (full,)).fetchall() for namespace, full in wanted.items()}
            return newest(sql, config_rows.CURSORS), found

        cursor, found = await self._database.read(find)
        return ConfigSnapshot(
            {namespace: dict(_documents(namespace, rows)) for namespace, rows in found.items()}, cursor
        )

    async def change_token(self, namespace: str) -> int:
        full = self._full(namespace)
        query = "SELECT cursor FROM config_tokens WHERE namespace = ?"
        row = await self._database.read(lambda sql: sql.execute(query, (full,)).fetchone())
        return row[0] if row else 0

    async def history(self, namespace: str, id: str) -> Sequence[ConfigVersion]:
        place = self._place(namespace, id)
        rows = await self._database.read(lambda sql: config_rows.versions(sql, place))
        return [config_rows.decode_version(document_name(namespace, id), row) for row in rows]

    async def walk(self, namespace: str, page_size: int = 100) -> AsyncIterator[tuple[str, Any]]:
        full, size = self._full(namespace), bounded(check_page_size(page_size))
        query = "SELECT id, document FROM config_documents WHERE namespace = ? AND id > ? ORDER BY id LIMIT ?"
        last = ""
        while rows := await self._database.read(
            lambda sql, page=(full, last, size): sql.execute(query, page).fetchall()
        ):
            last = rows[-1][0]
            for document in _documents(namespace, rows):
                yield document

    def scoped(self, scope_id: str) -> SqliteConfigStore:
        prefix = self._prefix + scope_prefix(scope_id)
        return SqliteConfigStore(self._database, feed_length=self.feed_length, prefix=prefix)

    @asynccontextmanager
    async def subscribe(self, after: int | None = None) -> AsyncGenerator[Subscription[ConfigChangeEvent]]:
        if after is None:
            start = await self._database.read(lambda sql: newest(sql, config_rows.CURSORS))
        else:
            start = bounded(check_cursor(after))
        yield Subscription(self._read_after, start, decode=self._change, lost=ChangeFeedTruncatedError)

    async def _read_after(self, cursor: int) -> tuple[int, Row | None]:
        query = "SELECT * FROM config_changes WHERE cursor > ? ORDER BY cursor LIMIT 1"
        return await self._database.read(
            lambda sql: (newest(sql, config_rows.CURSORS), sql.execute(query, (cursor,)).fetchone())
        )

    def _change(self, row: Row) -> ConfigChangeEvent | None:
        """A change, by the names within the scope; None if it lies outside of it."""
        event = decode(f"config change {row[0]}", ConfigChangeEvent, row[1])
        if not event.namespace.startswith(self._prefix):
            return None
        return event.model_copy(update={"namespace": event.namespace.removeprefix(self._prefix)})

    def _full(self, namespace: str) -> str:
        return check_namespace(self._prefix, namespace)

    def _place(self, namespace: str, id: str) -> Place:
        return self._full(namespace), check_id(id)

    def _checked(self, write: ConfigWrite) -> Checked:
        place = self._place(write.namespace, write.id)
        if isinstance(write, PutIfRevision | DeleteIfRevision):
            check_revision(write.expected_revision)
        if isinstance(write, Delete | DeleteIfRevision):
            return Checked(write, place, None)
        return Checked(write, place, encode_value(document_name(write.namespace, write.id), write.value))


def _documents(namespace: str, rows: Sequence[Row]) -> Documents:
    return [(id, decode_value(document_name(namespace, id), text)) for id, text in rows]

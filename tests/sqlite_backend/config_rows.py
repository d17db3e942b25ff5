"""The rows of config documents, their past versions and the feed of their changes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeAlias

from redis_mob.codec.config import MAX_DOCUMENT_BYTES, document_name
from redis_mob.errors import AlreadyExistsError, SerializationError, VersionConflictError
from redis_mob.models.base import check_json, json_text
from redis_mob.models.config import (
    ConfigChangeEvent,
    ConfigChangeKind,
    ConfigVersion,
    ConfigWrite,
    DeleteIfRevision,
    PutIfAbsent,
    PutIfRevision,
)
from redis_mob.models.revision import extract_meta_revision
from tests.sqlite_backend.database import Sql, allocate
from tests.sqlite_backend.documents import encode
from tests.sqlite_backend.subscription import Row

CURSORS = "config"
"""The counter of the cursors of the feed."""

PAST_VERSIONS = 19
"""How many a document has beside the present one."""

TABLES = (
    """
    CREATE TABLE IF NOT EXISTS config_documents (
        namespace TEXT, id TEXT, cursor INTEGER NOT NULL, written_at TEXT NOT NULL, document BLOB NOT NULL,
        PRIMARY KEY (namespace, id)
    ) STRICT
    """,
    """
    CREATE TABLE IF NOT EXISTS config_past (
        namespace TEXT, id TEXT, cursor INTEGER, written_at TEXT NOT NULL, document BLOB NOT NULL,
        PRIMARY KEY (namespace, id, cursor)
    ) STRICT
    """,
    "CREATE TABLE IF NOT EXISTS config_tokens (namespace TEXT PRIMARY KEY, cursor INTEGER NOT NULL) STRICT",
    "CREATE TABLE IF NOT EXISTS config_changes (cursor INTEGER PRIMARY KEY, document BLOB NOT NULL) STRICT",
)

Place: TypeAlias = tuple[str, str]
"""A namespace, with that of its scope before it, and an id."""


class Checked(NamedTuple):
    """A write that is fit to be tried. It is a deletion if there is no text."""

    write: ConfigWrite
    place: Place
    text: bytes | None


def encode_value(name: str, value: Any) -> bytes:
    """The text of a document. Raises SerializationError naming the document and the offending path."""
    try:
        text = json_text(check_json(value)).encode()
    except ValueError as error:
        raise SerializationError(f"config document {name} cannot be stored: {error}") from None
    if len(text) > MAX_DOCUMENT_BYTES:
        size = f"{len(text)} bytes of JSON, at most {MAX_DOCUMENT_BYTES} fit"
        raise SerializationError(f"config document {name} cannot be stored: $: {size}")
    return text


def decode_value(name: str, text: bytes) -> Any:
    """The value of a document. Raises SerializationError naming it."""
    try:
        return json.loads(text.decode(), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise SerializationError(f"the stored config document {name} cannot be read: {error}") from None


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no JSON number")


def decode_version(name: str, row: Row) -> ConfigVersion:
    """A version of a document. Raises SerializationError naming the document."""
    written_at, text = row
    value = decode_value(name, text)
    try:
        return ConfigVersion(extract_meta_revision(value) or 0, datetime.fromisoformat(written_at), value)
    except ValueError as error:
        raise SerializationError(f"the time of config document {name} cannot be read: {error}") from None


def find(sql: Sql, place: Place) -> bytes | None:
    """The text of a document, if there is one."""
    row = sql.execute("SELECT document FROM config_documents WHERE namespace = ? AND id = ?", place).fetchone()
    return row and row[0]


def versions(sql: Sql, place: Place) -> list[Row]:
    """Time and text of each version of a document, the newest first."""
    query = """
        SELECT * FROM config_documents WHERE namespace = ? AND id = ? UNION ALL
        SELECT * FROM config_past WHERE namespace = ? AND id = ? ORDER BY cursor DESC
    """
    return [row[-2:] for row in sql.execute(query, place * 2)]


def compare(sql: Sql, checked: Checked) -> None:
    """Raises AlreadyExistsError or VersionConflictError if the condition of a write does not hold."""
    write, text = checked.write, find(sql, checked.place)
    name = document_name(write.namespace, write.id)
    if isinstance(write, PutIfAbsent) and text is not None:
        raise AlreadyExistsError(write.namespace, write.id)
    if isinstance(write, PutIfRevision | DeleteIfRevision):
        actual = 0 if text is None else extract_meta_revision(decode_value(name, text)) or 0
        if actual != write.expected_revision:
            raise VersionConflictError(write.expected_revision, actual, name)


def write(sql: Sql, checked: Checked, feed_length: int) -> None:
    """Write or delete a document, and tell of it unless there was nothing to delete (contract: config-23)."""
    _, place, text = checked
    if text is None:
        if sql.execute("DELETE FROM config_documents WHERE namespace = ? AND id = ?", place).rowcount:
            sql.execute("DELETE FROM config_past WHERE namespace = ? AND id = ?", place)
            _announce(sql, place, ConfigChangeKind.DELETE, feed_length)
        return
    sql.execute("INSERT INTO config_past SELECT * FROM config_documents WHERE namespace = ? AND id = ?", place)
    oldest = """
        DELETE FROM config_past WHERE namespace = ? AND id = ? AND cursor IN (
            SELECT cursor FROM config_past WHERE namespace = ? AND id = ? ORDER BY cursor DESC LIMIT -1 OFFSET ?
        )
    """
    sql.execute(oldest, (*place, *place, PAST_VERSIONS))
    cursor = _announce(sql, place, ConfigChangeKind.PUT, feed_length)
    row = (*place, cursor, datetime.now(UTC).isoformat(), text)
    sql.execute("INSERT OR REPLACE INTO config_documents VALUES (?, ?, ?, ?, ?)", row)


def _announce(sql: Sql, place: Place, kind: ConfigChangeKind, feed_length: int) -> int:
    """Tell of a change; its cursor."""
    namespace, id = place
    [cursor] = allocate(sql, CURSORS, 1)
    change = encode("config change", ConfigChangeEvent(namespace=namespace, id=id, kind=kind))
    sql.execute("INSERT INTO config_changes VALUES (?, ?)", (cursor, change))
    sql.execute("DELETE FROM config_changes WHERE cursor <= ?", (cursor - feed_length,))
    sql.execute("INSERT OR REPLACE INTO config_tokens VALUES (?, ?)", (namespace, cursor))
    return cursor

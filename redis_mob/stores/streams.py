"""Logs on Redis: streams whose ids are the cursors."""

from __future__ import annotations

from typing import Any

from redis_mob.codec.documents import decode_decimal
from redis_mob.codec.hashes import as_mapping
from redis_mob.notifications.pushed_entries import Entry


def entries_of(reply: Any) -> tuple[int, list[Entry]]:
    """The reply of a script that reads a log. Raises SerializationError if the counter of its cursors is no number."""
    newest = decode_decimal("the log", "the counter of its cursors", reply[0])
    return newest, [(cursor_of(entry[0]), as_mapping(entry[1])) for entry in reply[1]]


def cursor_of(stream_id: Any) -> int:
    """The cursor in the id of an entry."""
    return int(bytes(stream_id).partition(b"-")[0])

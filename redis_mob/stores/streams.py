"""Logs on Redis: streams whose ids are the cursors."""

from __future__ import annotations

from typing import Any

from redis_mob.codec.hashes import as_mapping
from redis_mob.notifications.subscription import Entry


def entries_of(reply: Any) -> tuple[int, list[Entry]]:
    """The reply of a script that reads a log."""
    return int(reply[0]), [(cursor_of(entry[0]), as_mapping(entry[1])) for entry in reply[1]]


def cursor_of(stream_id: Any) -> int:
    """The cursor in the id of an entry."""
    return int(bytes(stream_id).partition(b"-")[0])

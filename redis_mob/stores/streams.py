"""Logs on Redis: streams whose ids are the cursors."""

from __future__ import annotations

from typing import Any

from redis_mob.codec.documents import decode_decimal
from redis_mob.codec.hashes import as_mapping
from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.notifications.pushed_entries import Entry


def entries_of(reply: Any) -> tuple[int, list[Entry]]:
    """The reply of a script that reads a log. Raises SerializationError if the counter of its cursors is no number."""
    newest = decode_decimal("the log", "the counter of its cursors", reply[0])
    return newest, [(cursor_of(entry[0]), as_mapping(entry[1])) for entry in reply[1]]


async def newest_cursor(client: Client, keys: Keys) -> int:
    """The greatest cursor that an event was ever given, 0 if none was."""
    newest, _ = entries_of(await client.read("events/read_after", [keys.meta, keys.events], [0, 1]))
    return newest


def cursor_of(stream_id: Any) -> int:
    """The cursor in the id of an entry."""
    return int(bytes(stream_id).partition(b"-")[0])

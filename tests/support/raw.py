"""Writes to a namespace and looks into it past the stores, as other programs and broken ones do."""

from __future__ import annotations

from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys

_ADD = """
local cursor = redis.call('HINCRBY', KEYS[1], 'cursor', 1)
redis.call('XADD', KEYS[2], cursor .. '-0', unpack(ARGV))
return cursor
"""

KIND = b'{"type":"mob_reset"}'


async def add_event(
    connection: Client,
    keys: Keys,
    *,
    schema_version: bytes | None = b"6",
    mob_id: bytes = b"mob",
    timestamp: bytes = b"0",
    kind: bytes = KIND,
) -> int:
    """Write an entry to the event log without the store, and return its cursor."""
    fields = {b"schema_version": schema_version, b"mob_id": mob_id, b"timestamp": timestamp, b"kind": kind}
    present = [part for name, value in fields.items() if value is not None for part in (name, value)]
    return await connection.router.request("EVAL", _ADD, 2, keys.meta, keys.events, *present)


async def events_as_stored(connection: Client, keys: Keys) -> list[dict[bytes, bytes]]:
    """The fields of all entries of the log."""
    entries = await connection.router.request("XRANGE", keys.events, "-", "+")
    return [dict(zip(fields[::2], fields[1::2], strict=True)) for _, fields in entries]


async def all_keys(connection: Client, pattern: str = "*") -> set[str]:
    """The names of all keys of the server that match."""
    found: set[str] = set()
    cursor = b"0"
    while True:
        cursor, names = await connection.router.request("SCAN", cursor, "MATCH", pattern, "COUNT", 1000)
        found.update(name.decode() for name in names)
        if cursor == b"0":
            return found


async def keys_of(connection: Client, keys: Keys) -> set[str]:
    """The names of all keys of one namespace."""
    return await all_keys(connection, keys.meta.removesuffix("meta") + "*")

"""What a namespace holds, to be compared with what a backup of it brings back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from tests.support.raw import keys_of

READS = {
    b"hash": ("HGETALL",),
    b"zset": ("ZRANGE", 0, -1, "WITHSCORES"),
    b"list": ("LRANGE", 0, -1),
    b"set": ("SMEMBERS",),
    b"stream": ("XRANGE", "-", "+"),
}


async def content(connection: Client, keys: Keys) -> dict[str, Any]:
    """All of a namespace by key, without what belongs to clients and backups."""
    found: dict[str, Any] = {}
    for key in await keys_of(connection, keys):
        name = keys.suffix(key.encode())
        if name.startswith(("session:", "changes")):
            continue
        kind = await connection.router.request("TYPE", key)
        if kind == b"none":
            continue
        command, *rest = READS[kind]
        reply = await connection.router.request(command, key, *rest)
        if kind == b"hash":
            reply = dict(zip(reply[::2], reply[1::2], strict=True))
            reply.pop(b"restored", None)
            if name == "meta":
                reply[b"epoch"] = reply[b"epoch"].partition(b" ")[0]
        found[name] = sorted(reply) if kind == b"set" else reply
    return found


def names_in(folder: Path) -> list[str]:
    """The files of a folder."""
    return [path.name for path in folder.iterdir()]

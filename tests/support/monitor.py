"""Watches which keys the scripts on a server touch."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.scripts import library, once
from redis_mob.connection.servers.dedicated import DedicatedConnection
from redis_mob.testing.waiting import LONG

KEYLESS = frozenset({"TIME"})
"""Commands of scripts that name no key."""

_ENTRY = re.compile(rb"^[0-9.]+ \[\d+ (\S+)\] (.*)$", re.DOTALL)
_WORD = re.compile(rb'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_NAMES = {
    sha.encode(): name
    for name in library().names()
    for sha in (library().script(name).sha, once(library().script(name)).sha)
}
_END = b"end of the watch"


@dataclass
class ScriptCall:
    """One run of a script: the keys that it was given, and those that its commands name."""

    name: str
    declared: set[bytes]
    touched: set[bytes] = field(default_factory=set)


@asynccontextmanager
async def watched(connection: Client) -> AsyncGenerator[list[ScriptCall]]:
    """Collects the runs of scripts on this server; the list is complete when the block has ended."""
    calls: list[ScriptCall] = []
    line = await connection.router.dedicated_connection()
    try:
        await line.send("MONITOR")
        assert await line.receive(LONG) == b"OK"
        yield calls
        await connection.router.request("ECHO", _END)
        await _collect(line, calls)
    finally:
        await line.aclose()


async def _collect(line: DedicatedConnection, calls: list[ScriptCall]) -> None:
    while True:
        entry = _ENTRY.match(await line.receive(LONG))
        assert entry is not None
        client, words = entry[1], [word[1] for word in _WORD.finditer(entry[2])]
        match words:
            case [b"ECHO", text] if text == _END:
                return
            case [command, key, *_] if client == b"lua" and command.decode() not in KEYLESS:
                calls[-1].touched.add(key)
            case [b"EVALSHA" | b"EVALSHA_RO", sha, count, *rest]:
                calls.append(ScriptCall(_NAMES[sha], set(rest[: int(count)])))
            case _:
                pass

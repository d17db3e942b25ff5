"""What a backup and a restore ask of a server beside the calls of stores: it has no session, and may happen twice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import Any

from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.evalsha import KeyNames
from redis_mob.connection.calls.headers import NamedArguments
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.calls.scripts import script


async def repeat(client: Client, name: str, keys: KeyNames, args: NamedArguments) -> Any:
    """Run a script that may run twice, also where a namespace refuses what is called else. Raises WriteFailedError."""
    found = script(name)
    arguments = found.arguments(args)
    return await client.unnumbered(name, lambda calls: calls.repeatable(found, keys, arguments))


async def run_id_of(client: Client) -> bytes:
    """What the server that holds the namespace calls itself since it was started."""
    info: bytes = await client.unnumbered("INFO", lambda calls: calls.ask(b"INFO", b"server"))
    return next((line for line in info.splitlines() if line.startswith(b"run_id:")), b"")


async def pages_of_keys(client: Client, keys: Keys) -> AsyncIterator[list[bytes]]:
    """All keys of a namespace that are there all the time, some more than once."""
    cursor = b"0"
    while True:
        words = (b"SCAN", cursor, b"MATCH", keys.pattern.encode(), b"COUNT", 1000)
        cursor, found = await client.unnumbered("SCAN", partial(_asked, words))
        yield found
        if cursor == b"0":
            return


async def _asked(words: tuple[Any, ...], calls: Any) -> Any:
    return await calls.ask(*words)

"""What a backup and a restore ask of a server beside the calls of stores: it has no session, and may happen twice."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from redis_mob.connection.calls.client import Client, connect
from redis_mob.connection.calls.evalsha import KeyNames
from redis_mob.connection.calls.headers import NamedArguments
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.calls.scripts import script
from redis_mob.errors import NotFoundError, shown


@asynccontextmanager
async def connected(url: str, namespace: str) -> AsyncGenerator[tuple[Client, Keys]]:
    """A server, and the keys that a namespace has there, which may be in any state. Raises as `connect`."""
    client = await connect(url, namespace)
    try:
        yield client, Keys(namespace)
    finally:
        await client.aclose()


@asynccontextmanager
async def existing_namespace(url: str, namespace: str) -> AsyncGenerator[tuple[Client, Keys]]:
    """A namespace that can be opened. Raises NotFoundError if it is not there, and as opening does."""
    async with connected(url, namespace) as (client, keys):
        await client.open_namespace(namespace, create=False)
        if not client.has_namespace:
            raise NotFoundError(f"there is no namespace {shown(namespace)} on this server")
        yield client, keys


async def repeat(client: Client, name: str, keys: KeyNames, args: NamedArguments) -> Any:
    """Run a script that may run twice, also where a namespace refuses what is called else. Raises WriteFailedError."""
    found = script(name)
    arguments = found.arguments(args)
    return await client.unnumbered(name, lambda calls: calls.repeatable(found, keys, arguments))


async def state_of(client: Client, keys: Keys) -> str:
    """The state of a namespace, as lua/lib/namespace_state has it; empty if it has none."""
    words = (b"HGET", keys.meta.encode(), b"epoch")
    epoch: bytes | None = await client.unnumbered("HGET", partial(_asked, words))
    return (epoch or b"").partition(b" ")[2].decode(errors="replace")


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

"""What a backup and a restore ask of a server beside the calls of stores: it has no session, and may happen twice."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from redis.crc import key_slot

from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.evalsha import KeyNames
from redis_mob.connection.calls.headers import NamedArguments
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.calls.namespace_state import NamespaceState, state_in
from redis_mob.connection.calls.scripts import script
from redis_mob.connection.calls.unopened_namespace import connected
from redis_mob.connection.servers.requests import Part
from redis_mob.connection.servers.server_info import fields_of
from redis_mob.errors import NotFoundError, ReadFailedError, shown


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


async def state_of(client: Client, keys: Keys) -> NamespaceState:
    """What a backup, a restore or a move has done to a namespace."""
    epoch: bytes | None = await _ask(client, "HGET", keys.meta.encode(), b"epoch")
    return state_in(epoch)


async def meta_of(client: Client, keys: Keys) -> dict[bytes, bytes]:
    """The fields of `meta` of a namespace, none if it is not there."""
    fields: list[bytes] = await _ask(client, "HGETALL", keys.meta.encode())
    return dict(zip(fields[::2], fields[1::2], strict=True))


async def server_of(client: Client, keys: Keys) -> str:
    """What the server that holds a namespace calls itself since it was started.

    Raises ReadFailedError while a Cluster moves the namespace to another server: then each has a part of its keys.
    """
    if client.server.mode == "cluster":
        nodes: bytes = await _ask(client, "CLUSTER", b"NODES")
        own = next((line for line in nodes.splitlines() if b"myself" in line), b"")
        if b"[%d->-" % key_slot(keys.meta.encode()) in own:
            raise ReadFailedError(
                f"the Cluster is moving namespace {shown(keys.namespace)} to another server: try again when it has"
            )
    return fields_of(await _ask(client, "INFO", b"server")).get("run_id", "")


async def pages_of_keys(client: Client, keys: Keys) -> AsyncIterator[list[bytes]]:
    """All keys of a namespace that are there all the time, some more than once."""
    cursor = b"0"
    while True:
        cursor, found = await _ask(client, "SCAN", cursor, b"MATCH", keys.pattern.encode(), b"COUNT", 1000)
        yield found
        if cursor == b"0":
            return


async def check_rights(client: Client, keys: Keys) -> None:
    """Raise what a search for keys raises, such as the refusal of a user who has not the rights for backups."""
    await anext(pages_of_keys(client, keys))


async def _ask(client: Client, command: str, *words: Part) -> Any:
    return await client.unnumbered(command, lambda calls: calls.ask(command, *words))

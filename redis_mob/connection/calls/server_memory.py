"""How much memory the server of a namespace uses, with all that is not of the namespace."""

from __future__ import annotations

from contextlib import suppress
from typing import NamedTuple

from redis_mob.connection.calls.client import Client
from redis_mob.connection.failures import TransportError
from redis_mob.connection.servers.server_info import fields_of


class ServerMemory(NamedTuple):
    """Bytes that a server uses, and may use, 0 for no limit; None if it does not tell them, as a user may not ask."""

    used: int | None = None
    limit: int | None = None


async def memory_of_server(client: Client) -> ServerMemory:
    """What the server of a client says of its memory."""
    with suppress(TransportError):
        found = fields_of(await client.router.request(b"INFO", b"memory"))
        used, limit = found.get("used_memory"), found.get("maxmemory")
        return ServerMemory(None if used is None else int(used), None if limit is None else int(limit))
    return ServerMemory()

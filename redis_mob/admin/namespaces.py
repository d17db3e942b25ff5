"""Which namespaces a server holds, as far as that is quickly found."""

from __future__ import annotations

from redis_mob.connection.calls.client import Client, connect
from redis_mob.connection.calls.keys import ANY_META, namespace_of_meta
from redis_mob.connection.failures import TransportError
from redis_mob.errors import MobStoreError

_MOST_LOOKS, _COUNT = 20, 500
"""How often the server is asked for keys, and how many it looks at each time."""


async def some_namespaces(url: str, namespace: str) -> list[str]:
    """The namespaces on the server that holds this one, in the order of their names.

    It looks at some ten thousand keys, which holds up no other client; of a Cluster at those of one node. None are
    found where the user may not SCAN, or the server is not reached.
    """
    try:
        client = await connect(url, namespace)
    except MobStoreError:
        return []
    try:
        return sorted(await _scanned(client))
    except TransportError:
        return []
    finally:
        await client.aclose()


async def _scanned(client: Client) -> set[str]:
    found, cursor = set[str](), b"0"
    for _ in range(_MOST_LOOKS):
        cursor, keys = await client.router.request(b"SCAN", cursor, b"MATCH", ANY_META.encode(), b"COUNT", _COUNT)
        found |= {name for key in keys if (name := namespace_of_meta(key)) is not None}
        if cursor == b"0":
            break
    return found

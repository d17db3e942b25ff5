"""A process of its own that counts up one config document: reads it, and writes it back with the next revision."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress

from redis_mob.connection.connection import connect
from redis_mob.connection.wakeups import WakeUps
from redis_mob.errors import VersionConflictError
from redis_mob.models.revision import extract_meta_revision
from redis_mob.stores.config import RedisConfigStore


async def count_up(config: RedisConfigStore, times: int) -> None:
    """Add 1 to the revision this many times, again when somebody else was faster."""
    done = 0
    while done < times:
        revision = extract_meta_revision(await config.get("agents", "counter")) or 0
        with suppress(VersionConflictError):
            await config.put_if_revision("agents", "counter", {"meta": {"revision": revision + 1}}, revision)
            done += 1


async def main(url: str, namespace: str, times: str) -> None:
    connection = await connect(url)
    keys = await connection.open_namespace(namespace)
    print("ready", flush=True)
    sys.stdin.readline()
    await count_up(RedisConfigStore(connection, keys, WakeUps(connection)), int(times))
    await connection.aclose()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

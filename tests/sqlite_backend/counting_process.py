"""A process of its own that counts up one config document: reads it, and writes it back with the next revision."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from pathlib import Path

from redis_mob.contracts import ConfigStore
from redis_mob.errors import VersionConflictError
from redis_mob.models import extract_meta_revision
from tests.sqlite_backend.stores import open_sqlite


async def count_up(config: ConfigStore, times: int) -> None:
    """Add 1 to the revision this many times, again when another process was faster."""
    done = 0
    while done < times:
        revision = extract_meta_revision(await config.get("agents", "counter")) or 0
        with suppress(VersionConflictError):
            await config.put_if_revision("agents", "counter", {"meta": {"revision": revision + 1}}, revision)
            done += 1


async def main(path: str, times: str) -> None:
    async with open_sqlite(Path(path)) as stores:
        print("ready", flush=True)
        sys.stdin.readline()
        await count_up(stores.config, int(times))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

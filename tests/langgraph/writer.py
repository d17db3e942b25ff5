"""A process that puts checkpoints of a thread, each with a value of its own, and writes on top of it."""

from __future__ import annotations

import asyncio
import sys

from redis_mob.langgraph import RedisMobSaver
from tests.langgraph.threads import checkpoint, config, metadata


async def write(url: str, namespace: str, name: str, number: int) -> None:
    """Put so many checkpoints, one behind the other, with the versions that the saver gives."""
    async with RedisMobSaver.open(url, namespace=namespace) as saver:
        sys.stdin.readline()  # so that all begin together
        version, at = None, config()
        for step in range(number):
            version = saver.get_next_version(version, None)
            made = checkpoint({"a": [name, step]}, {"a": version})
            at = await saver.aput(at, made, metadata(step, writer=name), {"a": version})
            await saver.aput_writes(at, [("a", [name, step])], f"{name}-{step}")


if __name__ == "__main__":
    asyncio.run(write(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))

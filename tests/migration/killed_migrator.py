"""Migrations that kill themselves at one of their calls, each in a process that is forked from this one.

    python -m tests.migration.killed_migrator URL

Each line of the input, `NAMESPACE CALL before|after`, is one: its process gets SIGKILL before it sends that call,
counted from 1, or when it has the answer. A line tells how it ended: `killed`, or `ended` if it made fewer calls.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import Any

from redis_mob.connection.calls.client import Client
from redis_mob.migration import migrating


def die_at(number: int, when: str) -> None:
    """Let the call of this number be the last of this process."""
    call, calls = Client.call, [0]

    async def counted(self: Client, *arguments: Any, **more: Any) -> Any:
        calls[0] += 1
        own = calls[0]  # others may be under way beside it
        if own == number and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        answer = await call(self, *arguments, **more)
        if own == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    Client.call = counted  # pyright: ignore[reportAttributeAccessIssue]


def migrated(url: str, namespace: str, number: int, when: str) -> str:
    """How a migration ended in a process of its own."""
    if (child := os.fork()) == 0:
        status = 1
        try:
            migrating.PAGE = 1  # a place is kept behind each run
            die_at(number, when)
            asyncio.run(migrating.migrate(url, namespace))
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return "killed"
    return "ended" if os.WEXITSTATUS(status) == 0 else "failed"


if __name__ == "__main__":
    for line in sys.stdin:
        namespace, number, when = line.split()
        print(migrated(sys.argv[1], namespace, int(number), when), flush=True)

"""A process beside this one that does its part of a scenario when it is asked, line by line."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from redis_mob.errors import InternalError

_MOST_LINE = 2**24


class Child:
    """A module of this package that runs as a program: it gets a line of JSON, its order, and then answers lines."""

    def __init__(self, module: str, process: asyncio.subprocess.Process) -> None:
        self._module = module
        self._process = process
        self.used = 0.0
        """The CPU time that it had used when it last told of it, in seconds; kept by its caller."""

    @classmethod
    async def start(cls, module: str, order: Any) -> Child:
        """Start it, and wait until it is ready, which it says with its first line.

        The order goes through a pipe, since a URL in it may hold a password, which the arguments of a process show.
        """
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            f"redis_mob.bench.{module}",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=_MOST_LINE,
        )
        child = cls(module, process)
        try:
            child.tell(json.dumps(order))
            await child.line()
        except BaseException:
            await child.end()
            raise
        return child

    def tell(self, line: str) -> None:
        """Send it a line."""
        if self._process.stdin is not None:
            self._process.stdin.write(line.encode() + b"\n")

    async def line(self) -> bytes:
        """Its next line. Raises InternalError if it has ended."""
        line = await self._process.stdout.readline() if self._process.stdout is not None else b""
        if not line:
            raise InternalError(f"redis_mob.bench.{self._module} ended before its time; standard error says why")
        return line

    async def end(self) -> None:
        """End it, and wait until it is gone."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

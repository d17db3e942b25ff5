"""Workers as processes of their own, which a test can kill, and the file of the effects that their handlers have."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any
from uuid import uuid4

from redis_mob.fleet.fleet import Fleet
from redis_mob.models.definition import MobDefinition
from redis_mob.models.run import MobRun
from redis_mob.storage import MobStorage
from redis_mob.testing.waiting import LONG
from tests.fleet.everything import EVERYTHING
from tests.fleet.flows import FLOW

LEASE = 0.5
"""Seconds for which the executions of a killed worker stay with it, unless a test says otherwise."""


class Crew:
    """Worker processes on one namespace, and the file of their effects."""

    def __init__(self, storage: MobStorage, effects: Path, lease: float, slots: int = 16) -> None:
        self.storage = storage
        self.effects = effects
        self.lease = lease
        self.slots = slots
        self.processes: list[asyncio.subprocess.Process] = []

    async def hire(self, workers: int) -> None:
        """Start so many more workers, and return when all of them are at work."""
        self.processes += await asyncio.gather(*(self._hired() for _ in range(workers)))

    async def _hired(self) -> asyncio.subprocess.Process:
        where = (self.storage.url, self.storage.namespace, str(self.lease), str(self.slots))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.fleet.worker_process", *where),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
        return process

    def alive(self) -> list[asyncio.subprocess.Process]:
        """The workers that have not ended."""
        return [process for process in self.processes if process.returncode is None]

    async def kill_one(self, random: Random) -> None:
        """Kill one of the workers that are alive, with what it executes."""
        victim = random.choice(self.alive())
        victim.kill()
        await victim.wait()

    async def kill_until(self, over: asyncio.Future[Any], random: Random, every: float) -> int:
        """Kill one worker about every so many seconds, as long as another one is there, and hire one for each; returns
        how many were killed."""
        killed = 0
        async with asyncio.TaskGroup() as hiring:
            while not over.done():
                await asyncio.wait([over], timeout=every * random.uniform(0.8, 1.2))
                if not over.done() and len(self.alive()) > 1:
                    await self.kill_one(random)
                    killed += 1
                    # beside it: a process takes longer to begin than the next one has to live
                    hiring.create_task(self.hire(1))
        return killed

    async def dismiss(self) -> None:
        """End all workers that are left; each must end by itself and without an error."""
        for process in self.processes:
            assert process.stdin is not None
            process.stdin.close()
        statuses = await asyncio.gather(*(process.wait() for process in self.processes))
        assert set(statuses) <= {0, -signal.SIGKILL}

    async def start(self, definition: MobDefinition, handler: str, **params: Any) -> str:
        """Start a run; all its steps have this handler of the worker processes, and these parameters."""
        fleet = Fleet(self.storage, definition, {"*": print}, members={"worker": 3})
        return await fleet.start(FLOW, {"handler": handler, "effects": str(self.effects), **params})

    async def wait(self, run_id: str) -> MobRun:
        """The run, once it is over."""
        async with asyncio.timeout(2 * LONG):
            return await Fleet(self.storage, EVERYTHING, {}).wait(run_id)

    def told(self) -> list[dict[str, Any]]:
        """The effects so far, in order."""
        return effects_in(self.effects) if self.effects.exists() else []


def effects_in(file: Path) -> list[dict[str, Any]]:
    """The effects that handlers have written to a file, in order."""
    return [json.loads(line) for line in file.read_text().splitlines()]


@asynccontextmanager
async def crew(url: str, directory: Path, workers: int, lease: float = LEASE, slots: int = 16) -> AsyncGenerator[Crew]:
    """A crew on a namespace of its own."""
    name = f"test-{uuid4().hex}"
    async with MobStorage.open(url, namespace=name) as storage:
        hired = Crew(storage, directory / name, lease, slots)
        try:
            await hired.hire(workers)
            yield hired
            await hired.dismiss()
        finally:
            for process in hired.alive():
                process.kill()
                await process.wait()

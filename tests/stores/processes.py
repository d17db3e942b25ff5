"""Real processes beside the test that use the same namespace, all at the same moment.

Each one opens the storage, says that it is ready, waits for a line, does its task and prints the result as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from redis_mob.storage import MobStorage
from redis_mob.testing.conformance.config_revisions import count_up
from redis_mob.testing.samples.compound import COMPOUND
from redis_mob.testing.samples.new_events import completed, failed, numbered
from redis_mob.testing.waiting import LONG

[GRANT] = (operation for operation in COMPOUND if operation.name == "cas_grant_node_slot")


async def run_together(task: str, storage: MobStorage, *arguments: Any) -> list[Any]:
    """One process for each argument; their results in the same order."""
    processes = [await _start(task, storage, argument) for argument in arguments]
    try:
        async with asyncio.timeout(LONG):
            for process in processes:
                assert process.stdout is not None
                assert await process.stdout.readline() == b"ready\n"
            return [
                json.loads(output) for output, _ in await asyncio.gather(*(p.communicate(b"\n") for p in processes))
            ]
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()
                await process.wait()


async def _start(task: str, storage: MobStorage, argument: Any) -> asyncio.subprocess.Process:
    command = [sys.executable, "-m", __name__, storage.url, storage.namespace, task, json.dumps(argument)]
    return await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)


async def append(storage: MobStorage, numbers: list[int]) -> list[int]:
    """Append numbered events one by one; their cursors."""
    return [(await storage.events.append(numbered(number))).cursor for number in numbers]


async def terminate(storage: MobStorage, runs: list[str]) -> list[int | None]:
    """Append a terminal event of each run unless it has one; the cursors, or null."""
    stored = [
        await storage.events.append_terminal_event_if_absent(completed(run) if number % 2 else failed(run))
        for number, run in enumerate(runs)
    ]
    return [event and event.cursor for event in stored]


async def grant(storage: MobStorage, runs: list[str]) -> list[bool]:
    """Grant a node slot of each run, which was created as `scene()`; which grants were won."""
    return [await GRANT.call(storage.runs, run_id) for run_id in runs]


async def count(storage: MobStorage, times: int) -> None:
    """Add 1 to the revision of the config document `n/counter` this many times."""
    await count_up(storage.config, times)


TASKS: dict[str, Callable[[MobStorage, Any], Awaitable[Any]]] = {
    "append": append,
    "terminate": terminate,
    "grant": grant,
    "count": count,
}


async def main(url: str, namespace: str, task: str, argument: str) -> None:
    async with MobStorage.open(url, namespace=namespace) as storage:
        print("ready", flush=True)
        sys.stdin.readline()
        print(json.dumps(await TASKS[task](storage, json.loads(argument))))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

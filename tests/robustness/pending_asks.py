"""Very many runs ask people at the same time, on one worker of four slots: none of them takes anything of the others.

python -m tests.robustness.pending_asks [--asks 10000]
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import time
from typing import Any
from uuid import uuid4

from redis_mob.connection.embedded.server import EmbeddedServer
from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.step_context import StepContext
from redis_mob.models.run_status import MobRunStatus
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.storage import MobStorage
from tests.fleet.flows import FLOW, mob, step
from tests.robustness.asks import all_asked
from tests.robustness.report import Report, parser, run_program

SLOTS = 4

AT_A_TIME = 16
"""Calls of this process that are under way together, beside those of the worker."""

DEFINITION = mob({"a": step()})


async def asks(ctx: StepContext) -> Any:
    """What was answered."""
    return (await ctx.ask("ok", {"text": "May I send this to the customer?"})).value


async def memory_of(storage: MobStorage) -> int:
    """Bytes that the server says it uses."""
    return (await storage.retention.sizes()).used_memory or 0


async def run(*, seed: int, number: int = 10_000) -> Report:
    """Run the program."""
    server = await EmbeddedServer.start()
    try:
        async with MobStorage.open(server.url, namespace=f"asks-{uuid4().hex}") as storage:
            fleet, admin, room = (
                Fleet(storage, DEFINITION, {"*": asks}),
                FleetAdmin(storage),
                asyncio.Semaphore(AT_A_TIME),
            )

            async def start() -> None:
                async with room:
                    await fleet.start(FLOW)

            async def answer(ask_id: str, run_id: str) -> bool:
                async with room:
                    return await admin.answer(ask_id, run_id=run_id)

            await asyncio.gather(*(start() for _ in range(number)))
            started, began = await memory_of(storage), time.monotonic()
            async with fleet.working(SLOTS):
                asked = await all_asked(storage, number)
                pending, pending_memory = time.monotonic() - began, await memory_of(storage)
                began = time.monotonic()
                first = await admin.inbox(limit=100)
                page = time.monotonic() - began
                began = time.monotonic()
                new = await asyncio.gather(*(answer(one.ask.id, one.run_id) for one in asked))
                answered = time.monotonic() - began
                async with storage.executions.listen() as wake_up:
                    while (await admin.count())[MobRunStatus.COMPLETED] < number:
                        await wake_up.wait(1)
                over = time.monotonic() - began
            left = await storage.asks.pending()
    finally:
        await server.aclose()
    broken = [] if all(new) else [f"{new.count(False)} answers were not the first"]
    broken += [f"{len(left)} asks are still pending"] if left else []
    broken += [] if len(first) == min(number, 100) else [f"a page of the inbox has {len(first)} asks"]
    figures: dict[str, Any] = {
        "asks": number,
        "slots": SLOTS,
        "seconds until all were pending": round(pending, 1),
        "seconds to read a page of 100": round(page, 2),
        "seconds until all were answered": round(answered, 1),
        "seconds from the first answer until all runs were over": round(over, 1),
        "bytes of the server for each run that was started": started // number,
        "bytes of the server for each run that asks": pending_memory // number,
        "megabytes of this process at most": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    return Report("pending_asks", seed, figures, broken)


async def main(options: argparse.Namespace) -> Report:
    return await run(seed=options.seed, number=options.asks)


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--asks", type=int, default=10_000)
    run_program(arguments.parse_args(), main)

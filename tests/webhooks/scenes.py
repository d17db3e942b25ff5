"""What tests of webhooks have in common."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import Any
from uuid import UUID

from redis_mob.errors import UnsealedSecretsWarning
from redis_mob.models.events import NewMobEvent
from redis_mob.models.flow_events import StepCompleted
from redis_mob.models.webhook import StoredWebhook
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.storage import MobStorage
from redis_mob.testing.waiting import LONG
from redis_mob.webhooks.duty import WebhookDuty
from redis_mob.webhooks.timing import Timing

FAST = Timing(first=0.02, longest=0.05, flush=0.01, turn=1.0, look=0.05, idle=0.05, trouble=0.05)
"""Pauses that a test can wait for."""

SECRET = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def run_number(number: int) -> str:
    """The id of a run."""
    return str(UUID(int=number + 1))


def event(run: int, number: int = 0, *, mob: str = "mob") -> NewMobEvent:
    """An event of a run."""
    return NewMobEvent(mob_id=mob, kind=StepCompleted(run_id=run_number(run), step_id=str(number)))


async def tell(storage: MobStorage, *runs: int) -> list[int]:
    """Append an event of each of these runs; their cursors."""
    return [one.cursor for one in await storage.events.append_batch([event(run) for run in runs])]


async def made(storage: MobStorage, url: str, name: str = "w", **values: Any) -> StoredWebhook:
    """A webhook that is told all from now on; in these tests its secret may be stored in clear."""
    given: dict[str, Any] = {"secret": SECRET, **values}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnsealedSecretsWarning)
        return await FleetAdmin(storage).set_webhook(name, url, **given)


@asynccontextmanager
async def delivering(*storages: MobStorage, timing: Timing = FAST) -> AsyncGenerator[asyncio.Event]:
    """A worker with the duty on each of these storages."""
    stop = asyncio.Event()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnsealedSecretsWarning)
        async with asyncio.TaskGroup() as group:
            for number, storage in enumerate(storages):
                duty = WebhookDuty(storage, timing=timing, random=Random(number))
                group.create_task(duty.run(stop, f"worker-{number}"))
            try:
                yield stop
            finally:
                stop.set()


async def until(condition: Callable[[], Awaitable[object]]) -> None:
    """Wait until it holds."""
    async with asyncio.timeout(LONG):
        while not await condition():  # noqa: ASYNC110 - it has to look
            await asyncio.sleep(0.01)

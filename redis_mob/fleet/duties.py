"""What a worker does for its namespace beside the executions of steps: the duties that any worker can have."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Protocol

from redis_mob.fleet.declared_policies import DeclaredPolicies
from redis_mob.fleet.reopening_duty import ReopeningDuty
from redis_mob.fleet.retention_duty import RetentionDuty
from redis_mob.fleet.scheduling import Scheduler
from redis_mob.models.base import FrozenDict
from redis_mob.models.retention import Group, RetentionPolicy
from redis_mob.storage import MobStorage
from redis_mob.webhooks.duty import WebhookDuty

NONE_DECLARED = FrozenDict[Group, RetentionPolicy]()

END_SECONDS = 5.0
"""How long a worker that ends waits for what its duties have begun."""


class Duty(Protocol):
    """Work for a namespace that several workers may have at a time; what must happen once is their own matter."""

    async def run(self, stop: asyncio.Event, worker: str) -> None:
        """Do it for the worker of this name until `stop` is set. Errors are told in the log; none ends the duty."""
        ...


def duties_of(storage: MobStorage, declared: Mapping[Group, RetentionPolicy] = NONE_DECLARED) -> tuple[Duty, ...]:
    """The duties that workers have in a namespace; `declared` are the retention policies that their mob declares."""
    return (
        DeclaredPolicies(storage.retention, declared),
        RetentionDuty(storage.retention, storage.steering),
        Scheduler(storage.schedules, storage.executions),
        ReopeningDuty(storage),
        WebhookDuty(storage),
    )


@asynccontextmanager
async def done_beside(duties: Iterable[Duty], stop: asyncio.Event, worker: str) -> AsyncGenerator[None]:
    """Have a worker do these beside the block; when the block ends, so do they."""
    working = {asyncio.create_task(duty.run(stop, worker), name=f"redis_mob {type(duty).__name__}") for duty in duties}
    try:
        yield
        if stop.is_set() and working:
            await asyncio.wait(working, timeout=END_SECONDS)
    finally:
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)

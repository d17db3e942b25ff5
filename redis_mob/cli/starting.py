"""`redis-mob start`: starts a run on a shared server, and waits for its end if that is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from rich.console import Console

from redis_mob.cli.endings import print_line, say
from redis_mob.cli.run_watching import reported, show_to_the_end
from redis_mob.errors import shown
from redis_mob.fleet.fleet import Fleet
from redis_mob.models.base import json_text
from redis_mob.models.budget import Budget
from redis_mob.models.definition import MobDefinition
from redis_mob.models.labels import AttributeValue
from redis_mob.models.run_status import MobRunStatus
from redis_mob.security.sealing import SealKeyring
from redis_mob.storage import MobStorage


@dataclass(frozen=True, slots=True)
class StartOrder:
    """Everything that the command line says about a run, read and checked."""

    definition: MobDefinition
    flow_id: str
    params: Any
    members: Mapping[str, int]
    idempotency_key: str | None
    at: datetime | None
    priority: int
    release: str | None
    attributes: Mapping[str, AttributeValue]
    summary: str | None
    debounce_key: str | None
    debounce: timedelta | None
    debounce_most: timedelta | None
    conversation: str | None
    on_busy: str | None
    budget: Budget | None
    url: str
    namespace: str
    seal_keys: SealKeyring | None
    durability: str


async def started(
    order: StartOrder, console: Console, *, wait: bool, as_json: bool, verbose: bool
) -> MobRunStatus | None:
    """Start the run, and print its id; with `wait`, how it has ended."""
    async with MobStorage.open(
        order.url, namespace=order.namespace, seal_key=order.seal_keys, durability=order.durability
    ) as storage:
        fleet = Fleet(storage, order.definition, {}, members=order.members)
        # a run that exists already has events from before
        after = 0 if order.idempotency_key is not None else await storage.events.latest_cursor()
        run_id = await fleet.start(
            order.flow_id,
            order.params,
            order.idempotency_key,
            priority=order.priority,
            at=order.at,
            release=order.release,
            attributes=order.attributes,
            summary=order.summary,
            debounce_key=order.debounce_key,
            debounce=order.debounce,
            debounce_most=order.debounce_most,
            conversation=order.conversation,
            on_busy=order.on_busy,
            budget=order.budget,
        )
        if not as_json:
            print_line(run_id)  # before the end is waited for: who interrupts that has the id
        elif not wait:
            print_line(json_text({"run_id": run_id}))
        if order.release is not None and not await _is_served(storage, order.release, order.definition.id):
            say(console, f"note: no live worker of mob {shown(order.definition.id)} has release {shown(order.release)}")
        if not wait:
            return None
        await show_to_the_end(storage, run_id, console)
        told = await reported(storage, run_id, after)
        for line in told.summary(verbose=verbose):
            say(console, line)
        if as_json:
            print_line(told.as_json(verbose=verbose))
        return told.run.status


async def _is_served(storage: MobStorage, release: str, mob: str) -> bool:
    """Whether a worker that is alive takes runs of this release of a mob."""
    records = [one.record for one in await storage.executions.workers()]
    return any(record.release == release and (record.mobs is None or mob in record.mobs) for record in records)

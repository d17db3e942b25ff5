"""Starts a run that is made: at once or later, gathered with other starts, or in a conversation."""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import datetime

from redis_mob.errors import ValidationError, shown
from redis_mob.fleet.conversation_start import start_in_conversation
from redis_mob.fleet.traced_starts import start_of_run, told, traced
from redis_mob.models.base import json_text
from redis_mob.models.conversation import Conversation, OnBusy
from redis_mob.models.debounce import Debounce
from redis_mob.models.definition import MobDefinition
from redis_mob.models.execution import RunLaunch
from redis_mob.models.labels import Labels
from redis_mob.models.run import MobRun
from redis_mob.storage import MobStorage

Talk = tuple[Conversation, OnBusy]


def start_made(
    storage: MobStorage,
    run: MobRun,
    launch: RunLaunch,
    definition: MobDefinition,
    *,
    at: datetime | None,
    talk: Talk | None,
    labels: Labels,
) -> Awaitable[bool]:
    """Start a run, or False: it exists. Raises as `Fleet.start`."""
    start = start_of_run(run, launch)
    launch = traced(start, launch)
    if talk is not None:
        return told(start, start_in_conversation(storage, run, launch, definition, *talk, labels))
    return told(start, storage.executions.start_run(run, launch, definition, at=at, labels=labels))


def start_gathered(
    storage: MobStorage,
    run: MobRun,
    launch: RunLaunch,
    definition: MobDefinition,
    *,
    gathering: Debounce,
    labels: Labels,
) -> Awaitable[str]:
    """Start a run, or start the one again that is gathered under its key; gives the id of the one that begins."""
    start = start_of_run(run, launch)
    launch = traced(start, launch)
    return told(start, storage.executions.start_debounced(run, launch, definition, debounce=gathering, labels=labels))


async def require_same(storage: MobStorage, run: MobRun, idempotency_key: str | None) -> None:
    """Raises ValidationError if a run that exists was started with other parameters than this one."""
    stored = await storage.runs.get_run(run.run_id)
    if stored is not None and json_text(stored.activation_params) != json_text(run.activation_params):
        raise ValidationError(
            f"idempotency_key {shown(idempotency_key)} belongs to run {run.run_id}, which was started with other "
            "params: use another key for another run"
        )

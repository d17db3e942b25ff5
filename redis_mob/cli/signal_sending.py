"""Sends a signal to a run of a namespace, whose definition is stored with it."""

from __future__ import annotations

from typing import Any

from redis_mob.cli.existing import existing
from redis_mob.cli.run_argument import run_id_of
from redis_mob.fleet.signals import Signals
from redis_mob.models.signal import Taken
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.security.sealing import SealKeyring


async def send(
    url: str,
    namespace: str,
    seal_keys: SealKeyring | None,
    run: str,
    name: str,
    payload: Any,
    idempotency_key: str | None,
    *,
    wait: bool,
) -> Taken | None:
    """Send a signal; with `wait`, the step that takes it, once one has. Raises as `Fleet.signal`."""
    async with existing(url, namespace, seal_keys) as storage:
        run_id = await run_id_of(FleetAdmin(storage), run)
        signals = Signals(storage.executions, storage.namespace)
        sent = await signals.send(run_id, name, payload, idempotency_key=idempotency_key)
        return await signals.taken(run_id, sent.number) if wait else None

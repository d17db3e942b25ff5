"""Deletes runs for operators."""

from __future__ import annotations

from datetime import timedelta

from redis_mob.errors import CasConflictError
from redis_mob.operations.ending import terminate
from redis_mob.storage import MobStorage

KEY_KEPT = timedelta(days=30)
"""How long the idempotency key of a deleted run starts no other one, if it is kept."""


async def delete(storage: MobStorage, run_id: str, *, cancel: bool, keep_id_for: timedelta | None) -> None:
    """See `FleetAdmin.delete`."""
    while not await storage.steering.delete_run(run_id, keep_id_for=keep_id_for):
        if not cancel:
            raise CasConflictError(
                f"run {run_id} is not over: cancel it first, or delete it with --cancel (in Python: cancel=True)"
            )
        await terminate(storage, run_id)

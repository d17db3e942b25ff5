"""Deletes runs for operators."""

from __future__ import annotations

from datetime import timedelta

from redis_mob.errors import CasConflictError
from redis_mob.fleet.children import tell_parent
from redis_mob.fleet.lost_calls import settle_lost
from redis_mob.fleet.run_deletion import finish_deletion
from redis_mob.models.deletion import DeletionStart
from redis_mob.operations.ending import end_to_delete
from redis_mob.storage import MobStorage

KEY_KEPT = timedelta(days=30)
"""How long the idempotency key of a deleted run starts no other one, if it is kept."""


async def delete(storage: MobStorage, run_id: str, *, cancel: bool, keep_id_for: timedelta | None) -> None:
    """See `FleetAdmin.delete`."""
    while (start := await storage.steering.begin_deletion(run_id, keep_id_for=keep_id_for)) is not DeletionStart.GONE:
        if start is DeletionStart.AGAIN:
            await finish_deletion(storage.steering, run_id)
        elif start is DeletionStart.UNTOLD:
            await _tell_parent(storage, run_id)
        elif cancel:
            await end_to_delete(storage, run_id)
        else:
            raise CasConflictError(
                f"run {run_id} is not over: cancel it first, or delete it with --cancel (in Python: cancel=True)"
            )
    await finish_deletion(storage.steering, run_id)
    await settle_lost(storage.budgets, storage.executions, run_id)  # what calls of it had put aside of shared budgets


async def _tell_parent(storage: MobStorage, run_id: str) -> None:
    """Let the parent of a run that is over know of it: it may need the output."""
    if (view := await storage.executions.load(run_id)) is not None:
        await tell_parent(storage.executions, view, await storage.executions.get_definition(view.launch.definition))

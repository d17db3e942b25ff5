"""Deletes a run that is over, step by step."""

from __future__ import annotations

from datetime import timedelta

from redis_mob.contracts import SteeringStore
from redis_mob.errors import NotFoundError, RedisMobError
from redis_mob.models.deletion import DeletionStart


async def delete_if_over(store: SteeringStore, run_id: str, keep_id_for: timedelta | None = None) -> bool:
    """Delete a run with everything that belongs to it; its id is not given again for that time.

    False if it is not over, or was gone already, or its parent does not know of its end yet: then it is due, and a
    worker tells that.
    """
    try:
        while (start := await store.begin_deletion(run_id, keep_id_for=keep_id_for)) is DeletionStart.AGAIN:
            await finish_deletion(store, run_id)
    except NotFoundError:
        return False
    if start is not DeletionStart.GONE:
        return False
    await finish_deletion(store, run_id)
    return True


async def finish_deletion(store: SteeringStore, run_id: str) -> None:
    """Delete what is left of a run that is gone."""
    try:
        while await store.continue_deletion(run_id):
            pass
    except RedisMobError as error:
        error.add_note(f"run {run_id} is gone; what is left of it goes when it is deleted again")
        raise

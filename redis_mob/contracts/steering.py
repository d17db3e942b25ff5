"""What the store promises to operators: runs deleted, queues counted."""

from __future__ import annotations

from datetime import timedelta
from typing import Protocol, runtime_checkable

from redis_mob.models.queue_load import QueueLoads


@runtime_checkable
class SteeringStore(Protocol):
    """Deletes runs that are over, and counts what waits. All methods raise as those of `MobRunStore` do."""

    async def delete_run(self, run_id: str, *, keep_id_for: timedelta | None = None) -> bool:
        """Delete a run with all that belongs to it (contract: operations-40); False if it is not over.

        It is gone at once; its events, what the log knows of it, and a definition that no other run has, go after that
        in steps. When this is interrupted, doing it again goes on (contract: operations-41). `keep_id_for` keeps its id
        from being started again for that time. Raises NotFoundError if there is no such run, and nothing left of one.
        """
        ...

    async def deletions(self) -> tuple[str, ...]:
        """The ids of runs that are gone and of which something is left: their deletion goes on, or was interrupted."""
        ...

    async def queues(self) -> QueueLoads:
        """What waits and what is under way in each queue (contract: operations-45)."""
        ...

"""What the store promises to operators: runs deleted, queues counted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol, runtime_checkable

from redis_mob.models.deletion import DeletionStart
from redis_mob.models.limits import Limit, LimitLoad
from redis_mob.models.queue_load import QueueLoads


@runtime_checkable
class SteeringStore(Protocol):
    """Deletes runs that are over, and counts what waits. All methods raise as those of `MobRunStore` do."""

    async def begin_deletion(self, run_id: str, *, keep_id_for: timedelta | None = None) -> DeletionStart:
        """Delete a run that is over: from then on it does not exist (contract: operations-40).

        Its events, what the log knows of it, and a definition that no other run has, are left to `continue_deletion`.
        `keep_id_for` keeps its id from being started again for that time. Raises NotFoundError if there is no such run,
        and nothing is left of one.
        """
        ...

    async def continue_deletion(self, run_id: str) -> bool:
        """Delete a part of what is left of a run that is gone; whether more is left (contract: operations-41)."""
        ...

    async def deletions(self) -> tuple[str, ...]:
        """The ids of runs that are gone and of which something is left: their deletion goes on, or was interrupted."""
        ...

    async def limit_loads(self, mob_id: str, flow_id: str, limits: Sequence[Limit]) -> tuple[LimitLoad, ...]:
        """How full these limits of a flow are (contract: engine-67)."""
        ...

    async def queues(self) -> QueueLoads:
        """What waits and what is under way in each queue (contract: operations-45)."""
        ...

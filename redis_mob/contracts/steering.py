"""What the store promises to operators: runs deleted, queues counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Protocol, runtime_checkable

from redis_mob.models.definition import MobDefinition
from redis_mob.models.deletion import DeletionStart
from redis_mob.models.limits import Limit, LimitLoad
from redis_mob.models.queue_load import QueueLoads
from redis_mob.models.run_copy import RunCopy


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

    async def move_run(self, run_id: str, release: str | None) -> bool:
        """Let the workers of another release serve a run, None for those of any; False if it is over.

        What waits goes to the queues of that release in the same script. What a worker executes stays its, and counts.
        A transition of the run as it was before is lost (contract: operations-202). Raises NotFoundError for an unknown
        run, and for one that no fleet has started.
        """
        ...

    async def import_run(self, copy: RunCopy, definition: MobDefinition) -> bool:
        """Store a run that was exported, with all that belongs to it, or nothing; False if there is one of its id.

        Its events come behind all others of the log, in their order. One that is not over is due at once, and what
        waits of it is taken by workers; it must have no leases (contract: operations-208). Raises ValidationError for
        the definition of another run, and for events that are not of this one.
        """
        ...

    async def published_of(self, run_id: str) -> Mapping[str, Any]:
        """All values that the handlers of a run have published, by name. Raises NotFoundError."""
        ...

    async def queues(self) -> QueueLoads:
        """What waits and what is under way in each queue (contract: operations-45)."""
        ...

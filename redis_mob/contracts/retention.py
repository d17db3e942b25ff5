"""What the store promises of policies by which runs and events are deleted."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol, runtime_checkable

from redis_mob.models.retention import NamespaceSizes, PrunedEvents, RetentionPolicies, RetentionPolicy, RunAges
from redis_mob.models.run_status import MobRunStatus


@runtime_checkable
class RetentionStore(Protocol):
    """Keeps the policies, and finds what they do not keep, at a cost that is bounded for each call of a script.

    All methods raise as those of `MobRunStore` do.
    """

    async def set_policy(
        self, policy: RetentionPolicy, mob_id: str | None = None, flow_id: str | None = None, *, if_none: bool = False
    ) -> bool:
        """Set the policy of a flow of a mob, of a mob, or of all that have none of their own (contract: operations-80).

        With `if_none` one that is set stays, and False is returned. Raises ValidationError for one of a mob that bounds
        what belongs to all mobs, as events, and for a flow without its mob.
        """
        ...

    async def clear_policy(self, mob_id: str | None = None, flow_id: str | None = None) -> bool:
        """Delete the policy of a flow, of a mob, or that of all others; False if there was none."""
        ...

    async def policies(self) -> RetentionPolicies:
        """All policies, and the time."""
        ...

    async def take_turn(self, holder: str, length: timedelta) -> bool:
        """Whether it is the turn of this holder to enforce the policies, for so long from now on.

        It is not while that of another one lasts; what has it already prolongs or shortens it.
        """
        ...

    async def oldest_runs(self, status: MobRunStatus, after: int | None = None) -> RunAges:
        """The runs that stand at a status in the index, in the order of their creation, behind one with this sequence.

        At most 50. One that an older release has changed may have another status.
        """
        ...

    async def oldest_of_flow(self, mob_id: str, flow_id: str, after: int | None = None) -> RunAges:
        """The runs of a flow in the order of their creation, behind one with this sequence. At most 50."""
        ...

    async def count_runs(self, mob_id: str | None = None, flow_id: str | None = None) -> int:
        """How many runs there are of a flow of a mob, of a mob, or in all."""
        ...

    async def prune_events(self, older_than: datetime | None, *, newest: int | None = None) -> PrunedEvents:
        """Delete some of the events before a moment, and of those beyond the `newest` (contract: operations-88).

        At most a hundred, and only such as `MobEventStore.prune` deletes. None bounds nothing.
        """
        ...

    async def count_events(
        self, older_than: datetime | None, after: str | None = None, *, newest: int | None = None
    ) -> PrunedEvents:
        """Count some of these events, behind where the last count has stopped."""
        ...

    async def sizes(self) -> NamespaceSizes:
        """How much there is, and what memory it takes (contract: operations-85)."""
        ...

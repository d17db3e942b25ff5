"""Whether what is stored of runs agrees with itself."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from datetime import datetime

from redis_mob.models.labels import AttributeValue
from redis_mob.models.run import MobRunStatus
from redis_mob.operations.admin.base import AdminBase
from redis_mob.operations.run_list import run_filter
from redis_mob.operations.verification import RunVerification
from redis_mob.operations.verifying import verify, verify_all


class Verification(AdminBase):
    """Replays runs, and compares."""

    async def verify(self, run_id: str) -> RunVerification:
        """What is stored of a run, compared with what follows from its inputs, and what differs, path by path.

        It reads, and changes nothing (contract: operations-205). Raises NotFoundError if there is no such run, or no
        fleet has started it.
        """
        return await verify(self._storage, run_id)

    def verify_all(
        self,
        *,
        mob_id: str | None = None,
        flow_id: str | None = None,
        statuses: Collection[MobRunStatus] = (),
        since: datetime | None = None,
        until: datetime | None = None,
        text: str | None = None,
        attributes: Mapping[str, AttributeValue] | None = None,
    ) -> AsyncIterator[RunVerification]:
        """The same for each run that a fleet has started, the newest first; takes what `runs` does."""
        return verify_all(self._storage, run_filter(mob_id, flow_id, statuses, since, until, text, attributes))

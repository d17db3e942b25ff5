"""Which runs there are."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from datetime import datetime

from redis_mob.models.labels import AttributeValue
from redis_mob.models.run import MobRunStatus
from redis_mob.models.run_summary import RunPage, RunSummary
from redis_mob.operations.admin.base import AdminBase
from redis_mob.operations.run_list import every_run, run_filter


class RunLists(AdminBase):
    """Which runs there are."""

    async def runs(
        self,
        *,
        mob_id: str | None = None,
        flow_id: str | None = None,
        statuses: Collection[MobRunStatus] = (),
        since: datetime | None = None,
        until: datetime | None = None,
        text: str | None = None,
        attributes: Mapping[str, AttributeValue] | None = None,
        limit: int = 50,
        after: str | None = None,
    ) -> RunPage:
        """A page of the runs to which all that is given applies, the newest first (contract: operations-1).

        They were created at or after `since`, and before `until`; `text` is in their parameters, and they have all
        `attributes` (contract: operations-141). What the `next` of a page is, the page behind it is `after`. Raises
        ValidationError.
        """
        which = run_filter(mob_id, flow_id, statuses, since, until, text, attributes)
        return await self._storage.operations.runs(which, limit=limit, after=after)

    def all_runs(
        self,
        *,
        mob_id: str | None = None,
        flow_id: str | None = None,
        statuses: Collection[MobRunStatus] = (),
        since: datetime | None = None,
        until: datetime | None = None,
        text: str | None = None,
        attributes: Mapping[str, AttributeValue] | None = None,
        after: str | None = None,
    ) -> AsyncIterator[RunSummary]:
        """All of them, read page by page; takes what `runs` does, but for the length of a page."""
        which = run_filter(mob_id, flow_id, statuses, since, until, text, attributes)
        return every_run(self._storage.operations, which, after)

    async def count(
        self,
        *,
        mob_id: str | None = None,
        flow_id: str | None = None,
        statuses: Collection[MobRunStatus] = (),
        since: datetime | None = None,
        until: datetime | None = None,
        text: str | None = None,
        attributes: Mapping[str, AttributeValue] | None = None,
    ) -> Mapping[MobRunStatus, int]:
        """How many runs there are of each status (contract: operations-3); takes what `runs` does."""
        return await self._storage.operations.count(
            run_filter(mob_id, flow_id, statuses, since, until, text, attributes)
        )

    async def find(self, prefix: str) -> str:
        """The id of the one run whose id begins like this, in at least four digits (contract: operations-4).

        Raises NotFoundError if there is none, ValidationError naming some of them if there are several.
        """
        return await self._storage.operations.find(prefix)

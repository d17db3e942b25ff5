"""Which runs there are."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from typing import Unpack

from redis_mob.codec.arguments import text as checked_text
from redis_mob.models.run_status import MobRunStatus
from redis_mob.models.run_summary import RunPage, RunSummary
from redis_mob.operations.admin.base import AdminBase
from redis_mob.operations.run_list import Conditions, every_run, page_of_runs, run_filter


class RunLists(AdminBase):
    """Which runs there are."""

    async def runs(self, *, limit: int = 50, after: str | None = None, **which: Unpack[Conditions]) -> RunPage:
        """A page of the runs to which all that is given applies, the newest first (contract: operations-1).

        They are of the mob `mob_id` and the flow `flow_id`, have one of the `statuses`, were created at or after
        `since`, and before `until`; `text` is in their parameters, and they have all `attributes`
        (contract: operations-141). What the `next` of a page is, the page behind it is `after`. Raises ValidationError.
        """
        return await page_of_runs(self._storage, run_filter(**which), limit, after)

    def all_runs(self, *, after: str | None = None, **which: Unpack[Conditions]) -> AsyncIterator[RunSummary]:
        """All of them, read page by page; takes what `runs` does, but for the length of a page."""
        return every_run(self._storage, run_filter(**which), after)

    async def children(
        self,
        run_id: str,
        *,
        flow_id: str | None = None,
        statuses: Collection[MobRunStatus] = (),
        limit: int = 50,
        after: str | None = None,
    ) -> RunPage:
        """A page of the children of a run, which its steps run, failed attempts among them (contract: operations-180).

        The last begun is the first, and what the `next` of a page is, the page behind it is `after`. Raises
        NotFoundError if the run does not exist, or no fleet has started it.
        """
        from redis_mob.operations.children import children  # it knows flows, of which the lists know nothing

        which = run_filter(flow_id=flow_id, statuses=statuses)
        return await children(self._storage, checked_text("run_id", run_id), which, limit, after)

    async def count(self, **which: Unpack[Conditions]) -> Mapping[MobRunStatus, int]:
        """How many runs there are of each status (contract: operations-3); takes what `runs` does."""
        return await self._storage.operations.count(run_filter(**which))

    async def find(self, prefix: str) -> str:
        """The id of the one run whose id begins like this, in at least four digits (contract: operations-4).

        Raises NotFoundError if there is none, ValidationError naming some of them if there are several.
        """
        return await self._storage.operations.find(prefix)

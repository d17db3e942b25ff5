"""What the store promises to operators: lists of runs that cost what a page of them costs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from redis_mob.models.run_standing import RunStanding
from redis_mob.models.run_status import MobRunStatus
from redis_mob.models.run_summary import ANY_RUN, RunFilter, RunPage, RunSummary


@runtime_checkable
class OperationsStore(Protocol):
    """What operators ask of a namespace, at a cost that is bounded for each call of a script (contract: operations-5).

    Of the runs there is an index by their status. It is made of the runs, and completes itself when it is asked
    (contract: operations-2), so that it may write where it reads. All methods raise as those of `MobRunStore` do.
    """

    async def runs(self, which: RunFilter = ANY_RUN, /, *, limit: int = 50, after: str | None = None) -> RunPage:
        """At most `limit` runs, the newest first, after the last one of a page (contract: operations-1).

        `after` is the `next` of that page. Raises ValidationError for a text that is none.
        """
        ...

    async def count(self, which: RunFilter = ANY_RUN, /) -> Mapping[MobRunStatus, int]:
        """How many runs there are of each status that is asked for (contract: operations-3)."""
        ...

    async def find(self, prefix: str, /) -> str:
        """The id of the one run whose id begins like this, in at least four digits (contract: operations-4).

        Raises NotFoundError if there is none, ValidationError naming some of them if there are several.
        """
        ...

    async def summary(self, run_id: str, /) -> RunSummary | None:
        """What a list shows of one run; None if there is none."""
        ...

    async def standing(self, run_id: str, /) -> RunStanding:
        """Where a run stands in the lists of its namespace. Raises NotFoundError if there is no such run."""
        ...

    async def definitions(self) -> tuple[str, ...]:
        """The digests of the definitions that are stored for runs and schedules, in their order.

        Raises SerializationError if some are lost.
        """
        ...

    async def index_runs(self) -> None:
        """Put every run where it belongs in the index by status, as after workers of an older release were at work.

        Raises SerializationError naming a run that is listed, and whose keys are gone.
        """
        ...

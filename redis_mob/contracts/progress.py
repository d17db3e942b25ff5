"""What the store promises about the progress that handlers tell."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol, runtime_checkable

from redis_mob.contracts.wake_up import WakeUp
from redis_mob.models.progress import NewProgress, ProgressPage


@runtime_checkable
class ProgressStore(Protocol):
    """A bounded stream of entries for each run, apart from the event log: reports and chunks of streams.

    Offsets start at 1 and grow by 1 with each entry of the run (contract: progress-1). The newest 10,000 entries of a
    run are kept, or 16 MiB of them, for a day after the newest of them (contract: progress-2). Times are the server's.
    All methods raise as those of `MobRunStore` do.
    """

    async def append(self, run_id: str, entries: Sequence[NewProgress]) -> int | None:
        """Append entries to the progress of a run, all of them or none, and return the offset of the last.

        None, with nothing written, if the run is over (contract: progress-3). Raises NotFoundError for an unknown run,
        ValidationError for no entries, InternalError for an entry that cannot be stored or is longer than 16 KiB.
        """
        ...

    async def read_after(self, run_id: str, after: int, limit: int) -> ProgressPage:
        """At most `limit` entries after an offset, with the status of the run and its newest offset at that moment.

        Nothing is appended after the status of a run that is over (contract: progress-3). Raises NotFoundError.
        """
        ...

    def listen(self, run_id: str) -> AbstractAsyncContextManager[WakeUp]:
        """Wakes when entries of a run were appended, or it is over; at first once, so that what was before is read."""
        ...

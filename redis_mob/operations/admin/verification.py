"""Whether what is stored of runs agrees with itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Unpack

from redis_mob.operations.admin.base import AdminBase
from redis_mob.operations.run_list import Conditions, run_filter
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

    def verify_all(self, **which: Unpack[Conditions]) -> AsyncIterator[RunVerification]:
        """The same for each run that a fleet has started, the newest first; takes what `runs` does."""
        return verify_all(self._storage, run_filter(**which))

"""Many runs steered at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from typing import Unpack

from redis_mob.codec.arguments import flag
from redis_mob.codec.pauses import checked_reason
from redis_mob.models.pause import PauseChange, PauseScope
from redis_mob.models.run_status import NOT_OVER, OVER, MobRunStatus
from redis_mob.models.run_summary import RunFilter, RunSummary
from redis_mob.operations import deletion, ending
from redis_mob.operations.admin.base import AdminBase
from redis_mob.operations.bulk import Steer, SteeredRun, of_statuses, steered
from redis_mob.operations.deletion import KEY_KEPT
from redis_mob.operations.pausing import pause_run, resume_run
from redis_mob.operations.run_list import Conditions, every_run, run_filter


class BulkSteering(AdminBase):
    """Steers all runs to which something applies: it takes the conditions of `runs`, and reads them by pages.

    Each run that something was to be done with is given, as it was before. If it is interrupted, calling it again goes
    on. Unless statuses are given, runs that are over are left out; of `delete_all` the others
    (contract: operations-130).
    """

    def cancel_all(self, *, wait: bool = False, **which: Unpack[Conditions]) -> AsyncIterator[SteeredRun]:
        """Cancel them, as `cancel` does with one."""
        flag("wait", wait)

        async def steer(run: RunSummary) -> str | None:
            return None if await ending.cancel(self._storage, run.run_id, wait=wait) else "it is over already"

        return self._steered(which, NOT_OVER, steer)

    def terminate_all(self, **which: Unpack[Conditions]) -> AsyncIterator[SteeredRun]:
        """End them at once, as `terminate` does with one."""

        async def steer(run: RunSummary) -> str | None:
            return None if await ending.terminate(self._storage, run.run_id) else "it is over already"

        return self._steered(which, NOT_OVER, steer)

    def delete_all(
        self, *, cancel: bool = False, keep_key: bool = False, **which: Unpack[Conditions]
    ) -> AsyncIterator[SteeredRun]:
        """Delete them, as `delete` does with one; with `cancel` also those that are not over."""
        flag("cancel", cancel)
        kept = KEY_KEPT if flag("keep_key", keep_key) else None

        async def steer(run: RunSummary) -> None:
            await deletion.delete(self._storage, run.run_id, cancel=cancel, keep_id_for=kept)

        return self._steered(which, () if cancel else OVER, steer)

    def pause_all(self, *, reason: str | None = None, **which: Unpack[Conditions]) -> AsyncIterator[SteeredRun]:
        """Pause each of them by itself, as `pause` does; those that are paused by themselves stay as they are."""
        checked_reason(reason)

        async def steer(run: RunSummary) -> str | None:
            return _problem(await pause_run(self._storage, run.run_id, reason), "it is paused already")

        return self._steered(which, NOT_OVER, steer)

    def resume_all(self, **which: Unpack[Conditions]) -> AsyncIterator[SteeredRun]:
        """Resume those of them that are paused by themselves, as `resume` does with one; the others are left out."""

        async def steer(run: RunSummary) -> str | None:
            return _problem(await resume_run(self._storage, run.run_id), "it is not paused by itself")

        return steered(self._paused(of_statuses(run_filter(**which), NOT_OVER)), steer)

    def _steered(
        self, which: Conditions, statuses: Collection[MobRunStatus], steer: Steer
    ) -> AsyncIterator[SteeredRun]:
        return steered(every_run(self._storage, of_statuses(run_filter(**which), statuses), None), steer)

    async def _paused(self, which: RunFilter) -> AsyncIterator[RunSummary]:
        async for run in every_run(self._storage, which, None):
            if PauseScope.RUN in run.paused:
                yield run


def _problem(change: PauseChange, already: str) -> str | None:
    return {PauseChange.DONE: None, PauseChange.ALREADY: already, PauseChange.OVER: "it is over already"}[change]

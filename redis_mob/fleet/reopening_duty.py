"""What a worker does beside its work: runs go on that a budget has paused which is full again (contract: budget-10)."""

from __future__ import annotations

import asyncio
import logging

from redis_mob.fleet.budget_pauses import resume_paused
from redis_mob.models.budget_windows import has_refused_before, moment
from redis_mob.notifications.duty_trouble import DutyTrouble
from redis_mob.notifications.waiting import wait_for_end
from redis_mob.storage import MobStorage

IDLE_SECONDS = 60.0
"""How long no budget is looked at where no window ends before."""

SHORTEST_SECONDS = 0.05
"""Seconds between two looks."""

_log = logging.getLogger(__name__)


class ReopeningDuty:
    """Looks at shared budgets as their windows end. Several workers may do the same: a run is resumed once.

    That an account has refused calls is forgotten once their runs go on: what a worker that is lost meanwhile leaves,
    the next one does.
    """

    def __init__(self, storage: MobStorage) -> None:
        self._storage = storage
        self._trouble = DutyTrouble(_log, "let runs go on whose budgets are full again")

    async def run(self, stop: asyncio.Event, worker: str) -> None:
        """Do it until `stop` is set, for the worker of this name. An error is told once, and then it goes on."""
        while not stop.is_set():
            pause = IDLE_SECONDS
            try:
                pause = await self._look()
                self._trouble.tell(worker, None)
            except Exception as error:  # noqa: BLE001 - a fault of this duty must not end the worker
                self._trouble.tell_error(worker, error)
            await wait_for_end(stop, pause)

    async def _look(self) -> float:
        """Let runs go on whose budgets are full again; for how many seconds there is nothing else to do."""
        accounts = await self._storage.budgets.shared()
        windows = [account.window for account in accounts.values() if account.window is not None]
        if not windows:
            return IDLE_SECONDS
        now = await self._storage.schedules.now()
        for scope, account in accounts.items():
            if has_refused_before(account):
                resumed = [run_id async for run_id in resume_paused(self._storage, scope)]
                await self._storage.budgets.reopened(scope)
                if resumed:
                    _log.info("%s is full again: %d runs go on", scope, len(resumed))
        next_end = moment(min(window.ends_ms for window in windows))
        return min(max((next_end - now).total_seconds(), SHORTEST_SECONDS), IDLE_SECONDS)

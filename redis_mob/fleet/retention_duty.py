"""What a worker does beside its work: it enforces the policies of retention, while it is its turn."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from random import Random

from redis_mob.contracts import RetentionStore, SteeringStore
from redis_mob.fleet.retention import Pace, Sweep
from redis_mob.host_environment import environment
from redis_mob.notifications.duty_trouble import DutyTrouble
from redis_mob.notifications.waiting import wait_for_end

EVERY = timedelta(minutes=1)
"""How often the policies of a namespace are enforced, by one of its workers at a time."""

PACE = Pace(rest=0.0015, share=0.5)
"""Compound operations must not wait for deletions: a third of the time there are none. A fleet that ends a hundred runs
in a second must not outrun them either."""

MOST_LOOKED_AT = 5_000
"""Runs that each search of a round passes by, since they are kept for longer than others behind them."""

LONGEST_ROUND = 60.0
"""Seconds after which a round with much to delete ends, so that a policy which was changed meanwhile counts."""

RENEWALS = 3
"""How often a turn is prolonged in its time."""

_log = logging.getLogger(__name__)


class RetentionDuty:
    """Enforces the policies of a namespace every so often. Of all workers that have this duty one does it at a time."""

    def __init__(
        self,
        retention: RetentionStore,
        steering: SteeringStore,
        *,
        every: timedelta = EVERY,
        pace: Pace = PACE,
        random: Random | None = None,
    ) -> None:
        self._retention = retention
        self._sweep = Sweep(retention, steering, pace, MOST_LOOKED_AT)
        self._every = every
        self._random = random or Random()  # noqa: S311  # spreads the workers, guards nothing
        self._holder = environment().new_id().hex
        self._renewed_at = 0.0
        self._trouble = DutyTrouble(_log, "enforce the retention policies")

    async def run(self, stop: asyncio.Event, worker: str) -> None:
        """Do it until `stop` is set, for the worker of this name. An error is told once, and then it goes on."""
        # workers that start together must not come together
        await wait_for_end(stop, self._random.random() * self._every.total_seconds())
        while not stop.is_set():
            begun = _time()
            try:
                await self._round(stop, worker)
            except Exception as error:  # noqa: BLE001 - a fault of this duty must not end the worker
                self._trouble.tell_error(worker, error)
            await wait_for_end(stop, max(begun + self._every.total_seconds() - _time(), 0.0))

    async def _round(self, stop: asyncio.Event, name: str) -> None:
        policies = await self._retention.policies()
        if not policies.groups or not await self._take_turn():
            return

        ends = _time() + LONGEST_ROUND

        async def may_go_on() -> bool:
            if stop.is_set() or _time() >= ends:
                return False
            if _time() < self._renewed_at + self._every.total_seconds() / RENEWALS:
                return True
            return await self._take_turn()

        report = await self._sweep.round(policies, may_go_on=may_go_on)
        self._trouble.tell(name, "; ".join(report.left) or None)
        if report.runs or report.events:
            _log.info("worker %s has deleted %d runs and %d events by retention", name, report.runs, report.events)

    async def _take_turn(self) -> bool:
        self._renewed_at = _time()
        return await self._retention.take_turn(self._holder, self._every)


def _time() -> float:
    return asyncio.get_running_loop().time()

"""What a worker does when it begins: it sets the retention policies that its mob declares, where none is stored."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from redis_mob.contracts import RetentionStore
from redis_mob.errors import MobStoreError
from redis_mob.models.retention import Group, RetentionPolicy
from redis_mob.models.retention_text import group_text, text_of_policy
from redis_mob.notifications.duty_trouble import DutyTrouble
from redis_mob.notifications.waiting import wait_for_end

AGAIN_SECONDS = 10.0
"""After how long it is tried again where the storage is away."""

_log = logging.getLogger(__name__)


class DeclaredPolicies:
    """Sets the policies of a mob and its flows that have none; those that are stored stay (contract: operations-89)."""

    def __init__(self, store: RetentionStore, declared: Mapping[Group, RetentionPolicy]) -> None:
        self._store = store
        self._left = dict(declared)

    async def run(self, stop: asyncio.Event, worker: str) -> None:
        """Do it for the worker of this name, until it is done or `stop` is set. An error is told once."""
        trouble = DutyTrouble(_log, "set the retention policies of its mob")
        while self._left and not stop.is_set():
            try:
                await self._set(worker)
            except MobStoreError as error:
                trouble.tell_error(worker, error)
                await wait_for_end(stop, AGAIN_SECONDS)

    async def _set(self, worker: str) -> None:
        for group, policy in [*self._left.items()]:
            mob, flow = group if isinstance(group, tuple) else (group, None)
            if await self._store.set_policy(policy, mob, flow, if_none=True):
                _log.info(
                    "worker %s has set the retention of %s: %s", worker, group_text(group), text_of_policy(policy)
                )
            else:
                await self._compare(group, worker)
            del self._left[group]

    async def _compare(self, group: Group, worker: str) -> None:
        stored = (await self._store.policies()).groups.get(group)
        if stored is not None and stored != self._left[group]:
            _log.info(
                "worker %s leaves the retention of %s as it is stored: %s; `redis-mob retention apply` sets what its "
                "mob declares: %s",
                worker,
                group_text(group),
                text_of_policy(stored),
                text_of_policy(self._left[group]),
            )

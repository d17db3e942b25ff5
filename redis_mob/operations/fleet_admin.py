"""The facade of operators over one namespace."""

from __future__ import annotations

from redis_mob.codec.arguments import instance
from redis_mob.models.worker import LiveWorker
from redis_mob.storage import MobStorage


class FleetAdmin:
    """Looks at the runs and workers of a namespace and steers them, without the code of the fleet."""

    def __init__(self, storage: MobStorage) -> None:
        self._storage = instance("storage", storage, MobStorage)

    def __repr__(self) -> str:
        return f"FleetAdmin({self._storage!r})"

    async def workers(self) -> tuple[LiveWorker, ...]:
        """The workers that hold a lease, the one whose lease ends first at the beginning."""
        return await self._storage.executions.workers()

"""Who works, and what waits."""

from __future__ import annotations

from redis_mob.codec.arguments import text
from redis_mob.models.worker import LiveWorker
from redis_mob.operations.admin.base import AdminBase
from redis_mob.operations.queue_report import QueueReport, report_queues
from redis_mob.operations.worker_report import HeldExecution, executions_of


class WorkViews(AdminBase):
    """Who works, and what waits."""

    async def workers(self) -> tuple[LiveWorker, ...]:
        """The workers that hold a lease, the one whose lease ends first at the beginning."""
        return await self._storage.executions.workers()

    async def executions_of(self, worker_id: str) -> tuple[HeldExecution, ...]:
        """What a worker executes, by run; nothing if there is no such worker."""
        return await executions_of(self._storage, text("worker_id", worker_id))

    async def queues(self) -> tuple[QueueReport, ...]:
        """What waits and what is under way of each role, and whether workers serve it (contract: operations-45).

        The cost grows with the number of queues and of retries that wait, not with that of executions.
        """
        loads = await self._storage.steering.queues()
        workers, pauses = await self._storage.executions.workers(), await self._storage.pauses.pauses()
        return report_queues(loads, workers, pauses)

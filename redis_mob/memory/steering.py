"""What operators do with runs and queues, in memory."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from redis_mob.codec.arguments import duration
from redis_mob.contracts import SteeringStore
from redis_mob.memory.namespace import Access, Namespace
from redis_mob.memory.run_lookup import existing_run, run_key
from redis_mob.memory.schedule import Entry
from redis_mob.models.deletion import DeletionStart
from redis_mob.models.execution import ExecutionStatus
from redis_mob.models.queue_load import QueueLoad, QueueLoads
from redis_mob.notifications.run_messages import run_message


class MemorySteeringStore(SteeringStore):
    """The contract's `SteeringStore` in memory; its docstrings say what holds."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def begin_deletion(self, run_id: str, *, keep_id_for: timedelta | None = None) -> DeletionStart:
        content = self._access.content
        kept = timedelta() if keep_id_for is None else duration("keep_id_for", keep_id_for)
        run = existing_run(content, run_id)
        if not run.status.is_terminal:
            return DeletionStart.NOT_OVER
        _forget(content, run.run_id)
        if kept:
            content.tombstones[run.run_id] = content.clock.now() + kept
        content.run_wake_ups.send(run_message(run.run_id, is_due=False, is_over=True))
        return DeletionStart.GONE

    async def continue_deletion(self, run_id: str) -> bool:
        _ = self._access.content
        run_key(run_id)
        return False

    async def deletions(self) -> tuple[str, ...]:
        # each happens as a whole
        _ = self._access.content
        return ()

    async def queues(self) -> QueueLoads:
        content = self._access.content
        loads = [
            QueueLoad(queue, len(waiting), running, delayed, _oldest(content, waiting), len(waiting))
            for queue, (waiting, running, delayed) in content.schedule.by_queue(content.clock.now()).items()
        ]
        return QueueLoads(tuple(loads), content.clock.now())


def _forget(content: Namespace, run_id: str) -> None:
    launch = content.launches.pop(run_id, None)
    del content.runs[run_id], content.sequences[run_id]
    by_run = (
        content.executions,
        content.item_progress,
        content.items,
        content.ended,
        content.due_runs,
        content.reported_runs,
        content.decisions,
        content.reports,
        content.mailboxes,
        content.progress,
        content.labels,
    )
    for some in by_run:
        some.pop(run_id, None)
    content.cancel_requested.discard(run_id)
    content.runs_in_hand.discard(run_id)
    content.schedule.forget_run(run_id)
    content.log.forget_run(run_id)
    if launch is not None:
        digest = launch[0].definition
        is_used = content.flow_schedules.uses(digest)
        if not is_used and all(other.definition != digest for other, _ in content.launches.values()):
            content.definitions.pop(digest, None)


def _oldest(content: Namespace, waiting: Iterable[Entry]) -> datetime | None:
    times: list[datetime] = []
    for entry in waiting:
        if (lost := content.schedule.lost_at(entry)) is not None:
            times.append(lost)
        elif (one := content.executions.get(entry.run_id, {}).get(entry.key)) is not None:
            times += [one.due_at] if one.status is ExecutionStatus.WAITING else []
    return min(times, default=None)

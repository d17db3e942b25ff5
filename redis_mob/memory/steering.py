"""What operators do with runs and queues, in memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from redis_mob.codec.arguments import duration
from redis_mob.codec.moves import not_of_a_fleet, release_name
from redis_mob.codec.run_copies import checked_copy, encode_copy
from redis_mob.codec.schedule import checked_limits
from redis_mob.codec.signals import decode_published
from redis_mob.contracts import SteeringStore
from redis_mob.memory.conversations import end_turn
from redis_mob.memory.debounces import forget_debounce
from redis_mob.memory.imports import store_copy
from redis_mob.memory.namespace import Access, Namespace
from redis_mob.memory.run_changes import copied
from redis_mob.memory.run_lookup import existing_run, run_key
from redis_mob.memory.schedule import Entry
from redis_mob.models.definition import MobDefinition
from redis_mob.models.deletion import DeletionStart
from redis_mob.models.execution import ExecutionStatus
from redis_mob.models.limits import Limit, LimitLoad
from redis_mob.models.queue_load import QueueLoad, QueueLoads
from redis_mob.models.run_copy import RunCopy
from redis_mob.models.run_status import MobRunStatus
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
        if run.run_id in content.untold:
            return DeletionStart.UNTOLD
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

    async def limit_loads(self, mob_id: str, flow_id: str, limits: Sequence[Limit]) -> tuple[LimitLoad, ...]:
        content = self._access.content
        checked = checked_limits(mob_id, flow_id, limits)
        return content.schedule.loads(mob_id, flow_id, checked, content.clock.now())

    async def move_run(self, run_id: str, release: str | None) -> bool:
        content, release = self._access.content, release_name(release)
        run = existing_run(content, run_id)
        if run.run_id not in content.launches:
            raise not_of_a_fleet(run.run_id)
        if run.status.is_terminal:
            return False
        launch, launched_at = content.launches[run.run_id]
        if launch.release != release:
            moved = launch.model_copy(update={"release": release})
            content.launches[run.run_id] = moved, launched_at
            executions, now = content.executions.get(run.run_id, {}), content.clock.now()
            waiting = {key for key, one in executions.items() if one.waits(now)}
            content.schedule.move_run(run.run_id, release or "", waiting)
            content.moves[run.run_id] += 1
            content.decisions[run.run_id] += 1
            if run.status is MobRunStatus.RUNNING:
                content.runs_in_hand.discard(run.run_id)
                content.due_runs[run.run_id] = content.clock.now()
            content.run_wake_ups.send()
        return True

    async def import_run(self, copy: RunCopy, definition: MobDefinition) -> bool:
        content = self._access.content
        copy, definition = checked_copy(copy, definition)
        stored = encode_copy(copy, definition)
        run = copied(copy.run)
        if run.run_id in content.runs:
            return False
        store_copy(content, run, copy, definition, stored)
        return True

    async def published_of(self, run_id: str) -> Mapping[str, Any]:
        content = self._access.content
        run = existing_run(content, run_id)
        stored = content.mailboxes[run.run_id].published
        return {name: decode_published(run.run_id, name, data) for name, data in stored.items()}

    async def queues(self) -> QueueLoads:
        content = self._access.content
        loads = [
            QueueLoad(
                queue,
                len(waiting),
                running,
                delayed,
                _oldest(content, waiting),
                len(waiting),
                aside,
                content.schedule.limited(waiting, content.clock.now()),
            )
            for queue, (waiting, running, delayed, aside) in content.schedule.by_queue(content.clock.now()).items()
        ]
        return QueueLoads(tuple(loads), content.clock.now())


def _forget(content: Namespace, run_id: str) -> None:
    end_turn(content, run_id)
    launch = content.launches.pop(run_id, None)
    del content.runs[run_id], content.sequences[run_id]
    by_run = (
        content.executions,
        content.item_progress,
        content.items,
        content.ended,
        content.due_runs,
        content.parents,
        content.reported_runs,
        content.decisions,
        content.reports,
        content.moves,
        content.mailboxes,
        content.checkpoints,
        content.run_budgets,
        content.answers,
        content.changes,
        content.turns,
        content.progress,
        content.labels,
    )
    for some in by_run:
        some.pop(run_id, None)
    forget_debounce(content, run_id)
    content.cancel_requested.discard(run_id)
    content.rolled_back.discard(run_id)
    content.runs_in_hand.discard(run_id)
    content.paused_runs.pop(run_id, None)
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

"""Which work of a run waits for a worker that does not exist."""

from __future__ import annotations

from collections.abc import Iterable

from redis_mob.codec.schedule import queue_of
from redis_mob.errors import shown
from redis_mob.models.execution import ExecutionStatus, Queue
from redis_mob.models.run import MobRunStatus
from redis_mob.models.transition import RunView
from redis_mob.models.worker import LiveWorker

MOST_NAMED = 5
"""Steps that a sentence names."""


def unserved(view: RunView, workers: Iterable[LiveWorker]) -> dict[Queue, tuple[str, ...]]:
    """The steps of a run that wait in queues which none of these workers serves, by queue."""
    serving = [worker.record for worker in workers]
    found: dict[Queue, set[str]] = {}
    for execution in view.executions.values():
        queue = queue_of(view.run.mob_id, execution.role, view.launch)
        waits = execution.status is ExecutionStatus.WAITING
        if waits and not any(worker.is_for(queue) for worker in serving):
            found.setdefault(queue, set()).add(execution.step_id)
    return {queue: tuple(sorted(steps)) for queue, steps in sorted(found.items())}


def unserved_work(view: RunView, workers: Iterable[LiveWorker]) -> list[str]:
    """What to tell of work that waits in vain, and what to do; nothing if there is none."""
    known = list(workers)
    if not known and view.run.status is MobRunStatus.PENDING and view.launched_at <= view.now:
        mob = shown(view.run.mob_id)
        return [f"run {view.run.run_id} waits for a worker, and none is alive: start one for mob {mob}"]
    told: list[str] = []
    for queue, steps in unserved(view, known).items():
        release = f" and release {shown(queue.release)}" if queue.release else ""
        names = ", ".join(map(shown, steps[:MOST_NAMED])) + (" and others" if len(steps) > MOST_NAMED else "")
        waiting = f"step {names} waits" if len(steps) == 1 else f"steps {names} wait"
        told.append(
            f"run {view.run.run_id}: {waiting} for a worker that serves role {shown(queue.role)} of mob "
            f"{shown(queue.mob_id)}{release}; of {len(known)} that are alive none does: start one, or cancel the run"
        )
    return told

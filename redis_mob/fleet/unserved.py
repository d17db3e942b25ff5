"""Which work of a run waits for a worker that does not exist."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence

from redis_mob.codec.schedule import queue_of
from redis_mob.errors import shown
from redis_mob.models.execution import ExecutionStatus, Queue
from redis_mob.models.run_status import MobRunStatus
from redis_mob.models.transition import RunView
from redis_mob.models.worker import LiveWorker

MOST_NAMED = 5
"""Steps that a sentence names."""

UNSERVED_SECONDS = 5.0
"""After how long a caller that waits for a run first looks whether workers serve it."""


def unserved(view: RunView, workers: Iterable[LiveWorker]) -> dict[Queue, tuple[str, ...]]:
    """The steps of a run that wait in queues which none of these workers serves, by queue.

    What a worker held that is not among them waits too: its record says so only when another one has claimed it.
    """
    serving = [worker.record for worker in workers]
    holders = {worker.id for worker in serving}
    found: dict[Queue, set[str]] = {}
    for execution in view.executions.values():
        if execution.escalation is not None:
            continue  # it ends by itself
        queue = queue_of(view.run.mob_id, execution.role, view.launch)
        is_held = execution.lease is not None and execution.lease.owner in holders
        waits = execution.status in (ExecutionStatus.WAITING, ExecutionStatus.LEASED) and not is_held
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
        names = named(steps)
        waiting = f"step {names} waits" if len(steps) == 1 else f"steps {names} wait"
        told.append(
            f"run {view.run.run_id}: {waiting} for a worker that serves role {shown(queue.role)} of mob "
            f"{shown(queue.mob_id)}{release}; of {len(known)} that are alive none does: start one, or cancel the run"
        )
    return told


def named(steps: Sequence[str]) -> str:
    """The first of these steps, and whether there are others."""
    return ", ".join(map(shown, steps[:MOST_NAMED])) + (" and others" if len(steps) > MOST_NAMED else "")


class UnservedNews:
    """What is to be told a caller that waits for a run: what `look` finds, each sentence once.

    It looks after some seconds, then ever more seldom, because that reads the whole run.
    """

    def __init__(self, look: Callable[[], Awaitable[list[str]]]) -> None:
        self._look = look
        self._told = set[str]()
        self._pause = UNSERVED_SECONDS
        self._look_at = asyncio.get_running_loop().time() + self._pause

    async def since(self) -> list[str]:
        """What was not told yet; nothing if it is not yet time to look again."""
        now = asyncio.get_running_loop().time()
        if now < self._look_at:
            return []
        self._pause *= 2
        self._look_at = now + self._pause
        news = [line for line in await self._look() if line not in self._told]
        self._told.update(news)
        return news

"""What waits in the queues of a fleet, and whether it is served."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from redis_mob.models.pause import Pause, PauseScope
from redis_mob.models.queue_load import LimitedLoad, QueueLoad, QueueLoads
from redis_mob.models.worker import LiveWorker, WorkerRecord


@dataclass(frozen=True, slots=True)
class QueueReport:
    """The executions of a role of a mob, of runs that ask for one release, or for none ('').

    `waiting` may be taken now, `running` are under way, `delayed` wait for a time; that is None if too many are in the
    schedule to be counted. `paused` wait until what is paused goes on: their run, its flow or its mob. The oldest one
    that waits does so since `oldest_since`; if not all were looked at, `is_oldest_certain` is False, and one may wait
    for longer. `workers` is how many take executions from here, and `unserved` how many wait, now or for a time, that
    no worker takes. `limited` says how many of these do so for which limit of their step or flow.
    """

    mob_id: str
    role: str
    release: str
    waiting: int
    running: int
    delayed: int | None
    oldest_since: datetime | None
    is_oldest_certain: bool
    workers: int
    unserved: int
    now: datetime
    paused: int = 0
    limited: tuple[LimitedLoad, ...] = ()

    @property
    def oldest_seconds(self) -> float | None:
        """For how long the oldest one waits."""
        return None if self.oldest_since is None else max((self.now - self.oldest_since).total_seconds(), 0.0)


def report_queues(
    loads: QueueLoads, workers: Iterable[LiveWorker], pauses: Iterable[Pause] = ()
) -> tuple[QueueReport, ...]:
    """The queues by mob, role and release: those of different definitions count together."""
    alive = [worker.record for worker in workers]
    groups: dict[tuple[str, str, str], list[QueueLoad]] = {}
    mobs = {pause.mob_id for pause in pauses if pause.scope is PauseScope.MOB}
    for load in loads.queues:
        is_paused = load.queue.mob_id in mobs
        held = load._replace(waiting=0, aside=load.aside + load.waiting, looked_at=0) if is_paused else load
        groups.setdefault(load.queue[:3], []).append(held)
    return tuple(_reported(group, alive, loads.now) for _, group in sorted(groups.items()))


def _reported(group: Sequence[QueueLoad], alive: Sequence[WorkerRecord], now: datetime) -> QueueReport:
    takers = [_takers(load, alive) for load in group]
    mob_id, role, release, _ = group[0].queue
    delayed = [load.delayed for load in group if load.delayed is not None]
    return QueueReport(
        mob_id=mob_id,
        role=role,
        release=release,
        waiting=sum(load.waiting for load in group),
        running=sum(load.running for load in group),
        delayed=sum(delayed) if len(delayed) == len(group) else None,
        oldest_since=min((load.oldest_since for load in group if load.oldest_since is not None), default=None),
        is_oldest_certain=all(load.looked_at >= load.waiting for load in group),
        workers=len(frozenset[str]().union(*takers)),
        unserved=sum(
            load.waiting + (load.delayed or 0) for load, served in zip(group, takers, strict=True) if not served
        ),
        now=now,
        paused=sum(load.aside for load in group),
        limited=tuple(limited for load in group for limited in load.limited),
    )


def _takers(load: QueueLoad, alive: Sequence[WorkerRecord]) -> frozenset[str]:
    """The workers that take executions of a queue; of a definition that is not theirs they leave them to others."""
    serves = [worker.serves for worker in alive]
    return frozenset(
        worker.id
        for worker, one in zip(alive, serves, strict=True)
        if one.includes(load.queue) and load.queue.definition not in one.left_to(serves)
    )

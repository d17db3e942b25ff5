"""What the metrics of a namespace are made of: one reading of its store, at a cost that runs do not add to.

contract: metrics-1, metrics-2
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from redis_mob.connection.calls.server_memory import ServerMemory, memory_of_server
from redis_mob.errors import MobStoreError
from redis_mob.models.execution import Queue
from redis_mob.models.flow_schedule import ScheduleRecord
from redis_mob.models.run_status import MobRunStatus
from redis_mob.models.worker import LiveWorker
from redis_mob.operations.asks import number_of_asks
from redis_mob.operations.queue_report import QueueReport, report_queues
from redis_mob.storage import MobStorage

MOST_ASKS = 10_000
"""Asks that are counted, at most: they are counted by reading where they are."""

MOST_DEFINITIONS = 50
"""Definitions that are read for the names of roles, the first ones by digest."""

MOST_FLOWS = 1_000
"""Flows whose schedules have a series of their own, those that are latest; the others have one together, without names.
"""

MOST_QUEUES = 1_000
"""Queues, and roles, that have series of their own; what is in the others is told together, without names."""


class RoleOfMob(NamedTuple):
    """A role of a mob; both are '' for all that are told together."""

    mob_id: str
    role: str


class FlowOfMob(NamedTuple):
    """A flow of a mob."""

    mob_id: str
    flow_id: str


class Slots(NamedTuple):
    """How many executions of a role are under way, and how many more its workers can begin, at least."""

    used: int
    available: int


@dataclass(frozen=True, slots=True)
class NamespaceReading:
    """How a namespace stood at one moment, as far as metrics tell it.

    Of roles without anything that waits or is under way there is a queue too, as long as a definition has them.
    `overdue` is in seconds, of the schedule of each flow that is latest.
    """

    runs: Mapping[MobRunStatus, int]
    queues: Sequence[QueueReport]
    slots: Mapping[RoleOfMob, Slots]
    limited: Mapping[tuple[FlowOfMob, str], int]
    overdue: Mapping[FlowOfMob, float]
    workers: Mapping[str, int]
    asks: int
    memory: ServerMemory


class NamespaceReader:
    """Reads a namespace again and again. Definitions, which never change, are read once."""

    def __init__(self, storage: MobStorage) -> None:
        self._storage = storage
        self._roles: dict[str, frozenset[RoleOfMob]] = {}

    async def read(self) -> NamespaceReading:
        """One reading. Raises MobStoreError."""
        storage = self._storage
        loads, workers = await storage.steering.queues(), await storage.executions.workers()
        reports = report_queues(loads, workers, await storage.pauses.pauses())
        known = await self._known_roles()
        queues = _bounded([*reports, *_empty(known, reports, workers, loads.now)])
        return NamespaceReading(
            runs=await storage.operations.count(),
            queues=queues,
            slots=_slots(queues, workers),
            limited=_limited(queues),
            overdue=_overdue([one.record for one in await storage.schedules.list()], loads.now),
            workers={"": 0, **Counter(one.record.release or "" for one in workers)},
            asks=await number_of_asks(storage, most=MOST_ASKS),
            memory=ServerMemory() if storage.on_server is None else await memory_of_server(storage.on_server.client),
        )

    async def _known_roles(self) -> frozenset[RoleOfMob]:
        digests = (await self._storage.operations.definitions())[:MOST_DEFINITIONS]
        self._roles = {digest: self._roles[digest] for digest in digests if digest in self._roles}
        for digest in digests:
            if digest not in self._roles:
                self._roles[digest] = await self._roles_of(digest)
        return frozenset[RoleOfMob]().union(*self._roles.values())

    async def _roles_of(self, digest: str) -> frozenset[RoleOfMob]:
        try:
            definition = await self._storage.executions.get_definition(digest)
        except MobStoreError:  # it was deleted, or is damaged, which `redis-mob verify` tells
            return frozenset()
        return frozenset(RoleOfMob(definition.id, role) for role in definition.profiles)


def _empty(
    known: Iterable[RoleOfMob], reports: Iterable[QueueReport], workers: Sequence[LiveWorker], now: datetime
) -> Iterable[QueueReport]:
    """A queue with nothing in it for each role that has none, so that its series go on."""
    used = {RoleOfMob(one.mob_id, one.role) for one in reports}
    for mob_id, role in sorted(frozenset(known) - used):
        serving = sum(one.record.is_for(Queue(mob_id, role)) for one in workers)
        yield QueueReport(mob_id, role, "", 0, 0, 0, None, True, serving, 0, now)


def _bounded(queues: list[QueueReport]) -> Sequence[QueueReport]:
    """The queues in which the most waits, and the others as one."""
    if len(queues) <= MOST_QUEUES:
        return queues
    queues.sort(key=lambda one: one.waiting + one.running, reverse=True)
    others = queues[MOST_QUEUES:]
    together = QueueReport(
        mob_id="",
        role="",
        release="",
        waiting=sum(one.waiting for one in others),
        running=sum(one.running for one in others),
        delayed=sum(one.delayed or 0 for one in others),
        oldest_since=min((one.oldest_since for one in others if one.oldest_since is not None), default=None),
        is_oldest_certain=False,
        workers=0,
        unserved=sum(one.unserved for one in others),
        now=others[0].now,
        paused=sum(one.paused for one in others),
    )
    return [*queues[:MOST_QUEUES], together]


def _slots(queues: Sequence[QueueReport], workers: Sequence[LiveWorker]) -> Mapping[RoleOfMob, Slots]:
    """The used and free slots of each role.

    Used are its executions under way. Free are the slots of all workers that serve the role, less the executions under
    way in every queue that one of these workers serves. Other workers may hold some of those executions, so the number
    is a lower bound.
    """
    used = Counter[RoleOfMob]()
    for one in queues:
        used[RoleOfMob(one.mob_id, one.role)] += one.running
    running = [one for one in queues if one.running]
    available: dict[RoleOfMob, int] = {}
    of_workers: dict[frozenset[int], int] = {}
    for role in used:
        serving = frozenset(number for number, one in enumerate(workers) if one.record.is_for(Queue(*role)))
        if serving not in of_workers:
            takers = [workers[number].record for number in serving]
            in_hand = sum(
                one.running
                for one in running
                if any(taker.is_for(Queue(one.mob_id, one.role, one.release)) for taker in takers)
            )
            of_workers[serving] = max(sum(taker.slots for taker in takers) - in_hand, 0)
        available[role] = of_workers[serving]
    return {role: Slots(used[role], available[role]) for role in used}


def _limited(queues: Iterable[QueueReport]) -> Mapping[tuple[FlowOfMob, str], int]:
    found = Counter[tuple[FlowOfMob, str]]()
    for queue in queues:
        for one in queue.limited:
            found[FlowOfMob(queue.mob_id, one.flow_id), queue.role] += one.waiting
    return found


def _overdue(schedules: Iterable[ScheduleRecord], now: datetime) -> Mapping[FlowOfMob, float]:
    found: dict[FlowOfMob, float] = {}
    for one in schedules:
        flow = FlowOfMob(one.schedule.mob_id, one.schedule.flow_id)
        late = 0.0 if one.begins_at is None else (now - one.begins_at).total_seconds()
        found[flow] = max(found.get(flow, 0.0), late)
    if len(found) <= MOST_FLOWS:
        return found
    latest = sorted(found.items(), key=lambda one: -one[1])
    return {**dict(latest[:MOST_FLOWS]), FlowOfMob("", ""): latest[MOST_FLOWS][1]}

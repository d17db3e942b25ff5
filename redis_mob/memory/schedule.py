"""Which executions wait, and which a worker holds, in memory; lua/lib/schedule does the same on a server."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from redis_mob.codec.schedule import queue_of
from redis_mob.memory.gates import Counted, Gate, Gates, gates_of
from redis_mob.models.due_work import DueExecution
from redis_mob.models.execution import (
    END_OF_TIME,
    OVERDUE,
    Execution,
    ExecutionKey,
    ExecutionStatus,
    HowLost,
    Left,
    Loss,
    Queue,
    RunLaunch,
    Serves,
)
from redis_mob.models.limits import Limit, LimitLoad, TokenUse
from redis_mob.models.queue_load import LimitedLoad
from redis_mob.models.run import MobRun
from redis_mob.models.worker import WorkerRecord


@dataclass(frozen=True, slots=True)
class Entry:
    """An execution in the schedule: its queue, the priority of its run, and what its limits count."""

    queue: Queue
    priority: int
    run_id: str
    key: ExecutionKey
    gates: tuple[Gate, ...] = ()

    @property
    def order(self) -> tuple[int, str, ExecutionKey]:
        """By priority, then by run."""
        return (-self.priority, self.run_id, self.key)

    @property
    def role(self) -> tuple[str, str]:
        """What a limit of concurrency is about."""
        return self.queue[:2]


@dataclass(slots=True)
class _Worker:
    record: WorkerRecord
    expires_at: datetime


class Schedule:
    """The executions of a namespace that wait, and its workers."""

    def __init__(self, is_mob_paused: Callable[[str], bool]) -> None:
        self._is_mob_paused = is_mob_paused
        self.limits: dict[tuple[str, str], int] = {}
        """How many executions of a role may be under way, by mob and role."""
        self.workers: dict[str, _Worker] = {}
        self._waiting: set[Entry] = set()
        self._aside: set[Entry] = set()
        """Those that wait, of runs and flows that are paused."""
        self._later: dict[Entry, datetime] = {}
        """Those that wait for a time, or were taken until then, or are taken from their worker then."""
        self._holders: dict[Entry, tuple[str, bool]] = {}
        self._counted: set[Entry] = set()
        """Those that count against the limits of their roles."""
        self._gates = Gates[Entry]()
        self._rooms: list[datetime] = []
        """When rates have room again that something waits for."""
        self._last_lane: dict[Queue, tuple[Gate, ...]] = {}
        self._lost: dict[Entry, Loss] = {}
        self._last: dict[Queue, str] = {}
        self._gone: set[str] = set()
        """Workers that were lost: what they still claim is handed on at once."""

    @staticmethod
    def entry(run: MobRun, key: ExecutionKey, execution: Execution, launch: RunLaunch) -> Entry:
        """The entry of an execution."""
        gates = gates_of(run.mob_id, run.flow_id, execution.limits) if execution.limits else ()
        return Entry(queue_of(run.mob_id, execution.role, launch), launch.priority, run.run_id, key, gates)

    def is_handed_on(self, execution: Execution) -> bool:
        """Whether a worker claims it that was let go of, so that it waits for others at once."""
        lease = execution.lease
        return execution.status is ExecutionStatus.LEASED and lease is not None and lease.owner in self._gone

    def may_claim(self, moved: Mapping[Entry, Execution], limited: Collection[str]) -> bool:
        """Whether a commit may have these under way: they were taken, or nothing else has their place.

        `limited` are the roles that have a limit as their run knows it.
        """
        claimed = [entry for entry, execution in moved.items() if self._is_claimed(execution)]
        late = Counter(entry.role for entry in claimed if entry.role[1] in limited and entry not in self._counted)
        return all(self._gates.may_claim(entry, entry.gates) for entry in claimed) and all(
            role not in self.limits or self._counted_of(role) + number <= self.limits[role]
            for role, number in late.items()
        )

    def _is_claimed(self, execution: Execution) -> bool:
        lease = execution.lease
        return execution.status is ExecutionStatus.LEASED and lease is not None and lease.owner not in self._gone

    def _counted_of(self, role: tuple[str, str]) -> int:
        return sum(entry.role == role for entry in self._counted)

    def set_aside(self, run_ids: Collection[str]) -> None:
        """Put aside what these runs have waiting; what is overdue waits to be ended."""
        moved = {one for one in self._waiting if one.run_id in run_ids and not self.is_held(one)}
        self._waiting -= moved
        self._aside |= moved

    def bring_back(self, run_ids: Collection[str]) -> None:
        """Let what these runs have aside wait again."""
        moved = {entry for entry in self._aside if entry.run_id in run_ids}
        self._aside -= moved
        self._waiting |= moved

    def put_back(self, entry: Entry, *, is_aside: bool) -> None:
        """What a worker has taken and does not begin waits again, or stands aside; how it was lost is kept."""
        self._later.pop(entry, None)
        self._counted.discard(entry)
        self._waiting.discard(entry)
        self._aside.discard(entry)
        self._gates.release(entry, entry.gates)
        (self._aside if is_aside else self._waiting).add(entry)

    def move(
        self,
        entry: Entry,
        execution: Execution,
        now: datetime,
        *,
        is_aside: bool = False,
        used: TokenUse | None = None,
        closed_until: datetime | None = None,
    ) -> None:
        """Put an execution where it belongs after a commit.

        If its attempt is over, it has `used` so many tokens, None if that is not known; its rates may be closed.
        """
        self._waiting.discard(entry)
        self._aside.discard(entry)
        self._later.pop(entry, None)
        self._lost.pop(entry, None)
        was_held = self._holders.pop(entry, None) is not None
        lease = execution.lease
        if self._is_claimed(execution):
            self._gates.claim(entry, entry.gates, now)
        if lease is None or lease.owner in self._gone:
            if was_held:
                self._gates.settle(entry, entry.gates, now, used)
            else:
                self._gates.release(entry, entry.gates)
        if closed_until is not None:
            self._gates.close(entry.gates, closed_until)
        if execution.status is ExecutionStatus.WAITING:
            self._counted.discard(entry)
            self._wait(entry, execution.due_at, now)
            if is_aside and entry in self._waiting:
                self.put_back(entry, is_aside=True)
        elif lease is not None and self.is_handed_on(execution):
            self._counted.discard(entry)
            self._lost[entry] = Loss(HowLost.HANDED_BACK, lease.owner, "", now)
            self._waiting.add(entry)
        elif execution.status is ExecutionStatus.LEASED and lease is not None:
            self._holders[entry] = (lease.owner, execution.suspect)
            deadline = lease.deadline
            self._later[entry] = deadline if deadline > END_OF_TIME - OVERDUE else deadline + OVERDUE
            if entry.role in self.limits:
                self._counted.add(entry)
        else:
            self._counted.discard(entry)

    def forget_run(self, run_id: str) -> None:
        """Take out what a run that is deleted has left."""
        for entry in [entry for entry in (*self._waiting, *self._aside, *self._later) if entry.run_id == run_id]:
            self._waiting.discard(entry)
            self._aside.discard(entry)
            self._later.pop(entry, None)
            self._holders.pop(entry, None)
            self._counted.discard(entry)
            self._gates.release(entry, entry.gates)
            self._lost.pop(entry, None)
        self._last = {queue: last for queue, last in self._last.items() if last != run_id}

    def move_run(self, run_id: str, release: str, waiting: Collection[ExecutionKey]) -> None:
        """Let what a run has there be in the queues of a release; what workers hold stays theirs.

        What a worker has taken, and can claim no more, waits at once.
        """
        for entry in [one for one in self._later if one.run_id == run_id and one.key in waiting]:
            if entry not in self._holders:
                del self._later[entry]
                self._counted.discard(entry)
                self._gates.release(entry, entry.gates)
                self._waiting.add(entry)

        def moved(entry: Entry) -> Entry:
            return replace(entry, queue=entry.queue._replace(release=release)) if entry.run_id == run_id else entry

        self._waiting = {moved(entry) for entry in self._waiting}
        self._aside = {moved(entry) for entry in self._aside}
        self._counted = {moved(entry) for entry in self._counted}
        self._gates.rename(moved)
        self._later = {moved(entry): at for entry, at in self._later.items()}
        self._holders = {moved(entry): holder for entry, holder in self._holders.items()}
        self._lost = {moved(entry): loss for entry, loss in self._lost.items()}

    def by_queue(self, now: datetime) -> dict[Queue, tuple[list[Entry], int, int, int]]:
        """What waits in each queue, how many executions of it workers hold, how many wait for a time, and how many
        stand aside."""
        waiting, running, timed = defaultdict[Queue, list[Entry]](list), Counter[Queue](), Counter[Queue]()
        aside = Counter(entry.queue for entry in self._aside)
        for entry in self._waiting:
            waiting[entry.queue].append(entry)
        running.update(entry.queue for entry in self._holders)
        for entry, at in self._later.items():
            if entry not in self._holders:
                if at <= now:  # the next worker that looks moves it to the others
                    waiting[entry.queue].append(entry)
                else:
                    timed[entry.queue] += 1
        return {
            queue: (waiting[queue], running[queue], timed[queue], aside[queue])
            for queue in sorted({*list(waiting), *running, *timed, *aside})
        }

    def lost_at(self, entry: Entry) -> datetime | None:
        """When an execution was lost that waits for another worker."""
        loss = self._lost.get(entry)
        return None if loss is None else loss.at

    def is_held(self, entry: Entry) -> bool:
        """Whether a worker holds an execution."""
        return entry in self._holders

    def held(self, worker_id: str) -> Iterator[Entry]:
        """What a worker holds."""
        return (entry for entry, (owner, _) in self._holders.items() if owner == worker_id)

    def join(self, worker: WorkerRecord, expires_at: datetime) -> None:
        """Give a worker a lease."""
        self.workers[worker.id] = _Worker(worker, expires_at)

    def leave(self, worker_id: str, now: datetime, *, is_orderly: bool) -> int:
        """Let go of a worker; returns how many executions it held."""
        worker = self.workers.pop(worker_id)
        if not is_orderly:
            self._gone.add(worker_id)
        held = [(entry, suspect) for entry, (owner, suspect) in self._holders.items() if owner == worker_id]
        suspects = sum(suspect for _, suspect in held)
        for entry, suspect in held:
            self._holders.pop(entry, None)
            self._later.pop(entry, None)
            self._counted.discard(entry)
            self._gates.settle(entry, entry.gates, now, None)
            how = _how_lost(is_orderly=is_orderly, suspect=suspect, suspects=suspects, held=len(held))
            self._lost[entry] = Loss(how, worker_id, worker.record.host, now)
            self._waiting.add(entry)
        return len(held)

    def let_go_of_expired(self, now: datetime) -> int:
        """Let go of workers whose leases have expired; returns how many executions they held."""
        expired = [name for name, worker in list(self.workers.items()) if worker.expires_at <= now]
        return sum(self.leave(name, self.workers[name].expires_at, is_orderly=False) for name in expired)

    def queue_due(self, now: datetime) -> None:
        """What has waited for its time waits to be taken."""
        for entry in [entry for entry, at in self._later.items() if at <= now]:
            del self._later[entry]
            self._counted.discard(entry)
            if not self.is_held(entry):
                self._gates.release(entry, entry.gates)
            self._waiting.add(entry)

    def take(
        self, serves: Serves, most: int, most_suspects: int, now: datetime, keep: timedelta
    ) -> tuple[tuple[DueExecution, ...], bool]:
        """What a worker takes, and whether more waits for it: each run of a queue in its turn, suspects first.

        What is overdue is taken before that, without a turn: to end it takes no room, and no pause keeps it.
        """
        left = self.left_by(serves)
        self._rooms = []
        waiting = dict.fromkeys(sorted(entry.queue for entry in self._waiting))
        served = [queue for queue in waiting if serves.includes(queue) and not Left.has(left, queue)]
        overdue = [one for one in self._waiting if one.queue in served and self.is_held(one)]
        queues = [queue for queue in served if not self._is_mob_paused(queue.mob_id)]
        taken = sorted(overdue, key=lambda one: (one.queue, one.order))[:most]
        for entry in taken:
            self._waiting.remove(entry)
            self._later[entry] = now + keep
        suspects = min(most, len(taken) + most_suspects)
        for queue in queues:
            self._take_from(queue, suspects, taken, now, keep, suspects=True)
        share = max(1, (most - len(taken)) // max(len(queues), 1))
        for queue in queues:
            self._take_from(queue, min(most, len(taken) + share), taken, now, keep, suspects=False)
        more = [self._take_from(queue, most, taken, now, keep, suspects=False) for queue in queues]
        is_more = len(overdue) > most or any(more)
        return tuple(DueExecution(entry.run_id, entry.key, self._lost.get(entry)) for entry in taken), is_more

    def left_by(self, serves: Serves) -> frozenset[Left]:
        """What a worker leaves to others."""
        return serves.left_to(worker.record.serves for worker in self.workers.values())

    def next_at(self, now: datetime) -> datetime | None:
        """When the next execution is due that is not yet."""
        return min((at for at in (*self._later.values(), *self._rooms) if at > now), default=None)

    def loads(self, mob_id: str, flow_id: str, limits: Iterable[Limit], now: datetime) -> tuple[LimitLoad, ...]:
        """How full these limits of a flow are."""
        return tuple(self._gates.load(gate, now) for gate in gates_of(mob_id, flow_id, limits))

    def limited(self, entries: Iterable[Entry], now: datetime) -> tuple[LimitedLoad, ...]:
        """For which limits these wait."""
        waiting = Counter(entry.gates for entry in entries if entry.gates)
        found: dict[tuple[Counted, int], LimitedLoad] = {}
        for gates, number in waiting.items():
            if (full := self._gates.room_at(gates, now)) is not None:
                gate, _ = full
                of = gate.counted, gate.limit
                before = found[of].waiting if of in found else 0
                found[of] = LimitedLoad(gate.counted.flow_id, self._gates.load(gate, now), before + number)
        return tuple(found.values())

    def _take_from(
        self, queue: Queue, most: int, taken: list[Entry], now: datetime, keep: timedelta, *, suspects: bool
    ) -> bool:
        """Whether something is left that may be taken."""
        waiting = [
            one
            for one in self._waiting
            if one.queue == queue and self._is_suspect(one) is suspects and not self.is_held(one)
        ]
        while waiting and self._has_room(queue):
            lane = self._next_lane(queue, waiting, now)
            if lane is None:
                return False
            if len(taken) >= most:
                return True
            of_lane = sorted((one for one in waiting if one.gates == lane), key=lambda one: one.order)
            level = [one for one in of_lane if one.priority == of_lane[0].priority]
            last = self._last.get(queue, "")
            entry = next((one for one in level if one.run_id > last), level[0])
            waiting.remove(entry)
            self._waiting.remove(entry)
            self._later[entry] = now + keep
            self._last[queue], self._last_lane[queue] = entry.run_id, lane
            if entry.role in self.limits:
                self._counted.add(entry)
            self._gates.take(entry, lane)
            taken.append(entry)
        return False

    def _next_lane(self, queue: Queue, waiting: Iterable[Entry], now: datetime) -> tuple[Gate, ...] | None:
        """The limits of which the next entry is to be: of those that are not full, and each in its turn."""
        lanes: set[tuple[Gate, ...]] = set()
        for entry in waiting:
            if (full := self._gates.room_at(entry.gates, now)) is None:
                lanes.add(entry.gates)
            elif full[1] is not None:
                self._rooms.append(full[1])
        names = sorted(lanes, key=repr)
        last = repr(self._last_lane.get(queue, ()))
        return next((one for one in names if repr(one) > last), names[0] if names else None)

    def _has_room(self, queue: Queue) -> bool:
        limit = self.limits.get(queue[:2])
        return limit is None or self._counted_of(queue[:2]) < limit

    def _is_suspect(self, entry: Entry) -> bool:
        loss = self._lost.get(entry)
        return loss is not None and loss.how is not HowLost.HANDED_BACK

    def _wait(self, entry: Entry, at: datetime, now: datetime) -> None:
        if at <= now:
            self._waiting.add(entry)
        else:
            self._later[entry] = at


def _how_lost(*, is_orderly: bool, suspect: bool, suspects: int, held: int) -> HowLost:
    if is_orderly:
        return HowLost.SUSPECT_HANDED_BACK if suspect else HowLost.HANDED_BACK
    if held == 1:
        return HowLost.ALONE
    return HowLost.ONLY_SUSPECT if suspect and suspects == 1 else HowLost.AMONG_OTHERS

"""How the workers and the queues of a fleet are read and shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from redis_mob.cli.columns import print_columns
from redis_mob.cli.endings import print_line
from redis_mob.cli.existing import existing
from redis_mob.cli.words import duration_text
from redis_mob.models.base import format_timestamp, json_text
from redis_mob.models.queue_load import LimitedLoad
from redis_mob.models.worker import LiveWorker
from redis_mob.operations.asks import number_of_asks
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.operations.queue_report import QueueReport
from redis_mob.operations.worker_report import HeldExecution
from redis_mob.security.sealing import SealKeyring

_NOTHING = "nothing waits, and nothing is under way"


@dataclass(frozen=True, slots=True)
class SeenWorker:
    """A worker, what it executes, and the fleet's time when it was seen."""

    live: LiveWorker
    executes: Sequence[HeldExecution]
    now: datetime

    @property
    def expires_in(self) -> float:
        """Seconds until it counts as lost, unless it renews its lease."""
        return (self.live.expires_at - self.now).total_seconds()


async def seen_workers(url: str, namespace: str, seal_keys: SealKeyring | None) -> list[SeenWorker]:
    """The workers of a namespace, those that started first at the beginning."""
    async with existing(url, namespace, seal_keys) as storage:
        admin = FleetAdmin(storage)
        found = sorted(await admin.workers(), key=lambda live: (live.record.started_at, live.record.id))
        executes = [await admin.executions_of(live.record.id) for live in found]
        now = (await storage.steering.queues()).now
    return [SeenWorker(live, held, now) for live, held in zip(found, executes, strict=True)]


async def seen_queues(url: str, namespace: str, seal_keys: SealKeyring | None) -> tuple[tuple[QueueReport, ...], int]:
    """The queues of a namespace, and how many asks wait for an answer."""
    async with existing(url, namespace, seal_keys) as storage:
        return await FleetAdmin(storage).queues(), await number_of_asks(storage)


def show_workers(seen: Sequence[SeenWorker], *, json: bool) -> None:
    """A row for each worker, and below it one for each execution; or an object for each worker."""
    if json:
        for one in seen:
            print_line(json_text(_worker_object(one)))
        return
    names = ("WORKER", "HOST", "PID", "RELEASE", "VERSION", "MOBS", "ROLES", "SLOTS", "UP", "LEASE ENDS IN")
    rows = [
        (
            record.id,
            record.host,
            str(record.pid),
            record.release or "-",
            record.version or "-",
            _names(record.mobs),
            _names(record.roles),
            f"{len(one.executes)}/{record.slots}",
            duration_text((one.now - record.started_at).total_seconds()),
            duration_text(one.expires_in),
        )
        for one in seen
        for record in (one.live.record,)
    ]
    print_columns(
        names,
        rows,
        right=("PID", "SLOTS", "UP", "LEASE ENDS IN"),
        ids=("WORKER",),
        below=("RELEASE", "VERSION", "MOBS", "ROLES"),
    )
    held = [(one, execution) for one in seen for execution in one.executes]
    if held:
        print_line("")
        print_columns(
            ("WORKER", "RUN", "STEP", "MEMBER", "ATTEMPT", "SINCE", "OUT OF TIME IN"),
            [
                (
                    one.live.record.id,
                    execution.run_id,
                    execution.step_id,
                    execution.key.target,
                    str(execution.attempt),
                    duration_text(None if execution.since is None else (one.now - execution.since).total_seconds()),
                    duration_text((execution.deadline - one.now).total_seconds()),
                )
                for one, execution in held
            ],
            right=("ATTEMPT", "SINCE", "OUT OF TIME IN"),
            ids=("WORKER", "RUN"),
        )


def show_queues(seen: Sequence[QueueReport], asks: int, *, json: bool) -> None:
    """A row, or an object, for each queue; to people also how many asks wait for an answer."""
    if json:
        for one in seen:
            print_line(json_text(_queue_object(one)))
        return
    if not seen:
        print_line("nothing waits for a worker, and nothing is under way" if asks else _NOTHING)
    else:
        _show_queues(seen)
    if asks:
        print_line(f"waits for people: {asks:,}, which `redis-mob inbox` lists")


def _show_queues(seen: Sequence[QueueReport]) -> None:
    names = ("MOB", "ROLE", "RELEASE", "WAITING", "RUNNING", "DELAYED", "PAUSED", "OLDEST", "WORKERS", "")
    rows = [
        (
            one.mob_id,
            one.role,
            one.release or "-",
            str(one.waiting),
            str(one.running),
            "?" if one.delayed is None else str(one.delayed),
            str(one.paused),
            ("" if one.is_oldest_certain else "> ") + duration_text(one.oldest_seconds),
            str(one.workers),
            f"unserved: {one.unserved}" if one.unserved else "",
        )
        for one in seen
    ]
    numbers = ("WAITING", "RUNNING", "DELAYED", "PAUSED", "OLDEST", "WORKERS")
    print_columns(names, rows, right=numbers, below=("RELEASE", ""))
    limited = [(queue, one) for queue in seen for one in queue.limited]
    if limited:
        print_line("")
        print_columns(
            ("MOB", "ROLE", "LIMITED", "BY", "ROOM IN"),
            [
                (
                    queue.mob_id,
                    queue.role,
                    str(one.waiting),
                    one.load.said(one.flow_id),
                    duration_text(None if one.load.room_at is None else (one.load.room_at - queue.now).total_seconds()),
                )
                for queue, one in limited
            ],
            right=("LIMITED", "ROOM IN"),
            below=("BY",),
        )


def _names(names: Iterable[str] | None) -> str:
    return "all" if names is None else ", ".join(names) or "none"


def _worker_object(one: SeenWorker) -> dict[str, object]:
    record = one.live.record
    return {
        "worker": record.id,
        "host": record.host,
        "pid": record.pid,
        "release": record.release,
        "version": record.version,
        "schema_version": record.schema_version,
        "mobs": record.mobs,
        "roles": record.roles,
        "definitions": record.definitions,
        "slots": record.slots,
        "started_at": format_timestamp(record.started_at),
        "lease_expires_at": format_timestamp(one.live.expires_at),
        "lease_ends_in": round(one.expires_in, 3),
        "executes": [
            {
                "run_id": execution.run_id,
                "flow": execution.flow_id,
                "step": execution.step_id,
                "role": execution.role,
                "frame": execution.key.frame_id,
                "node": execution.key.node_id,
                "member": execution.key.target,
                "attempt": execution.attempt,
                "since": None if execution.since is None else format_timestamp(execution.since),
                "deadline": format_timestamp(execution.deadline),
            }
            for execution in one.executes
        ],
    }


def _queue_object(one: QueueReport) -> dict[str, object]:
    return {
        "mob": one.mob_id,
        "role": one.role,
        "release": one.release or None,
        "waiting": one.waiting,
        "running": one.running,
        "delayed": one.delayed,
        "paused": one.paused,
        "oldest_since": None if one.oldest_since is None else format_timestamp(one.oldest_since),
        "oldest_seconds": one.oldest_seconds,
        "oldest_is_certain": one.is_oldest_certain,
        "workers": one.workers,
        "unserved": one.unserved,
        "limited": [_limited_object(limited) for limited in one.limited],
    }


def _limited_object(one: LimitedLoad) -> dict[str, object]:
    load, limit = one.load, one.load.limit
    return {
        "waiting": one.waiting,
        "flow": one.flow_id,
        "step": limit.step_id,
        "key": limit.key or None,
        "limit": limit.limit,
        "per_ms": limit.per_ms,
        "under_way": load.under_way,
        "begun": None if limit.per_ms is None else load.begun,
        "counts": limit.counts,
        "closed_until": None if load.closed_until is None else format_timestamp(load.closed_until),
        "room_at": None if load.room_at is None else format_timestamp(load.room_at),
    }

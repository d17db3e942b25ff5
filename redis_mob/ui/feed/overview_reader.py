"""The overview: what the fleet is at now, and what the log tells of the last minutes (contract: ui-15)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from redis_mob.models.base import format_timestamp
from redis_mob.models.worker import LiveWorker
from redis_mob.operations.asks import number_of_asks
from redis_mob.operations.queue_report import QueueReport, report_queues
from redis_mob.storage import MobStorage
from redis_mob.ui.feed.pace import COMMANDS_PER_SECOND
from redis_mob.ui.feed.window import Window

MOST_WORKERS = 200
"""Workers that are shown."""

MOST_ASKED = 10
"""Workers that are asked at a time what they execute; the others are asked the next times, in turn."""

MOST_EXECUTIONS = 50
"""Executions of one worker that are shown."""

LEAST_PAUSE = 1.0
"""Least seconds between two reads of the stores."""

_SHARE = 0.5
"""The part of what all readers may ask that the overview takes."""

_FIXED_COST = 7

_ASKS_OF_PAGE = 500


class OverviewReader:
    """Reads the overview, and knows what it was. What is read is bounded, also of a large fleet."""

    def __init__(self, window: Window) -> None:
        self._window = window
        self._stored: dict[str, Any] = {}
        self._now: datetime | None = None
        self._read_at = 0.0
        self._held: dict[str, list[dict[str, Any]]] = {}
        self._turn = 0
        self.workers: Sequence[LiveWorker] = ()
        """The workers that held a lease when the stores were read."""
        self.pause = LEAST_PAUSE
        """Seconds until the stores should be read again."""

    @property
    def now(self) -> datetime | None:
        """The time of the server; None before the first read."""
        if self._now is None:
            return None
        return self._now + timedelta(seconds=time.monotonic() - self._read_at)

    @property
    def is_stale(self) -> bool:
        """Whether the stores should be read again."""
        return time.monotonic() >= self._read_at + self.pause or self._now is None

    async def read(self, storage: MobStorage) -> int:
        """Read the stores; how many calls that took."""
        runs = await storage.operations.count()
        loads = await storage.steering.queues()
        workers, pauses = await storage.executions.workers(), await storage.pauses.pauses()
        asks = await number_of_asks(storage)
        self.workers = workers
        self._now, self._read_at = loads.now, time.monotonic()
        asked = await self._ask(storage, workers)
        reports = report_queues(loads, workers, pauses)
        self._stored = {
            "runs": {str(status): number for status, number in runs.items()},
            "queues": list(map(_queue, reports)),
            "workers": [self._worker(worker) for worker in workers[:MOST_WORKERS]],
            "workers_in_all": len(workers),
            "pauses": pauses,
            "asks": asks,
        }
        cost = _FIXED_COST + asked + asks // _ASKS_OF_PAGE + sum(1 + load.looked_at for load in loads.queues)
        self.pause = max(LEAST_PAUSE, cost / (_SHARE * COMMANDS_PER_SECOND))
        return cost

    def told(self, cursor: int) -> dict[str, Any]:
        """The overview as JSON has it, at a cursor of the log."""
        now = self.now
        if now is None:
            return {}
        latency = self._window.latency(now)
        return {
            "now": format_timestamp(now),
            "cursor": cursor,
            **self._stored,
            "steps_per_second": self._window.steps_per_second(now),
            "latency": None if latency is None else {"p50": latency.p50, "p99": latency.p99},
            "failures": [
                failure._asdict() | {"at": format_timestamp(failure.at)} for failure in self._window.failures(now)
            ],
        }

    async def _ask(self, storage: MobStorage, workers: Sequence[LiveWorker]) -> int:
        """Ask some workers, in turn, what they execute."""
        ids = [worker.record.id for worker in workers[:MOST_WORKERS]]
        self._held = {id: held for id, held in self._held.items() if id in ids}
        begin = self._turn % len(ids) if ids else 0
        asked = [*ids[begin:], *ids[:begin]][:MOST_ASKED]
        self._turn = begin + len(asked)
        for id in asked:
            held = sorted(await storage.executions.held(id))[:MOST_EXECUTIONS]
            self._held[id] = [
                {"run_id": run_id, "step_id": key.node_id, "member": key.target, "frame_id": key.frame_id}
                for run_id, key in held
            ]
        return len(asked)

    def _worker(self, worker: LiveWorker) -> dict[str, Any]:
        record = worker.record
        held = self._held.get(record.id, [])
        return {
            "id": record.id,
            "host": record.host,
            "pid": record.pid,
            "slots": record.slots,
            "used": len(held),
            "release": record.release,
            "roles": record.roles,
            "mobs": record.mobs,
            "started_at": format_timestamp(record.started_at),
            "executions": [self._execution(one) for one in held],
        }

    def _execution(self, held: dict[str, Any]) -> dict[str, Any]:
        since = self._window.since(held["run_id"], held["step_id"], held["member"])
        return {**held, "since": None if since is None else format_timestamp(since)}


def _queue(report: QueueReport) -> dict[str, Any]:
    """A queue; `limit` is the one for which most wait, in words that say how full it is."""
    limited = max(report.limited, key=lambda one: one.waiting, default=None)
    return {
        "mob": report.mob_id,
        "role": report.role,
        "release": report.release,
        "waiting": report.waiting,
        "executing": report.running,
        "delayed": report.delayed,
        "paused": report.paused,
        "workers": report.workers,
        "unserved": report.unserved,
        "limit": None if limited is None else {"text": limited.load.said(limited.flow_id), "waiting": limited.waiting},
        "oldest_at": None if report.oldest_since is None else format_timestamp(report.oldest_since),
    }

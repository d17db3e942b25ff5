"""What the log tells of the last minutes, and how the server is asked for the overview."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from redis_mob.fleet.fleet import Fleet
from redis_mob.models.events import MobEvent, MobEventKind
from redis_mob.models.flow_events import (
    FlowCompleted,
    FlowFailed,
    FlowStarted,
    StepDispatched,
    StepTargetCompleted,
    StepTargetFailed,
)
from redis_mob.models.ids import AgentRuntimeId
from redis_mob.storage import MobStorage
from redis_mob.ui.feed import overview_reader, window
from redis_mob.ui.feed.overview_reader import OverviewReader
from redis_mob.ui.feed.window import MOST_FAILURES, RATE_SECONDS, Latency, Window
from tests.fleet.flows import FLOW, mob, step
from tests.fleet.working import at_work, loaded

BEGIN = datetime(2026, 11, 30, 12, 0, 0, tzinfo=UTC)
RUN = "00000000-0000-4000-8000-000000000001"


class Log:
    """A log whose events come at times that a test says."""

    def __init__(self) -> None:
        self.window = Window()
        self._cursor = 0

    def add(self, seconds: float, kind: MobEventKind) -> None:
        """Add an event so many seconds after the beginning."""
        self._cursor += 1
        at = BEGIN + timedelta(seconds=seconds)
        self.window.take(MobEvent(cursor=self._cursor, timestamp=at, mob_id="mob", kind=kind))


def target(number: int = 1) -> AgentRuntimeId:
    return AgentRuntimeId(identity=f"worker-{number}", generation=0)


def dispatched(number: int = 1) -> StepDispatched:
    return StepDispatched(run_id=RUN, step_id="a", target=target(number))


def completed(number: int = 1) -> StepTargetCompleted:
    return StepTargetCompleted(run_id=RUN, step_id="a", target=target(number))


def test_executions_that_have_ended_are_counted_by_second_and_measured() -> None:
    log = Log()
    for number in range(100):
        log.add(0, dispatched(number))
        log.add(number / 10, completed(number))
    failed = StepTargetFailed(run_id=RUN, step_id="a", target=target(1), reason="no")
    log.add(9.95, failed)  # its begin was told long ago
    now = BEGIN + timedelta(seconds=10)
    first = int(BEGIN.timestamp())
    assert log.window.steps_per_second(now) == [*((first + n, 10) for n in range(9)), (first + 9, 11)]
    assert log.window.latency(now) == Latency(p50=5.0, p99=9.9)
    later = BEGIN + timedelta(seconds=RATE_SECONDS + 9)
    assert log.window.steps_per_second(later) == []
    assert log.window.latency(BEGIN + timedelta(minutes=6)) is None


def test_what_is_under_way_is_known_until_its_run_is_over() -> None:
    log = Log()
    log.add(0, dispatched())
    log.add(1, dispatched(2))
    assert log.window.since(RUN, "a", "worker-1") == BEGIN
    log.add(2, completed())
    assert log.window.since(RUN, "a", "worker-1") is None
    assert log.window.since(RUN, "a", "worker-2") == BEGIN + timedelta(seconds=1)
    log.add(3, FlowCompleted(run_id=RUN, flow_id="flow"))
    assert log.window.since(RUN, "a", "worker-2") is None
    assert log.window.has_seen(RUN)


def test_failures_of_the_last_hour_are_told_the_newest_first() -> None:
    log = Log()
    for number in range(MOST_FAILURES + 5):
        log.add(number, FlowFailed(run_id=RUN, flow_id="flow", reason=f"{number} {'x' * 1000}"))
    told = log.window.failures(BEGIN + timedelta(minutes=60))
    assert len(told) == MOST_FAILURES
    assert told[0].reason.startswith(f"{MOST_FAILURES + 4} ")
    assert len(told[0].reason) == 300
    assert log.window.failures(BEGIN + timedelta(hours=2)) == []


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window, "MOST_OPEN", 10)
    monkeypatch.setattr(window, "MOST_RUNS", 3)
    log = Log()
    ids = [f"00000000-0000-4000-8000-{n:012}" for n in range(30)]
    for run_id in ids:
        log.add(0, FlowStarted(run_id=run_id, flow_id="flow", params=None))
        log.add(0, StepDispatched(run_id=run_id, step_id="a", target=target()))
    assert [run_id for run_id in ids if log.window.since(run_id, "a", "worker-1")] == ids[-10:]
    assert [run_id for run_id in ids if log.window.has_seen(run_id)] == ids[-3:]


async def test_the_overview_tells_queues_and_workers_with_what_they_execute(
    storage: MobStorage, page: httpx.AsyncClient
) -> None:
    """See contract: ui-15."""
    go_on = asyncio.Event()

    async def waits(_ctx: Any) -> str:
        await go_on.wait()
        return "done"

    fleet = Fleet(storage, mob({"a": step(), "b": step(role="judge")}))
    async with at_work(storage, {"worker": waits}, lease=timedelta(seconds=30)):
        run_id = await fleet.start(FLOW)
        while True:
            view = await loaded(storage, run_id)
            if any(execution.lease for execution in view.executions.values()):
                break
        told = (await page.get("/api/overview")).json()
        [worker] = told["workers"]
        assert (worker["used"], worker["slots"], worker["roles"]) == (1, 16, ["worker"])
        [held] = worker["executions"]
        assert (held["run_id"], held["step_id"], held["member"]) == (run_id, "a", "worker-1")
        queues = {queue["role"]: queue for queue in told["queues"]}
        assert (queues["worker"]["executing"], queues["worker"]["workers"]) == (1, 1)
        assert (queues["judge"]["waiting"], queues["judge"]["unserved"]) == (1, 1)
        assert queues["judge"]["oldest_at"]
        assert told["runs"]["running"] == 1
        go_on.set()
        await fleet.cancel(run_id)


async def test_the_server_is_asked_the_more_seldom_the_more_there_is_to_ask(
    storage: MobStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """See contract: ui-12."""
    reader = OverviewReader(Window())
    assert (reader.is_stale, reader.told(0)) == (True, {})
    few = await reader.read(storage)
    assert (few, reader.pause, reader.is_stale) == (7, 1.0, False)
    fleet = Fleet(storage, mob({f"s{n}": step(role=f"role-{n}") for n in range(40)}))
    await fleet.start(FLOW)
    async with at_work(storage, {"none": lambda _: 1}):
        while (await reader.read(storage)) < 80:
            pass
    assert reader.pause >= 80 / 30
    monkeypatch.setattr(overview_reader, "MOST_WORKERS", 0)
    await reader.read(storage)
    assert reader.told(1)["workers"] == []

"""What several processes tell together is what their runs say: counts, times, labels, traces.

Contract: telemetry-3, telemetry-4.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.scheduling import Scheduler
from redis_mob.fleet.step_context import StepContext
from redis_mob.models.flow_spec import ConcurrencySpec, RetrySpec
from redis_mob.models.run import MobRun
from redis_mob.models.transition import Commit, Transition
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.storage import MobStorage
from redis_mob.telemetry import active, names
from redis_mob.testing.faults import Fault, Request, fault_proxy
from redis_mob.testing.waiting import LONG
from tests.fleet.asking import asked
from tests.fleet.flows import FLOW, mob, runs, step, wait, with_flows
from tests.fleet.working import at_work, loaded, run_flow
from tests.telemetry.conftest import Told, id_of, parent_of, trace_of
from tests.telemetry.telling_worker import metric_rows, span_row

AT_ONCE = RetrySpec(attempts=3, first=0.0, most=0.0, jitter=0.0)

DEFINITION = with_flows(
    mob(
        {
            "flaky": step(retry=AT_ONCE),
            "asks": step("flaky"),
            "gate": wait("asks"),
            "each": step("gate", for_each="params.items", max_parallel=2, message="read {{ item }}"),
            "sub": runs("child", "each"),
            "limited": step("sub", role="lead", concurrency=ConcurrencySpec(limit=1)),
        }
    ),
    child={"c": step()},
    fails={"hopeless": step(retry=RetrySpec(attempts=1))},
    stops={"stopped": step()},
)

LINKS = {
    ("step flaky", "step flaky"): 2,
    ("step flaky", "step asks"): 1,
    ("step asks", "step asks"): 1,
    ("step asks", "step each"): 2,
    ("step each", "step each"): 1,
    ("step each", "start child"): 1,
    ("step each", "step limited"): 1,
}
"""The links of a run: from the name of the span before to that of the one that has the link."""

UNITS = {metric.name: metric.unit for metric in names.METRICS}


@dataclass
class Crew:
    """Workers in processes of their own, and what they have told once they have ended."""

    storage: MobStorage
    told: Path
    processes: list[asyncio.subprocess.Process] = field(default_factory=list[asyncio.subprocess.Process])

    async def hire(self) -> asyncio.subprocess.Process:
        where = (self.storage.url, self.storage.namespace, str(self.told))
        hired = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.telemetry.telling_worker", *where), stdin=asyncio.subprocess.PIPE
        )
        self.processes.append(hired)
        return hired

    async def end(self) -> None:
        for one in self.processes:
            if one.returncode is None:
                os.kill(one.pid, signal.SIGCONT)
                one.stdin.close()  # type: ignore[union-attr]  # it is a pipe
        async with asyncio.timeout(LONG):
            for one in self.processes:
                assert await one.wait() in (0, -signal.SIGKILL)

    def spans(self) -> list[dict[str, Any]]:
        files = self.told.parent.glob(f"{self.told.name}.*.spans")
        return [json.loads(line) for one in files for line in one.read_text(encoding="utf-8").splitlines()]

    def rows(self, *pids: int) -> list[list[Any]]:
        files = [Path(f"{self.told}.{one.pid}.metrics") for one in self.processes if not pids or one.pid in pids]
        return [row for one in files if one.exists() for row in json.loads(one.read_text(encoding="utf-8"))]


@asynccontextmanager
async def crew(storage: MobStorage, told: Path, number: int) -> AsyncGenerator[Crew]:
    """So many workers, which have ended after the block."""
    hired = Crew(storage, told)
    try:
        for _ in range(number):
            await hired.hire()
        yield hired
    finally:
        await hired.end()


def summed(rows: list[list[Any]], metric: str) -> dict[tuple[str, ...], int]:
    """How often each combination of labels was told, by all processes: of mob, flow, role, status and error."""
    labels = (names.FLOW, names.ROLE, names.STATUS, names.ERROR_TYPE)
    found = Counter[tuple[str, ...]]()
    for name, unit, told, number, _ in rows:
        assert unit == UNITS.get(name, unit)
        if name == metric:
            assert told.get(names.MOB) == DEFINITION.id
            found[tuple(told[one] for one in labels if one in told)] += number
    return dict(found)


def seconds(rows: list[list[Any]], metric: str, flow: str) -> float:
    return sum(total for name, _, labels, _, total in rows if name == metric and labels.get(names.FLOW) == flow)


async def lasted(storage: MobStorage, run: MobRun) -> float:
    """Seconds, by the clock of the storage."""
    view = await loaded(storage, run.run_id)
    assert run.completed_at is not None
    return (run.completed_at - view.launched_at).total_seconds()


async def test_all_that_two_workers_count_is_what_the_runs_say(storage: MobStorage, told: Told, tmp_path: Path) -> None:
    fleet, admin = Fleet(storage, DEFINITION), FleetAdmin(storage)
    async with asyncio.timeout(LONG * 2), crew(storage, tmp_path / "told", 2) as workers:
        started = [await fleet.start(FLOW, {"items": [1, 2, 3]}) for _ in range(4)]
        failing = [await fleet.start("fails") for _ in range(2)]
        for one in await asked(storage, len(started)):
            assert await admin.answer(one.ask.id)
        for run_id in started:
            await fleet.signal(run_id, "go", wait=True)
        ended = [await fleet.wait(run_id) for run_id in started]
        for run_id in failing:
            await fleet.wait(run_id)
    assert {run.status for run in ended} == {"completed"}
    rows, n = workers.rows() + metric_rows(told.reader), len(started)
    assert summed(rows, "redis_mob.run.started") == {(FLOW,): n, ("child",): n, ("fails",): 2}
    completed = {(FLOW, "completed"): n, ("child", "completed"): n, ("fails", "failed"): 2}
    assert summed(rows, "redis_mob.run.completed") == completed
    assert summed(rows, "redis_mob.run.duration") == completed
    assert summed(rows, "redis_mob.step.retries") == {(FLOW, "worker", "ValueError"): 2 * n}
    assert summed(rows, "redis_mob.step.duration") == {
        (FLOW, "worker", "failed", "ValueError"): 2 * n,
        (FLOW, "worker", "completed"): 5 * n,
        (FLOW, "worker", "suspended"): n,
        (FLOW, "lead", "completed"): n,
        ("child", "worker", "completed"): n,
        ("fails", "worker", "failed", "KeyError"): 2,
    }
    begun = {(FLOW, "worker"): 8 * n, (FLOW, "lead"): n, ("child", "worker"): n, ("fails", "worker"): 2}
    assert summed(rows, "redis_mob.step.schedule_to_start") == begun
    assert summed(rows, "redis_mob.limit.wait") == {(FLOW, "lead"): n}
    for metric in ("step.redelivered", "lease.lost", "receipts.used", "schedule.lateness"):
        assert not [row for row in rows if row[0] == f"redis_mob.{metric}"], metric
    # times are seconds, and those that the runs hold
    total = sum([await lasted(storage, run) for run in ended])
    assert seconds(rows, "redis_mob.run.duration", FLOW) == pytest.approx(total, abs=0.1 * n)
    assert 0 < seconds(rows, "redis_mob.step.duration", FLOW) <= total * 2, "a run has two items at work at once"
    assert 0 <= seconds(rows, "redis_mob.step.schedule_to_start", FLOW) <= total * 3, "and one waits"
    for metric in (names.SLOTS_USED, names.SLOTS_AVAILABLE):  # of a worker that has ended
        assert [row[3] for row in workers.rows() if row[0] == metric.name] == [0, 0]
    check_traces([span_row(one) for one in told.spans()], workers.spans(), started)


def check_traces(of_test: list[dict[str, Any]], of_workers: list[dict[str, Any]], started: list[str]) -> None:
    """Each run is one trace over all processes; each span is told once, has the right parent, status and links."""
    spans = {one["id"]: one for one in (*of_test, *of_workers)}
    assert len(spans) == len(of_test) + len(of_workers)
    for run_id in started:
        [start] = [one for one in of_test if one["attributes"].get(names.RUN_ID) == run_id]
        trace = [one for one in spans.values() if one["trace"] == start["trace"]]
        assert Counter(one["name"] for one in trace) == {
            f"start {FLOW}": 1,
            "step flaky": 3,
            "step asks": 2,
            "step each": 3,
            "start child": 1,
            "step c": 1,
            "end child": 1,
            "step limited": 1,
            f"end {FLOW}": 1,
        }
        [child] = [one for one in trace if one["name"] == "start child"]
        of_child = child["attributes"][names.RUN_ID]
        for one in trace:
            if one is not start:
                is_of_child = one["attributes"][names.RUN_ID] == of_child and one is not child
                assert one["parent"] == (child if is_of_child else start)["id"], one
            failed = one["attributes"].get(names.OUTCOME) == "failed"
            assert one["status"] == ("ERROR" if failed else "UNSET")
        assert {one["pid"] for one in trace} <= {one["pid"] for one in of_workers} | {os.getpid()}
        linked = Counter((spans[link]["name"], one["name"]) for one in trace for link in one["links"])
        assert linked == LINKS


async def test_a_worker_that_was_stopped_and_goes_on_too_late_has_lost_one_lease(
    storage: MobStorage, told: Told, tmp_path: Path
) -> None:
    fleet = Fleet(storage, DEFINITION)
    async with asyncio.timeout(LONG * 2), crew(storage, tmp_path / "told", 1) as workers:
        run_id = await fleet.start("stops")
        stopped = workers.processes[0]
        while not any(one.lease for one in (await loaded(storage, run_id)).executions.values()):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        other = await workers.hire()
        run = await fleet.wait(run_id)
        assert run.root_step_outputs["stopped"] == {"worker-1": other.pid}
    flow = {("stops", "worker"): 1}
    assert summed(workers.rows(stopped.pid), "redis_mob.lease.lost") == flow
    assert summed(workers.rows(), "redis_mob.lease.lost") == flow
    assert summed(workers.rows(), "redis_mob.step.redelivered") == flow
    assert summed(workers.rows(stopped.pid), "redis_mob.step.schedule_to_start") == flow
    assert summed(workers.rows(), "redis_mob.step.schedule_to_start") == flow
    assert summed(workers.rows(), "redis_mob.run.completed") == {("stops", "completed"): 1}
    assert summed(workers.rows(), "redis_mob.step.retries") == {}
    [start] = told.spans()
    first, second = sorted(
        (one for one in workers.spans() if one["name"] == "step stopped"), key=lambda one: one["pid"] != stopped.pid
    )
    assert (first["pid"], second["pid"]) == (stopped.pid, other.pid)
    assert second["links"] == [first["id"]]
    assert {first["parent"], second["parent"]} == {id_of(start)}


async def test_each_call_that_is_sent_again_is_counted_and_nothing_else_is_counted_twice(
    server_url: str, namespace: str, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reply to the first request of each script is lost, after the server has done it."""
    seen = set[bytes]()
    cut = Counter[bytes]()

    def once_each(request: Request) -> Fault:
        if request.words[0].upper() != b"EVALSHA" or request.words[1] in seen:
            return Fault.NONE
        seen.add(request.words[1])
        cut[request.words[1]] += 1
        return Fault.CUT_AFTER

    async def flaky(ctx: StepContext) -> int:
        if ctx.attempt == 1:
            raise ValueError("not yet")
        return 1

    async with fault_proxy(server_url) as proxy, MobStorage.open(proxy.url, namespace=namespace) as storage:
        with monkeypatch.context() as untold:  # the server has to know the scripts, or a first request does nothing
            untold.setattr(active, "spans", None)
            untold.setattr(active, "instruments", None)
            await run_flow(storage, mob({"a": step(retry=AT_ONCE)}), flaky)
        proxy.plan = once_each
        run = await run_flow(storage, mob({"a": step(retry=AT_ONCE)}), flaky, lease=timedelta(seconds=30))
    assert run.status == "completed" and cut
    used = {labels[names.DB_STORED_PROCEDURE_NAME]: number for labels, number in told.points(names.RECEIPTS_USED.name)}
    assert used["executions/start_run"] == used["executions/commit"] == 1
    assert set(used.values()) == {1} and len(used) <= len(cut)
    for metric in (names.RUN_STARTED, names.RUN_COMPLETED, names.RUN_DURATION, names.STEP_RETRIES):
        assert [number for _, number in told.points(metric.name)] == [1], metric.name
    assert sorted(number for _, number in told.points(names.STEP_DURATION.name)) == [1, 1]
    assert [number for _, number in told.points(names.STEP_SCHEDULE_TO_START.name)] == [2]
    assert told.points(names.COMMITS_LOST.name) == told.points(names.LEASE_LOST.name) == []
    assert Counter(one.name for one in told.spans()) == {f"start {FLOW}": 1, "step a": 2, f"end {FLOW}": 1}


async def test_commits_that_another_worker_has_made_stale_are_counted(
    storage: MobStorage, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit, outcomes = storage.executions.commit, list[Commit]()

    async def overtaken(transition: Transition) -> Commit:
        if not outcomes:  # another worker decides between the reading and this
            now = await loaded(storage, transition.run.run_id)
            assert await commit(Transition(before=now, run=now.run, look_again_at=now.now))
        outcomes.append(await commit(transition))
        return outcomes[-1]

    async def work(ctx: StepContext) -> int:
        return 1

    monkeypatch.setattr(storage.executions, "commit", overtaken)
    run = await run_flow(storage, mob({"a": step(), "b": step(), "c": step("a", "b")}), work, workers=3)
    assert run.status == "completed" and not outcomes[0]
    labels = {"mob": run.mob_id, "flow": run.flow_id}
    assert told.points(names.COMMITS_LOST.name) == [(labels, outcomes.count(Commit.LOST))]
    assert [number for _, number in told.points(names.RUN_COMPLETED.name)] == [1]
    assert Counter(one.name for one in told.spans("step")) == {"step a": 1, "step b": 1, "step c": 1}


async def test_a_schedule_is_late_by_the_time_that_has_passed_since_it_was_due(storage: MobStorage, told: Told) -> None:
    record = await Fleet(storage, mob({"a": step()})).schedule("s", FLOW, every=timedelta(hours=1))
    stored = await storage.schedules.get("s")
    assert stored is not None
    due = record.schedule.created_at + timedelta(hours=1)
    first, second = (Scheduler(storage.schedules, storage.executions) for _ in range(2))
    await first.fire(stored, due + timedelta(seconds=2.5))
    await second.fire(stored, due + timedelta(seconds=7))  # it has read the schedule before the first one moved it on
    data = [row for row in metric_rows(told.reader) if row[0] == names.SCHEDULE_LATENESS.name]
    assert data == [[names.SCHEDULE_LATENESS.name, "s", {"mob": "mob", "flow": FLOW}, 1, 2.5]]
    assert told.points(names.RUN_STARTED.name) == [({"mob": "mob", "flow": FLOW}, 1)]
    assert len(told.spans(f"start {FLOW}")) == 1


@pytest.mark.parametrize("way", ["cancel", "terminate"])
async def test_a_run_that_an_operator_ends_is_told_as_ended_with_its_children(
    storage: MobStorage, told: Told, way: str
) -> None:
    definition = with_flows(mob({"sub": runs("child")}), child={"c": step()})
    fleet, admin = Fleet(storage, definition), FleetAdmin(storage)

    async def hangs(ctx: StepContext) -> None:
        await asyncio.Event().wait()

    async with asyncio.timeout(LONG):
        run_id = await fleet.start(FLOW)
        async with at_work(storage, {"nothing": hangs}), storage.executions.listen() as wake_up:
            while len(await storage.runs.list_runs("mob")) < 2:
                await wake_up.wait(0.05)
        await (admin.cancel(run_id) if way == "cancel" else admin.terminate(run_id))
    completed = {labels["flow"]: (labels["status"], number) for labels, number in told.points(names.RUN_COMPLETED.name)}
    assert completed == {FLOW: ("canceled", 1), "child": ("canceled", 1)}
    assert {labels["flow"]: number for labels, number in told.points(names.RUN_STARTED.name)} == {FLOW: 1, "child": 1}
    start, child = told.span(f"start {FLOW}"), told.span("start child")
    assert parent_of(told.span(f"end {FLOW}")) == id_of(start)
    assert parent_of(told.span("end child")) == id_of(child)
    assert {trace_of(one) for one in told.spans()} == {trace_of(start)}

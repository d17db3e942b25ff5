"""Workers: how they share runs, stop, and bear with a storage that fails."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import timedelta
from random import Random
from typing import Any, cast

import pytest

from redis_mob import StepContext
from redis_mob.connection.retry import RetryPolicy
from redis_mob.contracts import ExecutionStore
from redis_mob.errors import (
    DefinitionError,
    HandlerError,
    InternalError,
    MobStoreError,
    NotFoundError,
    OutcomeUnknownError,
    ReadFailedError,
    ValidationError,
    WriteFailedError,
)
from redis_mob.fleet import outage, run_driver
from redis_mob.fleet import worker as worker_module
from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.step_context import Handler
from redis_mob.fleet.worker import Worker
from redis_mob.models.execution import ExecutionStatus
from redis_mob.models.flow_events import FlowCanceled, FlowCompleted, FlowFailed
from redis_mob.models.flow_spec import DispatchMode
from redis_mob.models.run_status import MobRunStatus
from redis_mob.models.transition import Commit, RunView, Transition
from redis_mob.storage import MobStorage
from redis_mob.testing.waiting import LONG, until
from tests.fleet.flows import FLOW, mob, step
from tests.fleet.working import SHORT_LEASE, at_work, check_told_once, run_flow
from tests.support.servers import server

ONE_STEP = mob({"a": step()})


def is_of_a_worker(task: asyncio.Task[Any]) -> bool:
    """Whether it is a task of a worker: neither that of the test, nor that of the storage, which is still open."""
    return task is not asyncio.current_task() and task.get_name() != "redis_mob wake-ups"


def is_of_a_handler(thread: threading.Thread) -> bool:
    return thread.name.startswith("redis-mob-step")


async def nothing(_ctx: StepContext) -> None:
    return None


@pytest.fixture
async def no_leaks() -> AsyncIterator[None]:
    """Fails when tasks of workers or threads of handlers are left at the end of a test."""
    before, threads = asyncio.all_tasks(), set(threading.enumerate())  # other tests may have abandoned some
    yield
    await until(lambda: not [task for task in asyncio.all_tasks() - before if is_of_a_worker(task)])
    await until(lambda: not [one for one in threading.enumerate() if is_of_a_handler(one) and one not in threads])


async def test_engine_case_01_a_run_is_stored_before_start_returns(storage: MobStorage) -> None:
    run_id = await Fleet(storage, ONE_STEP, {"*": nothing}).start(FLOW, {"x": 1})
    run = await storage.runs.get_run(run_id)
    assert run is not None
    assert (run.status, run.activation_params) == (MobRunStatus.PENDING, {"x": 1})


async def test_engine_case_02_runs_do_not_see_each_other_s_parameters(storage: MobStorage) -> None:
    async def handler(ctx: StepContext) -> Any:
        return ctx.params

    params: list[dict[str, Any]] = [{"n": n, "list": []} for n in range(5)]
    fleet = Fleet(storage, ONE_STEP, {"*": handler})
    async with at_work(storage, {"*": handler}):
        ids = [await fleet.start(FLOW, one) for one in params]
        params[0]["n"] = "changed after the start"
        runs = [await fleet.wait(run_id) for run_id in ids]
    assert [run.root_step_outputs["a"]["worker-1"]["n"] for run in runs] == [0, 1, 2, 3, 4]


async def test_engine_case_03_what_cannot_be_stored_is_not_started(
    storage: MobStorage, other_storage: MobStorage
) -> None:
    await other_storage.aclose()
    with pytest.raises(InternalError):
        await Fleet(other_storage, ONE_STEP, {"*": nothing}).start(FLOW)
    assert await storage.runs.list_runs("mob") == []


async def test_engine_case_05_a_run_that_is_over_leaves_nothing_due(storage: MobStorage) -> None:
    def failing(_ctx: StepContext) -> None:
        raise ValueError("broken")

    for handler in (nothing, failing):
        await run_flow(storage, ONE_STEP, handler)
    work = await storage.executions.take_due(max_runs=9, max_executions=9, keep=timedelta(seconds=9))
    assert (work.runs, work.executions, work.next_run_at, work.next_execution_at) == ((), (), None, None)


def test_engine_case_65_the_system_s_own_name_is_refused() -> None:
    definition = mob({"a": step(role="__flow_system_x")})
    with pytest.raises(DefinitionError, match="__flow_system_x"):
        Fleet(cast("MobStorage", None), definition, {"*": nothing})


async def test_engine_case_59_many_runs_and_cancels_stay_coherent(storage: MobStorage) -> None:
    steps = {"a": step(), "b": step("a", dispatch_mode=DispatchMode.FAN_IN), "c": step("a", policy="any")}
    random = Random(7)

    async def handler(_ctx: StepContext) -> None:
        await asyncio.sleep(random.uniform(0, 0.01))

    fleet = Fleet(storage, mob(steps), {"*": handler}, members={"worker": 2})
    async with at_work(storage, {"*": handler}, workers=3, lease=timedelta(seconds=10)):
        ids = [await fleet.start(FLOW) for _ in range(20)]
        asked = dict(zip(ids[::3], await asyncio.gather(*map(fleet.cancel, ids[::3])), strict=True))
        runs = {run_id: await fleet.wait(run_id) for run_id in ids}
    for run_id, run in runs.items():
        expected = MobRunStatus.CANCELED if asked.get(run_id) else MobRunStatus.COMPLETED
        assert run.status is expected
    ends = Counter(
        event.kind.run_id
        for event in await storage.events.replay_all()
        if isinstance(event.kind, FlowCompleted | FlowFailed | FlowCanceled)
    )
    assert ends == Counter(ids)


async def test_workers_with_roles_of_their_own_share_a_run(storage: MobStorage) -> None:
    steps = {"a": step(role="one", policy="any"), "b": step("a", role="two", policy="any")}
    steps["c"] = step("b", role="one", policy="any")

    def handlers(role: str) -> Mapping[str, Handler]:
        return {role: lambda _ctx: role}

    fleet = Fleet(storage, mob(steps), {"*": nothing})
    lease = timedelta(seconds=60)  # a worker that took work of a role it does not serve would hold it for a minute
    async with at_work(storage, handlers("one"), lease=lease), at_work(storage, handlers("two"), lease=lease):
        run = await asyncio.wait_for(fleet.wait(await fleet.start(FLOW)), 20)
    assert run.root_step_outputs == {"a": "one", "b": "two", "c": "one"}


async def test_a_worker_takes_on_no_more_than_it_may(storage: MobStorage) -> None:
    running, most = 0, 0

    async def handler(_ctx: StepContext) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.005)
        running -= 1

    run = await run_flow(storage, ONE_STEP, handler, members={"worker": 9}, concurrency=2)
    assert run.status is MobRunStatus.COMPLETED
    assert most <= 2


@pytest.mark.usefixtures("no_leaks")
async def test_a_worker_that_is_stopped_finishes_what_it_has_begun(storage: MobStorage) -> None:
    began, release = threading.Event(), threading.Event()

    def handler(_ctx: StepContext) -> str:
        began.set()
        release.wait()
        return "finished"

    fleet = Fleet(storage, mob({"a": step(), "b": step("a")}), {"*": handler})
    stop = asyncio.Event()
    working = asyncio.create_task(fleet.work(stop=stop))
    run_id = await fleet.start(FLOW)
    await until(began.is_set)
    stop.set()
    done, _ = await asyncio.wait({working}, timeout=0.05)
    assert not done
    release.set()
    await working
    view = await storage.executions.load(run_id)
    assert view is not None
    assert view.run.root_step_outputs == {"a": {"worker-1": "finished"}}
    assert view.run.status is MobRunStatus.RUNNING


@pytest.mark.usefixtures("no_leaks")
async def test_a_worker_that_is_cancelled_leaves_its_work_to_others(storage: MobStorage) -> None:
    tokens: list[int] = []

    async def handler(ctx: StepContext) -> int:
        tokens.append(ctx.fencing_token)
        if ctx.fencing_token == 1:
            await asyncio.Event().wait()
        return ctx.fencing_token

    fleet = Fleet(storage, ONE_STEP, {"*": handler}, lease=SHORT_LEASE)
    working = asyncio.create_task(fleet.work())
    run_id = await fleet.start(FLOW)
    await until(lambda: tokens)
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    async with at_work(storage, {"*": handler}):
        run = await fleet.wait(run_id)
    assert run.root_step_outputs == {"a": {"worker-1": 2}}


@pytest.mark.usefixtures("no_leaks")
async def test_a_storage_that_is_lost_ends_the_worker_after_its_patience(
    namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outage, "LONGEST_OUTAGE_SECONDS", 0.3)
    monkeypatch.setattr(worker_module, "SWEEP_SECONDS", 0.02)
    began, stopped = asyncio.Event(), asyncio.Event()

    async def handler(_ctx: StepContext) -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    with server() as url:
        storage = await MobStorage.open(url, namespace=namespace, retry=RetryPolicy(deadline=1.0))
        fleet = Fleet(storage, ONE_STEP, {"*": handler})
        working = asyncio.create_task(fleet.work())
        await fleet.start(FLOW)
        await asyncio.wait_for(began.wait(), 20)
    with pytest.raises(MobStoreError):
        await working
    assert stopped.is_set()
    await storage.aclose()


class Outage:
    """A store whose commits and reads of runs fail for a time, after a commit that happens although its reply is lost.

    Other calls are answered, so that the worker lives on.
    """

    def __init__(self, store: ExecutionStore, tells: Callable[[Transition], bool]) -> None:
        self._store, self._tells = store, tells
        self.failures, self.has_begun = 0, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def load(self, run_id: str) -> RunView | None:
        self._fail()
        return await self._store.load(run_id)

    async def commit(self, transition: Transition) -> Commit:
        self._fail()
        if self.has_begun or not self._tells(transition):
            return await self._store.commit(transition)
        await self._store.commit(transition)
        self.has_begun, self.failures = True, 3
        raise OutcomeUnknownError("reply lost", "token")

    def _fail(self) -> None:
        if self.failures:
            self.failures -= 1
            raise ReadFailedError("the storage is gone for a while")


@pytest.mark.parametrize("status", [ExecutionStatus.LEASED, ExecutionStatus.COMPLETED], ids=["claim", "result"])
async def test_what_a_worker_holds_is_not_forgotten_when_a_run_cannot_be_reached_for_longer_than_its_patience(
    storage: MobStorage, monkeypatch: pytest.MonkeyPatch, status: ExecutionStatus
) -> None:
    """It lives, so that no other one would ever take this over."""
    monkeypatch.setattr(outage, "LONGEST_OUTAGE_SECONDS", 0.0)
    monkeypatch.setattr(run_driver, "RETRY_SECONDS", 0.001)
    failing = Outage(storage.executions, lambda change: any(one.status is status for one in change.executions.values()))
    definition = mob({"a": step(), "b": step("a")})
    handlers: dict[str, Handler] = {"*": lambda ctx: ctx.attempt}
    fleet, stop = Fleet(storage, definition, handlers), asyncio.Event()
    working = asyncio.create_task(Worker(cast("Any", failing), handlers, lease=timedelta(hours=1)).run(stop))
    run_id = await fleet.start(FLOW)
    async with asyncio.timeout(LONG):
        run = await fleet.wait(run_id)
    stop.set()
    await working
    assert failing.has_begun
    assert run.root_step_outputs == {"a": {"worker-1": 1}, "b": {"worker-1": 1}}


class Unreliable:
    """A store whose commits fail at random: before they happen, or with their reply lost after they did."""

    def __init__(self, store: ExecutionStore, random: Random, share: float) -> None:
        self._store = store
        self._random = random
        self._share = share
        self.failures: Counter[str] = Counter()
        self.fail_next = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def commit(self, transition: Transition) -> Commit:
        if self.fail_next or self._random.random() < self._share:
            self.fail_next = max(self.fail_next - 1, 0)
            self.failures["before"] += 1
            raise WriteFailedError("not sent")
        committed = await self._store.commit(transition)
        if self._random.random() < self._share:
            self.failures["after"] += 1
            raise OutcomeUnknownError("reply lost", "token")
        return committed


@pytest.mark.parametrize("seed", range(4))
async def test_commits_that_fail_or_lose_their_reply_change_nothing_in_the_outcome(
    storage: MobStorage, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_driver, "RETRY_SECONDS", 0.001)
    monkeypatch.setattr(storage, "executions", store := Unreliable(storage.executions, Random(seed), 0.3))
    steps = {"a": step(), "b": step("a"), "c": step("a", policy=2), "d": step("b", "c")}
    steps |= {f"e{n}": step(f"e{n - 1}" if n else "d") for n in range(10)}

    async def handler(ctx: StepContext) -> dict[str, str]:
        return {"step": ctx.step_id, "member": ctx.member}

    run = await run_flow(storage, mob(steps), handler, members={"worker": 2}, workers=2)
    assert run.status is MobRunStatus.COMPLETED
    assert run.root_step_outputs == {
        name: {f"worker-{n}": {"step": name, "member": f"worker-{n}"} for n in (1, 2)} for name in steps
    }
    await check_told_once(storage, run)
    assert min(store.failures["before"], store.failures["after"]) > 0


async def test_a_result_that_cannot_be_stored_at_once_is_not_thrown_away(
    storage: MobStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lease would outlive the test: no other worker gets to execute the step."""
    store = Unreliable(storage.executions, Random(0), 0)
    monkeypatch.setattr(storage, "executions", store)
    monkeypatch.setattr(run_driver, "RETRY_SECONDS", 0.001)

    async def handler(ctx: StepContext) -> int:
        store.fail_next = 3
        return ctx.fencing_token

    run = await run_flow(storage, ONE_STEP, handler, lease=timedelta(minutes=5))
    assert run.root_step_outputs == {"a": {"worker-1": 1}}
    assert store.failures["before"] == 3


async def test_bad_input_is_refused_with_its_name(storage: MobStorage) -> None:
    with pytest.raises(ValidationError, match=r"a lease of 0\.05 s is too short; give 0\.1 s at least"):
        Fleet(storage, ONE_STEP, {"*": nothing}, lease=timedelta(milliseconds=50))
    with pytest.raises(ValidationError, match="lease must be a timedelta from 0"):
        Worker(storage.executions, {"*": nothing}, lease=timedelta(seconds=-1))
    with pytest.raises(ValidationError, match="concurrency must be an integer from 1, not 0"):
        await Fleet(storage, ONE_STEP, {"*": nothing}).work(concurrency=0)
    with pytest.raises(ValidationError, match="members: the definition has no role 'absent'"):
        Fleet(storage, ONE_STEP, {"*": nothing}, members={"absent": 1})
    with pytest.raises(ValidationError, match="members: role 'worker' cannot have -1 members"):
        Fleet(storage, ONE_STEP, {"*": nothing}, members={"worker": -1})
    for fleet in (Fleet(storage, ONE_STEP), Fleet(storage, ONE_STEP, {})):
        with pytest.raises(HandlerError, match="this fleet of mob 'mob' has no handlers, so that it cannot work"):
            await fleet.work()
    with pytest.raises(NotFoundError, match="mob 'mob' has no flow 'other'; it has: 'flow'"):
        await Fleet(storage, ONE_STEP, {"*": nothing}).start("other")


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "params", [float("nan"), {"x": object()}, {(1, 2): 2}, deep(400)], ids=["nan", "object", "key", "deep"]
)
async def test_parameters_that_are_no_json_are_refused(storage: MobStorage, params: Any) -> None:
    with pytest.raises(ValidationError, match="params: "):
        await Fleet(storage, ONE_STEP, {"*": nothing}).start(FLOW, params)


async def test_the_deepest_parameters_come_through(storage: MobStorage) -> None:
    run = await run_flow(storage, mob({"a": step()}), nothing, params=deep(128))
    assert run.status is MobRunStatus.COMPLETED

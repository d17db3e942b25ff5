"""One driver per run and process: few commits, none of them lost to the same process, and the run is read once."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from redis_mob import Fleet
from redis_mob.contracts import ExecutionStore
from redis_mob.errors import InternalError, OutcomeUnknownError, ReadFailedError
from redis_mob.fleet import advance, engine, run_driver, run_wait, settlement
from redis_mob.fleet.outcome import Succeeded
from redis_mob.fleet.step_context import StepContext
from redis_mob.models.definition import MobDefinition
from redis_mob.models.run import MobRun
from redis_mob.models.run_status import MobRunStatus
from redis_mob.models.transition import Commit, RunView, Transition
from redis_mob.storage import MobStorage
from tests.fleet.flows import FLOW, mob, step
from tests.fleet.working import check_told_once, loaded, run_flow

LONG_LEASE = timedelta(minutes=5)
"""Longer than any test: what is left to a takeover would never be done."""


class Counted:
    """A store that counts what is asked of it, and loses the replies of the commits with these numbers."""

    def __init__(self, store: ExecutionStore, lost_replies: tuple[int, ...] = ()) -> None:
        self._store = store
        self._lost_replies = lost_replies
        self.counts: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def load(self, run_id: str) -> RunView | None:
        self.counts["reads"] += 1
        return await self._store.load(run_id)

    async def status(self, run_id: str) -> MobRunStatus | None:
        self.counts["looks"] += 1
        return await self._store.status(run_id)

    async def commit(self, transition: Transition) -> Commit:
        self.counts["commits"] += 1
        number = self.counts["commits"]
        committed = await self._store.commit(transition)
        if number in self._lost_replies:
            raise OutcomeUnknownError("the reply was lost", "token")
        self.counts["lost"] += not committed
        return committed


def parallel(steps: int) -> MobDefinition:
    return mob({f"s{number:03}": step() for number in range(steps)})


async def work_on(
    storage: MobStorage, definition: MobDefinition, handler: Any, patch: pytest.MonkeyPatch, **options: Any
) -> tuple[MobRun, Counter[str]]:
    lost = options.pop("lost_replies", ())
    store = Counted(storage.executions, lost)
    patch.setattr(storage, "executions", store)
    patch.setattr(run_driver, "RETRY_SECONDS", 0.001)
    run = await run_flow(storage, definition, handler, lease=LONG_LEASE, **options)
    assert run.status is MobRunStatus.COMPLETED
    await check_told_once(storage, run)
    return run, store.counts


async def nothing(_ctx: StepContext) -> int:
    return 1


async def test_one_worker_reads_a_run_once_and_loses_no_commit(
    storage: MobStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, counts = await work_on(storage, parallel(60), nothing, monkeypatch, concurrency=10)
    assert len(run.root_step_outputs) == 60
    assert counts["reads"] == 1
    assert counts["lost"] == 0


async def test_what_has_no_room_in_one_decision_comes_in_the_next_without_another_read(
    storage: MobStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(advance, "MOST_ACTIONS", 10)
    run, counts = await work_on(storage, parallel(60), nothing, monkeypatch, concurrency=60)
    assert len(run.root_step_outputs) == 60
    assert counts["commits"] >= 12, "60 steps that begin, and 60 that are recorded at the end, 10 at a time"
    assert (counts["reads"], counts["lost"]) == (1, 0)


async def test_waiting_for_a_run_reads_its_status_at_the_start_and_at_its_end_alone(
    storage: MobStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_wait, "SWEEP_SECONDS", LONG_LEASE.total_seconds())
    _, counts = await work_on(storage, parallel(60), nothing, monkeypatch, concurrency=4)
    assert counts["commits"] > 10
    assert counts["looks"] <= 3, "at the start, at the end, and when a worker comes, which concerns all"


async def test_a_transition_that_is_changed_is_not_vouched_for(storage: MobStorage) -> None:
    run_id = await Fleet(storage, parallel(1), {"*": nothing}).start(FLOW)
    vouched = Transition(before=(view := await loaded(storage, run_id)), run=view.run).vouched()
    assert vouched.is_vouched
    assert not replace(vouched, by="another").is_vouched


async def test_what_arrives_together_is_one_commit(storage: MobStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    _, counts = await work_on(storage, parallel(60), nothing, monkeypatch, concurrency=60)
    assert counts["commits"] <= 6, "one to begin all of them, and a few in which they end"


async def test_the_next_step_of_a_chain_begins_in_the_commit_that_ends_the_one_before(
    storage: MobStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = mob({f"s{number}": step(*([f"s{number - 1}"] if number else [])) for number in range(20)})
    _, counts = await work_on(storage, chain, nothing, monkeypatch)
    # now and then the worker is asking for more work at this very moment, and has no slot to give
    assert 21 <= counts["commits"] < 30


async def test_handlers_that_ask_for_their_leases_all_the_time_cost_no_commit(
    storage: MobStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def handler(ctx: StepContext) -> bool:
        return all([await ctx.heartbeat() for _ in range(5)])

    run, counts = await work_on(storage, parallel(20), handler, monkeypatch, concurrency=5)
    assert set(map(str, run.root_step_outputs.values())) == {"{'worker-1': True}"}
    assert counts["lost"] == 0


@pytest.mark.parametrize("lost", range(1, 7))
async def test_what_a_commit_of_unknown_outcome_has_claimed_is_begun(
    storage: MobStorage, monkeypatch: pytest.MonkeyPatch, lost: int
) -> None:
    """Left to a takeover, it would wait for as long as the lease."""
    called: Counter[str] = Counter()

    async def handler(ctx: StepContext) -> int:
        called[ctx.step_id] += 1
        return ctx.fencing_token

    steps = {"a": step(), "b": step(), "c": step("a", "b"), "d": step("c"), "e": step("d")}
    run, counts = await work_on(storage, mob(steps), handler, monkeypatch, lost_replies=(lost,))
    assert counts["commits"] >= lost or counts["commits"] >= 5
    assert called == Counter(steps.keys())
    assert {output["worker-1"] for output in run.root_step_outputs.values()} == {1}


async def test_what_was_claimed_is_begun_also_if_the_storage_cannot_say_at_first_what_is_held(
    storage: MobStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, asked = storage.executions.held, list[str]()

    async def fails_at_first(worker_id: str) -> Any:
        asked.append(worker_id)
        if len(asked) == 1:
            raise ReadFailedError("not now")
        return await held(worker_id)

    monkeypatch.setattr(storage.executions, "held", fails_at_first)
    run, _ = await work_on(storage, parallel(1), nothing, monkeypatch, lost_replies=(1,))
    assert run.root_step_outputs and len(asked) >= 2


async def test_two_workers_share_what_waits_and_each_step_is_done_once(
    storage: MobStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: Counter[str] = Counter()

    async def handler(ctx: StepContext) -> int:
        called[ctx.step_id] += 1
        await asyncio.sleep(0.001)
        return ctx.fencing_token

    run, _ = await work_on(storage, parallel(60), handler, monkeypatch, concurrency=8, workers=2)
    assert set(called.values()) == {1}
    assert {output["worker-1"] for output in run.root_step_outputs.values()} == {1}


async def test_an_outcome_that_cannot_be_settled_ends_its_execution_alone(
    storage: MobStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lease would expire, and it would be executed again for ever."""
    settle = settlement.settle_execution

    def break_on_poison(builder: Any, key: Any, execution: Any, outcome: Any, random: Any) -> None:
        if isinstance(outcome, Succeeded) and outcome.output == "poison":
            raise InternalError("it cannot be stored")
        settle(builder, key, execution, outcome, random)

    monkeypatch.setattr(engine, "settle_execution", break_on_poison)
    called: Counter[str] = Counter()
    together = asyncio.Barrier(5)

    async def handler(ctx: StepContext) -> str:
        called[ctx.step_id] += 1
        await together.wait()
        return "poison" if ctx.step_id == "s002" else "fine"

    run = await run_flow(storage, parallel(5), handler, lease=LONG_LEASE)
    assert run.status is MobRunStatus.FAILED
    assert set(called.values()) == {1}
    assert sorted(run.root_step_outputs) == ["s000", "s001", "s003", "s004"]
    [failure] = run.failure_ledger
    assert failure.step_id == "s002"
    assert failure.reason == "its outcome cannot be settled: InternalError: it cannot be stored"

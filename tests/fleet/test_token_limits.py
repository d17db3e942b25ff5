"""Limits in tokens: what is reserved, what is settled, and what no time of a limit has more of than it may."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from redis_mob import isolated
from redis_mob.fleet import engine
from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.outcome import Failed, Succeeded
from redis_mob.fleet.step_context import StepContext
from redis_mob.models.definition import MobDefinition
from redis_mob.models.due_work import DueExecution
from redis_mob.models.execution import ExecutionStatus
from redis_mob.models.limits import Counts, LimitLoad, RateSpec, TokenUse
from redis_mob.models.run_status import MobRunStatus
from redis_mob.models.transition import Transition
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.storage import MobStorage
from redis_mob.testing.waiting import LONG
from tests.fleet import isolated_handlers
from tests.fleet.flows import FLOW, mob, step
from tests.fleet.limited_floor import BRIEF, KEYED, LEASE, OF_TENANT, Floor, each, with_limits
from tests.fleet.test_limits import left_over
from tests.fleet.test_limits_steered import MANY_MOVES, SteeredFloor
from tests.fleet.working import at_work, loaded, run_flow

PER, LIMIT = timedelta(milliseconds=300), 1000
IN_TIME = RateSpec(limit=LIMIT, per="300ms", units="{{ item }}")
AN_HOUR = RateSpec(limit=100, per="1h", units=60)


def most_within(times: Sequence[tuple[float, int]], per: float) -> int:
    """How many units were used at most within such a time."""
    return max(sum(units for other, units in times if at <= other < at + per) for at, _ in times)


@pytest.mark.parametrize("workers", [1, 3])
async def test_no_time_of_a_limit_has_more_tokens_than_it_may(storage: MobStorage, workers: int) -> None:
    random = Random(7)
    times: list[tuple[float, int]] = []

    async def work(ctx: StepContext) -> int:
        units = random.randint(ctx.item // 2, ctx.item)
        await asyncio.sleep(random.random() * 0.005)
        times.append((time.time(), units))
        await asyncio.sleep(random.random() * 0.005)
        async with ctx.spend(tokens=ctx.item) as call:
            call.used(input_tokens=units // 2, output_tokens=units - units // 2)
        return units

    items = [random.randint(10, 200) for _ in range(40)]
    run = await run_flow(storage, mob({"a": each(rate=IN_TIME)}), work, params={"items": items}, workers=workers)
    assert run.status is MobRunStatus.COMPLETED
    assert len(times) == len(items)
    # what is told of times is rounded to milliseconds
    assert most_within(sorted(times), PER.total_seconds() - 0.001) <= LIMIT


class Taker:
    """Starts runs of a step with a limit, and takes, claims and ends their executions, one at a time."""

    def __init__(self, storage: MobStorage, *rates: RateSpec, of_flow: RateSpec | None = None) -> None:
        self.storage, self.store = storage, storage.executions
        self.runs: list[str] = []
        rate = rates[0] if len(rates) == 1 else rates or None
        self.definition: MobDefinition = mob({"a": step(rate=rate)}, limits={"max_step_retries": 3})
        if of_flow is not None:
            self.definition = with_limits(self.definition, rate=of_flow)

    async def start(self, number: int = 1, **params: Any) -> None:
        for _ in range(number):
            self.runs.append(await Fleet(self.storage, self.definition, {"*": print}).start(FLOW, params))
        for run_id in (await self.store.take_due(max_runs=number, max_executions=0, keep=LEASE)).runs:
            await self.commit(engine.advance(await loaded(self.storage, run_id), self.definition))

    async def commit(self, transition: Transition | None) -> None:
        assert transition is not None
        assert await self.store.commit(transition)

    async def take(self, keep: timedelta = LEASE) -> DueExecution | None:
        """What is due, if anything is."""
        found = (await self.store.take_due(max_runs=0, max_executions=1, keep=keep)).executions
        return found[0] if found else None

    async def claim(self, due: DueExecution, owner: str = "one") -> None:
        view = await loaded(self.storage, due.run_id)
        await self.commit(engine.claim(view, self.definition, due.key, owner=owner, random=Random(1), loss=due.loss))

    async def begin(self) -> DueExecution:
        due = await self.take()
        assert due is not None
        await self.claim(due)
        return due

    async def end(self, due: DueExecution, used: TokenUse | None = None, outcome: Any = None) -> None:
        view = await loaded(self.storage, due.run_id)
        execution = view.executions[due.key]
        await self.commit(
            engine.settle(
                view,
                self.definition,
                due.key,
                outcome or Succeeded("done"),
                token=execution.fencing_token,
                random=Random(1),
                used=used,
            )
        )

    async def load(self) -> LimitLoad:
        """How full the first limit is."""
        return (await self.loads())[0]

    async def loads(self) -> Sequence[LimitLoad]:
        view = await loaded(self.storage, self.runs[0])
        (execution,) = view.executions.values()
        return await self.storage.steering.limit_loads(view.run.mob_id, view.run.flow_id, execution.limits)

    async def counts(self) -> tuple[int, int]:
        """How many units are reserved, and how many were used."""
        load = await self.load()
        return load.under_way, load.begun


async def test_an_estimate_is_reserved_and_the_use_is_settled(storage: MobStorage) -> None:
    taker = Taker(storage, AN_HOUR)
    await taker.start(3)
    due = await taker.take()
    assert due is not None
    assert await taker.counts() == (60, 0)
    assert await taker.take() is None
    await taker.claim(due)
    assert await taker.counts() == (60, 0)
    await taker.end(due, TokenUse(8, 2))
    assert await taker.counts() == (0, 10)
    await taker.end(await taker.begin(), TokenUse(10, 20))
    assert await taker.counts() == (0, 40)
    await taker.begin()
    assert await taker.counts() == (60, 40)
    load = await taker.load()
    assert load.is_full
    assert load.said(FLOW) == "of step 'a' 40 of 100 tokens were used within 3600 s, and 60 are reserved"


async def test_an_attempt_that_tells_nothing_counts_as_it_was_estimated(storage: MobStorage) -> None:
    taker = Taker(storage, AN_HOUR)
    await taker.start(2)
    await taker.end(await taker.begin(), None)
    assert await taker.counts() == (0, 60)
    assert await taker.take() is None
    load = await taker.load()
    assert load.is_full
    assert load.room_at is not None  # when the first attempt is an hour ago


async def test_what_is_used_beyond_the_estimate_delays_those_that_follow(storage: MobStorage) -> None:
    taker = Taker(storage, AN_HOUR)
    await taker.start(2)
    await taker.end(await taker.begin(), TokenUse(500, 0))
    assert await taker.counts() == (0, 500)
    assert await taker.take() is None


async def test_what_was_taken_and_never_began_has_used_nothing(storage: MobStorage) -> None:
    taker = Taker(storage, AN_HOUR)
    await taker.start(2)
    assert await taker.take(BRIEF) is not None
    await asyncio.sleep(2 * BRIEF.total_seconds())
    assert await taker.take() is not None
    assert await taker.counts() == (60, 0)


@pytest.mark.parametrize("is_orderly", [True, False])
async def test_what_a_worker_had_when_it_left_counts_as_it_was_estimated(storage: MobStorage, is_orderly: bool) -> None:
    taker = Taker(storage, AN_HOUR)
    await taker.start(2)
    floor = Floor(storage.executions, Random(1))
    await floor.hire()
    (worker,) = floor.taken
    due = await taker.take()
    assert due is not None
    await taker.claim(due, worker)
    await storage.executions.leave_workers(worker, is_orderly=is_orderly)
    assert await taker.counts() == (0, 60)


async def test_an_attempt_that_failed_has_used_what_it_tells(storage: MobStorage) -> None:
    taker = Taker(storage, AN_HOUR)
    await taker.start()
    await taker.end(await taker.begin(), TokenUse(3, 4), Failed("no"))
    assert await taker.counts() == (0, 7)


async def test_an_outcome_that_is_only_reported_settles_what_it_used(storage: MobStorage) -> None:
    taker = Taker(storage, AN_HOUR)
    await taker.start()
    due = await taker.begin()
    reports = (engine.Report(due.key, 1, Succeeded("done"), used=TokenUse(1, 2)),)
    view = await loaded(storage, due.run_id)
    noted = engine.note(view, taker.definition, reports=reports, claimant=engine.Claimant("one"), random=Random(1))
    await taker.commit(noted.transition)
    assert (await loaded(storage, due.run_id)).executions[due.key].status is ExecutionStatus.REPORTED
    assert await taker.counts() == (0, 3)


async def test_a_run_that_is_cancelled_settles_as_it_was_estimated(storage: MobStorage) -> None:
    taker = Taker(storage, AN_HOUR)
    await taker.start()
    due = await taker.begin()
    await storage.executions.request_cancel(due.run_id)
    await taker.commit(engine.advance(await loaded(storage, due.run_id), taker.definition))
    assert await taker.counts() == (0, 60)


async def test_input_and_output_are_counted_apart(storage: MobStorage) -> None:
    rates = [
        RateSpec(limit=1000, per="1h", units=100, counts=Counts.INPUT),
        RateSpec(limit=100, per="1h", units=20, counts=Counts.OUTPUT),
        RateSpec(limit=7, per="1h"),
    ]
    taker = Taker(storage, *rates)
    await taker.start(3)
    await taker.end(await taker.begin(), TokenUse(90, 10))
    loads = await taker.loads()
    assert [(load.under_way, load.begun) for load in loads] == [(0, 90), (0, 10), (0, 1)]
    await taker.end(await taker.begin(), TokenUse(1, 80))
    assert await taker.take() is None  # of output only 10 are left
    loads = await taker.loads()
    assert [load.is_full for load in loads] == [False, True, False]
    assert loads[1].said(FLOW) == "of step 'a' 90 of 100 output tokens were used within 3600 s"


async def test_units_may_be_rendered_and_are_rounded_up(storage: MobStorage) -> None:
    taker = Taker(storage, RateSpec(limit=5000, per="1h", units="{{ params.tokens }}", key="{{ params.tenant }}"))
    await taker.start(tokens=1234, tenant="acme")
    await taker.begin()
    load = await taker.load()
    assert (load.limit.units, load.under_way, load.limit.key) == (1300, 1300, "acme")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("many", "the units of its rate must give a number above 0, and give 'many'"),
        (0, "the units of its rate must give a number above 0, and give '0'"),
        (-3, "the units of its rate must give a number above 0, and give '-3'"),
        ("nan", "the units of its rate must give a number above 0, and give 'nan'"),
        ("1e400", "the units of its rate must give a number above 0, and give '1e400'"),
        ([1], "the units of its rate must give a number above 0, and give '[1]'"),
        (None, "the units of its rate must give a number above 0, and give 'null'"),
        (1001, "the units of its rate are 1,001, more than its limit, 1,000: it would never begin"),
    ],
)
async def test_units_that_are_none_fail_the_step(storage: MobStorage, given: Any, said: str) -> None:
    definition = mob({"a": step(rate=RateSpec(limit=1000, per="1h", units="{{ params.n }}"))})
    run = await run_flow(storage, definition, lambda _: "done", params={"n": given})
    assert run.status is MobRunStatus.FAILED
    assert run.failure_ledger[0].reason.startswith(said)


async def test_a_flow_and_a_step_count_their_tokens_apart(storage: MobStorage) -> None:
    of_flow = RateSpec(limit=50, per="1h", units="{{ params.tokens }}")
    taker = Taker(storage, AN_HOUR, of_flow=of_flow)
    await taker.start(tokens=50)
    await taker.end(await taker.begin(), TokenUse(5, 6))
    assert [load.begun for load in await taker.loads()] == [11, 11]


async def test_what_was_used_is_forgotten(storage: MobStorage) -> None:
    rate = RateSpec(limit=50, per="20ms", units=10, key="{{ item }}")
    async with at_work(storage, {"*": lambda _: "done"}):
        definition = mob({"a": each(rate=rate)})
        fleet = Fleet(storage, definition, {"*": print})
        async with asyncio.timeout(LONG):
            await fleet.wait(await fleet.start(FLOW, {"items": [f"key-{n}" for n in range(50)]}))
            while await left_over(storage, "gated", "gated:times"):  # noqa: ASYNC110  # nothing tells of it
                await asyncio.sleep(0.05)


async def test_operators_see_one_limit_for_all_that_it_counts(storage: MobStorage) -> None:
    definition = mob({"a": each(rate=RateSpec(limit=100, per="1h", units="{{ item }}"))})
    fleet, admin = Fleet(storage, definition, {}), FleetAdmin(storage)
    async with at_work(storage, {"*": lambda _: "done"}), asyncio.timeout(LONG):
        run_id = await fleet.start(FLOW, {"items": [90, 80, 70, 60]})
        while len((await loaded(storage, run_id)).executions) != 3:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        while not (limited := (await admin.queues())[0].limited):  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    [one] = limited
    assert one.waiting == 3
    assert one.load.said(FLOW).startswith("of step 'a' ")
    assert one.load.said(FLOW).endswith(" of 100 tokens were used within 3600 s")
    with pytest.raises(TimeoutError, match="step 'a' waits for its turn: of step 'a' ") as late:
        await fleet.wait(run_id, 0.01)
    assert str(late.value).count("waits for its turn") == 1


@pytest.mark.parametrize("is_isolated", [False, True])
async def test_a_plain_function_tells_what_it_has_used(storage: MobStorage, is_isolated: bool) -> None:
    handler = isolated(isolated_handlers.use_tokens) if is_isolated else isolated_handlers.use_tokens
    definition = mob({"a": step(rate=AN_HOUR, timeout_ms=60_000)})
    run = await run_flow(storage, definition, handler)
    (execution,) = (await loaded(storage, run.run_id)).executions.values()
    (load,) = await storage.steering.limit_loads(run.mob_id, run.flow_id, execution.limits)
    assert (load.under_way, load.begun) == (0, 7)


async def test_a_handler_that_is_cut_off_counts_as_it_was_estimated(storage: MobStorage) -> None:
    async def work(ctx: StepContext) -> None:
        async with ctx.spend(tokens=10) as call:
            call.used(input_tokens=1)
        async with ctx.spend(tokens=10):
            await asyncio.sleep(LONG)

    run = await run_flow(storage, mob({"a": step(rate=AN_HOUR, timeout_ms=30)}), work)
    assert run.status is MobRunStatus.FAILED
    (execution,) = (await loaded(storage, run.run_id)).executions.values()
    (load,) = await storage.steering.limit_loads(run.mob_id, run.flow_id, execution.limits)
    assert load.begun == 60


TOKENS = RateSpec(limit=200, per="40ms", units=90)
LIMITED = with_limits(
    mob(
        {"a": each(concurrency=KEYED, rate=TOKENS), "b": each(role="other")},
        limits={"max_step_retries": 9},
    ),
    concurrency=OF_TENANT,
    rate=(RateSpec(limit=500, per="60ms", units=50, key="{{ params.tenant }}", counts=Counts.OUTPUT),),
)


class TokenFloor(SteeredFloor):
    """Workers of runs that are paused and moved, whose limits are in tokens, too."""

    definition = LIMITED


@pytest.mark.parametrize("seed", range(4))
async def test_accounts_agree_with_what_is_under_way(storage: MobStorage, seed: int) -> None:
    """While workers leave, and runs are paused and moved: in the end nothing is reserved, and nothing waits."""
    random = Random(seed)
    floor = TokenFloor(storage, random)
    for _ in range(3):
        await floor.hire()
    for number in range(3):
        await floor.start(f"t{number % 2}", [random.choice("abc") for _ in range(5)])
    async with asyncio.timeout(MANY_MOVES):
        while await floor.statuses() != {MobRunStatus.COMPLETED}:
            for _ in range(20):
                await floor.move()
            await check_accounts(storage)
    assert await floor.admin.queues() == ()
    await check_accounts(storage, reserved=0)


async def check_accounts(storage: MobStorage, reserved: int | None = None) -> None:
    """What is reserved is what those have reserved that count."""
    members = await left_over(storage)
    for account in (one for one in members if one[:1] == b"n"):
        gate, text = account[1:18], account[18:]
        units = {b"u": 90, b"o": 50}[gate[:1]]
        counting = sum(one[:18] == b"k" + gate for one in members)
        said = int(text.split(b" ")[0])
        assert said == counting * units
        assert reserved in (None, said)

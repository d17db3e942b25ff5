"""Limits of steps and flows: what is under way of a key, what begins, whose turn it is, and what is left in the end."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any, cast
from uuid import uuid4

import pytest

from redis_mob.fleet import engine
from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.items import ItemsUnreadError
from redis_mob.fleet.outcome import Failed, Succeeded
from redis_mob.fleet.pausing import held_back
from redis_mob.models.definition import MobDefinition
from redis_mob.models.execution import Claim, ExecutionKey, ExecutionStatus, Serves
from redis_mob.models.flow_events import StepDispatched
from redis_mob.models.flow_spec import DispatchMode, FlowSpec, RetrySpec
from redis_mob.models.limits import ConcurrencySpec, RateSpec
from redis_mob.models.run import MobRunStatus
from redis_mob.models.transition import DueExecution, Transition
from redis_mob.models.worker import WorkerRecord
from redis_mob.storage import MobStorage
from redis_mob.testing.waiting import LONG
from tests.fleet.flows import FLOW, mob, step
from tests.fleet.simulation import NOON
from tests.fleet.working import at_work, loaded, run_flow

LEASE = timedelta(seconds=60)
BRIEF = timedelta(milliseconds=5)
"""For how long what is taken is kept from others: soon enough a claim comes too late."""


def with_limits(definition: MobDefinition, **limits: Any) -> MobDefinition:
    """The same with limits of its flow."""
    flow = FlowSpec.model_validate({**dict(definition.flows[FLOW]), **limits})
    return definition.model_copy(update={"flows": type(definition.flows)({FLOW: flow})})


def each(**more: Any) -> Any:
    """A step over the items of a run."""
    return step(for_each="params.items", dispatch_mode=DispatchMode.ONE_TO_ONE, **more)


KEYED = ConcurrencySpec(limit=2, key="{{ item }}")
OF_TENANT = {"limit": 3, "key": "{{ params.tenant }}"}
TWO_STEPS = with_limits(
    mob(
        {
            "a": each(concurrency=KEYED, retry=RetrySpec(attempts=9, first=0.001, most=0.002)),
            "b": each(role="other"),
        },
        limits={"max_step_retries": 9},
    ),
    concurrency=OF_TENANT,
)


class Floor:
    """Workers that do one thing at a time, in an order that a test chooses, on a real store."""

    def __init__(self, storage: MobStorage, random: Random) -> None:
        self.store, self.storage, self.random = storage.executions, storage, random
        self.taken: dict[str, list[DueExecution]] = {}
        self.executing: dict[str, list[tuple[str, ExecutionKey, int]]] = defaultdict(list)
        self.late = 0
        """Claims that came when the place was given to others, or had to be tried again."""
        self.runs: list[str] = []
        self.releases = [""]
        """Those of the workers, which have any."""

    async def start(self, tenant: str, items: list[str]) -> None:
        fleet = Fleet(self.storage, TWO_STEPS, {"*": print})
        self.runs.append(await fleet.start(FLOW, {"tenant": tenant, "items": items}))

    async def hire(self) -> None:
        name = uuid4().hex
        record = WorkerRecord(id=name, host="here", pid=1, slots=9, started_at=NOON)
        await self.store.join_workers(record, LEASE)
        self.taken[name] = []

    async def _commit(self, run_id: str, decide: Callable[[Any], Transition | None]) -> bool:
        """Whether it was committed, or there was nothing to decide."""
        view = await self.store.load(run_id)
        assert view is not None
        while True:
            try:
                transition = decide(view)
                break
            except ItemsUnreadError as unread:
                if unread.ended:
                    found = await self.store.ended(run_id, unread.ended)
                    view = replace(view, ended={**view.ended, **dict(zip(unread.ended, found, strict=True))})
                else:
                    view = replace(view, items={unread.node: await self.store.items(run_id, *unread.node)})
        return transition is None or await self.store.commit(transition)

    async def take(self, worker: str) -> None:
        most = self.random.choice([0, 1, 2, 5])
        serves = Serves(release=self.random.choice(self.releases))
        work = await self.store.take_due(max_runs=9, max_executions=most, keep=BRIEF, serves=serves)
        self.taken[worker] += work.executions
        for run_id in work.runs:
            await self._commit(run_id, lambda view: engine.advance(view, TWO_STEPS, self.random))

    async def claim(self, worker: str) -> None:
        if not (taken := self.taken[worker]):
            return
        due = taken.pop(self.random.randrange(len(taken)))
        view = await self.store.load(due.run_id)
        assert view is not None
        if view.pauses and held_back(view, [Claim(due.key, due.loss)]):
            await self.store.put_aside(view, [due.key])
            return
        claimed = engine.claim(view, TWO_STEPS, due.key, owner=worker, random=self.random, loss=due.loss)
        if claimed is None:
            return
        if not await self.store.commit(claimed):
            self.late += 1
            return
        lease = claimed.executions[due.key].lease
        if lease is not None:
            self.executing[worker].append((due.run_id, due.key, lease.fencing_token))

    async def end(self, worker: str) -> None:
        if not (executing := self.executing[worker]):
            return
        run_id, key, token = executing.pop(self.random.randrange(len(executing)))
        outcome = Failed("again") if self.random.random() < 0.2 else Succeeded("done")

        def settled(view: Any) -> Transition | None:
            return engine.settle(view, TWO_STEPS, key, outcome, token=token, random=self.random)

        while not await self._commit(run_id, settled):
            pass

    async def leave(self, worker: str) -> None:
        await self.store.leave_workers(worker, is_orderly=self.random.random() < 0.5)
        del self.taken[worker]
        self.executing.pop(worker, None)
        await self.hire()

    async def check(self) -> None:
        """Of no key is more under way than may be, by what is stored."""
        items, tenants = Counter[str](), Counter[str]()
        held = [one for worker in self.taken for one in await self.store.held(worker)]
        views = {run_id: await self.store.load(run_id) for run_id, _ in held}
        for run_id, key in held:
            view = views[run_id]
            assert view is not None
            execution = view.executions[key]
            assert execution.status is ExecutionStatus.LEASED
            tenants[view.run.activation_params["tenant"]] += 1
            if execution.item is not None and execution.step_id == "a":
                items[str(execution.item.value)] += 1
        assert max(items.values(), default=0) <= 2
        assert max(tenants.values(), default=0) <= 3

    def moves(self) -> list[tuple[Callable[[str], Awaitable[None]], int]]:
        """What a worker may do, and how often it does."""
        return [(self.take, 6), (self.claim, 8), (self.end, 6), (self.leave, 1)]

    async def move(self) -> None:
        """One worker does something."""
        worker = self.random.choice(list(self.taken))
        moves = self.moves()
        chosen = self.random.choices([move for move, _ in moves], [weight for _, weight in moves])[0]
        await chosen(worker)
        if self.random.random() < 0.05:
            await asyncio.sleep(BRIEF.total_seconds())
        await self.check()

    async def statuses(self) -> set[MobRunStatus | None]:
        return {await self.store.status(run_id) for run_id in self.runs}


@pytest.mark.parametrize("seed", range(4))
async def test_no_key_has_ever_more_under_way_than_it_may(storage: MobStorage, seed: int) -> None:
    random = Random(seed)
    floor = Floor(storage, random)
    for _ in range(3):
        await floor.hire()
    for number in range(3):
        await floor.start(f"t{number % 2}", [random.choice("abc") for _ in range(8)])
    async with asyncio.timeout(LONG):
        while await floor.statuses() != {MobRunStatus.COMPLETED}:
            for _ in range(20):
                await floor.move()
    assert await left_over(storage) == []


async def left_over(storage: MobStorage, *keys: str) -> list[bytes]:
    """What is left of executions with limits on a server."""
    if storage.url == "memory:":
        return []
    from redis.asyncio import Redis

    async with cast("Any", Redis).from_url(storage.url) as client:
        found = [await client.zrange(f"{{rm:{storage.namespace}}}:{key}", 0, -1) for key in keys or ("gated",)]
    return [member for members in found for member in members]


async def test_a_claim_that_comes_too_late_is_lost(storage: MobStorage) -> None:
    definition = mob({"a": step(concurrency=ConcurrencySpec(limit=1))})
    fleet, store, random = Fleet(storage, definition, {"*": print}), storage.executions, Random(1)
    for _ in range(2):
        await fleet.start(FLOW)
    for run_id in (await store.take_due(max_runs=2, max_executions=0, keep=LEASE)).runs:
        transition = engine.advance(await loaded(storage, run_id), definition)
        assert transition is not None
        assert await store.commit(transition)
    (first,) = (await store.take_due(max_runs=0, max_executions=9, keep=BRIEF)).executions
    await asyncio.sleep(2 * BRIEF.total_seconds())
    (second,) = (await store.take_due(max_runs=0, max_executions=9, keep=LEASE)).executions
    assert first.run_id != second.run_id  # it is the turn of the next one

    async def claimed(due: DueExecution) -> bool:
        view = await loaded(storage, due.run_id)
        transition = engine.claim(view, definition, due.key, owner="one", random=random)
        assert transition is not None
        return await store.commit(transition)

    assert not await claimed(first)
    assert await claimed(second)


async def test_a_worker_gives_up_a_claim_that_comes_too_late(storage: MobStorage) -> None:
    """Or it would try again for ever, and keep its slot."""
    definition = mob({"a": each(concurrency=ConcurrencySpec(limit=2))})

    async def work(_ctx: Any) -> str:
        await asyncio.sleep(0.01)
        return "done"

    run = await run_flow(
        storage, definition, work, params={"items": list(range(30))}, workers=3, lease=timedelta(seconds=0.1)
    )
    assert run.status is MobRunStatus.COMPLETED


async def test_keys_take_turns(storage: MobStorage) -> None:
    definition = mob({"a": each(concurrency=ConcurrencySpec(limit=1, key="{{ item.key }}"))})
    order: list[str] = []

    async def work(ctx: Any) -> str:
        order.append(ctx.item["key"])
        await asyncio.sleep(0)
        return "done"

    items = [{"key": "many", "n": n} for n in range(60)] + [{"key": "few", "n": n} for n in range(3)]
    run = await run_flow(storage, definition, work, params={"items": items}, concurrency=1)
    assert run.status is MobRunStatus.COMPLETED
    assert max(number for number, key in enumerate(order) if key == "few") < 12


async def test_steps_of_a_flow_share_its_limit(storage: MobStorage) -> None:
    definition = with_limits(mob({"a": each(), "b": each(role="other")}), concurrency={"limit": 2})
    now, most = 0, 0

    async def work(_ctx: Any) -> str:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.002)
        now -= 1
        return "done"

    # each of two workers serves one of the roles: what one of them ends lets the other one begin
    fleet = Fleet(storage, definition, {"*": work})
    async with at_work(storage, {"worker": work}), at_work(storage, {"other": work}):
        ids = [await fleet.start(FLOW, {"items": list(range(20))}) for _ in range(3)]
        async with asyncio.timeout(LONG):
            runs = [await fleet.wait(run_id) for run_id in ids]
    assert {run.status for run in runs} == {MobRunStatus.COMPLETED}
    assert most == 2


async def test_a_rate_holds_in_every_window(storage: MobStorage) -> None:
    definition = mob({"a": each(rate=RateSpec(limit=10, per="200ms"))})

    async def work(_ctx: Any) -> str:
        return "done"

    run = await run_flow(storage, definition, work, params={"items": list(range(45))})
    assert run.status is MobRunStatus.COMPLETED
    events = await storage.events.replay_all()
    times = [one.timestamp.timestamp() for one in events if isinstance(one.kind, StepDispatched)]
    assert len(times) == 45
    for at in times:
        assert sum(at <= other < at + 0.2 for other in times) <= 10


async def test_what_a_rate_counts_is_forgotten(storage: MobStorage) -> None:
    definition = mob({"a": each(rate=RateSpec(limit=5, per="20ms", key="{{ item }}"))})

    async def work(_ctx: Any) -> str:
        return "done"

    async with at_work(storage, {"*": work}):
        fleet = Fleet(storage, definition, {"*": work})
        async with asyncio.timeout(LONG):
            await fleet.wait(await fleet.start(FLOW, {"items": [f"key-{n}" for n in range(50)]}))
            while await left_over(storage):  # noqa: ASYNC110  # nothing tells of it
                await asyncio.sleep(0.05)


async def test_a_key_that_leads_nowhere_is_null_or_fails_a_strict_step(storage: MobStorage) -> None:
    async def work(_ctx: Any) -> str:
        return "done"

    keyed = ConcurrencySpec(limit=1, key="{{ params.tenant }}")
    run = await run_flow(storage, mob({"a": step(concurrency=keyed)}), work, params={})
    assert run.status is MobRunStatus.COMPLETED
    strict = await run_flow(storage, mob({"a": step(concurrency=keyed, strict=True)}), work, params={})
    assert strict.status is MobRunStatus.FAILED
    assert "params.tenant" in strict.failure_ledger[0].reason
    too_long = await run_flow(storage, mob({"a": step(concurrency=keyed)}), work, params={"tenant": "x" * 2000})
    assert too_long.status is MobRunStatus.FAILED
    assert "key of its concurrency has 2,000 bytes" in too_long.failure_ledger[0].reason

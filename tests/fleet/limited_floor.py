"""Workers on one floor: what they do with runs that have limits, one move at a time."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any
from uuid import uuid4

from redis_mob.contracts import ExecutionStore
from redis_mob.fleet import engine
from redis_mob.fleet.items import ItemsUnreadError
from redis_mob.fleet.outcome import Failed, Outcome, Succeeded, Throttled
from redis_mob.fleet.pausing import held_back
from redis_mob.models.definition import MobDefinition
from redis_mob.models.due_work import DueExecution
from redis_mob.models.execution import Claim, ExecutionKey, ExecutionStatus, Serves
from redis_mob.models.flow_spec import DispatchMode, FlowSpec, RetrySpec
from redis_mob.models.limits import ConcurrencySpec, TokenUse
from redis_mob.models.run_status import MobRunStatus
from redis_mob.models.transition import RunView, Transition
from redis_mob.models.worker import WorkerRecord
from redis_mob.testing.samples.driven_runs import pending
from tests.fleet.flows import FLOW, mob, step
from tests.fleet.simulation import NOON

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

    definition = TWO_STEPS

    def __init__(self, store: ExecutionStore, random: Random) -> None:
        self.store, self.random = store, random
        self.taken: dict[str, list[DueExecution]] = {}
        self.executing: dict[str, list[tuple[str, ExecutionKey, int]]] = defaultdict(list)
        self.lost = Counter[tuple[str, ExecutionKey]]()
        """How often each execution was lost with its worker."""
        self.late = 0
        """Claims that came when the place was given to others, or had to be tried again."""
        self.runs: list[str] = []
        self.releases = [""]
        """Those of the workers, which have any."""

    async def start(self, tenant: str, items: list[str]) -> None:
        run, launch = pending(self.definition, 1, params={"tenant": tenant, "items": items})
        assert await self.store.start_run(run, launch, self.definition)
        self.runs.append(run.run_id)

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
        return transition is None or await self._won(transition)

    async def _won(self, transition: Transition) -> bool:
        if not await self.store.commit(transition):
            return False
        self.won(transition)
        return True

    def won(self, transition: Transition) -> None:
        """It was committed."""

    async def take(self, worker: str) -> None:
        most = self.random.choice([0, 1, 2, 5])
        serves = Serves(release=self.random.choice(self.releases))
        work = await self.store.take_due(max_runs=9, max_executions=most, keep=BRIEF, serves=serves)
        self.taken[worker] += work.executions
        for run_id in work.runs:
            await self._commit(run_id, self._advanced)

    def _advanced(self, view: RunView) -> Transition | None:
        return engine.put_off(view) if view.waits_to_begin else engine.advance(view, self.definition, self.random)

    async def claim(self, worker: str) -> None:
        if not (taken := self.taken[worker]):
            return
        due = taken.pop(self.random.randrange(len(taken)))
        view = await self.store.load(due.run_id)
        assert view is not None
        if view.pauses and held_back(view, [Claim(due.key, due.loss)]):
            await self.store.put_aside(view, [due.key])
            return
        claimed = engine.claim(view, self.definition, due.key, owner=worker, random=self.random, loss=due.loss)
        if claimed is None:
            return
        if not await self._won(claimed):
            self.late += 1
            return
        lease = claimed.executions[due.key].lease
        if lease is not None:
            self.executing[worker].append((due.run_id, due.key, lease.fencing_token))

    async def end(self, worker: str) -> None:
        if not (executing := self.executing[worker]):
            return
        run_id, key, token = executing.pop(self.random.randrange(len(executing)))
        outcome, used = self.outcome(), self.used()

        def settled(view: Any) -> Transition | None:
            return engine.settle(view, self.definition, key, outcome, token=token, random=self.random, used=used)

        while not await self._commit(run_id, settled):
            pass

    def outcome(self) -> Outcome:
        """How the next execution ends: some fail, and some are throttled, which closes their rates for a moment."""
        chance = self.random.random()
        if chance < 0.2:
            return Failed("again")
        return Throttled("429", BRIEF) if chance < 0.25 else Succeeded(self.value())

    def used(self) -> TokenUse | None:
        """How many tokens the next execution has used; some do not tell."""
        return TokenUse(self.random.randrange(50), self.random.randrange(50)) if self.random.random() < 0.8 else None

    def value(self) -> Any:
        """What the next execution gives that succeeds."""
        return "done"

    async def leave(self, worker: str) -> None:
        executing = [(run_id, key) for run_id, key, _ in self.executing.get(worker, ())]
        # what is lost with its worker for the fourth time, as its one suspect, would fail its run
        is_orderly = self.random.random() < 0.5 or any(self.lost[one] > 1 for one in executing)
        if not is_orderly:
            self.lost.update(executing)
        await self.store.leave_workers(worker, is_orderly=is_orderly)
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
            assert execution.status is ExecutionStatus.LEASED, f"{key} is held, and {execution.status}"
            tenants[view.run.activation_params["tenant"]] += 1
            if execution.item is not None and execution.step_id == "a":
                items[str(execution.item.value)] += 1
        assert max(items.values(), default=0) <= 2, f"of an item more are under way than may be: {items}"
        assert max(tenants.values(), default=0) <= 3, f"of a tenant more are under way than may be: {tenants}"

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

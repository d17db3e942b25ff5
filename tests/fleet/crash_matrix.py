"""The crash matrix: a run is driven by processes of which one dies at a given call, then another one goes on.

Each point of it is a run on a stage of its own, where all is checked that must hold in the end.
"""

# pyright: reportPrivateUsage=false

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from redis_mob.errors import NotFoundError
from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.step_context import StepContext
from redis_mob.kernel.reconcile import reconcile
from redis_mob.memory.clock import Clock
from redis_mob.memory.namespace import Namespace
from redis_mob.memory.storage import MemoryStorage
from redis_mob.models.definition import MobDefinition
from redis_mob.models.execution import Execution, ExecutionKey, ExecutionStatus
from redis_mob.models.run import MobRun
from redis_mob.models.transition import RunView
from redis_mob.notifications.wake_up_flag import SWEEP_SECONDS
from redis_mob.operations.asks import GivenAnswer, inbox
from redis_mob.operations.asks import answer as answer_ask
from redis_mob.storage import MobStorage
from redis_mob.testing.waiting import LONG
from tests.fleet.flows import FLOW
from tests.fleet.mortal import Death, Process
from tests.fleet.simulation import told
from tests.fleet.working import check_told_once, key_of, with_ended

LEASE_IN_MEMORY = timedelta(seconds=25)
"""The lease of a worker that is to die: longer than a run, so that it only expires when the clock is turned, and
shorter than a step may take, so that this makes nothing time out."""

LEASE_ON_SERVER = timedelta(seconds=1)
"""The same on a server, where a test has to wait for it. No other worker is at work before."""

HEALTHY_LEASE = timedelta(hours=1)
"""The lease of a worker that is not: turning the clock takes nothing from it."""

Answer = Callable[[StepContext], Any]
"""What a handler answers once its effect has happened; it may raise, or wait."""


@dataclass(frozen=True)
class Scenario:
    """A run, what its handlers answer, and what must come of it.

    `ask` is what the caller does between its start and its waiting. `completed` says how often each step completes,
    None if that depends on the order of things; `attempts` how many those steps take that take more than one, beside
    those that are lost with a worker, `resumed` how often handlers are called again within an attempt, since what they
    ask was answered, `told` how often some events come.
    """

    definition: MobDefinition
    answer: Callable[[World], Answer]
    check: Callable[[MobRun], None]
    ask: Callable[[Fleet, str, World], Awaitable[object]] | None = None
    completed: Mapping[str, int] | None = None
    attempts: Mapping[str, int] = field(default_factory=dict[str, int])
    resumed: Mapping[str, int] = field(default_factory=dict[str, int])
    params: Any = field(default_factory=dict[str, Any])
    check_children: Callable[[Sequence[MobRun]], None] = lambda children: None
    told: Mapping[str, int] = field(default_factory=dict[str, int])
    check_storage: Callable[[MobStorage, World], Awaitable[None]] | None = None


@dataclass
class World:
    """All that is outside of the processes: the effects that handlers had, by key, and what the test knows of them."""

    effects: dict[str, ExecutionKey] = field(default_factory=dict[str, ExecutionKey])
    begun: dict[tuple[ExecutionKey, int], Process] = field(default_factory=dict[tuple[ExecutionKey, int], Process])
    """In which process the handler of an execution was called, by the fencing token of the claim."""
    known: dict[str, str] = field(default_factory=dict[str, str])
    """What handlers remember, by name."""
    paid: Counter[str] = field(default_factory=Counter[str])
    """How often which call was paid."""
    is_reached: asyncio.Event = field(default_factory=asyncio.Event)
    """A step that the caller waits for has begun."""
    is_asked: asyncio.Event = field(default_factory=asyncio.Event)
    """The caller has asked what it wanted to ask."""

    def handler(self, process: Process, answer: Answer) -> Callable[[StepContext], Awaitable[Any]]:
        """A handler with one effect, which happens once for each key; it stops where its process dies.

        The effect is a call too, so that a process may die on both sides of it.
        """

        async def handle(ctx: StepContext) -> Any:
            process.go_on()
            key = key_of(ctx)
            claim = key, ctx.fencing_token
            assert claim not in self.begun, "one claim was executed twice"
            self.begun[claim] = process
            await asyncio.sleep(0)
            await process.call("effect", partial(self._effect, ctx.idempotency_key, key))
            await asyncio.sleep(0)
            process.go_on()
            answered = answer(ctx)
            return await answered if asyncio.iscoroutine(answered) else answered

        return handle

    async def _effect(self, idempotency_key: str, key: ExecutionKey) -> None:
        assert self.effects.setdefault(idempotency_key, key) == key, "two executions share a key"


class TurnedClock(Clock):
    """The clock of a namespace in memory that a test puts forward."""

    def __init__(self) -> None:
        super().__init__()
        self.ahead = timedelta()

    def now(self) -> datetime:
        return super().now() + self.ahead


def let_leases_expire(storage: MobStorage) -> None:
    """Let the next worker that asks for work let go of the dead one, and wake those that wait.

    In memory no time passes for that. On a server nothing is to be done: the others look again when it is time.
    """
    if (content := _content(storage)) is not None:
        assert isinstance(content.clock, TurnedClock)
        content.clock.ahead += LEASE_IN_MEMORY
        content.run_wake_ups.send()


def _content(storage: MobStorage) -> Namespace | None:
    """What is in the memory of a storage; None if it is on a server."""
    return storage._backend._access.content if isinstance(storage._backend, MemoryStorage) else None


@asynccontextmanager
async def opened(url: str, namespace: str) -> AsyncGenerator[MobStorage]:
    """A storage on a new namespace."""
    async with MobStorage.open(url, namespace=namespace) as storage:
        if (content := _content(storage)) is not None:
            content.clock = TurnedClock()
        yield storage


@dataclass(frozen=True)
class Estate:
    """What a dead process leaves: the executions that it holds, and those of them whose handlers it had called."""

    held: Collection[ExecutionKey] = frozenset()
    begun: Collection[ExecutionKey] = frozenset()


@dataclass
class Stage:
    """A namespace in which one run of a scenario is played."""

    storage: MobStorage
    scenario: Scenario
    world: World = field(default_factory=World)
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    def fleet(self, process: Process, lease: timedelta = HEALTHY_LEASE) -> Fleet:
        """The fleet as a process has it."""
        handlers = {"*": self.world.handler(process, self.scenario.answer(self.world))}
        return Fleet(process.storage, self.scenario.definition, handlers, members={"worker": 3}, lease=lease)

    def work(self, process: Process, concurrency: int) -> asyncio.Task[None]:
        """Let a process be a worker, until `stop` is set or it dies."""
        mortal = LEASE_ON_SERVER if _content(self.storage) is None else LEASE_IN_MEMORY
        lease = HEALTHY_LEASE if process.death is None else mortal
        return asyncio.create_task(self.fleet(process, lease).work(concurrency, self.stop))

    def call(self, process: Process) -> asyncio.Task[MobRun]:
        """Let a process start the run, ask, and wait for the end; each process starts it under the same key."""
        return asyncio.create_task(self._call(self.fleet(process)))

    async def _call(self, fleet: Fleet) -> MobRun:
        run_id = await fleet.start(FLOW, self.scenario.params, idempotency_key="the only one")
        if self.scenario.ask is not None:
            await self.scenario.ask(fleet, run_id, self.world)
        await fleet.unserved(run_id)  # as those who wait do after some seconds
        return await fleet.wait(run_id)

    async def survive_worker(self, death: Death, concurrency: int, *, in_company: bool) -> Process:
        """The run to its end, by a worker that dies and another one, which is there from the start or comes then."""
        first, second, caller = Process(self.storage, death), Process(self.storage), Process(self.storage)
        calling = self.call(caller)
        workers = [self.work(first, concurrency)]
        if in_company:
            workers.append(self.work(second, concurrency))
        await first_of(calling, first.died)
        estate = Estate()
        if first.died.is_set():
            await bury(workers[0])
            estate = self.left_by(first, await self.views())
            let_leases_expire(self.storage)
            if not in_company:
                workers.append(self.work(second, concurrency))
        run = await calling
        self.stop.set()
        if not first.died.is_set():
            await until_end(workers[0], first)
        await asyncio.gather(*workers[1:])
        await self.check(run, estate)
        return first

    async def survive_caller(self, death: Death, concurrency: int) -> Process:
        """The run to its end, by a caller that dies and another one that does the same again."""
        first, second, worker = Process(self.storage, death), Process(self.storage), Process(self.storage)
        working, calling = self.work(worker, concurrency), self.call(first)
        await first_of(calling, first.died)
        if first.died.is_set():
            await bury(calling)
            calling = self.call(second)
        run = await calling
        self.stop.set()
        await working
        await self.check(run, Estate())
        return first

    async def views(self) -> list[RunView]:
        """The run as it is stored, and its children behind it; nothing if none was started."""
        runs = await self.storage.runs.list_runs(self.scenario.definition.id)
        views = [await self.storage.executions.load(run.run_id) for run in runs]
        found = sorted((view for view in views if view is not None), key=lambda view: view.parent is not None)
        assert sum(view.parent is None for view in found) <= 1, "the same idempotency key started two runs"
        return found

    def left_by(self, process: Process, views: Collection[RunView]) -> Estate:
        """What a dead process leaves; an outcome that was stored is not among it."""
        tokens = {
            key: one.fencing_token
            for view in views
            for key, one in view.executions.items()
            if one.status is ExecutionStatus.LEASED and one.lease is not None and one.lease.owner in process.ids
        }
        return Estate(frozenset(tokens), frozenset(key for key in tokens if (key, tokens[key]) in self.world.begun))

    async def check(self, run: MobRun, estate: Estate) -> None:
        """What must hold in the end."""
        await self._children_ended()
        views = await self.views()
        assert views[0].run == run.core()
        views = [await with_ended(self.storage, view) for view in views]
        assert reconcile(run, self.scenario.definition.flows[FLOW]) == ()
        self.scenario.check(run)
        for view in views:
            one = await self.storage.runs.get_run(view.run.run_id)
            assert one is not None
            assert reconcile(one, self.scenario.definition.flows[one.flow_id]) == ()
            await check_told_once(self.storage, one)
        await self._check_steps_told_once(run)
        executions = {key: execution for view in views for key, execution in view.executions.items()}
        self._check_calls(executions, estate)
        self._check_effects(executions)
        self.scenario.check_children([view.run for view in views[1:]])
        if self.scenario.check_storage is not None:
            await self.scenario.check_storage(self.storage, self.world)

    async def _children_ended(self) -> None:
        """Let workers go on until the children of the run are over, and nothing has to be told any more."""
        open_ones = [view.run.run_id for view in await self.views() if not view.run.status.is_terminal]
        if open_ones:
            fleet = self.fleet(Process(self.storage))
            async with fleet.working():
                for run_id in open_ones:
                    await fleet.wait(run_id, LONG)

    async def _check_steps_told_once(self, run: MobRun) -> None:
        story = Counter(told(event.kind) for event in await self.storage.events.replay_all())
        completed = {step: story[f"step_completed {step}"] for step in self.scenario.definition.flows[FLOW].steps}
        if self.scenario.completed is not None:
            assert completed == dict(self.scenario.completed)
        assert {line: story[line] for line in self.scenario.told} == self.scenario.told
        rounds = Counter(step for done in run.loop_iteration_outputs.values() for one in done for step in one)
        assert all(completed[step] >= times for step, times in rounds.items())
        assert all(completed[step] == 1 for step in run.root_step_outputs)

    def _check_calls(self, executions: Mapping[ExecutionKey, Execution], estate: Estate) -> None:
        """Each attempt of a step was one call of a handler; each call that the dead process had begun is another one.

        What it held is tried again as a new attempt. Only what it held alone is counted as lost.
        """
        calls = Counter(key for key, _ in self.world.begun)
        assert calls.keys() <= executions.keys()
        for key, execution in executions.items():
            if execution.signal is not None or execution.child is not None:  # no handler is called of a step that waits
                continue
            is_step = execution.escalation is None
            attempts = self.scenario.attempts.get(execution.step_id, 1) if is_step else 1
            found = (execution.attempts_of_step, execution.attempt, calls[key])
            called = attempts + self.scenario.resumed.get(execution.step_id, 0)
            expected = (attempts, attempts + (key in estate.held), called + (key in estate.begun))
            if execution.status in (ExecutionStatus.COMPLETED, ExecutionStatus.FAILED):
                assert found == expected, f"{key} had {found} attempts and calls, not {expected}"
            assert all(one <= most for one, most in zip(found, expected, strict=True)), f"{key} had {found}"
            assert execution.lost <= (key in estate.held and len(estate.held) == 1)

    def _check_effects(self, executions: Mapping[ExecutionKey, Execution]) -> None:
        """Each execution that has come to its end had its effect, under one key of its own."""
        keys = list(self.world.effects.values())
        assert len(set(keys)) == len(keys), "an execution had its effect under two keys"
        over = {
            key
            for key, execution in executions.items()
            if execution.status in (ExecutionStatus.COMPLETED, ExecutionStatus.FAILED)
            and execution.signal is None
            and execution.child is None
        }
        assert over <= set(keys) <= set(executions)


async def first_of(calling: asyncio.Task[MobRun], died: asyncio.Event) -> None:
    """Until a caller has its run, or a process has died."""
    dying = asyncio.create_task(died.wait())
    try:
        async with asyncio.timeout(LONG):
            await asyncio.wait((calling, dying), return_when=asyncio.FIRST_COMPLETED)
    finally:
        dying.cancel()


async def until_end(working: asyncio.Task[None], process: Process) -> None:
    """Until a worker has stopped, or has died while it did."""
    try:
        await working
    except asyncio.CancelledError:
        if not process.died.is_set():
            raise


async def bury(task: asyncio.Task[Any]) -> None:
    """Take the tasks of a dead process away: none of them could do anything any more."""
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def answers_until(last: str) -> Callable[[Fleet, str, World], Awaitable[None]]:
    """A caller that answers all that a run asks with the kind of the ask, until the last is answered or it is over."""

    async def answer(fleet: Fleet, run_id: str, _world: World) -> None:
        storage = fleet._storage
        async with storage.executions.listen(run_id) as wake_up:
            while (status := await storage.executions.status(run_id)) is not None and not status.is_terminal:
                for one in await inbox(storage, 10, None):
                    given = GivenAnswer(True, one.ask.kind, None, None)
                    with suppress(NotFoundError):  # a worker may end the step meanwhile
                        await answer_ask(storage, one.ask.id, given, run_id)
                        if one.ask.kind == last:
                            return
                await wake_up.wait(SWEEP_SECONDS)

    return answer

"""The fleet: what a step costs a worker, how soon steps follow each other, and what idle workers cost."""

from __future__ import annotations

import asyncio
import heapq
import json
import time
from collections import deque
from contextlib import AsyncExitStack
from itertools import pairwise
from random import Random

from redis_mob.bench.scenario import Scenario, Taken
from redis_mob.bench.target import LeftOutError, Target
from redis_mob.errors import InternalError
from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.step_context import Handler, StepContext
from redis_mob.models import MobDefinition
from redis_mob.models.progress import OUTPUT, StreamChunk
from redis_mob.storage import MobStorage

SLOTS = 64

_HEAD = """
[mob]
id = "bench"
[profiles.worker]
model = "none"
"""
_STEP = """
[flows.flow.steps.{name}]
role = "worker"
message = "work"
timeout_ms = 600000
depends_on = {before}
"""
_LOOP = """
[flows.flow.steps.again]
role = "worker"
message = "work"
[flows.flow.root.nodes.loop]
kind = "repeat_until"
loop_id = "loop"
depends_on = []
depends_on_mode = "all"
until = {{ op = "eq", path = "steps.again.worker-1", value = "never" }}
max_iterations = {size}
[flows.flow.root.nodes.loop.body.nodes.again]
kind = "step"
step_id = "again"
depends_on = []
depends_on_mode = "all"
"""
_EACH = """
[flows.flow.steps.each]
role = "worker"
message = "work"
timeout_ms = 600000
for_each = "params.items"
"""


def definition_of(kind: str, size: int) -> MobDefinition:
    """A mob with one flow: so many steps of a `chain`, so many iterations of a `loop`, or so many parallel steps.

    That of the kind `each` has one step, over the items of `params_of`.
    """
    if kind == "loop":
        return MobDefinition.from_toml(_HEAD + _LOOP.format(size=size))
    if kind == "each":
        return MobDefinition.from_toml(_HEAD + _EACH)
    names = [f"step-{number:05}" for number in range(size)]
    before: list[list[str]] = [[], *([name] for name in names)] if kind == "chain" else [[]] * size
    steps = (_STEP.format(name=name, before=json.dumps(names)) for name, names in zip(names, before, strict=False))
    return MobDefinition.from_toml(_HEAD + "".join(steps))


def params_of(kind: str, size: int) -> dict[str, list[str]] | None:
    """What a run of such a flow is started with: the items, if its step is over items."""
    return {"items": [f"item-{number:05}" for number in range(size)]} if kind == "each" else None


async def nothing(_ctx: StepContext) -> int:
    """The handler of all steps."""
    return 1


class Worked(Scenario):
    """A fleet with one worker in this process, which is at work all the time."""

    slots = SLOTS
    _worker: asyncio.Task[None] | None = None

    async def _work(self, target: Target, definition: MobDefinition, handler: Handler, members: int = 1) -> None:
        self._fleet = Fleet(target.storage, definition, {"worker": handler}, members={"worker": members})
        self._stop = asyncio.Event()
        self._worker = asyncio.create_task(self._fleet.work(self.slots, self._stop))

    async def clean_up(self) -> None:
        if self._worker is not None:
            self._stop.set()
            await self._worker


class Runs(Worked):
    """Runs that one worker brings to their end, from their start to the end of the last; an operation is a step."""

    def __init__(self, form: str) -> None:
        super().__init__()
        kind, _, numbers = form.rpartition(":")
        self._kind = kind
        self._runs, self._steps = map(int, numbers.split("x"))
        self.name = f"fleet-{form.replace(':', '-')}"
        what = {"": "parallel steps", "chain": "steps in a chain", "loop": "iterations of a loop"}[kind]
        self.operation = f"one step; {self._runs} runs of {self._steps} {what} at once, {SLOTS} slots"
        self.units = self._runs * self._steps

    async def set_up(self, target: Target) -> None:
        await self._work(target, definition_of(self._kind, self._steps), nothing)

    async def operate(self, agent: int) -> None:
        ids = [await self._fleet.start("flow") for _ in range(self._runs)]
        await asyncio.gather(*map(self._fleet.wait, ids))


class StepLatency(Worked):
    """How long nothing is done for a run: before its first step, or between two steps."""

    _STEPS = 3

    def __init__(self, first: bool) -> None:
        super().__init__()
        self._first = first
        self.name = "start-to-first-step" if first else "step-to-step"
        self.operation = (
            "from the start of a run to that of its first step"
            if first
            else "from the end of a handler to the start of that of the next step"
        )

    async def set_up(self, target: Target) -> None:
        self._called: deque[tuple[float, float]] = deque()

        async def handler(_ctx: StepContext) -> int:
            began = time.perf_counter()
            self._called.append((began, time.perf_counter()))
            return 1

        await self._work(target, definition_of("chain", self._STEPS), handler)

    async def operate(self, agent: int) -> Taken:
        self._called.clear()
        started = time.perf_counter()
        await self._fleet.wait(await self._fleet.start("flow"))
        called = list(self._called)
        if self._first:
            return Taken([called[0][0] - started])
        return Taken([after[0] - before[1] for before, after in pairwise(called)])


class StreamLatency(Worked):
    """How soon a chunk that a handler streams is seen by another storage that watches the run."""

    name = "stream-to-watch"
    operation = "from `ctx.stream` in a handler to the chunk at a watcher on connections of its own"

    def __init__(self) -> None:
        super().__init__()
        self._resources = AsyncExitStack()
        self._wanted: asyncio.Queue[bool] = asyncio.Queue()

    async def set_up(self, target: Target) -> None:
        if target.connection is None:
            raise LeftOutError("memory: has no second connection")

        async def handler(ctx: StepContext) -> None:
            while await self._wanted.get():
                await ctx.stream(time.perf_counter())

        definition = definition_of("chain", 1)
        await self._work(target, definition, handler)
        run_id = await self._fleet.start("flow")
        watching = await self._resources.enter_async_context(MobStorage.open(target.url, namespace=target.namespace))
        self._seen = await self._resources.enter_async_context(Fleet(watching, definition).watch(run_id, OUTPUT))
        await self.operate(0)  # what is imported when it is first used is not measured

    async def operate(self, agent: int) -> Taken:
        self._wanted.put_nowait(True)
        async for entry in self._seen:
            if isinstance(entry, StreamChunk) and isinstance(entry.value, float):
                return Taken([time.perf_counter() - entry.value])
        raise InternalError("the run is over before it has streamed what was asked for")

    async def clean_up(self) -> None:
        self._wanted.put_nowait(False)
        await self._resources.aclose()
        await super().clean_up()


class Idle(Scenario):
    """What workers cost that have nothing to do, each with a storage of its own; an operation is a second of one."""

    def __init__(self, workers: int, seconds: float = 1.0, settle: float = 20.0) -> None:
        super().__init__()
        self.name = f"idle-{workers}-workers"
        self.operation = "a second of a worker that has nothing to do"
        self._workers = workers
        self._seconds = seconds
        self._settle = settle
        self._storages = AsyncExitStack()
        self._working: list[asyncio.Task[None]] = []
        self._stop = asyncio.Event()

    async def set_up(self, target: Target) -> None:
        if target.connection is None:
            raise LeftOutError("memory: has no server that would be asked")
        definition = definition_of("chain", 1)
        for _ in range(self._workers):
            storage = await self._storages.enter_async_context(MobStorage.open(target.url, namespace=target.namespace))
            fleet = Fleet(storage, definition, {"worker": nothing})
            self._working.append(asyncio.create_task(fleet.work(stop=self._stop)))
        # they look ever more seldom while they find nothing
        await asyncio.sleep(self._settle)

    async def operate(self, agent: int) -> Taken:
        await asyncio.sleep(self._seconds)
        return Taken([self._seconds] * round(self._workers * self._seconds))

    async def clean_up(self) -> None:
        self._stop.set()
        await asyncio.gather(*self._working)
        await self._storages.aclose()


class Kept(Worked):
    """What it costs to keep executions that are under way; an operation is a second of one."""

    def __init__(self, executions: int, seconds: float = 1.0) -> None:
        super().__init__()
        self.name = f"keep-{executions}-executions"
        self.operation = "a second of an execution that is under way"
        self.slots = executions
        self._executions = executions
        self._seconds = seconds
        self._release = asyncio.Event()

    async def set_up(self, target: Target) -> None:
        begun = 0
        all_begun = asyncio.Event()

        async def handler(_ctx: StepContext) -> None:
            nonlocal begun
            begun += 1
            if begun == self._executions:
                all_begun.set()
            await self._release.wait()

        await self._work(target, definition_of("chain", 1), handler, self._executions)
        self._run_id = await self._fleet.start("flow")
        await all_begun.wait()

    async def operate(self, agent: int) -> Taken:
        await asyncio.sleep(self._seconds)
        return Taken([self._seconds] * round(self._executions * self._seconds))

    async def clean_up(self) -> None:
        self._release.set()
        await super().clean_up()


def ideal_seconds(durations: list[float], slots: int) -> float:
    """How long these take if each begins as soon as a slot is free, in their order."""
    free = [0.0] * slots
    for duration in durations:
        heapq.heapreplace(free, free[0] + duration)
    return max(free)


class LongHandlers(Worked):
    """Members of one step that take 0.1 to 0.3 seconds each, on fewer slots than there are members."""

    def __init__(self, members: int = 200, slots: int = 100) -> None:
        super().__init__()
        self.name = f"long-handlers-{members}-on-{slots}"
        self.operation = f"{members} handlers of 0.1 to 0.3 s each, on {slots} slots"
        self.slots = slots
        self._members = members
        self.durations = {f"worker-{n}": Random(n).uniform(0.1, 0.3) for n in range(1, members + 1)}  # noqa: S311

    async def set_up(self, target: Target) -> None:
        async def handler(ctx: StepContext) -> None:
            await asyncio.sleep(self.durations[ctx.member])

        await self._work(target, definition_of("chain", 1), handler, self._members)

    async def operate(self, agent: int) -> None:
        await self._fleet.wait(await self._fleet.start("flow"))


class IdealSlots(Scenario):
    """How long the same handlers take if no slot is ever free while one waits: computed, not measured."""

    name = "ideal-slots"
    operation = "the time of the same handlers if no slot were ever free while one of them waits"

    def __init__(self, of: LongHandlers) -> None:
        super().__init__()
        self._seconds = ideal_seconds(list(of.durations.values()), of.slots)

    async def operate(self, agent: int) -> Taken:
        return Taken([self._seconds], seconds=self._seconds)

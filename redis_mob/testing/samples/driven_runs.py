"""Runs that a fleet drives, and the moves of a worker on them, one at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random
from typing import Any

from redis_mob.codec.definitions import encode_definition
from redis_mob.contracts import ExecutionStore
from redis_mob.fleet import engine
from redis_mob.fleet.asks import pending_of
from redis_mob.fleet.items import target_of
from redis_mob.fleet.outcome import NewAsk, Succeeded, Suspended
from redis_mob.fleet.subflows import child_run, news_of
from redis_mob.models import MobDefinition, MobRun
from redis_mob.models.ask import PendingAsk
from redis_mob.models.base import FrozenDict
from redis_mob.models.execution import Execution, ExecutionKey, Loss, RunLaunch
from redis_mob.models.subflow import ParentRun
from redis_mob.models.transition import RunView, Transition
from redis_mob.models.worker import WorkerRecord
from redis_mob.testing.samples.states import NOON

FLOW = "flow"
LONG_LEASE = timedelta(minutes=1)

_ONE_STEP = """
[mob]
id = "mob"
[profiles.worker]
model = "m"
[flows.flow.steps.a]
role = "worker"
message = "do it"
"""

ONE_STEP = MobDefinition.from_toml(_ONE_STEP)
"""A mob whose flow has one step, `a`."""

ONE_MINUTE = MobDefinition.from_toml(_ONE_STEP + "[limits]\nmax_flow_duration_ms = 60000\n")
"""The same, with a flow that may take a minute."""

WAIT_AND_STEP = MobDefinition.from_toml(
    _ONE_STEP.replace(".a]", ".b]") + '[flows.flow.steps.a]\nwait_for.signal = "go"\n'
)
"""A mob whose flow has a step `b`, and beside it a step `a` that waits for the signal `go`."""

RUNS_A_FLOW = MobDefinition.from_toml(
    _ONE_STEP.replace("flows.flow", "flows.inner") + '[flows.flow.steps.a]\nflow = "inner"\n'
)
"""A mob whose flow has one step, `a`, that runs the flow `inner`, which has such a step for members."""

STEPS_AND_LOOP = MobDefinition.from_toml("""
[mob]
id = "mob"
[profiles.worker]
model = "m"

[flows.flow.steps.b]
role = "worker"
message = "do it"
[flows.flow.steps.a]
role = "worker"
message = "do it"
[flows.flow.steps.in]
role = "worker"
message = "do it"

[flows.flow.root.nodes.b]
kind = "step"
step_id = "b"
depends_on = []
depends_on_mode = "all"
[flows.flow.root.nodes.a]
kind = "step"
step_id = "a"
depends_on = []
depends_on_mode = "all"
[flows.flow.root.nodes.l]
kind = "repeat_until"
loop_id = "l"
depends_on = []
depends_on_mode = "all"
max_iterations = 2
until = { op = "eq", path = "params.x", value = 1 }
[flows.flow.root.nodes.l.body.nodes.i]
kind = "step"
step_id = "in"
depends_on = []
depends_on_mode = "all"
""")
"""A mob whose flow has the steps `a` and `b`, and a loop with the step `in`, all at the same time."""

LIMITED = MobDefinition.from_toml(
    _ONE_STEP.replace('"mob"', '"limited"')
    + 'concurrency = {limit = 2, key = "all"}\nrate = {limit = 1, per = "36500d"}\n'
)
"""A mob whose flow has one step, of which one execution may begin in a hundred years."""

TOKENS_LIMITED = MobDefinition.from_toml(
    _ONE_STEP.replace('"mob"', '"counted"') + 'rate = {limit = 100, per = "36500d", units = 60}\n'
)
"""A mob whose flow has one step, whose executions may use 60 tokens each, and a hundred together in a hundred years."""

OVER_ITEMS = MobDefinition.from_toml(_ONE_STEP + 'for_each = "params.items"\nmax_parallel = 2\n')
"""A mob whose flow has one step, over the items that a run is started with, of which two are open at a time."""

ITEMS: list[Any] = [{"name": "x"}, None, "é"]
"""Three items."""

ROLES = ("rev", "reviewer", "rev-2", "worker")

STEP_OF_EACH_ROLE = MobDefinition.from_toml(
    '[mob]\nid = "mob"\n'
    + "".join(f'[profiles.{role}]\nmodel = "m"\n' for role in ROLES)
    + "".join(f'[flows.flow.steps.{role}]\nrole = "{role}"\nmessage = "do it"\n' for role in ROLES)
)
"""A mob whose flow has a step for each of the roles, all at the same time."""


@dataclass(frozen=True)
class DrivenRun:
    """A run of a definition in a store, as a worker drives it."""

    executions: ExecutionStore
    definition: MobDefinition
    run_id: str

    async def view(self) -> RunView:
        """The run as it is now."""
        view = await self.executions.load(self.run_id)
        assert view is not None
        return view

    async def advance(self) -> None:
        """Commit what can happen without a result from a member."""
        assert await self.executions.commit(must(engine.advance(await self.view(), self.definition)))

    async def claim(self, *keys: ExecutionKey, owner: str = "one", loss: Loss | None = None) -> None:
        """Commit that these executions are claimed, each by itself."""
        for key in keys:
            assert await self.executions.commit(self.claimed(await self.view(), key, owner, loss))

    async def ask(self, key: ExecutionKey, *asks: NewAsk) -> list[PendingAsk]:
        """Commit that an execution is claimed, and then that it asks this; what it asks."""
        await self.claim(key)
        view = await self.view()
        token = view.executions[key].fencing_token
        reported = engine.report(view, self.definition, key, Suspended(asks), token=token)
        assert await self.executions.commit(must(reported))
        return [one for one in pending_of(await self.view()) if one.target == key.target]

    async def settle(self, *keys: ExecutionKey) -> None:
        """Commit that these executions succeeded, each by itself."""
        for key in keys:
            assert await self.executions.commit(self.settled(await self.with_items(await self.view()), key))

    async def end_items(self, left: int = 0) -> None:
        """Commit that all items of the first node but so many succeeded, one by one; nothing waits if none is left."""
        while (view := await self.view()).executions:
            progress = next(iter(view.progress.values()))
            if progress.items - progress.completed == left:
                return
            key = min(view.executions)
            await self.claim(key)
            await self.settle(key)

    async def with_items(self, view: RunView) -> RunView:
        """The view with the items, and the executions of those that are over, which are not read with the run."""
        items = {node: await self.executions.items(self.run_id, *node) for node in view.progress}
        keys = [
            ExecutionKey(*node, target_of(view.launch.members["worker"], index))
            for node, progress in view.progress.items()
            for index in range(progress.begun)
        ]
        over = [key for key in keys if key not in view.executions]
        ended = dict(zip(over, await self.executions.ended(self.run_id, over), strict=True))
        return replace(view, items=items, ended=ended)

    def claimed(self, view: RunView, key: ExecutionKey, owner: str = "one", loss: Loss | None = None) -> Transition:
        """The transition that claims an execution, which another worker may have lost."""
        transition = engine.claim(view, self.definition, key, owner=owner, loss=loss, random=Random(0))
        return replace(must(transition), by=owner)

    def reported(self, view: RunView, key: ExecutionKey) -> Transition:
        """The fact that an execution that is claimed has succeeded."""
        token = view.executions[key].fencing_token
        return must(engine.report(view, self.definition, key, Succeeded(1), token=token))

    def settled(self, view: RunView, key: ExecutionKey) -> Transition:
        """The transition that takes the result of an execution that is claimed."""
        token = view.executions[key].fencing_token
        return must(engine.settle(view, self.definition, key, Succeeded(1), token=token, random=Random(0)))


def keys_of(view: RunView, step_id: str = "a") -> list[ExecutionKey]:
    """The executions of a step, by frame and member."""
    return sorted(key for key, execution in view.executions.items() if execution.step_id == step_id)


def at_noon(view: RunView) -> RunView:
    """The view as if it had been read at noon: equal to every other one of the same content."""
    return replace(view, executions=dict(view.executions), now=NOON)


def must(transition: Transition | None) -> Transition:
    """A transition that there must be."""
    assert transition is not None
    return transition


def pending(
    definition: MobDefinition, members: int = 2, run_id: str | None = None, params: Mapping[str, Any] = FrozenDict()
) -> tuple[MobRun, RunLaunch]:
    """A run that was not stored yet, and what it is started with: so many members of each role."""
    limits = definition.limits
    return (
        MobRun.pending(definition.id, FLOW, definition.flows[FLOW], dict(params), limits, run_id=run_id),
        RunLaunch.model_validate(
            {
                "definition": encode_definition(definition)[0],
                "members": {role: [f"{role}-{n}" for n in range(1, members + 1)] for role in definition.profiles},
                "max_duration_ms": limits and limits.max_flow_duration_ms,
            }
        ),
    )


async def over_items(executions: ExecutionStore, run_id: str | None = None) -> DrivenRun:
    """A run of `OVER_ITEMS`, whose first items wait."""
    run, launch = pending(OVER_ITEMS, run_id=run_id, params={"items": ITEMS})
    assert await executions.start_run(run, launch, OVER_ITEMS)
    driven = DrivenRun(executions, OVER_ITEMS, run.run_id)
    await driven.advance()
    return driven


async def launched(executions: ExecutionStore, definition: MobDefinition, members: int = 2) -> DrivenRun:
    """A run that was started, and waits for a worker to look at it."""
    run, launch = pending(definition, members)
    assert await executions.start_run(run, launch, definition)
    return DrivenRun(executions, definition, run.run_id)


async def waiting(executions: ExecutionStore, definition: MobDefinition, members: int = 2) -> DrivenRun:
    """A run that waits for its members."""
    run = await launched(executions, definition, members)
    await run.advance()
    return run


async def started(
    executions: ExecutionStore, definition: MobDefinition, members: int = 1, **launch: object
) -> DrivenRun:
    """A run that was started with these fields of its launch, and waits for its members."""
    run, default = pending(definition, members)
    given = RunLaunch.model_validate({**default.model_dump(), **launch})
    assert await executions.start_run(run, given, definition)
    driven = DrivenRun(executions, definition, run.run_id)
    await driven.advance()
    return driven


@dataclass(frozen=True)
class AwaitedRun:
    """A run that the step of another one waits for, as `ExecutionStore.start_child` takes it."""

    above: DrivenRun
    run: MobRun
    launch: RunLaunch
    parent: ParentRun
    execution: Execution

    @property
    def driven(self) -> DrivenRun:
        """The run, once it is started."""
        return DrivenRun(self.above.executions, self.above.definition, self.run.run_id)

    async def start(self, executions: ExecutionStore | None = None) -> bool:
        """Start it."""
        store = executions or self.above.executions
        return await store.start_child(
            self.run, self.launch, self.above.definition, parent=self.parent, execution=self.execution
        )

    async def end(self) -> None:
        """Start it, and cancel it."""
        assert await self.start()
        await self.above.executions.request_cancel(self.run.run_id)
        await self.driven.advance()

    async def tell(self, executions: ExecutionStore | None = None) -> bool:
        """Tell its parent that it is over."""
        store, view = executions or self.above.executions, await self.driven.view()
        news = news_of(view, self.above.definition.flows[view.run.flow_id], self.parent)
        return await store.tell_parent(self.run.run_id, self.parent, news)


async def awaited(executions: ExecutionStore) -> AwaitedRun:
    """The run that the step of a run of `RUNS_A_FLOW` waits for; it is not started."""
    above = await waiting(executions, RUNS_A_FLOW)
    view = await above.view()
    [(key, execution)] = view.executions.items()
    run, launch, parent, _ = child_run(view, RUNS_A_FLOW, key, execution)
    return AwaitedRun(above, run, launch, parent, execution)


def a_worker(id: str) -> WorkerRecord:
    """A worker of this id, which serves all queues."""
    return WorkerRecord(id=id, host="host", pid=1, slots=1, started_at=NOON)

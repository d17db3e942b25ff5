"""What is stored of a run is compared with what the rest of it says."""

# pyright: reportPrivateUsage=false
# Keys are damaged behind the stores.

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest

from redis_mob.codec.changes import FLOW_GROUP
from redis_mob.codec.executions import encode_execution, execution_field
from redis_mob.codec.run_heads import ended_identity
from redis_mob.codec.runs import encode_run
from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.calls.run_keys import RunKeys
from redis_mob.errors import NotFoundError
from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.step_context import StepContext
from redis_mob.models.conditions import EqCondition
from redis_mob.models.definition import MobDefinition
from redis_mob.models.events import terminal_identity
from redis_mob.models.execution import ExecutionStatus
from redis_mob.models.flow import LoopSnapshot, NodeStatus
from redis_mob.models.ledger import StepRunStatus
from redis_mob.models.run import MobRun
from redis_mob.models.run_status import MobRunStatus
from redis_mob.models.signal import Signal
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.operations.verification import RunVerification
from redis_mob.operations.verifying import read_whole
from redis_mob.storage import MobStorage
from redis_mob.testing.samples.compound import scene
from redis_mob.testing.waiting import LONG
from tests.fleet.flows import FLOW, loop, mob, node, step, wait
from tests.fleet.working import at_work, loaded, run_flow
from tests.operations.scenes import CHAIN, OVER_ITEMS, ROUNDS, count_rounds, failed_chain, under_way

BRANCHES = mob(
    {
        "a": step(),
        "left": step("a", branch="way", condition=EqCondition(path="params.way", value="left")),
        "right": step("a", branch="way", condition=EqCondition(path="params.way", value="right")),
        "end": step("left", "right", join="any"),
    }
)
QUORUM = mob({"vote": step(policy=2)})
FAN_IN = mob({"all": step(dispatch_mode="fan_in"), "any": step(policy="any", dispatch_mode="one_to_one")})
WAITS = mob({"go": wait(), "then": step("go")})
NESTED = mob(
    {"work": step()},
    {
        "outer": loop(
            "outside",
            EqCondition(path="params.never", value=1),
            2,
            inner=loop("inside", EqCondition(path="params.never", value=1), 2, work=node("work")),
        )
    },
)


async def agreeing(storage: MobStorage, run_id: str) -> RunVerification:
    found = await FleetAdmin(storage).verify(run_id)
    assert found.agrees, "\n".join(map(str, found.differences))
    return found


KINDS: list[tuple[MobDefinition, Any, int]] = [
    (CHAIN, None, 1),
    (ROUNDS, None, 1),
    (OVER_ITEMS, {"items": [1, None, {"a": []}, "x"]}, 2),
    (OVER_ITEMS, {"items": []}, 2),
    (BRANCHES, {"way": "left"}, 1),
    (BRANCHES, {"way": "neither"}, 1),
    (QUORUM, None, 3),
    (FAN_IN, None, 3),
    (NESTED, {}, 2),
]


@pytest.mark.parametrize(("definition", "params", "members"), KINDS)
async def test_runs_of_all_kinds_agree_with_their_inputs(
    storage: MobStorage, definition: MobDefinition, params: Any, members: int
) -> None:
    def work(ctx: StepContext) -> Any:
        if ctx.index is not None and ctx.index == 2:
            raise ValueError("not this one")
        return count_rounds(ctx) if definition is ROUNDS else {"by": ctx.member, "round": ctx.iteration}

    run = await run_flow(storage, definition, work, params=params, members={"worker": members})
    found = await agreeing(storage, run.run_id)
    assert found.events_known


async def test_runs_that_failed_were_forked_or_canceled_agree(storage: MobStorage) -> None:
    admin = FleetAdmin(storage)
    failed = await failed_chain(storage)
    await agreeing(storage, failed)
    forked = await admin.fork(failed, "b")
    assert not (await agreeing(storage, forked)).events_known  # it has none yet
    async with at_work(storage, {"*": lambda _: {"text": "y"}}):
        async with asyncio.timeout(LONG):
            assert (await Fleet(storage, CHAIN).wait(forked)).status == "completed"
    await agreeing(storage, forked)
    again = await admin.fork(failed)
    await admin.terminate(again)
    await agreeing(storage, again)


async def test_a_run_under_way_agrees_at_each_moment(storage: MobStorage) -> None:
    admin = FleetAdmin(storage)

    async def work(ctx: StepContext) -> Any:
        await asyncio.sleep(0.002)
        return count_rounds(ctx)

    async with at_work(storage, {"*": work}, workers=2):
        runs = [await Fleet(storage, one, members={"worker": 2}).start(FLOW, {}) for one in (ROUNDS, NESTED)]
        async with asyncio.timeout(LONG):
            while sum((await admin.count(statuses=[MobRunStatus.COMPLETED, MobRunStatus.FAILED])).values()) < len(runs):
                for run_id in runs:
                    await agreeing(storage, run_id)
                await asyncio.sleep(0.002)  # nothing else waits where all is in memory
    for run_id in runs:
        await agreeing(storage, run_id)
    assert [one.run_id async for one in admin.verify_all(mob_id="mob")] == runs[::-1]


async def test_a_run_that_waits_for_a_signal_agrees(storage: MobStorage) -> None:
    async with under_way(storage, WAITS, {"*": lambda _: 1}, lambda view: view.executions) as run_id:
        await agreeing(storage, run_id)
        await storage.executions.send_signal(run_id, Signal(name="go", payload={"a": 1}))
        async with asyncio.timeout(LONG):
            await Fleet(storage, WAITS).wait(run_id)
        await agreeing(storage, run_id)


async def test_what_no_fleet_has_started_is_not_verified(storage: MobStorage) -> None:
    admin = FleetAdmin(storage)
    await storage.runs.create_run(run := scene())
    with pytest.raises(NotFoundError, match="was not started by a fleet"):
        await admin.verify(run.run_id)
    with pytest.raises(NotFoundError):
        await admin.verify(str(uuid4()))
    assert [one async for one in admin.verify_all()] == []


@dataclass(frozen=True)
class Damaged:
    """A run on a server, and what reaches its keys."""

    storage: MobStorage
    client: Client
    all: Keys
    keys: RunKeys
    run: MobRun

    async def command(self, *words: Any) -> Any:
        return await self.client.router.request(*words)

    async def put(self, part: int, changed: MobRun) -> None:
        """Let one key of the run hold what it would of another run; its counts are those of that."""
        key = [*self.keys.parts, self.keys.index][part]
        content = encode_run(changed)[part]
        if part == 0:
            await self.command("HSET", key, *content)
            return
        await self.command("DEL", key)
        kind = "RPUSH" if part in (4, 6, 7, 8) else "HSET"
        await self.command(kind, key, *content)


Damage = Callable[[Damaged], Awaitable[Any]]


def changed(part: int, change: Callable[[MobRun], Mapping[str, Any]]) -> Damage:
    return lambda there: there.put(part, there.run.model_copy(update=change(there.run)))


def _frames(run: MobRun) -> Mapping[str, Any]:
    name, frame = next(iter(run.frames.items()))
    state = frame.kernel_state
    broken = state.model_copy(update={"node_status": state.node_status.set(("l", NodeStatus.SKIPPED))})
    return {"frames": run.frames.set((name, frame.model_copy(update={"kernel_state": broken})))}


def _loops(run: MobRun) -> Mapping[str, Any]:
    name, one = next(iter(run.loops.items()))
    return {"loops": run.loops.set((name, LoopSnapshot(kernel_state=one.kernel_state.model_copy(update={"depth": 7}))))}


def _outputs(run: MobRun) -> Mapping[str, Any]:
    return {"loop_iteration_outputs": run.with_output("polish", "another", ("polishing", 0)).loop_iteration_outputs}


def _steps(run: MobRun) -> Mapping[str, Any]:
    rows = list(run.step_ledger)
    number = next(n for n, row in enumerate(rows) if row.status is StepRunStatus.COMPLETED)
    rows[number] = rows[number].model_copy(update={"agent_identity": "worker-9"})
    return {"step_ledger": tuple(rows)}


def _step_outputs(run: MobRun) -> Mapping[str, Any]:
    rows = list(run.step_ledger)
    number = next(n for n, row in enumerate(rows) if row.output is not None)
    rows[number] = rows[number].model_copy(update={"output": "another"})
    return {"step_ledger": tuple(rows)}


def _iterations(run: MobRun) -> Mapping[str, Any]:
    first, *rest = run.loop_iteration_ledger
    return {"loop_iteration_ledger": (first.model_copy(update={"frame_id": "another"}), *rest)}


async def _execution(there: Damaged) -> None:
    view, _ = await read_whole(there.storage, there.run.run_id)
    key, one = next(iter(view.executions.items()))
    waiting = one.model_copy(update={"status": ExecutionStatus.WAITING, "output": None})
    await there.command("HSET", there.keys.executions, execution_field(key), encode_execution(waiting))


async def _output_of_an_execution(there: Damaged) -> None:
    view, _ = await read_whole(there.storage, there.run.run_id)
    key, one = next(iter(view.executions.items()))
    other = one.model_copy(update={"output": "another"})
    await there.command("HSET", there.keys.executions, execution_field(key), encode_execution(other))


async def _place(there: Damaged, key: str) -> bytes:
    places = await there.command("ZRANGE", key, 0, -1)
    return next(place for place in places if place.endswith(there.run.run_id.encode()))


async def _without_place(there: Damaged, key: str) -> None:
    await there.command("ZREM", key, await _place(there, key))


async def _end_twice(there: Damaged) -> None:
    for event in await there.storage.events.replay_all():
        if terminal_identity(event.kind) is not None:
            [entry] = await there.command("XRANGE", there.all.events, f"{event.cursor}-0", f"{event.cursor}-0")
            await there.command("XADD", there.all.events, f"{event.cursor + 1}-0", *entry[1])
            await there.command("HINCRBY", there.all.meta, "cursor", 1)
            await there.command("HINCRBY", there.all.meta, "n:events", 1)


def _identity(there: Damaged) -> bytes:
    return ended_identity(there.run.mob_id, there.run.flow_id, there.run.run_id)


async def _first_field(there: Damaged, key: str) -> None:
    fields: Sequence[bytes] = await there.command("HKEYS", key)
    await there.command("HDEL", key, fields[0])


DAMAGES: Mapping[str, tuple[Damage, str]] = {
    "flow_state": (
        changed(0, lambda run: {"flow_state": run.flow_state.model_copy(update={"failure_count": 9})}),
        "run.failure_count",
    ),
    "a group of the flow state": (
        lambda there: there.command("HSET", there.keys.run, FLOW_GROUP + b"scheduler", "x"),
        "storage",
    ),
    "status": (lambda there: there.command("HSET", there.keys.run, "status", "failed"), "run.status"),
    "completed_at": (lambda there: there.command("HDEL", there.keys.run, "completed_at"), "storage"),
    "launch": (lambda there: there.command("HSET", there.keys.run, "launch", "{"), "storage"),
    "frames": (changed(1, _frames), "frame."),
    "a frame": (lambda there: _first_field(there, there.keys.frames), "storage"),
    "loops": (changed(2, _loops), "loop."),
    "outputs": (changed(3, _outputs), "loop_iteration_outputs.polishing.0.polish"),
    "steps": (changed(4, _steps), "step_ledger.polish.worker-9.completed"),
    "step_outputs": (changed(5, _step_outputs), "step_ledger.polish.worker-1.completed"),
    "iterations": (changed(7, _iterations), "loop_iteration_ledger."),
    "authority": (lambda there: there.command("LSET", there.keys.authority, -1, "x"), "storage"),
    "the last inputs": (lambda there: there.command("RPOP", there.keys.authority), "storage"),
    "index": (lambda there: there.command("HDEL", there.keys.index, "created"), "storage"),
    "executions": (_execution, "executions."),
    "an output of an execution": (_output_of_an_execution, "loop_iteration_outputs.polishing."),
    "runs": (lambda there: _without_place(there, there.all.runs), "lists.runs"),
    "runs:by_status": (lambda there: _without_place(there, there.all.runs_by_status), "lists.by_status"),
    "events": (_end_twice, "events.end"),
    "events:index": (lambda there: there.command("HDEL", there.all.events_index, _identity(there)), "events.end"),
    "definitions": (lambda there: there.command("DEL", there.all.definitions), "storage"),
}


@pytest.fixture
async def there(server_url: str, namespace: str, connection: Client) -> AsyncIterator[Damaged]:
    """A run with a loop that is over."""
    async with MobStorage.open(server_url, namespace=namespace) as storage:
        run = await run_flow(storage, ROUNDS, count_rounds)
        stored = await storage.runs.get_run(run.run_id)
        assert stored is not None
        await agreeing(storage, run.run_id)
        keys = Keys(namespace)
        yield Damaged(storage, connection, keys, keys.run(run.run_id), stored)


@pytest.mark.parametrize("damage", DAMAGES)
async def test_damage_is_named(there: Damaged, damage: str) -> None:
    act, path = DAMAGES[damage]
    await act(there)
    found = await FleetAdmin(there.storage).verify(there.run.run_id)
    assert any(one.path.startswith(path) for one in found.differences), found.differences


async def test_a_failure_that_says_another_reason_is_named(there: Damaged) -> None:
    storage = there.storage
    failed = await failed_chain(storage)
    run = await storage.runs.get_run(failed)
    assert run is not None
    run.model_dump()  # all its parts are decoded, before the keys are damaged
    row = run.failure_ledger[0].model_copy(update={"reason": "another"})
    broken = Damaged(storage, there.client, there.all, there.all.run(failed), run)
    await broken.put(6, run.model_copy(update={"failure_ledger": (row, *run.failure_ledger[1:])}))
    found = await FleetAdmin(storage).verify(failed)
    assert [one.path for one in found.differences] == ["failure_ledger.b"]
    assert "another" not in str(found.differences[0].expected)


async def test_a_run_that_no_worker_would_look_at_is_named(there: Damaged) -> None:
    run_id = await Fleet(there.storage, CHAIN).start(FLOW)
    await agreeing(there.storage, run_id)
    await there.command("ZREM", there.all.due, run_id)
    found = await FleetAdmin(there.storage).verify(run_id)
    assert [one.path for one in found.differences] == ["lists.due"]


async def test_items_that_are_counted_wrong_are_named(there: Damaged) -> None:
    storage = there.storage
    run = await run_flow(storage, OVER_ITEMS, lambda _: 1, params={"items": [1, 2, 3]})
    fields = await there.command("HKEYS", there.all.run(run.run_id).index)
    assert (await loaded(storage, run.run_id)).progress
    before = await FleetAdmin(storage).verify(run.run_id)
    assert before.agrees
    for field in fields:
        value = await there.command("HGET", there.all.run(run.run_id).index, field)
        await there.command("HDEL", there.all.run(run.run_id).index, field)
        found = await FleetAdmin(storage).verify(run.run_id)
        assert not found.agrees, field
        await there.command("HSET", there.all.run(run.run_id).index, field, value)

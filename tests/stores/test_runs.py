"""Runs: creating, reading, listing, status and flow state (cases 42-57)."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from redis_mob.connection.connection import Connection
from redis_mob.connection.keys import Keys
from redis_mob.errors import InternalError, RunAlreadyExistsError, SerializationError, ValidationError
from redis_mob.models import MobRun, MobRunStatus
from redis_mob.models.flow import FlowPhase
from redis_mob.stores.runs import RedisRunStore
from redis_mob.testing.samples.compound import INPUTS, NEXT_RUN, RUN, SIMPLE, scene, stale, with_one_other_field
from redis_mob.testing.samples.states import NOON, failure_entry, flow_state, frame, new_run, rebuilt, step_entry
from tests.stores.conftest import Opener
from tests.support.golden import read_jsonl
from tests.support.raw import keys_of

GOLDEN = [
    pytest.param(line.get("run") or line["canonical"], id=f"case_042-{line['name']}")
    for line in read_jsonl("wire/runs.jsonl")
    if "error" not in line
]

TERMINAL = [MobRunStatus.COMPLETED, MobRunStatus.FAILED, MobRunStatus.CANCELED]

FLOW_STATE, SNAPSHOT = SIMPLE


async def read(runs: RedisRunStore, run: MobRun) -> MobRun:
    stored = await runs.get_run(run.run_id)
    assert stored is not None
    return stored


async def server_time(connection: Connection) -> datetime:
    seconds, microseconds = await connection.transport.request("TIME")
    return datetime.fromtimestamp(int(seconds), UTC) + timedelta(microseconds=int(microseconds))


@pytest.mark.parametrize("line", GOLDEN)
async def test_a_created_run_comes_back_as_it_was(runs: RedisRunStore, line: dict[str, Any]) -> None:
    run = MobRun.model_validate_json(json.dumps(line))
    await runs.create_run(run)
    stored = await read(runs, run)
    assert stored == run
    assert stored.model_dump_json() == run.model_dump_json()


async def test_a_big_run_comes_back_as_it_was(runs: RedisRunStore) -> None:
    steps = [f"s{number:04}" for number in range(3000)]
    run = new_run(
        flow_state=flow_state(steps),
        frames={f"frame-{number}": frame(nodes=steps[:40]) for number in range(30)},
        step_ledger=[step_entry(step, output={"number": number}) for number, step in enumerate(steps)],
        failure_ledger=[failure_entry(step) for step in steps],
        root_step_outputs={step: number for number, step in enumerate(reversed(steps))},
    )
    await runs.create_run(run)
    stored = await read(runs, run)
    assert stored == run
    assert list(stored.root_step_outputs) == steps[::-1]


async def test_case_043_a_second_run_with_the_same_id_is_refused(
    runs: RedisRunStore, connection: Connection, keys: Keys
) -> None:
    run = scene()
    await runs.create_run(run)
    before = await keys_of(connection, keys)
    other = scene(run_id=run.run_id, mob_id="other", step_ledger=[step_entry()], root_step_outputs={"build": 1})
    for again in (run, other):
        with pytest.raises(RunAlreadyExistsError, match=run.run_id) as refused:
            await runs.create_run(again)
        assert isinstance(refused.value, InternalError)
    assert await read(runs, run) == run
    assert await runs.list_runs("other") == []
    assert await runs.list_runs(run.mob_id) == [run]
    assert await keys_of(connection, keys) == before


async def test_case_044_a_missing_run_is_none(runs: RedisRunStore) -> None:
    assert await runs.get_run(str(uuid4())) is None


async def test_a_run_is_found_by_any_spelling_of_its_id(runs: RedisRunStore) -> None:
    run = scene()
    await runs.create_run(run)
    for spelling in (run.run_id.upper(), UUID(run.run_id).hex, UUID(run.run_id).urn):
        assert await runs.get_run(spelling) == run
        assert await runs.cas_flow_state(spelling, expected=RUN, next=RUN)
    with pytest.raises(ValidationError, match="'nobody'"):
        await runs.get_run("nobody")


async def test_case_045_lists_are_filtered_and_in_the_order_of_creation(runs: RedisRunStore) -> None:
    made: dict[tuple[str, str], list[str]] = {}
    mobs, flows = ("a", "ab", "", "é", "m" * 40), ("review", "deploy", "", "f" * 40, "f" * 300, "f" * 70_000)
    for number in range(60):
        mob, flow = mobs[number % 5], flows[number % 6]
        run = new_run(mob_id=mob, flow_id=flow, created_at=NOON - timedelta(days=number))
        await runs.create_run(run)
        made.setdefault((mob, flow), []).append(run.run_id)
        made.setdefault((mob, "*"), []).append(run.run_id)
    for (mob, flow), ids in made.items():
        found = await runs.list_runs(mob) if flow == "*" else await runs.list_runs(mob, flow)
        assert [run.run_id for run in found] == ids
    assert await runs.list_runs("b") == await runs.list_runs("a", "revie") == []


async def flip_a_byte(connection: Connection, key: str, field: bytes) -> None:
    data: bytes = await connection.transport.request("HGET", key, field)
    place = len(data) // 2
    await connection.transport.request("HSET", key, field, data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])


async def test_case_046_a_damaged_run_hurts_only_those_who_read_it(
    runs: RedisRunStore, connection: Connection, keys: Keys
) -> None:
    fine, damaged = scene(mob_id="a"), scene(mob_id="b")
    fine_too = scene(mob_id="b", flow_id="deploy")
    for run in (fine, damaged, fine_too):
        await runs.create_run(run)
    await flip_a_byte(connection, keys.run(damaged.run_id).run, b"flow:0")
    assert await runs.list_runs("a") == [fine]
    assert await runs.list_runs("b", "deploy") == [fine_too]
    for reading in (runs.get_run(damaged.run_id), runs.list_runs("b")):
        with pytest.raises(SerializationError, match=f"run {damaged.run_id}: flow_state cannot be read"):
            await reading
    assert await runs.cas_run_status(damaged.run_id, expected=MobRunStatus.RUNNING, next=MobRunStatus.FAILED)


@pytest.mark.parametrize("part", ["frames", "loops"])
async def test_any_flipped_byte_of_a_snapshot_is_found(
    runs: RedisRunStore, connection: Connection, keys: Keys, part: str
) -> None:
    run = scene()
    await runs.create_run(run)
    key = getattr(keys.run(run.run_id), part)
    for field in await connection.transport.request("HKEYS", key):
        await flip_a_byte(connection, key, field)
        with pytest.raises(SerializationError, match=f"run {run.run_id}: {part} cannot be read"):
            await runs.get_run(run.run_id)
        await flip_a_byte(connection, key, field)
        assert await read(runs, run) == run


async def test_case_047_one_of_many_status_changes_wins(open_storage: Opener, connection: Connection) -> None:
    run = scene()
    stores = [(await open_storage()).runs for _ in range(5)]
    await stores[0].create_run(run)
    before = await server_time(connection)
    change = {"expected": MobRunStatus.RUNNING, "next": MobRunStatus.COMPLETED}
    won = await asyncio.gather(*(store.cas_run_status(run.run_id, **change) for store in stores for _ in range(2)))
    assert sorted(won) == [False] * 9 + [True]
    stored = await read(stores[0], run)
    assert stored.completed_at is not None
    assert before <= stored.completed_at <= await server_time(connection)
    assert stored == run.model_copy(update={"status": MobRunStatus.COMPLETED, "completed_at": stored.completed_at})


async def test_case_048_one_of_two_ends_wins(open_storage: Opener) -> None:
    one, two = (await open_storage()).runs, (await open_storage()).runs
    for _ in range(20):
        run = scene()
        await one.create_run(run)
        ends = [(one, MobRunStatus.COMPLETED), (two, MobRunStatus.FAILED)]
        won = await asyncio.gather(
            *(store.cas_run_status(run.run_id, expected=MobRunStatus.RUNNING, next=end) for store, end in ends)
        )
        assert sorted(won) == [False, True]
        assert (await read(two, run)).status == ends[won.index(True)][1]


@pytest.mark.parametrize("status", TERMINAL)
async def test_case_049_a_terminal_status_is_final(runs: RedisRunStore, status: MobRunStatus) -> None:
    run = scene(status=status)
    await runs.create_run(run)
    for following in MobRunStatus:
        assert await runs.cas_run_status(run.run_id, expected=status, next=following) is False
        assert not await SNAPSHOT.call(runs, run.run_id, expected_status=status, next_status=following)
    assert await read(runs, run) == run


@pytest.mark.parametrize("before", [MobRunStatus.PENDING, MobRunStatus.RUNNING])
@pytest.mark.parametrize("after", list(MobRunStatus))
async def test_any_change_of_a_status_that_is_not_terminal_is_allowed(
    runs: RedisRunStore, before: MobRunStatus, after: MobRunStatus
) -> None:
    run = scene(status=before)
    await runs.create_run(run)
    assert await runs.cas_run_status(run.run_id, expected=before, next=after) is True
    stored = await read(runs, run)
    assert (stored.status, stored.completed_at is not None) == (after, after.is_terminal)


async def test_case_050_a_missing_run_is_a_lost_compare(
    runs: RedisRunStore, connection: Connection, keys: Keys
) -> None:
    before = await keys_of(connection, keys)
    missing = str(uuid4())
    assert await runs.cas_run_status(missing, expected=MobRunStatus.RUNNING, next=MobRunStatus.FAILED) is False
    assert await FLOW_STATE.call(runs, missing) is False
    assert await SNAPSHOT.call(runs, missing) is False
    assert await FLOW_STATE.call(runs, missing, authority_inputs=INPUTS) is False
    assert await SNAPSHOT.call(runs, missing, authority_inputs=INPUTS) is False
    assert await keys_of(connection, keys) == before


@pytest.mark.parametrize("status", TERMINAL)
async def test_case_051_a_time_of_completion_is_kept(runs: RedisRunStore, status: MobRunStatus) -> None:
    for change in ("cas_run_status", "cas_run_snapshot"):
        run = scene(completed_at=NOON)
        await runs.create_run(run)
        if change == "cas_run_status":
            assert await runs.cas_run_status(run.run_id, expected=MobRunStatus.RUNNING, next=status)
        else:
            assert await SNAPSHOT.call(runs, run.run_id, next_status=status)
        stored = await read(runs, run)
        assert (stored.status, stored.completed_at) == (status, NOON)


async def test_case_052_every_single_field_of_the_flow_state_is_compared(runs: RedisRunStore) -> None:
    run = scene()
    await runs.create_run(run)
    for field, other in with_one_other_field(RUN):
        assert await FLOW_STATE.call(runs, run.run_id, expected=other, authority_inputs=INPUTS) is False, field
        assert await SNAPSHOT.call(runs, run.run_id, expected_flow_state=other, authority_inputs=INPUTS) is False
    assert await read(runs, run) == run


@pytest.mark.parametrize("status", TERMINAL)
async def test_case_053_the_flow_state_of_a_terminal_run_may_change(runs: RedisRunStore, status: MobRunStatus) -> None:
    run = scene(status=status)
    await runs.create_run(run)
    assert await FLOW_STATE.call(runs, run.run_id, authority_inputs=INPUTS) is True
    assert await read(runs, run) == FLOW_STATE.left(run, INPUTS)


async def test_case_054_the_order_of_lists_counts(runs: RedisRunStore) -> None:
    stored = rebuilt(RUN, ready_frames=("a", "b"), ready_frame_membership=("a", "b"))
    run = scene(flow_state=stored)
    await runs.create_run(run)
    reversed_list = rebuilt(stored, ready_frames=("b", "a"))
    reversed_set = rebuilt(stored, ready_frame_membership=("b", "a", "b"))
    assert await FLOW_STATE.call(runs, run.run_id, expected=reversed_list) is False
    assert await FLOW_STATE.call(runs, run.run_id, expected=reversed_set) is True


async def test_case_055_the_order_of_maps_does_not_count(runs: RedisRunStore) -> None:
    run = scene(flow_state=rebuilt(RUN, target_retry_counts={"a": 1, "b": 2}))
    await runs.create_run(run)
    plain = json.loads(run.flow_state.model_dump_json())
    backwards = {
        name: dict(reversed(value.items())) if isinstance(value, dict) else value
        for name, value in reversed(plain.items())
    }
    expected = type(run.flow_state).model_validate_json(json.dumps(backwards))
    assert await FLOW_STATE.call(runs, run.run_id, expected=expected) is True


@pytest.mark.parametrize("part", SNAPSHOT.compared)
@pytest.mark.parametrize("inputs", [(), INPUTS], ids=["plain", "with_authority"])
async def test_case_056_a_snapshot_needs_both(runs: RedisRunStore, part: str, inputs: Any) -> None:
    run = scene()
    await runs.create_run(run)
    lost = {part: stale(SNAPSHOT.arguments[part])}
    assert await SNAPSHOT.call(runs, run.run_id, **lost, authority_inputs=inputs) is False
    assert await read(runs, run) == run


@pytest.mark.parametrize("status", TERMINAL)
@pytest.mark.parametrize("inputs", [(), INPUTS], ids=["plain", "with_authority"])
async def test_case_057_a_terminal_snapshot_sets_the_time_of_completion(
    runs: RedisRunStore, connection: Connection, status: MobRunStatus, inputs: Any
) -> None:
    run = scene()
    await runs.create_run(run)
    before = await server_time(connection)
    assert await SNAPSHOT.call(runs, run.run_id, next_status=status, authority_inputs=inputs) is True
    stored = await read(runs, run)
    assert stored.completed_at is not None
    assert before <= stored.completed_at <= await server_time(connection)
    written = {"status": status, "completed_at": stored.completed_at, "flow_state": NEXT_RUN}
    assert stored == FLOW_STATE.left(run, inputs).model_copy(update=written)


async def test_a_snapshot_that_ends_nothing_has_no_time_of_completion(runs: RedisRunStore) -> None:
    run = scene()
    await runs.create_run(run)
    assert await SNAPSHOT.call(runs, run.run_id) is True
    assert await read(runs, run) == SNAPSHOT.left(run)


async def test_what_was_read_can_be_compared_and_changed_on(runs: RedisRunStore) -> None:
    run = scene(flow_state=flow_state([f"s{number:03}" for number in range(100)]))
    await runs.create_run(run)
    for number in range(1, 6):
        known = (await read(runs, run)).flow_state
        following = known.model_copy(update={"failure_count": number, "phase": FlowPhase.FAILED})
        assert await runs.cas_flow_state(run.run_id, expected=known, next=following)
        assert (await read(runs, run)).flow_state == rebuilt(run.flow_state, failure_count=number, phase="Failed")

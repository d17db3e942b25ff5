"""What only our stores of runs promise: golden runs, what is stored, texts of errors, and real processes.

The conformance suite shows what the contract says of runs.
"""

from __future__ import annotations

import json
import math
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest

from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.contracts import MobRunStore
from redis_mob.errors import (
    CasConflictError,
    InternalError,
    NotFoundError,
    RedisMobError,
    RunAlreadyExistsError,
    SerializationError,
    ValidationError,
)
from redis_mob.models import MobRun, MobRunStatus
from redis_mob.models.ledger import MAX_LOOP_ITERATION
from redis_mob.storage import MobStorage
from redis_mob.testing.conformance.ledgers import LEDGER_OPERATIONS
from redis_mob.testing.conformance.run_guarantee import created, read
from redis_mob.testing.samples.compound import COMPOUND, FRAME, INPUTS, OPERATIONS, SIMPLE, scene
from redis_mob.testing.samples.states import failure_entry, new_run, step_entry
from tests.stores.processes import run_together
from tests.support.golden import read_jsonl
from tests.support.raw import keys_of

GOLDEN = [
    pytest.param(line.get("run") or line["canonical"], id=f"case_042-{line['name']}")
    for line in read_jsonl("wire/runs.jsonl")
    if "error" not in line
]

COMPLETE_STEP = OPERATIONS["cas_complete_step_and_record_output"]


@pytest.mark.parametrize("line", GOLDEN)
async def test_a_created_run_comes_back_as_it_was(runs: MobRunStore, line: dict[str, Any]) -> None:
    run = MobRun.model_validate_json(json.dumps(line))
    await runs.create_run(run)
    stored = await read(runs, run)
    assert stored == run
    assert stored.model_dump_json() == run.model_dump_json()


async def test_lists_tell_names_of_all_lengths_apart(runs: MobRunStore) -> None:
    """A length is packed in one of several ways."""
    flows = ["f" * length for length in (0, 31, 32, 255, 256, 65_535, 65_536)]
    made = [new_run(flow_id=flow) for flow in flows]
    for run in made:
        await runs.create_run(run)
    assert [await runs.list_runs("mob", flow) for flow in flows] == [[run] for run in made]


async def flip_a_byte(connection: Client, key: str, field: bytes) -> None:
    data: bytes = await connection.router.request("HGET", key, field)
    place = len(data) // 2
    await connection.router.request("HSET", key, field, data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])


async def test_a_run_with_a_damaged_flow_state_can_be_ended(runs: MobRunStore, connection: Client, keys: Keys) -> None:
    damaged, other = await created(runs, mob_id="b"), await created(runs, mob_id="b", flow_id="deploy")
    await flip_a_byte(connection, keys.run(damaged.run_id).run, b"flow:0")
    assert await runs.list_runs("b", "deploy") == [other]
    for reading in (runs.get_run(damaged.run_id), runs.list_runs("b")):
        with pytest.raises(SerializationError, match=f"run {damaged.run_id}: flow_state cannot be read"):
            await reading
    assert await runs.cas_run_status(damaged.run_id, expected=MobRunStatus.RUNNING, next=MobRunStatus.FAILED)


@pytest.mark.parametrize("part", ["frames", "loops"])
async def test_any_flipped_byte_of_a_snapshot_is_found(
    runs: MobRunStore, connection: Client, keys: Keys, part: str
) -> None:
    run = await created(runs)
    key = getattr(keys.run(run.run_id), part)
    for field in await connection.router.request("HKEYS", key):
        await flip_a_byte(connection, key, field)
        with pytest.raises(SerializationError, match=f"run {run.run_id}: {part} cannot be read"):
            await runs.get_run(run.run_id)
        await flip_a_byte(connection, key, field)
        assert await read(runs, run) == run


async def test_what_is_refused_or_lost_leaves_no_key(runs: MobRunStore, connection: Client, keys: Keys) -> None:
    run = await created(runs)
    before = await keys_of(connection, keys)
    other = scene(run_id=run.run_id, mob_id="other", step_ledger=[step_entry()], root_step_outputs={"build": 1})
    with pytest.raises(RunAlreadyExistsError):
        await runs.create_run(other)
    missing = str(uuid4())
    assert await runs.cas_run_status(missing, expected=MobRunStatus.RUNNING, next=MobRunStatus.FAILED) is False
    for inputs in ((), INPUTS):
        for operation in SIMPLE:
            assert await operation.call(runs, missing, authority_inputs=inputs) is False
        for operation in COMPOUND:
            with pytest.raises(NotFoundError):
                await operation.call(runs, missing, authority_inputs=inputs)
    for append in LEDGER_OPERATIONS.values():
        with pytest.raises(NotFoundError):
            await append(runs, missing)
    assert await keys_of(connection, keys) == before


REFUSED: dict[str, tuple[Callable[[MobRunStore, str], Awaitable[object]], type[RedisMobError], str]] = {
    "id": (lambda runs, _: runs.get_run("absent"), ValidationError, "'absent'"),
    "step": (
        lambda runs, run: runs.put_step_output(run, step_id="absent", output=1),
        InternalError,
        "run {run}: step 'absent' has no row",
    ),
    "failure": (
        lambda runs, run: runs.append_failure_entry_if_absent(run, entry=failure_entry(reason="exit 2")),
        CasConflictError,
        "run {run}: step 'build' has another failure",
    ),
    "ledger_output": (
        lambda runs, run: runs.put_step_output(run, step_id="build", output=math.nan),
        InternalError,
        "output of step 'build': .*nan",
    ),
    "output": (
        lambda runs, run: COMPLETE_STEP.call(runs, run, step_output=["\ud800"]),
        InternalError,
        "output of step 'build': .*surrogate",
    ),
    **{
        f"iteration_{iteration}": (
            lambda runs, run, iteration=iteration: COMPLETE_STEP.call(runs, run, loop_context=("refine", iteration)),
            InternalError,
            f"iteration {iteration} of loop 'refine'",
        )
        for iteration in (MAX_LOOP_ITERATION + 1, 2**64 - 1, -1)
    },
    **{
        f"input_{type(wrong).__name__}": (
            lambda runs, run, wrong=wrong: COMPLETE_STEP.call(runs, run, authority_inputs=[*INPUTS, wrong]),
            InternalError,
            f"{type(wrong).__name__} is no input",
        )
        for wrong in ({"input": "Stop"}, FRAME, None)
    },
}
"""Impossible requests to a run with a row and a failure of step build, the errors, and what these name."""


@pytest.mark.parametrize("name", REFUSED)
async def test_an_error_names_what_is_wrong(runs: MobRunStore, name: str) -> None:
    request, error, text = REFUSED[name]
    run = await created(runs, step_ledger=[step_entry()], failure_ledger=[failure_entry()])
    with pytest.raises(error, match=text.format(run=run.run_id)):
        await request(runs, run.run_id)
    assert await read(runs, run) == run


@pytest.mark.usefixtures("server_url")
async def test_case_086_one_of_several_processes_wins(storage: MobStorage) -> None:
    made = [await created(storage.runs) for _ in range(40)]
    ids = [run.run_id for run in made]
    results = await run_together("grant", storage, ids, ids, ids)
    assert [sorted(won) for won in zip(*results, strict=True)] == [[False, False, True]] * len(ids)
    for run in await storage.runs.list_runs("mob"):
        assert run.flow_state.active_node_count == 1

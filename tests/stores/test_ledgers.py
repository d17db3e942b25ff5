"""The ledgers of a run (cases 58-66, decision 14)."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from redis_mob.connection.connection import Connection
from redis_mob.connection.keys import Keys
from redis_mob.errors import CasConflictError, InternalError, NotFoundError
from redis_mob.models import AgentErrorReport, MobRun, MobRunStatus, StepRunStatus, TurnError
from redis_mob.models.base import MAX_VALUE_DEPTH
from redis_mob.stores.runs import RedisRunStore
from redis_mob.testing.samples.compound import LOOP, NEXT_LOOP, scene
from redis_mob.testing.samples.states import NOON, failure_entry, iteration_entry, step_entry
from tests.stores.conftest import Opener
from tests.support.raw import keys_of

LATER = NOON + timedelta(microseconds=1)
COMPLETED = StepRunStatus.COMPLETED


@pytest.fixture
async def run(runs: RedisRunStore) -> MobRun:
    """A stored run whose ledgers are empty."""
    made = scene()
    await runs.create_run(made)
    return made


async def read(runs: RedisRunStore, run: MobRun) -> MobRun:
    stored = await runs.get_run(run.run_id)
    assert stored is not None
    return stored


async def test_case_058_step_agent_and_status_are_what_counts(runs: RedisRunStore, run: MobRun) -> None:
    first = step_entry()
    others = [step_entry("test"), step_entry(agent="agent-2"), step_entry(status=COMPLETED)]
    assert await runs.append_step_entry_if_absent(run.run_id, entry=first) is True
    for same in (first, step_entry(output={"a": 1}), step_entry(timestamp=LATER)):
        assert await runs.append_step_entry_if_absent(run.run_id, entry=same) is False
    for other in others:
        assert await runs.append_step_entry_if_absent(run.run_id, entry=other) is True
    assert (await read(runs, run)).step_ledger == (first, *others)


async def test_a_row_that_was_there_from_the_beginning_or_appended_plainly_counts_too(runs: RedisRunStore) -> None:
    run = scene(step_ledger=[step_entry()])
    await runs.create_run(run)
    await runs.append_step_entry(run.run_id, entry=step_entry("test"))
    assert await runs.append_step_entry_if_absent(run.run_id, entry=step_entry()) is False
    assert await runs.append_step_entry_if_absent(run.run_id, entry=step_entry("test")) is False


async def test_the_parts_of_a_row_do_not_run_together(runs: RedisRunStore, run: MobRun) -> None:
    entries = [step_entry("ab", "c"), step_entry("a", "bc"), step_entry("", "abc"), step_entry("abc", "")]
    for entry in entries:
        assert await runs.append_step_entry_if_absent(run.run_id, entry=entry) is True


async def test_one_of_many_equal_rows_is_appended(open_storage: Opener) -> None:
    run = scene()
    stores = [(await open_storage()).runs for _ in range(4)]
    await stores[0].create_run(run)
    appended = await asyncio.gather(
        *(store.append_step_entry_if_absent(run.run_id, entry=step_entry()) for store in stores for _ in range(3))
    )
    assert sorted(appended) == [False] * 11 + [True]


async def test_case_059_a_plain_append_never_deduplicates(runs: RedisRunStore, run: MobRun) -> None:
    for _ in range(2):
        await runs.append_step_entry(run.run_id, entry=step_entry(output=1))
    assert (await read(runs, run)).step_ledger == (step_entry(output=1),) * 2


async def test_case_060_an_output_belongs_to_the_last_row_of_its_step(runs: RedisRunStore, run: MobRun) -> None:
    dispatched, completed = step_entry(), step_entry(agent="agent-2", status=COMPLETED)
    for entry in (dispatched, step_entry("test", output=0), completed, step_entry("deploy")):
        await runs.append_step_entry(run.run_id, entry=entry)
    for output in ({"first": True}, [1, 2.0, None], None):
        await runs.put_step_output(run.run_id, step_id="build", output=output)
        assert (await read(runs, run)).step_ledger == (
            dispatched,
            step_entry("test", output=0),
            completed.model_copy(update={"output": output}),
            step_entry("deploy"),
        )


async def test_an_output_can_be_put_on_a_row_of_a_created_run(runs: RedisRunStore) -> None:
    run = scene(step_ledger=[step_entry(output=1), step_entry(output=2), step_entry("test")])
    await runs.create_run(run)
    await runs.put_step_output(run.run_id, step_id="build", output=3)
    assert [entry.output for entry in (await read(runs, run)).step_ledger] == [1, 3, None]


async def test_case_061_an_output_of_an_unknown_step_is_refused(runs: RedisRunStore, run: MobRun) -> None:
    await runs.append_step_entry(run.run_id, entry=step_entry())
    with pytest.raises(InternalError, match=f"run {run.run_id}: step 'nobody' has no row"):
        await runs.put_step_output(run.run_id, step_id="nobody", output=1)


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"in": value}
    return value


@pytest.mark.parametrize(
    "output",
    [math.nan, "\ud800", {"a": object()}, nested(MAX_VALUE_DEPTH + 1)],
    ids=["nan", "surrogate", "object", "too_deep"],
)
async def test_an_output_that_is_no_json_is_refused(runs: RedisRunStore, run: MobRun, output: Any) -> None:
    await runs.append_step_entry(run.run_id, entry=step_entry(output="before"))
    with pytest.raises(InternalError, match="output of step 'build'"):
        await runs.put_step_output(run.run_id, step_id="build", output=output)
    assert (await read(runs, run)).step_ledger == (step_entry(output="before"),)


async def test_the_deepest_output_comes_back(runs: RedisRunStore, run: MobRun) -> None:
    await runs.append_step_entry(run.run_id, entry=step_entry())
    await runs.put_step_output(run.run_id, step_id="build", output=nested(MAX_VALUE_DEPTH))
    assert (await read(runs, run)).step_ledger[0].output == nested(MAX_VALUE_DEPTH)


async def test_case_062_a_failure_never_deduplicates(runs: RedisRunStore, run: MobRun) -> None:
    for _ in range(2):
        await runs.append_failure_entry(run.run_id, entry=failure_entry())
    assert (await read(runs, run)).failure_ledger == (failure_entry(),) * 2


REPORT = AgentErrorReport(error_class="Timeout", reason={"b": 1, "a": [1.0]}, message="too late")
TURN = TurnError(kind="provider", retryable=True)


async def test_a_failure_of_a_step_is_appended_once_by_decision_14(runs: RedisRunStore, run: MobRun) -> None:
    first = failure_entry(error_report=REPORT, error=TURN)
    assert await runs.append_failure_entry_if_absent(run.run_id, entry=first) is True
    shuffled = REPORT.model_copy(update={"reason": {"a": [1.0], "b": 1}})
    for same in (first, first.model_copy(update={"timestamp": LATER, "error_report": shuffled})):
        assert await runs.append_failure_entry_if_absent(run.run_id, entry=same) is False
    for other in (
        failure_entry(),
        failure_entry(error=TURN),
        failure_entry("build", "exit 2", error_report=REPORT, error=TURN),
        failure_entry(error_report=REPORT.model_copy(update={"reason": {"b": 1, "a": [1]}}), error=TURN),
    ):
        with pytest.raises(CasConflictError, match=f"run {run.run_id}: step 'build' has another failure"):
            await runs.append_failure_entry_if_absent(run.run_id, entry=other)
    assert await runs.append_failure_entry_if_absent(run.run_id, entry=failure_entry("test")) is True
    assert (await read(runs, run)).failure_ledger == (first, failure_entry("test"))


async def test_a_failure_that_is_there_on_any_path_counts(runs: RedisRunStore) -> None:
    run = scene(failure_ledger=[failure_entry()])
    await runs.create_run(run)
    await runs.append_failure_entry(run.run_id, entry=failure_entry(reason="exit 2"))
    for reason in ("exit 1", "exit 2"):
        entry = failure_entry(reason=reason, timestamp=LATER)
        assert await runs.append_failure_entry_if_absent(run.run_id, entry=entry) is False
    with pytest.raises(CasConflictError):
        await runs.append_failure_entry_if_absent(run.run_id, entry=failure_entry(reason="exit 3"))


@pytest.mark.parametrize("status", [MobRunStatus.COMPLETED, MobRunStatus.FAILED, MobRunStatus.CANCELED])
async def test_case_063_ledgers_of_a_terminal_run_grow_on(runs: RedisRunStore, status: MobRunStatus) -> None:
    run = scene(status=status)
    await runs.create_run(run)
    await runs.append_failure_entry(run.run_id, entry=failure_entry())
    await runs.append_step_entry(run.run_id, entry=step_entry())
    assert await runs.append_step_entry_if_absent(run.run_id, entry=step_entry("test")) is True
    await runs.put_step_output(run.run_id, step_id="test", output=1)
    await runs.upsert_loop_snapshot(run.run_id, loop_instance_id="l", snapshot=LOOP, ledger_entry=iteration_entry())
    stored = await read(runs, run)
    assert stored.status == status
    assert stored.failure_ledger == (failure_entry(),)
    assert stored.step_ledger == (step_entry(), step_entry("test", output=1))
    assert stored.loop_iteration_ledger == (iteration_entry(),)


LEDGER_OPERATIONS: dict[str, Callable[[RedisRunStore, str], Awaitable[Any]]] = {
    "append_step_entry": lambda runs, run: runs.append_step_entry(run, entry=step_entry()),
    "append_step_entry_if_absent": lambda runs, run: runs.append_step_entry_if_absent(run, entry=step_entry()),
    "put_step_output": lambda runs, run: runs.put_step_output(run, step_id="build", output=1),
    "append_failure_entry": lambda runs, run: runs.append_failure_entry(run, entry=failure_entry()),
    "append_failure_entry_if_absent": lambda runs, run: runs.append_failure_entry_if_absent(run, entry=failure_entry()),
    "upsert_loop_snapshot": lambda runs, run: runs.upsert_loop_snapshot(
        run, loop_instance_id="loop-1", snapshot=LOOP, ledger_entry=iteration_entry()
    ),
}


@pytest.mark.parametrize("name", [pytest.param(name, id=f"case_064-{name}") for name in LEDGER_OPERATIONS])
async def test_a_missing_run_is_named(runs: RedisRunStore, connection: Connection, keys: Keys, name: str) -> None:
    missing, before = str(uuid4()), await keys_of(connection, keys)
    with pytest.raises(NotFoundError, match=missing):
        await LEDGER_OPERATIONS[name](runs, missing)
    assert await keys_of(connection, keys) == before


async def test_case_065_an_iteration_is_recorded_once(runs: RedisRunStore, run: MobRun) -> None:
    for entry in (iteration_entry(), iteration_entry(), iteration_entry("other"), iteration_entry(iteration=1), None):
        await runs.upsert_loop_snapshot(run.run_id, loop_instance_id="loop-1", snapshot=LOOP, ledger_entry=entry)
    stored = await read(runs, run)
    assert stored.loops == {"loop-1": LOOP}
    assert stored.loop_iteration_ledger == (iteration_entry(), iteration_entry("other"), iteration_entry(iteration=1))


async def test_case_066_a_loop_is_overwritten_without_a_compare(runs: RedisRunStore, run: MobRun) -> None:
    for snapshot in (NEXT_LOOP, LOOP, NEXT_LOOP):
        await runs.upsert_loop_snapshot(run.run_id, loop_instance_id="loop-1", snapshot=snapshot)
        assert (await read(runs, run)).loops == {"loop-1": snapshot}
    await runs.upsert_loop_snapshot(run.run_id, loop_instance_id="loop-2", snapshot=LOOP)
    assert (await read(runs, run)).loops == {"loop-1": NEXT_LOOP, "loop-2": LOOP}

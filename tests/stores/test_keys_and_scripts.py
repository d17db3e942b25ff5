"""What the stores leave on a server, and what their scripts touch: the keys of one namespace that they were given."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from redis_mob.connection.connection import Connection, connect
from redis_mob.connection.scripts import library
from redis_mob.models import MobRunStatus
from redis_mob.stores.storage import MobStorage
from tests.support.compound import COMPOUND, INPUTS, LOOP, NEXT_RUN, RUN, SIMPLE, scene
from tests.support.monitor import watched
from tests.support.new_events import RUN as EVENT_RUN
from tests.support.new_events import completed, numbered, step_failed
from tests.support.raw import all_keys
from tests.support.servers import server
from tests.support.states import NOON, failure_entry, iteration_entry, step_entry

NAMESPACE = "team/a.b_c:d-1"

SCRIPTS = {name for name in library().names() if name.startswith(("runs/", "events/", "meta/"))}
"""The scripts of the stores that are tested here."""


@pytest.fixture
def own_server() -> Iterator[str]:
    with server() as url:
        yield url


@pytest.fixture
async def watcher(own_server: str) -> AsyncIterator[Connection]:
    connection = await connect(own_server)
    yield connection
    await connection.aclose()


async def use_everything(url: str) -> None:
    """Every method of both stores, each with effect."""
    async with MobStorage.open(url, namespace=NAMESPACE) as storage:
        await _use_runs(storage)
        await _use_events(storage)


async def _use_runs(storage: MobStorage) -> None:
    runs = storage.runs
    for operation in (*COMPOUND, *SIMPLE):
        run = scene(step_ledger=[step_entry(output=1)], failure_ledger=[failure_entry()], root_step_outputs={"a": 1})
        await runs.create_run(run)
        assert await operation.call(runs, run.run_id, authority_inputs=INPUTS)
    ended = scene()
    await runs.create_run(ended)
    assert await runs.cas_run_snapshot_and_append_terminal_event(
        ended.run_id,
        expected_status=MobRunStatus.RUNNING,
        expected_flow_state=RUN,
        next_status=MobRunStatus.FAILED,
        next_flow_state=NEXT_RUN,
        event=completed(ended.run_id),
        authority_inputs=INPUTS,
    )
    assert await runs.cas_run_status(run.run_id, expected=MobRunStatus.PENDING, next=MobRunStatus.COMPLETED)
    await runs.append_step_entry(run.run_id, entry=step_entry("test"))
    assert await runs.append_step_entry_if_absent(run.run_id, entry=step_entry("deploy", output=1))
    await runs.put_step_output(run.run_id, step_id="test", output=1)
    await runs.append_failure_entry(run.run_id, entry=failure_entry("test"))
    assert await runs.append_failure_entry_if_absent(run.run_id, entry=failure_entry("deploy"))
    await runs.upsert_loop_snapshot(run.run_id, loop_instance_id="l", snapshot=LOOP, ledger_entry=iteration_entry())
    assert len(await runs.list_runs("mob")) == len((*COMPOUND, *SIMPLE)) + 1


async def _use_events(storage: MobStorage) -> None:
    events = storage.events
    async with events.subscribe() as following:
        await events.append(numbered(1, timestamp=NOON))
        assert (await anext(following)).kind == numbered(1).kind
    assert await events.append_terminal_event_if_absent(completed(EVENT_RUN))
    assert await events.append_step_failed_event_if_absent(step_failed())
    assert len(await events.append_batch([completed(), step_failed()])) == 2
    assert await events.prune(NOON.replace(hour=13)) == 1
    assert await events.latest_cursor() == await events.latest_cursor() > 0
    await events.clear()
    await events.append(numbered(2))


async def test_every_key_carries_the_tag_of_the_namespace(own_server: str, watcher: Connection) -> None:
    await use_everything(own_server)
    names = await all_keys(watcher)
    assert names
    assert [name for name in names if not name.startswith(f"{{rm:{NAMESPACE}}}:")] == []


async def test_a_script_touches_no_key_that_it_was_not_given(own_server: str, watcher: Connection) -> None:
    async with watched(watcher) as calls:
        await use_everything(own_server)
    assert {call.name for call in calls if call.touched} == SCRIPTS
    for call in calls:
        assert call.touched <= call.declared, call.name


async def test_nothing_expires(own_server: str, watcher: Connection) -> None:
    await use_everything(own_server)
    for name in await all_keys(watcher):
        assert await watcher.transport.request("PTTL", name) == -1, name

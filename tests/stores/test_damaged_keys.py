"""A write that damage of one key refuses is refused as a whole: nothing else of the namespace has changed."""

# pyright: reportPrivateUsage=false
# A transition with everything in it is made of samples of the conformance suite that it keeps to itself.

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from redis_mob.codec.hashes import as_mapping
from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.errors import SerializationError
from redis_mob.models import MobRunStatus
from redis_mob.models.config import Delete, Put
from redis_mob.security.identity import generate_authority
from redis_mob.storage import MobStorage
from redis_mob.testing.conformance import transitions
from redis_mob.testing.samples.compound import COMPOUND, INPUTS, LOOP, NEXT_RUN, RUN, SIMPLE, Operation, scene
from redis_mob.testing.samples.documents import definition, overlay, profile
from redis_mob.testing.samples.driven_runs import STEPS_AND_LOOP, waiting
from redis_mob.testing.samples.new_events import completed, numbered, step_failed
from redis_mob.testing.samples.states import failure_entry, iteration_entry, step_entry
from redis_mob.testing.samples.transfers import event_with, stored_profile
from tests.support.raw import keys_of

pytestmark = pytest.mark.filterwarnings("ignore::redis_mob.errors.UnsealedSecretsWarning")

Write = Callable[[MobStorage, str], Awaitable[Any]]

OTHER = scene()
AUTHORITY = generate_authority()


def _compound(operation: Operation) -> Write:
    return lambda storage, run: operation.call(storage.runs, run, authority_inputs=INPUTS)


async def _bring_event(storage: MobStorage, run: str) -> bool:
    newest = await storage.transfers.newest_cursor()
    return await storage.transfers.append_events([event_with(newest + 2)], after=newest, newest=newest + 5)


WRITES: dict[str, Write] = {
    **{operation.name: _compound(operation) for operation in (*COMPOUND, *SIMPLE)},
    "create_run": lambda storage, run: storage.runs.create_run(OTHER),
    "cas_run_snapshot_and_append_terminal_event": lambda storage, run: (
        storage.runs.cas_run_snapshot_and_append_terminal_event(
            run,
            expected_status=MobRunStatus.RUNNING,
            expected_flow_state=RUN,
            next_status=MobRunStatus.FAILED,
            next_flow_state=NEXT_RUN,
            event=completed(run),
            authority_inputs=INPUTS,
        )
    ),
    "append_step_entry": lambda storage, run: storage.runs.append_step_entry(run, entry=step_entry(output=1)),
    "append_step_entry_if_absent": lambda storage, run: storage.runs.append_step_entry_if_absent(
        run, entry=step_entry("new", output=1)
    ),
    "put_step_output": lambda storage, run: storage.runs.put_step_output(run, step_id="build", output=1),
    "append_failure_entry": lambda storage, run: storage.runs.append_failure_entry(run, entry=failure_entry()),
    "append_failure_entry_if_absent": lambda storage, run: storage.runs.append_failure_entry_if_absent(
        run, entry=failure_entry("new")
    ),
    "upsert_loop_snapshot": lambda storage, run: storage.runs.upsert_loop_snapshot(
        run, loop_instance_id="l", snapshot=LOOP, ledger_entry=iteration_entry()
    ),
    "append_batch": lambda storage, run: storage.events.append_batch([numbered(1), completed(run), step_failed()]),
    "append_terminal_event_if_absent": lambda storage, run: storage.events.append_terminal_event_if_absent(
        completed(run)
    ),
    "put": lambda storage, run: storage.config.put("n", "a", 2),
    "delete": lambda storage, run: storage.config.delete("n", "a"),
    "apply": lambda storage, run: storage.config.apply([Put("n", "b", 1), Put("n", "a", 2), Delete("n", "c")]),
    "put_spec": lambda storage, run: storage.specs.put_spec("m", definition()),
    "create": lambda storage, run: storage.realm_profiles.create("q", profile()),
    "update": lambda storage, run: storage.realm_profiles.update("p", profile("other"), 1),
    "insert record": lambda storage, run: storage.records.insert("c", "new", 1),
    "bring spec": lambda storage, run: storage.transfers.insert_spec("m2", definition(), 7),
    "bring profile": lambda storage, run: storage.transfers.insert_profile(stored_profile("q2")),
    "bring events": _bring_event,
    "put record": lambda storage, run: storage.records.compare_and_put("c", "k", 1, 2),
    "delete record": lambda storage, run: storage.records.compare_and_delete("c", "k", 1),
    "put_overlay_if_absent": lambda storage, run: storage.runtime_metadata.put_external_binding_overlay_if_absent(
        "other", overlay()
    ),
    "upsert_overlay": lambda storage, run: storage.runtime_metadata.upsert_external_binding_overlay("m", overlay()),
    "delete_overlays": lambda storage, run: storage.runtime_metadata.delete_external_binding_overlays("m"),
    "request_cancel": lambda storage, run: storage.executions.request_cancel(run),
}


@pytest.fixture
async def run(storage: MobStorage) -> str:
    """A run in a namespace in which every write of this suite has something to change."""
    made = scene(step_ledger=[step_entry("build", output=1)], failure_ledger=[failure_entry()])
    await storage.runs.create_run(made)
    await storage.events.append(numbered(0))
    for id in "ac":
        for value in range(2):
            await storage.config.put("n", id, value)
    await storage.specs.put_spec("m", definition())
    await storage.realm_profiles.create("p", profile())
    await storage.records.insert("c", "k", 1)
    await storage.runtime_metadata.put_supervisor_authority("m", AUTHORITY)
    await storage.runtime_metadata.upsert_external_binding_overlay("m", overlay())
    return made.run_id


def damageable(keys: Keys, run_id: str) -> Iterator[str]:
    for owner in (keys, keys.run(run_id), keys.run(OTHER.run_id)):
        for name in dir(type(owner)):
            if isinstance(getattr(type(owner), name), property):
                value = getattr(owner, name)
                yield from value if isinstance(value, list) else [value]
        yield from (value for value in getattr(owner, "__dict__", {}).values() if isinstance(value, str))


READS = {
    b"hash": ("HGETALL",),
    b"list": ("LRANGE", 0, -1),
    b"set": ("SMEMBERS",),
    b"stream": ("XRANGE", "-", "+"),
    b"string": ("GET",),
    b"zset": ("ZRANGE", 0, -1, "WITHSCORES"),
}


async def stored_keys(connection: Client, keys: Keys) -> list[str]:
    """The keys of the namespace but for the sessions, whose receipts are no effect."""
    return [name for name in await keys_of(connection, keys) if "}:session:" not in name]


async def dumps(connection: Client, keys: Keys) -> dict[str, bytes]:
    """Every key of the namespace as `restore` puts it back."""
    return {name: await connection.router.request("DUMP", name) for name in await stored_keys(connection, keys)}


async def content(connection: Client, keys: Keys) -> dict[str, Any]:
    """What every key of the namespace holds; hashes as mappings, since their order on the server may change."""
    found: dict[str, Any] = {}
    for name in await stored_keys(connection, keys):
        kind = await connection.router.request("TYPE", name)
        command, *arguments = READS[kind]
        reply = await connection.router.request(command, name, *arguments)
        found[name] = as_mapping(reply) if kind == b"hash" else reply
    return found


async def restore(connection: Client, keys: Keys, before: dict[str, bytes]) -> None:
    for name in await stored_keys(connection, keys):
        await connection.router.request("DEL", name)
    for name, stored in before.items():
        await connection.router.request("RESTORE", name, 0, stored)


async def refused_as_a_whole(storage: MobStorage, connection: Client, keys: Keys, run: str, write: Write) -> bool:
    before = await content(connection, keys)
    try:
        await write(storage, run)
    except SerializationError:
        assert await content(connection, keys) == before
        return True
    return False


@pytest.mark.parametrize("name", WRITES)
async def test_a_key_of_another_type_refuses_a_write_as_a_whole(
    name: str, storage: MobStorage, connection: Client, keys: Keys, run: str
) -> None:
    request, refused = connection.router.request, 0
    names = {key for key in damageable(keys, run) if key.startswith(f"{{rm:{keys.namespace}}}:")}
    before = await dumps(connection, keys)
    for key in sorted(names - {keys.meta, keys.run(OTHER.run_id).run}):
        await request("SET", key, "of another type")
        refused += await refused_as_a_whole(storage, connection, keys, run, WRITES[name])
        await restore(connection, keys, before)
    assert refused


async def test_a_key_of_another_type_refuses_a_transition_as_a_whole(
    storage: MobStorage, connection: Client, keys: Keys
) -> None:
    driven = await waiting(storage.executions, STEPS_AND_LOOP)
    transition, refused = transitions._full(await driven.view()), set[str]()
    before = await dumps(connection, keys)
    names = {key for key in damageable(keys, driven.run_id) if key.startswith(f"{{rm:{keys.namespace}}}:")}
    for key in sorted(names):
        await connection.router.request("SET", key, "of another type")
        if await refused_as_a_whole(
            storage, connection, keys, driven.run_id, lambda storage, _: storage.executions.commit(transition)
        ):
            refused.add(key)
        await restore(connection, keys, before)
    run = keys.run(driven.run_id)
    written = {keys.due, keys.ready, keys.meta, keys.events, keys.events_index, keys.events_by_time}
    assert refused >= {*run.parts, run.executions, run.index, *written}


@pytest.mark.parametrize(
    ("name", "key", "field"),
    [
        ("create_run", "meta", "runs"),
        ("append_batch", "meta", "cursor"),
        ("append_terminal_event_if_absent", "meta", "cursor"),
        ("cas_run_snapshot_and_append_terminal_event", "meta", "cursor"),
        ("put", "meta", "config_cursor"),
        ("apply", "meta", "config_cursor"),
    ],
)
@pytest.mark.parametrize("value", ["x", "-1", "1e3", "", "9" * 16])
async def test_a_counter_that_cannot_count_refuses_a_write_as_a_whole(
    name: str, key: str, field: str, value: str, storage: MobStorage, connection: Client, keys: Keys, run: str
) -> None:
    await connection.router.request("HSET", getattr(keys, key), field, value)
    assert await refused_as_a_whole(storage, connection, keys, run, WRITES[name])


@pytest.mark.parametrize(
    ("name", "stream"),
    [
        ("append_batch", "events"),
        ("append_terminal_event_if_absent", "events"),
        ("cas_run_snapshot_and_append_terminal_event", "events"),
        ("put", "config_feed"),
        ("apply", "config_feed"),
    ],
)
async def test_a_stream_that_is_ahead_of_its_counter_refuses_a_write_as_a_whole(
    name: str, stream: str, storage: MobStorage, connection: Client, keys: Keys, run: str
) -> None:
    await connection.router.request("XADD", getattr(keys, stream), "1000000-0", "kind", "x")
    assert await refused_as_a_whole(storage, connection, keys, run, WRITES[name])

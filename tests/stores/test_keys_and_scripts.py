"""What the stores leave on a server, and what their scripts touch: the keys of one namespace that they were given."""

# pyright: reportPrivateUsage=false
# Only the sessions of a client know a token that was never used.

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from redis_mob.connection.calls.client import Client, connect
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.calls.scripts import library
from redis_mob.contracts import MobRuntimeMetadataStore, WatchableConfigStore
from redis_mob.models import ExternalBindingOverlayRecord, MobCompleted, MobRunStatus, NewMobEvent
from redis_mob.models.config import Delete, Put
from redis_mob.payloads.settings import PayloadSettings
from redis_mob.security.identity import generate_authority
from redis_mob.security.sealing import SealKey, SealKeyring
from redis_mob.storage import MobStorage
from redis_mob.testing.samples.compound import COMPOUND, INPUTS, LOOP, NEXT_RUN, RUN, SIMPLE, scene
from redis_mob.testing.samples.documents import definition, overlay, profile
from redis_mob.testing.samples.new_events import RUN as EVENT_RUN
from redis_mob.testing.samples.new_events import completed, numbered, step_failed
from redis_mob.testing.samples.states import NOON, failure_entry, iteration_entry, step_entry
from redis_mob.testing.samples.transfers import event_with, stored_profile
from tests.support.monitor import watched
from tests.support.raw import all_keys, keys_of
from tests.support.servers import server

NAMESPACE = "team/a.b_c:d-1"
OLD_KEY, NEW_KEY = SealKey.generate(), SealKey.generate()

STORES = (
    "runs/",
    "events/",
    "specs/",
    "runtime_metadata/",
    "realm_profiles/",
    "records/",
    "transfers/",
    "config/",
    "seal_keys/",
    "calls/",
    "payloads/",
)

SCRIPTS = {name for name in library().names() if name.startswith(STORES)} - {
    "calls/missing_rights",
    "calls/namespace_exists",
}
SCRIPTS.add("webhooks/secrets")
"""The scripts of the stores that are tested here, but for the one that touches no key; sealing anew reads webhooks."""


@pytest.fixture
def own_server() -> Iterator[str]:
    with server("--appendonly", "yes") as url:
        yield url


@pytest.fixture
async def watcher(own_server: str) -> AsyncIterator[Client]:
    connection = await connect(own_server)
    yield connection
    await connection.aclose()


async def use_everything(url: str, durability: str = "fsync") -> None:
    """Every method of these stores, each with effect, and of sessions what this durability asks of them."""
    async with MobStorage.open(url, namespace=NAMESPACE, seal_key=OLD_KEY) as storage:
        await _use_runtime_metadata(storage.runtime_metadata)
    ring, payloads = SealKeyring(NEW_KEY, OLD_KEY), PayloadSettings()
    async with MobStorage.open(url, namespace=NAMESPACE, seal_key=ring, payloads=payloads) as storage:
        assert await storage.runtime_metadata.reseal_all() == 2
        await _use_runs(storage)
        await _use_events(storage)
        await _use_specs(storage)
        await _use_realm_profiles(storage)
        await _use_records(storage)
        await _use_transfers(storage)
        await _use_config(storage.config)
    await _use_sessions(url, durability)


async def _use_runs(storage: MobStorage) -> None:
    runs = storage.runs
    many = [
        scene(step_ledger=[step_entry(output=1)], failure_ledger=[failure_entry()], root_step_outputs={"a": 1})
        for _ in (*COMPOUND, *SIMPLE)
    ]
    for operation, run in zip((*COMPOUND, *SIMPLE), many, strict=True):
        await runs.create_run(run)
        assert await operation.call(runs, run.run_id, authority_inputs=INPUTS)
    run = many[-1]
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


async def _use_runtime_metadata(metadata: MobRuntimeMetadataStore) -> None:
    authority = generate_authority()
    await metadata.put_supervisor_authority("mob", authority)
    assert await metadata.put_supervisor_authority_if_absent("other", authority)
    assert await metadata.compare_and_put_supervisor_authority("mob", authority, authority)
    await metadata.delete_supervisor_authority("other")
    await metadata.put_supervisor_authority("third", authority)
    assert await metadata.compare_and_delete_supervisor_authority("third", authority)
    overlay = ExternalBindingOverlayRecord(
        agent_identity="agent",
        generation=1,
        bootstrap_token="t",  # noqa: S106
        status="Normalized",
        updated_at=NOON,
    )
    assert await metadata.put_external_binding_overlay_if_absent("mob", overlay)
    for mob in ("mob", "other", "third"):
        await metadata.upsert_external_binding_overlay(mob, overlay)
    await metadata.delete_external_binding_overlay("other", "agent", 1)
    await metadata.delete_external_binding_overlays("third")
    assert await metadata.compare_and_put_external_binding_overlay("mob", overlay, overlay)
    other = overlay.model_copy(update={"bootstrap_token": "other"})
    assert await metadata.compare_and_put_external_binding_overlay("mob", overlay, other)
    assert await metadata.compare_and_put_external_binding_overlay("mob", other, overlay)
    assert await metadata.list_external_binding_overlays("mob") == [overlay]
    assert await metadata.load_supervisor_authority("mob") == authority


async def _use_config(config: WatchableConfigStore) -> None:
    async with config.subscribe() as following:
        await config.put("n", "a", 1)
        await config.put_if_absent("n", "b", 1)
        await config.put_if_revision("n", "a", 2, 0)
        await config.apply([Put("n", "c", 1), Put("n", "d", 1), Delete("n", "b")])
        assert (await following.next()).id == "a"
    await config.delete("n", "c")
    await config.delete_if_revision("n", "d", 0)
    assert await config.exists("n", "a")
    assert await config.get("n", "a") == 2
    assert len(await config.history("n", "a")) == 2
    assert await config.list("n") == [item async for item in config.walk("n")] == [("a", 2)]
    assert (await config.snapshot(["n"])).cursor == await config.change_token("n") > 0


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


async def _use_specs(storage: MobStorage) -> None:
    specs = storage.specs
    assert await specs.put_spec("m", definition(), 0) == await specs.put_spec("n", definition()) == 1
    assert await specs.get_spec("m") == (definition(), 1)
    told = NewMobEvent(mob_id="m", kind=MobCompleted())
    assert (await specs.put_spec_and_append_event("m", definition(), told, 1))[0] == 2
    assert await specs.delete_spec("m", 2)
    assert await specs.list_specs() == ["n"]


async def _use_realm_profiles(storage: MobStorage) -> None:
    profiles = storage.realm_profiles
    assert (await profiles.create("p", profile())).revision == (await profiles.create("q", profile())).revision == 1
    assert (await profiles.update("p", profile("other"), 1)).revision == 2
    assert await profiles.delete("p", 2)
    assert await profiles.get("q") == (await profiles.list())[0]


async def _use_transfers(storage: MobStorage) -> None:
    newest = await storage.transfers.newest_cursor()
    assert await storage.transfers.append_events([event_with(newest + 2)], after=newest, newest=newest + 3)
    assert await storage.transfers.insert_spec("brought", definition(), 7)
    assert await storage.transfers.insert_profile(stored_profile("brought"))
    assert await storage.transfers.supervisors() is not None
    assert await storage.transfers.overlays() is not None


async def _use_records(storage: MobStorage) -> None:
    records = storage.records
    assert await records.insert("c", "k", 1)
    assert await records.insert("c", "other", 1)
    assert await records.compare_and_put("c", "k", 1, 2)
    assert await records.get("c", "k") == 2
    assert await records.compare_and_delete("c", "other", 1)
    assert await records.list("c") == [("k", 2)]
    assert await records.collections() == ["c"]


async def _use_sessions(url: str, durability: str) -> None:
    connection = await connect(url, NAMESPACE, durability=durability)
    await connection.open_namespace(NAMESPACE)
    assert connection._sessions is not None
    assert not (await connection.resolve(connection._sessions.token(connection._sessions.begin()))).executed
    await connection.aclose()


def is_session(key: str) -> bool:
    return "}:session:" in key


async def test_every_key_carries_the_tag_of_the_namespace(own_server: str, watcher: Client) -> None:
    await use_everything(own_server)
    names = await all_keys(watcher)
    assert names
    assert [name for name in names if not name.startswith(f"{{rm:{NAMESPACE}}}:")] == []


async def test_a_script_touches_no_key_that_it_was_not_given(own_server: str, watcher: Client) -> None:
    async with watched(watcher) as calls:
        await use_everything(own_server)
    assert {call.name for call in calls if call.touched} == SCRIPTS
    for call in calls:
        assert call.touched <= call.declared, call.name


async def test_nothing_but_sessions_expires(own_server: str, watcher: Client) -> None:
    await use_everything(own_server)
    for name in await all_keys(watcher):
        assert (await watcher.router.request("PTTL", name) != -1) == is_session(name), name


@pytest.mark.filterwarnings("ignore::redis_mob.errors.UnsealedSecretsWarning")
async def test_what_is_deleted_leaves_only_what_must_be_remembered(
    storage: MobStorage, connection: Client, keys: Keys
) -> None:
    """Cursors and revisions outlive what they counted (contract: events-2, specs-3); subscribers learn of deletions."""
    await storage.specs.put_spec("m", definition())
    await storage.realm_profiles.create("p", profile())
    await storage.records.insert("c", "k", 1)
    await storage.runtime_metadata.put_supervisor_authority("m", generate_authority())
    await storage.runtime_metadata.upsert_external_binding_overlay("m", overlay())
    await storage.events.append_batch([numbered(1), completed(EVENT_RUN), step_failed()])
    for value in range(3):
        await storage.config.put("n", "a", value)

    assert await storage.specs.delete_spec("m")
    await storage.realm_profiles.delete("p", 1)
    assert await storage.records.compare_and_delete("c", "k", 1)
    await storage.runtime_metadata.delete_supervisor_authority("m")
    await storage.runtime_metadata.delete_external_binding_overlays("m")
    await storage.events.clear()
    await storage.config.delete("n", "a")

    remembered = {keys.meta, keys.spec_revisions, keys.profile_revisions, keys.config_tokens, keys.config_feed}
    assert {key for key in await keys_of(connection, keys) if not is_session(key)} == remembered

"""What a namespace stores of runs whose payloads are coded, and what becomes of blobs."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.retry import RetryPolicy
from redis_mob.errors import (
    BlobMissingError,
    OutcomeUnknownError,
    SealKeyMissingError,
    SerializationError,
    ValidationError,
    WriteFailedError,
)
from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.step_context import StepContext, StepFailed
from redis_mob.models.base import json_text
from redis_mob.models.conversation import Conversation
from redis_mob.models.definition import MobDefinition
from redis_mob.models.events import NewMobEvent
from redis_mob.models.run import MobRun, MobRunStatus
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.payloads.settings import PayloadSettings
from redis_mob.security.sealing import SealKey, SealKeyring
from redis_mob.storage import MobStorage
from redis_mob.testing.faults import Fault, fault_proxy
from redis_mob.testing.samples.states import failure_entry, iteration_entry, new_run, step_entry
from redis_mob.testing.samples.unknown_fields import with_unknown
from redis_mob.testing.waiting import LONG
from tests.fleet.asking import answer
from tests.fleet.flows import FLOW, mob, runs, step, wait, with_flows
from tests.support.raw import keys_of

KEY = SealKey("k1", b"\x05" * 32)
SOON = RetryPolicy(deadline=0.5, base=0.01, cap=0.01)
SECRET = "the-plan-of-the-heist"  # noqa: S105 - what must not be found
LARGE = [SECRET, Random(5).randbytes(1500).hex()]
"""No compression makes it small."""

WORK = with_flows(
    mob(
        {
            "draft": step(message="write {{ params.about }}"),
            "child": runs("sub", "draft"),
            "each": step("child", for_each="params.items", max_parallel=1),
            "go": wait("each"),
            "fails": step("go"),
        },
        limits={"max_step_retries": 0},
    ),
    sub={"sub": step()},
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "blobs"


@pytest.fixture
def settings(folder: Path) -> PayloadSettings:
    return PayloadSettings(seal=True, blobs=folder.as_uri(), above=1024)


@pytest.fixture
async def storage(server_url: str, namespace: str, settings: PayloadSettings) -> AsyncIterator[MobStorage]:
    async with MobStorage.open(server_url, namespace=namespace, seal_key=KEY, payloads=settings) as opened:
        yield opened


async def speaks(ctx: StepContext) -> Any:
    """Says the secret wherever a handler can."""
    match ctx.step_id:
        case "draft":
            await ctx.report(0.5, message=SECRET, data=LARGE)
            await ctx.publish("said", LARGE)
            kept = await ctx.once("call", lambda: LARGE)
            await ctx.conversation.append({"role": "user", "content": SECRET})
            reply = await ctx.ask("ok", {"what": LARGE})
            return [kept, reply.value]
        case "fails":
            raise StepFailed(f"because of {SECRET}", detail=LARGE)
        case _:
            return LARGE


async def speak(storage: MobStorage, definition: MobDefinition = WORK) -> MobRun:
    """A run of everything, to its end."""
    fleet = Fleet(storage, definition, {"*": speaks})
    params = {"about": SECRET, "items": [SECRET, LARGE]}
    async with asyncio.timeout(LONG), fleet.working():
        run_id = await fleet.start(FLOW, params, conversation="talk")
        await answer(storage, value={"what": LARGE})
        await fleet.signal(run_id, "go", LARGE)
        return await fleet.wait(run_id)


async def stored_in(connection: Client, keys: Keys) -> bytes:
    """All that the keys of a namespace hold."""
    found: list[Any] = []
    request = connection.router.request
    for key in sorted(await keys_of(connection, keys)):
        match await request("TYPE", key):
            case b"hash":
                found += [key.encode(), *await request("HGETALL", key)]
            case b"list":
                found += [key.encode(), *await request("LRANGE", key, 0, -1)]
            case b"zset":
                found += [key.encode(), *await request("ZRANGE", key, 0, -1)]
            case b"stream":
                found += [
                    key.encode(),
                    *(part for _, parts in await request("XRANGE", key, "-", "+") for part in parts),
                ]
            case b"set":
                found += [key.encode(), *await request("SMEMBERS", key)]
            case other:
                raise AssertionError(f"{key} is a {other!r}")
    return b"\n".join(found)


def files_in(folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file()]


def block(folder: Path) -> None:
    """Let no blob be written there."""
    folder.write_text("no directory")


def stray_in(folder: Path) -> Path:
    """The directory of a run that is not there."""
    stray = folder / next(folder.iterdir()).name / "00" / "00000000-0000-4000-8000-000000000000"
    stray.mkdir(parents=True)
    (stray / "ab").write_bytes(b"left behind")
    return stray


def make_old(folder: Path) -> None:
    """Let all blobs be older than any time that is given."""
    for file in folder.rglob("*"):
        os.utime(file, (0, 0))


@pytest.mark.parametrize("form", ["plain", "coded"])
async def test_payload_3_nothing_that_was_said_can_be_read_on_the_server(
    server_url: str, namespace: str, settings: PayloadSettings, folder: Path, connection: Client, form: str
) -> None:
    given = settings if form == "coded" else None
    async with MobStorage.open(server_url, namespace=namespace, seal_key=KEY, payloads=given) as storage:
        fleet = Fleet(storage, WORK, {"*": speaks})
        await fleet.schedule("nightly", FLOW, {"about": SECRET}, every=timedelta(days=1))
        async with storage.events.subscribe(0) as events:
            run = await speak(storage)
            assert run.status is MobRunStatus.FAILED
            assert SECRET in run.failure_ledger[-1].reason
            assert run.root_step_outputs["draft"] == {"worker-1": [LARGE, {"what": LARGE}]}
            told = [await anext(events)]
            while told[-1].kind.type != "flow_failed":
                told.append(await anext(events))
        assert any(SECRET in event.model_dump_json() for event in told)
        assert (await storage.schedules.get("nightly")) is not None
        found = await stored_in(connection, Keys(namespace))
    blobs = b"".join(file.read_bytes() for file in files_in(folder))
    # what scripts look at stands as it is, in both forms
    assert b'"run_id":"' in found
    assert (SECRET.encode() in found) is (form == "plain")
    assert SECRET.encode() not in blobs
    assert bool(blobs) is (form == "coded")


async def test_payload_1_unknown_fields_of_runs_and_rows_are_payloads(
    storage: MobStorage, connection: Client, namespace: str
) -> None:
    later = {"later": {"said": SECRET, "more": LARGE}}
    step = with_unknown(step_entry(output=1), later)
    rows = {
        "failure_ledger": (with_unknown(failure_entry(), later),),
        "loop_iteration_ledger": (with_unknown(iteration_entry(), later),),
    }
    run = new_run().model_copy(update={"step_ledger": (step,), **rows, **later})
    await storage.runs.create_run(run)
    await storage.runs.append_step_entry(run.run_id, entry=step)
    assert SECRET.encode() not in await stored_in(connection, Keys(namespace))
    twice = run.model_copy(update={"step_ledger": (step, step)})
    assert await storage.runs.get_run(run.run_id) == twice


async def test_payload_4_large_ones_are_blobs_and_go_with_their_run(
    storage: MobStorage, folder: Path, connection: Client, namespace: str
) -> None:
    run = await speak(storage)
    admin = FleetAdmin(storage)
    children = [one.run_id for one in (await admin.runs()).runs if one.run_id != run.run_id]
    assert {file.parent.name for file in files_in(folder)} == {run.run_id, *children}
    await admin.delete(run.run_id)
    assert {file.parent.name for file in files_in(folder)} == set(children)
    for child in children:
        await admin.delete(child)
    assert files_in(folder) == []
    assert not await connection.router.request("KEYS", f"{Keys(namespace).run(run.run_id).run}*")


async def test_payload_4_what_outlives_its_run_is_no_blob_of_it(storage: MobStorage, folder: Path) -> None:
    run = await speak(storage)
    await FleetAdmin(storage).delete(run.run_id)
    [said] = await storage.conversations.history("talk")
    assert said.value == {"role": "user", "content": SECRET}


async def test_payload_1_a_fork_and_a_copy_say_the_same(
    storage: MobStorage, server_url: str, namespace: str, folder: Path
) -> None:
    run = await speak(storage)
    admin = FleetAdmin(storage)
    fleet = Fleet(storage, WORK, {"*": lambda _: LARGE})
    async with fleet.working():
        forked = await fleet.wait(await admin.fork(run.run_id, from_step="fails", conversation=None))
    assert forked.root_step_outputs["draft"] == run.root_step_outputs["draft"]
    lines = [line async for line in admin.export([run.run_id])]
    async with MobStorage.open(server_url, namespace=f"{namespace}-other") as other:
        assert [one.is_stored async for one in FleetAdmin(other).import_runs(lines)] == [True]
        assert (await other.runs.get_run(run.run_id)) == run
    await admin.delete(run.run_id)
    # the fork has blobs of its own
    assert (await storage.runs.get_run(forked.run_id)) == forked


async def test_payload_5_a_blob_that_is_gone_is_named(storage: MobStorage, folder: Path) -> None:
    run = await speak(storage)
    gone = [file for file in files_in(folder) if file.parent.name == run.run_id]
    for file in gone:
        file.unlink()
    with pytest.raises(
        BlobMissingError, match=f"run {run.run_id}: blob [0-9a-f]{{64}}.* is gone from .*blobs"
    ) as error:
        await storage.runs.get_run(run.run_id)
    assert error.value.run_id == run.run_id
    assert error.value.name in {file.name for file in gone}
    # it can be deleted all the same
    await FleetAdmin(storage).delete(run.run_id)


async def test_payload_5_a_blob_that_was_changed_is_refused(storage: MobStorage, folder: Path) -> None:
    run = await speak(storage)
    for file in files_in(folder):
        file.write_bytes(file.read_bytes()[:-1] + b"\x00")
    with pytest.raises(SerializationError, match=f"of run {run.run_id} in .* is damaged"):
        await storage.runs.get_run(run.run_id)


async def test_payload_4_a_blob_that_cannot_be_written_fails_the_write_and_nothing_happens(
    storage: MobStorage, folder: Path
) -> None:
    block(folder)
    fleet = Fleet(storage, WORK, {"*": speaks})
    with pytest.raises(WriteFailedError, match=r"a blob of run .* cannot be written"):
        await fleet.start(FLOW, {"about": LARGE})
    assert (await FleetAdmin(storage).runs()).runs == ()


async def test_payload_2_the_namespace_says_how_they_are_stored(
    storage: MobStorage, server_url: str, namespace: str, settings: PayloadSettings
) -> None:
    assert storage.payloads == settings
    run = await speak(storage)
    async with MobStorage.open(server_url, namespace=namespace, seal_key=KEY) as other:
        assert other.payloads == settings
        assert await other.runs.get_run(run.run_id) == run
    with pytest.raises(SealKeyMissingError, match="k1"):
        await MobStorage.open(server_url, namespace=namespace)


async def test_payload_6_what_was_written_before_a_change_is_read_after_it(
    storage: MobStorage, server_url: str, namespace: str, tmp_path: Path
) -> None:
    run = await speak(storage)
    for changed in (
        PayloadSettings(blobs=(tmp_path / "elsewhere").as_uri(), above=1024),
        PayloadSettings(compress=False),
        PayloadSettings(seal=True),
    ):
        async with MobStorage.open(server_url, namespace=namespace, seal_key=KEY, payloads=changed) as other:
            assert other.payloads == changed
            assert await other.runs.get_run(run.run_id) == run
            await other.conversations.delete("talk")
            assert (await speak(other)).root_step_outputs == run.root_step_outputs


async def test_payload_3_old_keys_stay_needed_once_payloads_were_sealed(
    storage: MobStorage, server_url: str, namespace: str
) -> None:
    run = await speak(storage)
    new = SealKey("k2", b"\x06" * 32)
    async with MobStorage.open(server_url, namespace=namespace, seal_key=SealKeyring(new, KEY)) as other:
        await other.runtime_metadata.reseal_all()
        assert await other.runs.get_run(run.run_id) == run
    with pytest.raises(SealKeyMissingError, match="k1"):
        await MobStorage.open(server_url, namespace=namespace, seal_key=new)


async def test_payload_3_sealing_needs_a_key(server_url: str, namespace: str) -> None:
    with pytest.raises(ValidationError, match="payloads can be sealed only with a key"):
        await MobStorage.open(server_url, namespace=namespace, payloads=PayloadSettings(seal=True))
    async with MobStorage.open(server_url, namespace=namespace) as storage:
        assert storage.payloads == PayloadSettings(compress=False)


async def test_payload_7_blobs_of_no_run_are_swept(storage: MobStorage, folder: Path) -> None:
    run = await speak(storage)
    stranger = stray_in(folder)
    assert await storage.sweep_blobs() == 0
    make_old(folder)
    assert await storage.sweep_blobs(older_than=timedelta(minutes=1)) == 1
    assert not stranger.exists()
    assert await storage.runs.get_run(run.run_id) == run


async def test_payload_1_what_a_lost_reply_said_is_learned_as_it_was(
    storage: MobStorage, server_url: str, namespace: str
) -> None:
    await storage.conversations.edit(Conversation("talk"), "append", [LARGE])
    async with (
        fault_proxy(server_url) as proxy,
        MobStorage.open(proxy.url, namespace=namespace, seal_key=KEY, retry=SOON) as cut,
    ):
        proxy.plan = lambda _request: Fault.CUT_AFTER
        with pytest.raises(OutcomeUnknownError) as error:
            await cut.conversations.edit(Conversation("talk"), "pop")
    outcome = await storage.resolve(error.value.token)
    assert outcome.executed
    assert outcome.reply == [json_text(LARGE).encode()]


async def test_payload_2_in_memory_nothing_is_coded() -> None:
    async with MobStorage.open("memory:", namespace="payloads", payloads=PayloadSettings()) as storage:
        assert storage.payloads == PayloadSettings(compress=False)
        assert await storage.sweep_blobs() == 0


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"above": 10}, "above must be at least 1,024 bytes, not 10"),
        ({"above": True}, "above"),
        ({"compress": "yes"}, "compress"),
        ({"blobs": "/srv/blobs"}, "blobs must be a URL such as file:///srv/blobs"),
        ({"blobs": "ftp://host/x"}, "not one with scheme 'ftp'"),
        ({"blobs": "file://host/x"}, "must name a directory by its whole path"),
        ({"blobs": "s3://"}, "must name a bucket"),
        ({"blobs": "s3://me:hunter2@bucket/x"}, "the URL of blobs has no login"),
        ({"blobs": "s3://bucket/x?region=a"}, "no login, query or fragment"),
    ],
)
def test_payload_2_settings_that_may_not_be_are_named(given: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem) as error:
        PayloadSettings(**given)
    assert "hunter2" not in str(error.value)


async def test_payload_2_settings_that_cannot_be_read_are_damage(
    storage: MobStorage, server_url: str, namespace: str, connection: Client
) -> None:
    await connection.router.request("HSET", Keys(namespace).meta, "payloads", '{"compress":1}')
    with pytest.raises(SerializationError, match="meta, field payloads is damaged, or written by a later release"):
        await MobStorage.open(server_url, namespace=namespace, seal_key=KEY)


async def test_what_is_not_known_of_an_event_is_coded_and_a_prune_keeps_the_structure(storage: MobStorage) -> None:
    """Scripts see the type of an event and its run, and nothing else of what no model knows (contract: events-14)."""
    reset = {"mob_id": "m", "kind": {"type": "mob_reset", "later": SECRET}, "envelope": {"schema_version": 9}}
    unknown = {"mob_id": "m", "kind": {"type": "mob_exploded", "later": SECRET}, "later": SECRET}
    batch = [NewMobEvent.model_validate(event) for event in (unknown, reset, unknown)]
    stored = await storage.events.append_batch(batch)
    assert [event.model_extra or {} for event in stored] == [{"later": SECRET}, {}, {"later": SECRET}]
    assert await storage.events.replay_all() == stored
    assert await storage.events.prune(stored[-1].timestamp + timedelta(seconds=1)) == 2
    assert await storage.events.replay_all() == [stored[1]]

"""What an older release has left is brought into the form of this one, however often that is interrupted."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import pytest

from redis_mob import (
    CasConflictError,
    MobStorage,
    NotFoundError,
    SealKey,
    SealKeyMismatchError,
    SealKeyring,
    SerializationError,
    StorageUnavailableError,
    ValidationError,
)
from redis_mob.admin.losses import find_losses
from redis_mob.connection.calls import client as client_module
from redis_mob.connection.calls.client import Client, connect
from redis_mob.connection.calls.keys import Keys
from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.storage_clock import utc_now
from redis_mob.migration import migrating, namespace_format
from redis_mob.migration.migrating import check_migration, migrate
from redis_mob.migration.namespace_format import Standing
from redis_mob.models.worker import LiveWorker, WorkerRecord
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.stores.operations import RedisOperationsStore
from redis_mob.testing.samples.documents import authority
from redis_mob.testing.waiting import LONG
from redis_mob.version import NAMESPACE_SCHEMA, __version__
from tests.fleet.first_form import LOOP_OUTPUTS, MEMBERS, OUTPUTS, answer, definition
from tests.migration.old_namespace import FINISHED, RUNS, content_of, write_old

LEASE = timedelta(seconds=60)


@pytest.fixture
async def old(connection: Client, namespace: str) -> Keys:
    """The namespace that release 0.1 left."""
    return await write_old(connection, namespace)


def worker(**more: Any) -> WorkerRecord:
    return WorkerRecord(id=f"w-{uuid4().hex[:6]}", host="h", pid=1, slots=1, started_at=utc_now(), **more)


async def test_a_check_tells_what_would_be_done_and_does_nothing(
    connection: Client, server_url: str, old: Keys
) -> None:
    before = await content_of(connection, old)
    found = await check_migration(server_url, old.namespace)
    assert (found.schema, found.is_counted, found.old_runs, found.standing) == (1, False, len(RUNS), Standing.NEEDED)
    assert [change.split(",")[0] for change in found.changes] == [
        "raise the schema version from 1 to 2",
        "give it a key",
        "count the records of the namespace",
        f"count the records of {len(RUNS)} runs",
    ]
    assert await content_of(connection, old) == before


async def test_what_an_older_release_has_left_is_counted_and_indexed(
    connection: Client, server_url: str, old: Keys
) -> None:
    told: list[int] = []
    done = await migrate(server_url, old.namespace, progress=told.append)
    assert (done.runs, told) == (len(RUNS), [len(RUNS)])
    assert (done.after.standing, done.after.changes, done.after.under_way) == (Standing.CURRENT, (), None)
    assert await find_losses(server_url, old.namespace) == []
    async with MobStorage.open(server_url, namespace=old.namespace) as storage:
        assert await storage.runs.get_run(RUNS["finished"]) == FINISHED
        assert sum((await FleetAdmin(storage).count()).values()) == len(RUNS)
    await connection.router.request("HDEL", old.run(RUNS["finished"]).outputs, "none")
    await connection.router.request("DEL", old.run(RUNS["finished"]).steps)
    assert [loss.key for loss in await find_losses(server_url, old.namespace)] == [old.run(RUNS["finished"]).steps]


async def test_its_runs_go_on_and_end(server_url: str, old: Keys) -> None:
    await migrate(server_url, old.namespace)
    async with MobStorage.open(server_url, namespace=old.namespace) as storage:
        fleet, stop = Fleet(storage, definition(), {"*": answer_of}, members=MEMBERS), asyncio.Event()
        async with asyncio.timeout(LONG), asyncio.TaskGroup() as group:
            group.create_task(fleet.work(stop=stop))
            runs = [await fleet.wait(run_id) for run_id in RUNS.values()]
            stop.set()
        for run in runs:
            assert (run.root_step_outputs, run.loop_iteration_outputs) == (OUTPUTS, LOOP_OUTPUTS)
    assert await find_losses(server_url, old.namespace) == []


async def answer_of(ctx: Any) -> Any:
    return answer(ctx)


async def test_a_namespace_of_this_release_needs_nothing(connection: Client, server_url: str, namespace: str) -> None:
    async with MobStorage.open(server_url, namespace=namespace) as storage:
        await Fleet(storage, definition(), members=MEMBERS).start("draft", {"name": "x"})
    keys = Keys(namespace)
    before = await content_of(connection, keys)
    done = await migrate(server_url, namespace)
    assert (done.before.standing, done.before.changes, done.runs) == (Standing.CURRENT, (), 0)
    assert await content_of(connection, keys) == before
    with pytest.raises(NotFoundError, match="there is no namespace"):
        await migrate(server_url, f"{namespace}-other")


Migrator = Callable[[str, int, str], Awaitable[str]]


@asynccontextmanager
async def killed_migrators(url: str) -> AsyncGenerator[Migrator]:
    """Migrates a namespace in a process that is killed at a call; tells how it ended."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.migration.killed_migrator", url),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    stdin, stdout = process.stdin, process.stdout
    assert stdin is not None
    assert stdout is not None

    async def killed(namespace: str, call: int, when: str) -> str:
        stdin.write(f"{namespace} {call} {when}\n".encode())
        return (await stdout.readline()).decode().strip()

    yield killed
    stdin.close()
    assert await process.wait() == 0


async def test_killed_at_each_of_its_calls_it_comes_to_the_same_end(
    connection: Client, server_url: str, old: Keys
) -> None:
    await migrate(server_url, old.namespace)
    whole, kills = await content_of(connection, old), 0
    async with killed_migrators(server_url) as killed:
        for when in ("before", "after"):
            for call in range(1, 100):
                keys = await write_old(connection, f"{old.namespace}-{when}-{call}")
                end = await killed(keys.namespace, call, when)
                assert end in ("killed", "ended")
                kills += end == "killed"
                await migrate(server_url, keys.namespace)
                assert await content_of(connection, keys) == whole, (when, call)
                if end == "ended":
                    break
    assert kills == 2 * (4 + 3 * len(RUNS))  # each call once: of each run its index, its counts and its place


async def test_killed_again_and_again_it_comes_to_the_same_end(connection: Client, server_url: str, old: Keys) -> None:
    await migrate(server_url, old.namespace)
    whole = await content_of(connection, old)
    keys = await write_old(connection, f"{old.namespace}-again")
    ends: list[str] = []
    async with killed_migrators(server_url) as killed:
        while "ended" not in ends:
            ends.append(await killed(keys.namespace, 5, "after"))  # each does at least one step that is left
            assert len(ends) < 100
    assert set(ends[:-1]) == {"killed"}
    assert len(ends) > len(RUNS)
    assert await content_of(connection, keys) == whole


async def test_of_two_migrators_the_later_one_goes_on(
    connection: Client, server_url: str, old: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrating, "PAGE", 2)
    later: list[migrating.Migrated] = []
    call = Client.call

    async def overtaken(self: Client, script: Any, *arguments: Any) -> Any:
        reply = await call(self, script, *arguments)
        if script == "migration/keep_place" and not later:
            found = await check_migration(server_url, old.namespace)
            assert found.under_way is not None
            assert found.under_way.done == 2
            monkeypatch.setattr(Client, "call", call)
            later.append(await migrate(server_url, old.namespace))
            monkeypatch.setattr(Client, "call", overtaken)
        return reply

    monkeypatch.setattr(Client, "call", overtaken)
    with pytest.raises(CasConflictError, match="another migration"):
        await migrate(server_url, old.namespace)
    assert (later[0].runs, later[0].after.standing) == (len(RUNS) - 2, Standing.CURRENT)
    assert await find_losses(server_url, old.namespace) == []


async def test_a_migrator_is_refused_as_soon_as_another_one_has_begun(server_url: str, old: Keys) -> None:
    client = await connect(server_url, old.namespace)
    try:
        await client.open_namespace(old.namespace)
        earlier, later = (migrating.Migration(client, old, lambda _runs: None) for _ in range(2))
        [place] = (await RedisOperationsStore(client, old).places_of_runs(b""))[:1]
        await earlier.begin()
        await earlier.keep_place(1, place)
        assert await later.begin() == (1, place)
        steps = (
            earlier.count_namespace,
            partial(earlier.count_run, place),
            partial(earlier.keep_place, 2, place),
            earlier.finish,
        )
        for step in steps:
            with pytest.raises(CasConflictError, match="another migration"):
                await step()
        found = await check_migration(server_url, old.namespace)
        assert (found.under_way, found.is_counted, found.old_runs) == ((1, place), False, len(RUNS))
    finally:
        await client.aclose()


@pytest.fixture
def next_release(monkeypatch: pytest.MonkeyPatch) -> int:
    """This release with a newer layout, which it does not give to namespaces by itself."""
    newer = NAMESPACE_SCHEMA + 1
    for module in (client_module, migrating, namespace_format):
        monkeypatch.setattr(module, "NAMESPACE_SCHEMA", newer)
    return newer


async def test_a_newer_layout_waits_for_workers_that_do_not_read_it(
    connection: Client, server_url: str, namespace: str, next_release: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys, silent, older = Keys(namespace), worker(), worker(version="0.9", schema_version=NAMESPACE_SCHEMA)
    newer = worker(version="1.1", schema_version=next_release)
    async with MobStorage.open(server_url, namespace=namespace) as storage:
        for one in (silent, older, newer):
            await storage.executions.join_workers(one, LEASE)
        told = {live.record.id: live.record for live in await storage.executions.workers()}
        assert told == {one.id: one for one in (silent, older, newer)}
        found = await check_migration(server_url, namespace)
        # a release that reads a newer layout leaves a namespace in the one that the others read
        assert (found.schema, found.standing) == (NAMESPACE_SCHEMA, Standing.IMPOSSIBLE)
        assert sorted(text.split(" ")[1] for text in found.obstacles) == sorted([silent.id, older.id])
        assert {one.record.id: one.can_go_on for one in found.workers} == {
            silent.id: False,
            older.id: False,
            newer.id: True,
        }
        before = await content_of(connection, keys)
        assert (await migrate(server_url, namespace)).after.standing is Standing.IMPOSSIBLE
        assert await content_of(connection, keys) == before
        for one in (silent, older):
            await storage.executions.leave_workers(one.id)
        assert (await migrate(server_url, namespace)).after.schema == next_release
    monkeypatch.setattr(client_module, "NAMESPACE_SCHEMA", NAMESPACE_SCHEMA)
    with pytest.raises(StorageUnavailableError, match=f"version {next_release}"):
        await MobStorage.open(server_url, namespace=namespace)


async def test_a_worker_that_comes_meanwhile_is_seen(
    server_url: str, namespace: str, next_release: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    late, call = worker(), Client.call
    async with MobStorage.open(server_url, namespace=namespace) as storage:

        async def joined(self: Client, script: Any, *arguments: Any) -> Any:
            if script == "migration/begin":
                monkeypatch.setattr(Client, "call", call)
                await storage.executions.join_workers(late, LEASE)
            return await call(self, script, *arguments)

        monkeypatch.setattr(Client, "call", joined)
        with pytest.raises(
            ValidationError, match=f"cannot be migrated: worker {late.id}.*schema version {next_release}"
        ):
            await migrate(server_url, namespace)
        found = await check_migration(server_url, namespace)
        assert (found.schema, found.under_way) == (NAMESPACE_SCHEMA, None)


async def test_what_was_lost_is_not_hidden(connection: Client, server_url: str, old: Keys) -> None:
    await connection.router.request("HDEL", old.meta, "runs")
    with pytest.raises(SerializationError, match=r"has lost records.*counter runs is gone.*accept-loss"):
        await migrate(server_url, old.namespace)
    found = await check_migration(server_url, old.namespace)
    assert (found.is_counted, found.old_runs, found.under_way) == (False, len(RUNS), None)


async def test_seal_keys_get_their_check_values(connection: Client, server_url: str, namespace: str) -> None:
    keys, key = Keys(namespace), SealKey.generate("k1")
    async with MobStorage.open(server_url, namespace=namespace, seal_key=key) as storage:
        await storage.runtime_metadata.put_supervisor_authority("m", authority())
    await connection.router.request("DEL", keys.seal_key_checks)  # as a release left it that kept and counted none
    await connection.router.request("HDEL", keys.meta, "counted")
    found = await check_migration(server_url, namespace)
    assert (found.unchecked_seal_keys, found.standing) == (("k1",), Standing.NEEDED)
    assert (await migrate(server_url, namespace)).after.unchecked_seal_keys == ("k1",)
    with pytest.raises(SealKeyMismatchError):
        await migrate(server_url, namespace, SealKeyring(SealKey.generate("k1")))
    done = await migrate(server_url, namespace, SealKeyring(key))
    assert (done.after.unchecked_seal_keys, done.after.standing) == ((), Standing.CURRENT)


async def test_a_namespace_that_is_elsewhere_is_migrated_there(connection: Client, server_url: str, old: Keys) -> None:
    await connection.router.request("HSET", old.meta, "epoch", "7 moved move:x redis://other")
    found = await check_migration(server_url, old.namespace)
    assert (found.standing, len(found.obstacles)) == (Standing.IMPOSSIBLE, 1)
    assert "migrate it where it is now" in found.obstacles[0]


async def alive_in(storage: MobStorage) -> tuple[LiveWorker, ...]:
    """The workers, once there are any."""
    while True:
        if alive := await storage.executions.workers():
            return alive
        await asyncio.sleep(0.01)


async def test_a_worker_says_what_it_runs(server_url: str, namespace: str) -> None:
    async with MobStorage.open(server_url, namespace=namespace) as storage:
        fleet = Fleet(storage, definition(), {"*": answer_of}, members=MEMBERS)
        async with fleet.working():
            async with asyncio.timeout(LONG):
                [live] = await alive_in(storage)
            [seen] = (await check_migration(server_url, namespace)).workers
    assert (live.record.version, live.record.schema_version) == (__version__, NAMESPACE_SCHEMA)
    assert (seen.is_of_another_release, seen.can_go_on) == (False, True)

"""What the server holds after a deletion is what it held before the run, however often the deletion was interrupted."""

# pyright: reportPrivateUsage=false
# Keys are looked at behind the stores.

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from typing import Any, cast

import pytest

from redis_mob.admin.losses import find_losses
from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.errors import NotFoundError
from redis_mob.fleet.fleet import Fleet
from redis_mob.models.conversation import Conversation
from redis_mob.models.events import NewMobEvent
from redis_mob.models.flow_events import FlowStarted
from redis_mob.models.run_status import MobRunStatus
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.storage import MobStorage
from redis_mob.testing.samples.compound import scene
from tests.fleet.flows import FLOW, mob, step
from tests.fleet.working import at_work
from tests.operations.test_deletion import FAILING, LONG, TWO, WAITING, answer, fail, interrupted_at, started
from tests.support.raw import keys_of

READ = {
    "hash": ("HGETALL",),
    "list": ("LRANGE", 0, -1),
    "zset": ("ZRANGE", 0, -1, "WITHSCORES"),
    "stream": ("XRANGE", "-", "+"),
    "set": ("SMEMBERS",),
}

COUNTERS = {b"runs", b"cursor", b"runs_lost", b"workers_changed", b"clock_ms", b"clock_ahead_ms"}
"""Fields of the namespace's hash that only grow, or tell the time."""


@pytest.fixture
def keys(namespace: str) -> Keys:
    return Keys(namespace)


@pytest.fixture
async def storage(server_url: str, namespace: str) -> AsyncIterator[MobStorage]:
    async with MobStorage.open(server_url, namespace=namespace) as opened:
        yield opened


async def content(connection: Client, keys: Keys) -> dict[str, Any]:
    """All keys and members, but for receipts, counters, and counts of nothing."""
    found: dict[str, Any] = {}
    for name in await keys_of(connection, keys):
        if "}:session:" in name or name == keys.limits:
            continue
        kind = (await connection.router.request("TYPE", name)).decode()
        command, *rest = READ[kind]
        value: Any = await connection.router.request(command, name, *rest)
        if kind == "hash":
            fields = cast("dict[bytes, bytes]", dict(zip(value[::2], value[1::2], strict=True)))
            value = {field: text for field, text in fields.items() if name != keys.meta or _counts(field, text)}
        if value:
            found[name] = value
    return found


def _counts(field: bytes, text: bytes) -> bool:
    return field not in COUNTERS and not (field.startswith(b"n:") and text == b"0")


async def unchanged(connection: Client, keys: Keys, before: Mapping[str, Any], url: str) -> None:
    """The namespace holds what it held, nothing names another run, and nothing is damaged."""
    after = await content(connection, keys)
    changed = {name: after.get(name) for name in {*before, *after} if before.get(name) != after.get(name)}
    if keys.lost in changed:
        # workers that were lost are remembered for a day
        of_runs = cast("dict[bytes, bytes]", changed[keys.lost] or {})
        changed[keys.lost] = {field for field in of_runs if not field.startswith(b"g")}
    assert {name: value for name, value in changed.items() if value or name in before} == {}
    assert await find_losses(url, keys.namespace) == []


async def waiting_with_signals(storage: MobStorage) -> str:
    fleet = Fleet(storage, WAITING, {})
    run_id = await fleet.start(FLOW, attributes={"customer": "acme", "tries": 3}, summary="said")
    for number in range(3):
        await fleet.signal(run_id, "go", number, idempotency_key=f"k{number}")
    return run_id


async def over(storage: MobStorage) -> str:
    return await started(storage, TWO, answer)


async def failed(storage: MobStorage) -> str:
    return await started(storage, FAILING, fail)


async def waits_for_a_worker(storage: MobStorage) -> str:
    """A run whose execution waits in its queue: the worker that began it serves another role."""
    fleet = Fleet(storage, LONG, {})
    run_id = await fleet.start(FLOW)
    async with at_work(storage, {"other": answer}), asyncio.timeout(30):
        while not (await FleetAdmin(storage).queues()):  # noqa: ASYNC110 - it has to look
            await asyncio.sleep(0.01)
    return run_id


async def undriven(storage: MobStorage) -> str:
    run = scene(mob_id="undriven")
    await storage.runs.create_run(run)
    await storage.events.append(
        NewMobEvent(mob_id="undriven", kind=FlowStarted(run_id=run.run_id, flow_id=run.flow_id, params=None))
    )
    return run.run_id


RUNS = [over, failed, waiting_with_signals, waits_for_a_worker, undriven]


@pytest.mark.parametrize("make", RUNS, ids=[make.__name__ for make in RUNS])
async def test_nothing_is_left(storage: MobStorage, connection: Client, keys: Keys, server_url: str, make: Any) -> None:
    await over(storage)  # what is another run's stays
    before = await content(connection, keys)
    run_id = await make(storage)
    assert await content(connection, keys) != before
    await FleetAdmin(storage).delete(run_id, cancel=True)
    await unchanged(connection, keys, before, server_url)


async def test_nothing_is_left_of_a_conversation(
    storage: MobStorage, connection: Client, keys: Keys, server_url: str
) -> None:
    await over(storage)
    before, admin = await content(connection, keys), FleetAdmin(storage)
    fleet = Fleet(storage, TWO, {"*": answer})
    runs = [await fleet.start(FLOW, conversation="c") for _ in range(3)]
    await storage.conversations.edit(Conversation("c"), "append", ["said"])
    await admin.delete(runs[1], cancel=True)
    await fleet.work(until_idle=True)
    for run_id in (runs[0], runs[2]):
        await admin.delete(run_id)
    assert [one.value for one in await admin.conversation_history("c")] == ["said"]
    await admin.delete_conversation("c")
    await unchanged(connection, keys, before, server_url)


@pytest.mark.parametrize("make", RUNS, ids=[make.__name__ for make in RUNS])
async def test_a_deletion_that_is_interrupted_goes_on(
    storage: MobStorage, connection: Client, keys: Keys, server_url: str, make: Any
) -> None:
    """At each of its calls; between them the run is not damaged, but gone."""
    await over(storage)
    before, admin = await content(connection, keys), FleetAdmin(storage)
    run_id = await make(storage)
    await admin.terminate(run_id)
    for number in range(20):
        if await interrupted_at(storage, min(number, 1), lambda: admin.delete(run_id)):
            break
        assert await find_losses(server_url, keys.namespace) == []
        if number:
            assert await admin.unfinished_deletions() == (run_id,)
            assert await storage.runs.get_run(run_id) is None
            assert all(run.run_id != run_id for run in await storage.runs.list_runs("mob"))
    else:
        await admin.delete(run_id)
    await unchanged(connection, keys, before, server_url)
    assert await admin.unfinished_deletions() == ()


async def test_a_run_that_gets_the_id_of_one_that_is_half_deleted_keeps_its_own(
    storage: MobStorage, connection: Client, keys: Keys, server_url: str
) -> None:
    before, admin = await content(connection, keys), FleetAdmin(storage)
    run_id = await started(storage, FAILING, fail, idempotency_key="k")
    assert not await interrupted_at(storage, 1, lambda: admin.delete(run_id))
    assert await started(storage, FAILING, fail, idempotency_key="k") == run_id
    events = [event for event in await storage.events.replay_all() if event.cursor > 5]
    assert await interrupted_at(storage, 100, lambda: finish(storage, run_id))
    assert await storage.executions.status(run_id) is MobRunStatus.FAILED
    assert [event.kind.type for event in events][-1] == "flow_failed"
    assert len(await storage.events.replay_all()) == 5
    assert await find_losses(server_url, keys.namespace) == []
    assert not await interrupted_at(storage, 1, lambda: admin.delete(run_id))
    assert await started(storage, FAILING, fail, idempotency_key="k") == run_id
    # the earlier deletion is finished first
    await admin.delete(run_id)
    await unchanged(connection, keys, before, server_url)


async def finish(storage: MobStorage, run_id: str) -> None:
    while await storage.steering.continue_deletion(run_id):
        pass


async def test_a_run_of_an_older_release_is_deleted_with_its_events(
    storage: MobStorage, connection: Client, keys: Keys, server_url: str
) -> None:
    """Such a run does not tell which events are its own."""
    await over(storage)
    before = await content(connection, keys)
    for make in (failed, over):
        run_id = await make(storage)
        of_run = keys.run(run_id)
        await connection.router.request("DEL", of_run.cursors)
        await connection.router.request("HDEL", of_run.run, "recorded", "sequence")
        await connection.router.request("HINCRBY", of_run.run, "n:run", -1)
        await FleetAdmin(storage).delete(run_id)
    await unchanged(connection, keys, before, server_url)


async def test_events_that_were_pruned_are_no_obstacle(
    storage: MobStorage, connection: Client, keys: Keys, server_url: str
) -> None:
    before = await content(connection, keys)
    run_id = await failed(storage)
    last = (await storage.events.replay_all())[-1]
    await storage.events.prune(last.timestamp)
    await FleetAdmin(storage).delete(run_id)
    await unchanged(connection, keys, before, server_url)


KILLED = """
import asyncio, sys
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.storage import MobStorage
from tests.operations.killed_client import KilledClient

async def main(url, namespace, run_id, number):
    async with MobStorage.open(url, namespace=namespace) as storage:
        storage.steering._client = KilledClient(storage.steering._client, number)
        await FleetAdmin(storage).delete(run_id)

asyncio.run(main(*sys.argv[1:4], int(sys.argv[4])))
"""


async def test_a_process_that_is_killed_within_a_deletion_leaves_one_that_goes_on(
    storage: MobStorage, connection: Client, keys: Keys, server_url: str
) -> None:
    before, admin = await content(connection, keys), FleetAdmin(storage)
    for number in range(1, 5):
        run_id = await failed(storage)
        arguments = [sys.executable, "-c", KILLED, server_url, keys.namespace, run_id, str(number)]
        killed = await asyncio.to_thread(subprocess.run, arguments, check=False, capture_output=True)
        assert killed.returncode in (0, -signal.SIGKILL), killed.stderr
        assert await find_losses(server_url, keys.namespace) == []
        try:
            await admin.delete(run_id)
        except NotFoundError:
            assert killed.returncode == 0 or number > 2
        await unchanged(connection, keys, before, server_url)


async def test_a_long_run_is_deleted_in_small_steps(
    storage: MobStorage, connection: Client, keys: Keys, server_url: str
) -> None:
    """No script looks at more than a few hundred events."""
    before = await content(connection, keys)
    many = mob({f"s{number}": step() for number in range(200)})
    run_id = await started(storage, many, answer)
    events = len(await storage.events.replay_all())
    assert events > 600
    store: Any = storage.steering
    assert (await store.begin_deletion(run_id)) == "gone"
    steps = 0
    while await store.continue_deletion(run_id):
        left = len(await storage.events.replay_all())
        assert events - left <= 100
        events, steps = left, steps + 1
    assert steps > 3
    await unchanged(connection, keys, before, server_url)


async def test_a_write_that_fails_before_the_run_is_gone_changes_nothing(
    storage: MobStorage, connection: Client, keys: Keys
) -> None:
    run_id = await over(storage)
    before = await content(connection, keys)
    assert not await interrupted_at(storage, 0, lambda: FleetAdmin(storage).delete(run_id))
    assert await content(connection, keys) == before

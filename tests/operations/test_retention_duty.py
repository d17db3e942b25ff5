"""Workers enforce the policies of retention beside their work: one at a time, also when one of them is killed."""

from __future__ import annotations

import asyncio
import logging
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.errors import ReadFailedError
from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.retention import DELETED_AT_ONCE, Pace
from redis_mob.fleet.retention_duty import RetentionDuty
from redis_mob.models.retention import RetentionPolicies, RetentionPolicy
from redis_mob.models.run_status import MobRunStatus
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.storage import MobStorage
from redis_mob.testing.clock import virtual_time
from redis_mob.testing.samples.new_events import numbered
from redis_mob.testing.waiting import LONG
from tests.fleet.flows import FLOW
from tests.fleet.working import at_work
from tests.operations.test_deletion import FAILING, TWO, answer, fail, started
from tests.operations.test_deletion_leaks import content, unchanged

SOON = timedelta(milliseconds=100)
AT_ONCE = RetentionPolicy(completed=timedelta(), failed=timedelta(), canceled=timedelta(), events=timedelta(days=1))


def duty_of(storage: MobStorage, every: timedelta = SOON) -> RetentionDuty:
    return RetentionDuty(storage.retention, storage.steering, every=every, pace=Pace())


async def until(condition: Callable[[], Awaitable[object]]) -> None:
    async with asyncio.timeout(LONG):
        while not await condition():  # noqa: ASYNC110 - it has to look
            await asyncio.sleep(0.01)


async def are_gone(storage: MobStorage) -> bool:
    counts = await FleetAdmin(storage).count()
    return not any(number for status, number in counts.items() if status.is_terminal)


@pytest.fixture
def keys(namespace: str) -> Keys:
    return Keys(namespace)


@pytest.fixture
async def on_server(server_url: str, namespace: str) -> AsyncIterator[MobStorage]:
    async with MobStorage.open(server_url, namespace=namespace) as opened:
        yield opened


async def test_a_worker_deletes_what_is_over_and_its_work_goes_on(storage: MobStorage) -> None:
    await FleetAdmin(storage).set_retention(AT_ONCE)
    fleet = Fleet(storage, TWO, {"worker": answer})
    async with at_work(storage, {"*": answer}, duties=(duty_of(storage),)):
        for _ in range(5):
            run_id = await fleet.start(FLOW)
            await until(lambda run_id=run_id: _is_gone(storage, run_id))
    assert await storage.events.replay_all() == []
    assert await FleetAdmin(storage).unfinished_deletions() == ()


async def _is_gone(storage: MobStorage, run_id: str) -> bool:
    return await storage.executions.status(run_id) is None


async def test_a_worker_keeps_the_log_at_its_number(storage: MobStorage) -> None:
    """The contract is operations-88."""
    for number in range(250):
        await storage.events.append(numbered(number))
    await FleetAdmin(storage).set_retention(RetentionPolicy(max_events=30))
    async with at_work(storage, {"*": answer}, duties=(duty_of(storage),)):
        await until(lambda: _has_events(storage, 30))
    assert [event.cursor for event in await storage.events.replay_all()] == list(range(221, 251))


async def _has_events(storage: MobStorage, number: int) -> bool:
    return len(await storage.events.replay_all()) == number


async def test_without_a_policy_nothing_goes(storage: MobStorage) -> None:
    run_id = await started(storage, TWO, answer)
    turns: list[object] = []
    retention: Any = storage.retention

    class Watched:
        policies = retention.policies

        async def take_turn(self, *_: object) -> bool:
            turns.append(None)
            return True

    watched: Any = Watched()
    duty, stop = RetentionDuty(watched, storage.steering, every=timedelta(milliseconds=5)), asyncio.Event()
    asyncio.get_running_loop().call_later(0.1, stop.set)
    await duty.run(stop, "worker")
    assert turns == []
    assert await storage.executions.status(run_id) is MobRunStatus.COMPLETED


async def with_policy(storage: MobStorage, connection: Client, keys: Keys, policy: RetentionPolicy) -> dict[str, Any]:
    """What the namespace holds with a policy, and with a turn that is over."""
    await FleetAdmin(storage).set_retention(policy)
    assert await storage.retention.take_turn("none", timedelta())
    return await content(connection, keys)


async def unchanged_but_for_turns(
    storage: MobStorage, connection: Client, keys: Keys, before: dict[str, Any], url: str
) -> None:
    after = (await content(connection, keys))[keys.retention]
    assert after.keys() == before[keys.retention].keys()
    await unchanged(connection, keys, {**before, keys.retention: after}, url)
    assert await FleetAdmin(storage).unfinished_deletions() == ()


async def test_a_worker_leaves_nothing(on_server: MobStorage, connection: Client, keys: Keys, server_url: str) -> None:
    before = await with_policy(on_server, connection, keys, AT_ONCE)
    for _ in range(3):
        await started(on_server, TWO, answer)
        await started(on_server, FAILING, fail)
    async with at_work(on_server, {"*": answer}, duties=(duty_of(on_server),)):
        await until(lambda: are_gone(on_server))
    await unchanged_but_for_turns(on_server, connection, keys, before, server_url)


async def test_a_dry_run_changes_nothing(on_server: MobStorage, connection: Client, keys: Keys) -> None:
    await with_policy(on_server, connection, keys, AT_ONCE)
    await started(on_server, TWO, answer)
    before = await content(connection, keys)
    report = await FleetAdmin(on_server).prune(dry_run=True)
    assert (report.completed, report.is_dry_run) == (1, True)
    assert await content(connection, keys) == before


async def test_one_worker_does_it_at_a_time(storage: MobStorage, other_storage: MobStorage) -> None:
    await FleetAdmin(storage).set_retention(AT_ONCE)
    at_it, rounds = set[str](), list[str]()

    def watched(storage: MobStorage, name: str) -> Any:
        retention: Any = storage.retention

        class Watched:
            take_turn, policies, oldest_runs = retention.take_turn, retention.policies, retention.oldest_runs

            async def prune_events(self, older_than: Any, *, newest: Any) -> Any:
                assert not at_it, "two are at it"
                at_it.add(name)
                rounds.append(name)
                await asyncio.sleep(0.01)
                at_it.discard(name)
                return await retention.prune_events(older_than, newest=newest)

        return Watched()

    stop = asyncio.Event()
    every = timedelta(milliseconds=200)
    duties = [
        RetentionDuty(watched(one, name), one.steering, every=every, pace=Pace())
        for one, name in ((storage, "one"), (other_storage, "other"))
    ]
    asyncio.get_running_loop().call_later(1.5, stop.set)
    await asyncio.gather(*(duty.run(stop, "worker") for duty in duties))
    assert rounds


async def test_runs_that_an_older_release_has_created_or_ended_go_too(
    on_server: MobStorage, connection: Client, keys: Keys, server_url: str
) -> None:
    """They are not in the index by status, or stand there as they were before."""
    before = await with_policy(on_server, connection, keys, RetentionPolicy(completed=timedelta()))
    for change in ("created", "ended"):
        run_id = await started(on_server, TWO, answer)
        [place] = await connection.router.request("ZRANGE", keys.runs_by_status, 0, -1)
        await connection.router.request("ZREM", keys.runs_by_status, place)
        if change == "ended":
            await connection.router.request("ZADD", keys.runs_by_status, 0, b"r" + place[1:])
        report = await FleetAdmin(on_server).prune()
        assert (report.completed, await _is_gone(on_server, run_id)) == (1, True)
    await unchanged_but_for_turns(on_server, connection, keys, before, server_url)


KILLED = """
import asyncio, sys
from datetime import timedelta
from redis_mob.fleet.retention_duty import RetentionDuty
from redis_mob.storage import MobStorage
from tests.operations.killed_client import KilledClient

async def main(url, namespace, number):
    async with MobStorage.open(url, namespace=namespace) as storage:
        storage.steering._client = KilledClient(storage.steering._client, number)
        duty = RetentionDuty(storage.retention, storage.steering, every=timedelta(milliseconds=200))
        await duty.run(asyncio.Event(), "killed")

asyncio.run(main(*sys.argv[1:3], int(sys.argv[3])))
"""


@pytest.mark.parametrize("number", [1, 2, 6])
async def test_another_worker_goes_on_where_one_was_killed(
    on_server: MobStorage, connection: Client, keys: Keys, server_url: str, number: int
) -> None:
    before = await with_policy(on_server, connection, keys, RetentionPolicy(completed=timedelta()))
    for _ in range(2 * DELETED_AT_ONCE):
        await started(on_server, TWO, answer)
    arguments = [sys.executable, "-c", KILLED, server_url, keys.namespace, str(number)]
    killed = await asyncio.to_thread(subprocess.run, arguments, check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not await are_gone(on_server)
    async with at_work(on_server, {"*": answer}, duties=(duty_of(on_server),)):
        await until(lambda: are_gone(on_server))
    await unchanged_but_for_turns(on_server, connection, keys, before, server_url)


async def test_an_error_is_told_once_and_harms_nothing(storage: MobStorage, caplog: pytest.LogCaptureFixture) -> None:
    asked = 0

    class Failing:
        async def policies(self) -> RetentionPolicies:
            nonlocal asked
            asked += 1
            if asked % 2:
                raise ReadFailedError("the server is away")
            raise RuntimeError("a fault")

    failing: Any = Failing()
    duty = RetentionDuty(failing, storage.steering, every=timedelta(milliseconds=1))
    with caplog.at_level(logging.WARNING):
        async with at_work(storage, {"*": answer}, duties=(duty,)):
            fleet = Fleet(storage, TWO, {"worker": answer})
            assert (await fleet.wait(await fleet.start(FLOW))).status is MobRunStatus.COMPLETED
            await until(lambda: _true(asked > 4))
    told = [record.message for record in caplog.records if "cannot enforce" in record.message]
    assert min(told).endswith("cannot enforce the retention policies: RuntimeError('a fault')")
    assert max(told).endswith("cannot enforce the retention policies: the server is away")


async def _true(value: bool) -> bool:
    return value


async def test_a_worker_that_drains_begins_no_further_deletion(storage: MobStorage) -> None:
    for _ in range(DELETED_AT_ONCE + 2):
        await started(storage, TWO, answer)
    await FleetAdmin(storage).set_retention(RetentionPolicy(completed=timedelta()))
    stop, steering = asyncio.Event(), storage.steering
    begun: list[str] = []

    class Stopping:
        deletions, continue_deletion = steering.deletions, steering.continue_deletion

        async def begin_deletion(self, run_id: str, **more: Any) -> Any:
            begun.append(run_id)
            stop.set()
            return await steering.begin_deletion(run_id, **more)

    stopping: Any = Stopping()
    await RetentionDuty(storage.retention, stopping, every=timedelta(milliseconds=1)).run(stop, "worker")
    assert len(begun) == DELETED_AT_ONCE
    assert (await FleetAdmin(storage).count())[MobRunStatus.COMPLETED] == 2
    assert await FleetAdmin(storage).unfinished_deletions() == ()


async def test_a_fleet_has_the_duty_every_minute() -> None:
    with virtual_time() as clock:
        async with MobStorage.open("memory:", namespace="retention-of-a-fleet") as storage:
            await FleetAdmin(storage).set_retention(RetentionPolicy(completed=timedelta(hours=1)))
            fleet = Fleet(storage, TWO, {"worker": answer})
            async with fleet.working():
                run_id = await fleet.start(FLOW)
                await fleet.wait(run_id)
                await clock.move(timedelta(minutes=58))
                assert not await _is_gone(storage, run_id)
                await clock.move(timedelta(minutes=4))
                assert await _is_gone(storage, run_id)


async def test_a_key_outlives_its_run_by_policy(storage: MobStorage) -> None:
    """As long as the policy says, the key gives the id of the deleted run; runs without a key leave nothing."""
    keep = timedelta(seconds=1)
    await FleetAdmin(storage).set_retention(AT_ONCE.model_copy(update={"keep_key": keep}))
    fleet = Fleet(storage, TWO, {"worker": answer})
    async with fleet.working():
        run_id = await fleet.start(FLOW, idempotency_key="order-7")
        other = await fleet.start(FLOW)
        await asyncio.gather(fleet.wait(run_id), fleet.wait(other))
    assert (await FleetAdmin(storage).prune()).completed == 2
    assert await fleet.start(FLOW, idempotency_key="order-7") == run_id
    assert await _is_gone(storage, run_id)

    async def is_started() -> bool:
        assert await fleet.start(FLOW, idempotency_key="order-7") == run_id
        return not await _is_gone(storage, run_id)

    await until(is_started)


async def test_a_run_without_a_key_leaves_no_id_behind(
    on_server: MobStorage, connection: Client, keys: Keys, server_url: str
) -> None:
    before = await with_policy(on_server, connection, keys, AT_ONCE.model_copy(update={"keep_key": timedelta(days=1)}))
    await started(on_server, TWO, answer)
    assert (await FleetAdmin(on_server).prune()).completed == 1
    await unchanged_but_for_turns(on_server, connection, keys, before, server_url)

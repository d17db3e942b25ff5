"""Writes return when they are as safe as asked, and say so when they cannot be made so."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from redis_mob.admin.acl import rights_in
from redis_mob.connection.calls.client import Client, connect
from redis_mob.connection.calls.durability import Durability
from redis_mob.connection.calls.durability_wait import DurabilityWait
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.calls.scripts import script
from redis_mob.connection.calls.sessions import Sessions
from redis_mob.connection.failures import UnconfirmedError
from redis_mob.connection.retry import RetryPolicy
from redis_mob.errors import (
    DurabilityError,
    EpochChangedError,
    OutcomeUnknownError,
    StorageUnavailableError,
    ValidationError,
)
from redis_mob.storage import MobStorage
from redis_mob.testing.faults import Fault, Request, fault_proxy
from redis_mob.testing.samples.new_events import number_of, numbered
from redis_mob.testing.servers.raw_client import RawClient, client_of
from redis_mob.testing.waiting import LONG, until
from tests.connection.scripts import INCREASE
from tests.support.servers import redis7_program, server
from tests.support.users import PASSWORD, set_user, url_of_user

IMPATIENT = RetryPolicy(deadline=1, base=0.01, cap=0.1)
WAITS = frozenset({"cmdstat_wait", "cmdstat_waitaof"})


@dataclass
class Pair:
    """A primary and its replica."""

    url: str
    primary: RawClient
    replica: RawClient

    def part(self) -> None:
        """The replica hears nothing of the primary any more."""
        self.replica.execute_command("REPLICAOF", "NO", "ONE")

    def wait_until_joined(self) -> None:
        """Wait until the replica has all writes from before it was started."""
        self.primary.set("joined", 1)
        assert self.primary.execute_command("WAIT", 1, 20_000) == 1

    def join(self) -> None:
        """The replica follows the primary."""
        self.replica.execute_command("REPLICAOF", "127.0.0.1", self.primary.info()["tcp_port"])


def waits(client: RawClient) -> int:
    """How often the server was asked to wait."""
    return sum(stat["calls"] for name, stat in client.info("commandstats").items() if name in WAITS)


@pytest.fixture
def pair(free_port: int) -> Iterator[Pair]:
    with server("--port", str(free_port), "--repl-diskless-sync-delay", "0") as url, server() as other:
        pair = Pair(url, client_of(url), client_of(other))
        pair.join()
        yield pair
        pair.primary.close()
        pair.replica.close()


@pytest.mark.parametrize("text", ["", "disk", "replicas", "replicas:0", "replicas:-1", "replicas:1000", "FSYNC"])
async def test_a_durability_that_does_not_exist_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match=r"write memory, fsync, or replicas:N|must be a text, not None"):
        await MobStorage.open("memory:", durability=text)


@pytest.mark.parametrize("durability", ["fsync", "replicas:1"])
async def test_what_keeps_nothing_is_not_trusted_with_it(durability: str) -> None:
    with pytest.raises(StorageUnavailableError, match="keeps nothing beyond this process"):
        await MobStorage.open("memory:", durability=durability)


async def test_a_server_without_a_file_cannot_sync_it(server_url: str, namespace: str) -> None:
    with pytest.raises(StorageUnavailableError, match="no append-only file: set appendonly yes"):
        await MobStorage.open(server_url, namespace=namespace, durability="fsync")


async def test_a_server_that_syncs_each_write_need_not_be_waited_for() -> None:
    with server("--appendonly", "yes", "--appendfsync", "always") as url, client_of(url) as client:
        async with MobStorage.open(url, durability="fsync") as storage:
            await storage.events.append(numbered(1))
        assert waits(client) == 0


async def test_a_server_that_syncs_now_and_then_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    with server("--appendonly", "yes") as url, client_of(url) as client, caplog.at_level(logging.WARNING, "redis_mob"):
        async with MobStorage.open(url, durability="fsync") as storage:
            await storage.events.append(numbered(1))
        assert waits(client) > 0
    assert "redis/redis#13793" in caplog.text


async def test_a_server_without_waitaof_must_sync_each_write() -> None:
    program = redis7_program()
    refused = pytest.raises(StorageUnavailableError, match="has no WAITAOF: set appendfsync always")
    with server("--appendonly", "yes", program=program) as url, refused:
        await MobStorage.open(url, durability="fsync")
    with server("--appendonly", "yes", "--appendfsync", "always", program=program) as url:
        async with MobStorage.open(url, durability="fsync") as storage:
            await storage.events.append(numbered(1))


async def test_a_user_who_may_not_look_waits() -> None:
    with server("--appendonly", "yes", "--appendfsync", "always") as url, client_of(url) as client:
        rule = str(rights_in("n", Durability(fsync=True)))
        client.execute_command("ACL", "SETUSER", "worker", "on", ">hush", *rule.split())
        async with MobStorage.open(
            url.replace("unix://", "unix://worker:hush@"), namespace="n", durability="fsync"
        ) as storage:
            await storage.events.append(numbered(1))
        assert waits(client) > 0
        assert client.acl_log()[0]["object"] == "config|get"


async def test_a_write_returns_when_the_replicas_have_it(pair: Pair) -> None:
    async with MobStorage.open(pair.url, namespace="n", durability="replicas:1") as storage:
        for number in range(20):
            await storage.events.append(numbered(number))
            assert pair.replica.execute_command("XLEN", Keys("n").events) == number + 1


async def test_writes_at_one_time_wait_once_for_all(pair: Pair) -> None:
    async with MobStorage.open(pair.url, namespace="n", durability="replicas:1") as storage:
        before = waits(pair.primary)
        await asyncio.gather(*(storage.events.append(numbered(number)) for number in range(200)))
        assert waits(pair.primary) - before < 50


async def test_too_few_replicas_are_told(pair: Pair) -> None:
    pair.wait_until_joined()
    async with MobStorage.open(pair.url, namespace="n", durability="replicas:1", retry=IMPATIENT) as storage:
        pair.part()
        with pytest.raises(DurabilityError, match="only the primary and 0 of 1 replicas has it") as told:
            await storage.events.append(numbered(1))
        assert (told.value.asked, told.value.reached) == ("replicas:1", "the primary and 0 of 1 replicas")
        assert [number_of(event) for event in await storage.events.replay_all()] == [1]


async def is_told_without_the_right_to_wait(url: str, admin: RawClient, durability: str, command: str) -> None:
    rights = rights_in("n", Durability.parse(durability))
    set_user(admin.execute_command, "worker", rights)
    async with MobStorage.open(url_of_user(url, "worker"), namespace="n", durability=durability) as storage:
        await storage.events.append(numbered(1))
        admin.execute_command("ACL", "SETUSER", "worker", f"-{command}")
        writes = [storage.events.append(numbered(number)) for number in range(2, 22)]
        for error in await asyncio.gather(*writes, return_exceptions=True):
            assert isinstance(error, DurabilityError)
            assert error.asked == durability
            assert "memory of the primary" in error.reached
            assert "redis-mob acl" in str(error)
            assert "NOPERM" in str(error)
            assert PASSWORD not in str(error)
        assert len(await storage.events.replay_all()) == 21  # all has happened, and once
        admin.execute_command("ACL", "SETUSER", "worker", f"+{command}")
        assert (await storage.events.append(numbered(22))).cursor == 22


async def test_a_user_who_may_no_longer_wait_for_the_disk_is_told_that_the_write_is_there() -> None:
    with server("--appendonly", "yes") as url, client_of(url) as client:
        await is_told_without_the_right_to_wait(url, client, "fsync", "waitaof")


async def test_a_user_who_may_no_longer_wait_for_replicas_is_told_that_the_write_is_there(pair: Pair) -> None:
    pair.wait_until_joined()
    await is_told_without_the_right_to_wait(pair.url, pair.primary, "replicas:1", "wait")


async def test_replicas_that_come_late_are_waited_for_and_the_write_happens_once(pair: Pair) -> None:
    async with MobStorage.open(pair.url, namespace="n", durability="replicas:1") as storage:
        pair.part()
        write = asyncio.create_task(storage.events.append(numbered(1)))
        before = waits(pair.primary)
        await until(lambda: waits(pair.primary) > before)
        pair.join()
        assert (await write).cursor == 1
        assert [number_of(event) for event in await storage.events.replay_all()] == [1]


async def test_a_namespace_cannot_be_opened_where_too_few_replicas_are(pair: Pair) -> None:
    pair.part()
    with pytest.raises(StorageUnavailableError, match="not as safe as durability replicas:1 says"):
        await MobStorage.open(pair.url, namespace="n", durability="replicas:1", retry=IMPATIENT)


async def test_a_server_that_has_lost_a_write_does_not_answer_for_it(pair: Pair) -> None:
    """Such a server takes over after a failover with replicas of its own, so that WAIT alone would succeed there."""
    keys = Keys("n")
    connection = await connect(pair.url, "n", durability="replicas:1")
    await connection.open_namespace("n")
    assert await connection.call(INCREASE, [keys.runs]) == 1
    pair.part()
    write = asyncio.create_task(connection.call(INCREASE, [keys.runs]))
    await until(lambda: pair.primary.get(keys.runs) == b"2")
    for name in pair.primary.keys("*:session:*"):
        pair.primary.delete(name)
    pair.primary.set(keys.runs, 1)
    pair.primary.execute_command("CLIENT", "KILL", "TYPE", "normal")
    pair.join()
    with pytest.raises(EpochChangedError):
        await write
    assert await connection.call(INCREASE, [keys.runs]) == 2
    await connection.aclose()


async def test_a_write_that_is_not_where_safety_is_asked_for_is_made_again(namespace: str) -> None:
    """The server that answered it has failed; the next one never had the write, and WAITAOF would succeed there."""
    confirming = [b"SCRIPT", b"LOAD", script("calls/confirm").text.encode()]
    with server("--appendonly", "yes") as url, client_of(url) as admin:

        def fail_over(request: Request) -> Fault:
            if list(request.words) == confirming:
                admin.flushall()
            return Fault.NONE

        async with fault_proxy(url, fail_over) as proxy:
            connection = await connect(proxy.url, namespace, durability="fsync")
            assert await connection.call(INCREASE, [Keys(namespace).runs]) == 1
            assert admin.get(Keys(namespace).runs) == b"1"
            await connection.aclose()


async def test_a_lost_wait_is_made_again(namespace: str) -> None:

    def plan(request: Request) -> Fault:
        waits = request.words[0] == b"WAITAOF" and proxy.count(Fault.CUT_AFTER) < 3
        return Fault.CUT_AFTER if waits else Fault.NONE

    with server("--appendonly", "yes") as url:
        async with (
            fault_proxy(url, plan) as proxy,
            MobStorage.open(proxy.url, namespace=namespace, durability="fsync") as storage,
        ):
            assert (await storage.events.append(numbered(1))).cursor == 1
            assert len(await storage.events.replay_all()) == 1
            assert proxy.count(Fault.CUT_AFTER) == 3


async def test_closing_ends_what_waits(pair: Pair) -> None:
    connection: Client = await connect(pair.url, "n", durability="replicas:1")
    await connection.open_namespace("n")
    pair.part()
    write = asyncio.create_task(connection.call(INCREASE, [Keys("n").runs]))
    before = waits(pair.primary)
    await until(lambda: waits(pair.primary) > before)
    await connection.aclose()
    with pytest.raises(OutcomeUnknownError):
        await write


async def test_closing_ends_also_a_wait_that_has_not_begun(connection: Client) -> None:
    """A task that is cancelled before its first step runs none of its code, its `finally` included."""
    sessions = Sessions("n", patience=1)
    wait = DurabilityWait(connection.router, sessions, Durability.parse("replicas:1"), 5.0)
    confirmed = asyncio.create_task(wait.confirm(sessions.begin(), None))
    await asyncio.sleep(0)  # it has asked for the task now, which begins in the next turn of the loop
    await wait.aclose()
    async with asyncio.timeout(LONG):
        with pytest.raises(UnconfirmedError, match="closed"):
            await confirmed

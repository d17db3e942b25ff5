"""Storages on a service of Sentinels: where they are, and what they make of primaries that die or step down."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager

import hiredis
import pytest

from redis_mob import MobStorage, RetryPolicy
from redis_mob.connection.calls.client import connect
from redis_mob.connection.calls.keys import Keys
from redis_mob.errors import StorageUnavailableError
from redis_mob.notifications import subscription
from redis_mob.testing.samples.documents import definition
from redis_mob.testing.samples.new_events import number_of, numbered
from redis_mob.testing.servers.node import HOST
from redis_mob.testing.servers.sentinel import Sentinels, run_sentinels
from redis_mob.testing.waiting import LONG, until
from tests.support.every_store import use_every_store

pytestmark = pytest.mark.filterwarnings("ignore::redis_mob.errors.UnsealedSecretsWarning")

SOON = RetryPolicy(deadline=1, base=0.02, cap=0.02)
PATIENT = RetryPolicy(deadline=60)


@pytest.fixture(scope="module")
def running() -> Iterator[Sentinels]:
    """The service that the tests of this module share."""
    with run_sentinels() as service:
        yield service


@pytest.fixture
def service(running: Sentinels) -> Sentinels:
    """The shared service, with all its servers and Sentinels up and in agreement."""
    for node in (*running.servers, *running.sentinels):
        if not node.is_running:
            running.restart(node)
    running.wait_until_ready()
    return running


@pytest.fixture
async def storage(service: Sentinels, namespace: str) -> AsyncIterator[MobStorage]:
    """A storage on the test's namespace."""
    async with MobStorage.open(service.url, namespace=namespace, retry=PATIENT) as opened:
        yield opened


@pytest.fixture
async def another_storage(service: Sentinels, namespace: str) -> AsyncIterator[MobStorage]:
    """The same namespace, over connections of its own."""
    async with MobStorage.open(service.url, namespace=namespace, retry=PATIENT) as opened:
        yield opened


@pytest.fixture
def wake_ups_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A subscriber that misses a wake-up never sees what it announced."""
    monkeypatch.setattr(subscription, "SWEEP_SECONDS", 3600.0)


async def test_every_store_works(storage: MobStorage, another_storage: MobStorage, wake_ups_alone: None):
    await use_every_store(storage, another_storage)


async def test_the_url_of_a_storage_opens_it_elsewhere(service: Sentinels, storage: MobStorage, namespace: str):
    assert storage.url == service.url
    await storage.specs.put_spec("m", definition())
    async with MobStorage.open(storage.url, namespace=namespace) as elsewhere:
        assert await elsewhere.specs.get_spec("m") == (definition(), 1)


async def test_it_is_in_the_database_of_the_url_on_the_primary(service: Sentinels, namespace: str):
    connection = await connect(service.url.replace("/0", "/3"))
    keys = await connection.open_namespace(namespace)
    await connection.aclose()
    async with aclosing(await connect(f"redis://{HOST}:{service.primary.port}/3")) as there:
        assert await there.router.request("EXISTS", keys.meta) == 1


async def test_one_sentinel_that_answers_is_enough(service: Sentinels, free_port: int, namespace: str):
    for sentinel in service.sentinels:
        url = service.url_of(sentinel).replace("://", f"://{HOST}:{free_port},")
        async with MobStorage.open(url, namespace=namespace) as storage:
            await storage.events.append(numbered(1))


async def test_no_sentinel_that_answers(free_port: int):
    refused = await _refused(f"redis+sentinel://{HOST}:{free_port},no-such-host.invalid/jobs")
    assert f"redis+sentinel://{HOST}:{free_port},no-such-host.invalid:26379/jobs/0: no Sentinel of 'jobs'" in refused
    assert f"{HOST}:{free_port}. " in refused


async def test_a_service_that_does_not_exist_is_refused_at_once(service: Sentinels):
    before = [sentinel.connections for sentinel in service.sentinels]
    refused = await _refused(service.url_of(*service.sentinels, service="unknown"), PATIENT)
    places = ", ".join(f"{HOST}:{sentinel.port}" for sentinel in service.sentinels)
    assert f"no Sentinel of {places} that answers knows a service 'unknown'" in refused
    assert all(node.connections <= then + 2 for node, then in zip(service.sentinels, before, strict=True))


async def test_a_sentinel_is_no_server(service: Sentinels):
    refused = await _refused(f"redis://{HOST}:{service.sentinels[0].port}")
    assert "it is a Sentinel, which holds no data: open its service with redis+sentinel://host:26379/service" in refused


async def test_a_sentinel_that_is_out_of_date_is_not_believed(service: Sentinels, namespace: str):
    async with _sentinel_that_names(service.replicas[0].port) as place:
        async with aclosing(await connect(service.url.replace("://", f"://{place},"), namespace)) as connection:
            server = await connection.router.request("INFO", "server")
            assert f"tcp_port:{service.primary.port}\r\n".encode() in server
        refused = await _refused(f"redis+sentinel://{place}/mob-primary")
        assert f"{service.replicas[0].port}, which Sentinel {place} names as the primary, is a slave" in refused


async def test_what_is_written_while_the_primary_is_dead_happens_once_on_the_next_one(
    service: Sentinels, storage: MobStorage
):
    former = service.primary
    await storage.events.append(numbered(0))
    _replicate(service)
    service.kill(former)
    appended = await asyncio.gather(*(storage.events.append(numbered(number)) for number in range(1, 21)))
    await until(lambda: service.primary is not former)
    events = await storage.events.replay_all()
    assert sorted(number_of(event) for event in events) == list(range(21))
    assert {event.cursor for event in appended} == {event.cursor for event in events[1:]}


async def test_a_storage_is_opened_while_the_primary_is_dead(service: Sentinels, namespace: str):
    former = service.primary
    service.kill(former)
    async with MobStorage.open(service.url, namespace=namespace, retry=PATIENT) as storage:
        await storage.events.append(numbered(1))
    await until(lambda: service.primary is not former)


async def test_a_primary_that_steps_down_is_left(service: Sentinels, storage: MobStorage, namespace: str):
    former = service.primary
    await storage.events.append(numbered(1))
    async with aclosing(await connect(service.url, namespace)) as idle:
        service.failover()
        await asyncio.to_thread(service.wait_until_ready)
        assert service.primary is not former
        assert f"tcp_port:{service.primary.port}\r\n".encode() in await idle.router.request("INFO", "server")
    await storage.events.append(numbered(2))
    assert [number_of(event) for event in await storage.events.replay_all()] == [1, 2]


async def test_a_subscriber_follows_the_primary(
    service: Sentinels, storage: MobStorage, another_storage: MobStorage, wake_ups_alone: None
):
    channel = Keys(storage.namespace).wake_events
    async with another_storage.events.subscribe() as events:
        for number in range(2):
            await until(lambda: service.primary.do("PUBSUB", "SHARDNUMSUB", channel)[1] == 1)
            await storage.events.append(numbered(number))
            async with asyncio.timeout(LONG):
                assert number_of(await anext(events)) == number
            service.failover()
            await asyncio.to_thread(service.wait_until_ready)


def _replicate(service: Sentinels) -> None:
    """Wait until the replicas have everything, so that a failover loses nothing."""
    service.primary.do("SET", "last", "written")
    assert service.primary.do("WAIT", len(service.replicas), int(LONG * 1000)) == len(service.replicas)


@asynccontextmanager
async def _sentinel_that_names(port: int) -> AsyncGenerator[str]:
    """Host and port of a Sentinel that names the server on this port as the primary of every service."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        parser = hiredis.Reader()
        while received := await reader.read(65536):
            parser.feed(received)
            while (command := parser.gets()) is not False:
                named = b"*2\r\n$%d\r\n%s\r\n$%d\r\n%d\r\n" % (len(HOST), HOST.encode(), len(str(port)), port)
                writer.write(named if b"GET-MASTER-ADDR-BY-NAME" in command else b"*0\r\n")
        writer.close()

    async with await asyncio.start_server(serve, HOST, 0) as server:
        yield f"{HOST}:{server.sockets[0].getsockname()[1]}"


async def _refused(url: str, retry: RetryPolicy = SOON) -> str:
    with pytest.raises(StorageUnavailableError) as refused:
        await MobStorage.open(url, namespace="n", retry=retry)
    return f"{refused.value} {refused.value!r}"

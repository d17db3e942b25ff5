"""The fault proxy does what it says: to the server, to the client, and in its list."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from redis_mob.connection.calls.client import Client, connect
from redis_mob.connection.retry import RetryPolicy
from redis_mob.errors import OutcomeUnknownError, ReadFailedError, StorageUnavailableError, ValidationError
from redis_mob.storage import MobStorage
from redis_mob.testing.faults import EXECUTED, REMEMBERED, Fault, Request, at_random, fault_proxy, in_order
from redis_mob.testing.samples.new_events import number_of, numbered
from redis_mob.testing.waiting import LONG, take, until
from tests.connection.scripts import INCREASE

LOST = sorted(set(Fault) - {Fault.NONE, Fault.LATE, Fault.REPLY_DELAYED}, key=lambda fault: fault.value)


async def value_of(connection: Client, key: str) -> int:
    return int(await connection.router.request("GET", key) or 0)


@pytest.mark.parametrize("fault", LOST)
async def test_a_fault_loses_the_reply_and_the_server_has_executed_or_not(
    server_url: str, connection: Client, namespace: str, fault: Fault
) -> None:
    key = f"{{rm:{namespace}}}:counter"
    async with fault_proxy(server_url) as proxy:
        disturbed = await connect(proxy.url, retry=RetryPolicy(reply_timeout=0.3))
        assert await disturbed.call(INCREASE, [key]) == 1
        proxy.plan = in_order([fault])
        with pytest.raises(OutcomeUnknownError):
            await disturbed.call(INCREASE, [key])
        assert await value_of(connection, key) == 1 + (fault in EXECUTED)
        assert proxy.count(fault) == 1
        assert await disturbed.call(INCREASE, [key]) == 2 + (fault in EXECUTED)
        await disturbed.aclose()


async def test_a_late_request_comes_when_its_client_is_gone(
    server_url: str, connection: Client, namespace: str
) -> None:
    key = f"{{rm:{namespace}}}:counter"
    await connection.call(INCREASE, [key])  # the server knows the script, or a late EVALSHA would be refused
    async with fault_proxy(server_url, in_order([Fault.LATE] * 2), delay=0.001) as proxy:
        disturbed = await connect(proxy.url)
        await proxy.all_arrived()
        for _ in range(2):
            with pytest.raises(OutcomeUnknownError):
                await disturbed.call(INCREASE, [key])
        await proxy.all_arrived()
        assert await value_of(connection, key) == 3
        await disturbed.aclose()


async def test_a_late_request_never_comes_once_the_proxy_is_closed(
    server_url: str, connection: Client, namespace: str
) -> None:
    key = f"{{rm:{namespace}}}:counter"
    await connection.call(INCREASE, [key])  # as above
    async with fault_proxy(server_url, in_order([Fault.LATE]), delay=LONG) as proxy:
        disturbed = await connect(proxy.url)
        with pytest.raises(OutcomeUnknownError):
            await disturbed.call(INCREASE, [key])
        await disturbed.aclose()
    assert await value_of(connection, key) == 1


async def test_a_proxy_forgets_old_requests_and_counts_them(server_url: str, namespace: str) -> None:
    async with fault_proxy(server_url) as proxy, MobStorage.open(proxy.url, namespace=namespace) as storage:
        proxy.done.extend([proxy.done[0]] * REMEMBERED)
        before = proxy.count(Fault.NONE)
        assert await storage.events.latest_cursor() == 0
        assert len(proxy.done) == REMEMBERED
        assert proxy.done[-1][0].number == proxy.count(Fault.NONE) > before


async def test_a_late_reply_comes(server_url: str, connection: Client, namespace: str) -> None:
    key = f"{{rm:{namespace}}}:counter"
    async with fault_proxy(server_url, in_order([Fault.REPLY_DELAYED]), delay=0.001) as proxy:
        disturbed = await connect(proxy.url)
        assert [await disturbed.call(INCREASE, [key]) for _ in range(2)] == [1, 2]
        assert proxy.count(Fault.REPLY_DELAYED) == 1
        await disturbed.aclose()


async def test_nothing_is_changed_without_a_fault(server_url: str, namespace: str) -> None:
    async with fault_proxy(server_url) as proxy, MobStorage.open(proxy.url, namespace=namespace) as storage:
        async with storage.events.subscribe() as following:
            numbers = range(2000)
            await storage.events.append_batch([numbered(number) for number in numbers])
            assert list(map(number_of, await take(following, len(numbers)))) == list(numbers)
        calls = [storage.config.put("n", str(number), "x" * number) for number in numbers]
        await asyncio.gather(*calls)
        assert await storage.config.list("n", 0, 1) == [("0", "")]
        assert proxy.count(Fault.NONE) == len(proxy.done) > len(numbers)


async def test_subscribers_can_be_cut(server_url: str, namespace: str) -> None:
    async with fault_proxy(server_url) as proxy, MobStorage.open(proxy.url, namespace=namespace) as storage:
        async with storage.events.subscribe() as following:
            for number in range(5):
                proxy.cut_all()
                async with MobStorage.open(server_url, namespace=namespace) as writer:
                    await writer.events.append(numbered(number))
                assert list(map(number_of, await take(following, 1))) == [number]
        assert proxy.connections > 5


async def test_a_server_can_be_down_for_a_while(server_url: str, namespace: str) -> None:
    impatient = RetryPolicy(deadline=1, base=0.001, cap=0.01)
    async with (
        fault_proxy(server_url) as proxy,
        MobStorage.open(proxy.url, namespace=namespace, retry=impatient) as storage,
    ):
        proxy.refuse()
        with pytest.raises(ReadFailedError):
            await storage.events.latest_cursor()
        with pytest.raises(StorageUnavailableError):
            await MobStorage.open(proxy.url, namespace=namespace, retry=impatient)
        proxy.accept()
        assert await storage.events.latest_cursor() == 0


async def test_a_server_that_is_not_there(tmp_path_factory: pytest.TempPathFactory) -> None:
    async with fault_proxy(f"unix://{tmp_path_factory.mktemp('s') / 's'}") as proxy:
        with pytest.raises(StorageUnavailableError):
            await connect(proxy.url, retry=RetryPolicy(deadline=0.5))


async def test_closing_ends_who_waits(server_url: str) -> None:
    async with fault_proxy(server_url) as proxy:
        connection = await connect(proxy.url)
        proxy.plan = in_order([Fault.BLACK_HOLE])
        waiting = asyncio.create_task(connection.call(INCREASE, ["{x}"]))
        await until(lambda: proxy.count(Fault.BLACK_HOLE))
    async with asyncio.timeout(LONG):
        with pytest.raises(OutcomeUnknownError):
            await waiting
    await connection.aclose()


def requests(count: int, *words: bytes) -> list[Request]:
    return [Request(number, 1, words) for number in range(1, count + 1)]


def test_the_same_seed_makes_the_same_choices() -> None:
    one, two, other = (at_random(seed=seed, one_in=10) for seed in (1, 1, 2))
    made = requests(2000, b"EVALSHA", b"x")
    faults = list(map(one, made))
    assert faults == list(map(two, made)) != list(map(other, made))
    counted = Counter(faults)
    assert set(counted) == set(Fault)
    assert 140 < len(made) - counted[Fault.NONE] < 260


def test_a_handshake_is_left_alone_and_not_counted() -> None:
    scripted = in_order([Fault.CUT_BEFORE, Fault.TRUNCATED])
    for request in requests(5, b"hello", b"2"):
        assert scripted(request) is Fault.NONE
        assert at_random(seed=0, one_in=1)(request) is Fault.NONE
    assert list(map(scripted, requests(3, b"EVALSHA"))) == [Fault.CUT_BEFORE, Fault.TRUNCATED, Fault.NONE]


@pytest.mark.parametrize("url", ["memory:", "embedded:", "redis+cluster://h:1"])
async def test_a_proxy_stands_in_front_of_one_server(url: str) -> None:
    with pytest.raises(ValidationError, match="in front of one server"):
        async with fault_proxy(url):
            pass

"""A server that is down is not hammered, one that comes back is not stormed, and callers wait instead of piling up."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from redis_mob.connection.calls.client import connect
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.failures import CutShortError, NotSentError
from redis_mob.connection.retry import RetryPolicy
from redis_mob.connection.servers.address import UnixAddress
from redis_mob.connection.servers.channel import Channel
from redis_mob.connection.servers.circuit import Circuit
from redis_mob.errors import StorageUnavailableError, WriteFailedError
from redis_mob.testing.faults import FaultProxy, fault_proxy
from redis_mob.testing.waiting import LONG, until
from tests.connection.pipelines import until_lost
from tests.connection.scripts import INCREASE
from tests.support.fake_server import SILENCE, Answer, fake_server, usual

SLOW = RetryPolicy(deadline=10, base=3600, cap=3600)


class Door:
    """A server that counts connections, and closes each at once."""

    def __init__(self) -> None:
        self.knocks = 0

    @asynccontextmanager
    async def closed(self, path: Path) -> AsyncGenerator[UnixAddress]:
        """The address of a server that ends every connection at once."""

        async def send_away(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.knocks += 1
            writer.transport.abort()

        async with await asyncio.start_unix_server(send_away, path):
            yield UnixAddress(str(path), db=1)  # choosing a database takes a reply


def transport_to(
    address: UnixAddress, retry: RetryPolicy, *, max_requests: int = 100, reply_timeout: float = LONG
) -> Channel:
    return Channel(address, connect_timeout=LONG, reply_timeout=reply_timeout, max_requests=max_requests, retry=retry)


async def test_a_server_that_cannot_be_reached_is_tried_once_in_a_while(tmp_path: Path) -> None:
    door = Door()
    async with door.closed(tmp_path / "s") as address:
        transport = transport_to(address, SLOW)
        for _ in range(3):
            ends = await asyncio.gather(*(transport.request("PING") for _ in range(50)), return_exceptions=True)
            assert {type(end) for end in ends} == {CutShortError}
        assert door.knocks == 1
        await transport.aclose()


async def test_the_pauses_between_the_attempts_grow_and_end_with_success(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    circuit, pauses = Circuit(RetryPolicy(deadline=1, base=1, cap=4)), list[float]()
    for _ in range(6):
        circuit.failed(ValueError("down"))
        assert str(circuit.failure) == "down"
        before = now
        while circuit.failure is not None:
            now += 0.125
        pauses.append(now - before)
    assert all(low <= pause <= 2 * low + 0.125 for pause, low in zip(pauses, [0.5, 1, 2, 2, 2, 2], strict=True))
    circuit.connected()
    circuit.failed(ValueError("down again"))
    now += 1
    assert circuit.failure is None


async def test_a_first_connection_is_made_at_once_and_a_lost_one_after_a_random_time() -> None:
    circuit = Circuit(RetryPolicy(base=0.5))
    assert circuit.pause == 0
    circuit.connected()
    pauses = [circuit.pause for _ in range(100)]
    assert len(set(pauses)) > 50
    assert all(0 <= pause <= 0.5 for pause in pauses)


@pytest.fixture
async def proxy(server_url: str) -> AsyncIterator[FaultProxy]:
    async with fault_proxy(server_url) as opened:
        yield opened


async def test_many_callers_wait_for_a_dead_server_with_few_attempts(
    proxy: FaultProxy, namespace: str, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    retry = RetryPolicy(deadline=0.5, base=0.05, cap=0.1)
    connection = await connect(proxy.url, namespace, retry=retry)
    await connection.call(INCREASE, [keys.runs])
    proxy.refuse()
    await until_lost(connection)
    loop = asyncio.get_running_loop()
    attempts, open_connection = 0, loop.create_connection

    async def counted(*arguments: Any, **options: Any) -> Any:
        nonlocal attempts
        attempts += 1
        return await open_connection(*arguments, **options)

    monkeypatch.setattr(loop, "create_connection", counted)
    calls = [connection.call(INCREASE, [keys.runs]) for _ in range(300)]
    ends = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(end) for end in ends} == {WriteFailedError}
    assert 2 <= attempts < 60, "300 callers, each with 5 to 20 attempts"
    await connection.aclose()


async def test_more_requests_than_may_be_under_way_wait_in_the_callers(tmp_path: Path) -> None:
    taken = 0

    def answer(command: list[bytes]) -> Answer:
        nonlocal taken
        if command[0] != b"GET":
            return usual(command)
        taken += 1
        return SILENCE

    async with fake_server(tmp_path, answer) as url:
        transport = transport_to(
            UnixAddress(url.removeprefix("unix://")), RetryPolicy(), max_requests=2, reply_timeout=0.3
        )
        requests = [asyncio.create_task(transport.request("GET", "k")) for _ in range(5)]
        await until(lambda: taken == 2)
        waited = await asyncio.gather(*requests[2:], return_exceptions=True)
        assert {type(end) for end in waited} == {NotSentError}
        assert taken == 2
        await asyncio.gather(*requests[:2], return_exceptions=True)
        await transport.aclose()


async def test_a_connection_that_is_refused_tells_why(namespace: str) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(StorageUnavailableError, match=rf"cannot use redis://127.0.0.1:{port}/0: .*{port}"):
        await connect(f"redis://127.0.0.1:{port}", namespace)

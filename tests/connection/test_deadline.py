"""The deadline of a policy bounds a call, in everything that the call waits for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator
from typing import TypeVar

import pytest

from redis_mob.connection.retry import RetryPolicy
from redis_mob.errors import OutcomeUnknownError, ReadFailedError, StorageUnavailableError, WriteFailedError
from redis_mob.storage import MobStorage
from redis_mob.testing.faults import Fault, fault_proxy, in_order
from redis_mob.testing.samples.new_events import numbered
from redis_mob.testing.servers.node import HOST, Node, started
from tests.support.servers import find_server, server

T = TypeVar("T")

DEADLINE = RetryPolicy(deadline=0.3)
"""The timeouts of connections and replies, of 5 seconds each, are left as they are."""

BOUND = 4.0
"""Seconds within which a call has to be over: many deadlines, and less than any other time that a call waits for."""


@pytest.fixture
def node() -> Iterator[Node]:
    node = started(lambda port: Node(port, [str(find_server()), "--port", str(port), "--save", ""]))
    yield node
    node.resume()
    node.kill()


async def test_calls_to_a_server_that_is_stopped_end_in_time(node: Node) -> None:
    async with MobStorage.open(f"redis://{HOST}:{node.port}", retry=DEADLINE) as storage:
        await storage.events.append(numbered(1))
        node.pause()
        with pytest.raises(OutcomeUnknownError, match="no answer within the deadline of the call") as unknown:
            await bounded(storage.events.append(numbered(2)))  # it waits for the reply
        with pytest.raises(WriteFailedError):
            await bounded(storage.events.append(numbered(3)))  # the pipeline is overdue: it waits for a new connection
        with pytest.raises(ReadFailedError, match="deadline"):
            await bounded(storage.events.latest_cursor())
        with pytest.raises(OutcomeUnknownError):
            await bounded(storage.resolve(unknown.value.token))
        ends = await bounded(asyncio.gather(*(storage.events.poll(0, 1) for _ in range(50)), return_exceptions=True))
        assert {type(end) for end in ends} == {ReadFailedError}
        node.resume()
        assert (await storage.resolve(unknown.value.token)).executed
        assert await storage.events.latest_cursor() == 2
        node.pause()
        await bounded(storage.aclose())


async def test_an_opening_ends_in_time_where_the_server_is_stopped(node: Node) -> None:
    node.pause()
    with pytest.raises(StorageUnavailableError, match="deadline"):
        await bounded(opened(f"redis://{HOST}:{node.port}"))


@pytest.mark.parametrize("form", ["redis+cluster://{}", "redis+sentinel://{}/jobs"])
async def test_finding_the_server_ends_in_time_where_the_servers_that_know_it_are_silent(form: str) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(silent, HOST, 0) as listener:
        port = listener.sockets[0].getsockname()[1]
        with pytest.raises(StorageUnavailableError, match="not found within the deadline of the call"):
            await bounded(opened(form.format(f"{HOST}:{port},{HOST}:{port}")))


@pytest.mark.parametrize("command", [b"WAITAOF", b"EVALSHA"])
async def test_the_wait_for_durability_ends_in_time(command: bytes) -> None:
    with server("--appendonly", "yes") as url:
        async with fault_proxy(url) as proxy, MobStorage.open(proxy.url, durability="fsync", retry=DEADLINE) as storage:
            await storage.events.append(numbered(1))
            proxy.plan = lambda request: Fault.BLACK_HOLE if request.words[0] == command else Fault.NONE
            with pytest.raises(OutcomeUnknownError) as unknown:
                await bounded(storage.events.append(numbered(2)))
            proxy.plan = in_order(())
            assert (await storage.resolve(unknown.value.token)).executed == (command == b"WAITAOF")


async def test_a_timeout_ends_an_attempt_and_not_the_call(server_url: str, namespace: str) -> None:
    hasty = RetryPolicy(deadline=3600, base=0.001, cap=0.01, reply_timeout=0.05)
    async with (
        fault_proxy(server_url) as proxy,
        MobStorage.open(proxy.url, namespace=namespace, retry=hasty) as storage,
    ):
        proxy.plan = in_order([Fault.BLACK_HOLE] * 3)
        assert (await storage.events.append(numbered(1))).cursor == 1
        assert proxy.count(Fault.BLACK_HOLE) == 3


async def bounded(call: Awaitable[T]) -> T:
    async with asyncio.timeout(BOUND):
        return await call


async def opened(url: str) -> MobStorage:
    return await MobStorage.open(url, retry=DEADLINE)

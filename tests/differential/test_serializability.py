"""Real processes that call all stores at the same time see what they would see one after the other."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager
from random import Random
from typing import Any
from uuid import uuid4

import pytest

from redis_mob.errors import VersionConflictError
from redis_mob.testing.history import History, NoSerialOrderError, RecordedCall, check
from redis_mob.testing.samples.config_documents import at
from redis_mob.testing.waiting import LONG
from tests.differential import client_process
from tests.differential.calls import OPERATIONS, Call
from tests.differential.driver import EXAMPLES
from tests.differential.memory_model import MemoryModel
from tests.differential.said import said

CLIENTS = 4
CALLS = 50
"""Random ones of each client in a round."""

ROUNDS = max(1, EXAMPLES // 20)
TIME_TO_LIVE = 0.002
"""Seconds, fewer than any client takes for its calls."""

LONGEST_LINE = 2**24

REFUSED: type[NoSerialOrderError[Call]] = NoSerialOrderError
"""The error with which a history of these calls is refused."""


@asynccontextmanager
async def started(url: str) -> AsyncGenerator[list[Process]]:
    """Clients that wait for what they are to do."""
    command = [sys.executable, "-m", client_process.__name__, url]
    clients = [
        await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, limit=LONGEST_LINE)
        for _ in range(CLIENTS)
    ]
    try:
        yield clients
    finally:
        for client in clients:
            if client.returncode is None:
                client.kill()
                await client.wait()


async def say(client: Process, line: str) -> None:
    assert client.stdin is not None
    client.stdin.write(line.encode() + b"\n")
    await client.stdin.drain()


async def hear(client: Process) -> Any:
    """The next words of a client; None when it is done, or dead."""
    assert client.stdout is not None
    return json.loads(await client.stdout.readline() or b"null")


async def play(
    clients: Sequence[Process],
    seed: str,
    operations: Sequence[Sequence[str]] = OPERATIONS,
    *,
    check_then_act: bool = False,
    first_dies_after: float | None = None,
) -> History[Call]:
    """What all clients saw that called these operations at once, on a namespace of their own."""
    order = {"namespace": f"test-{uuid4().hex}", "operations": operations, "calls": CALLS}
    async with asyncio.timeout(LONG):
        for number, client in enumerate(clients):
            dies_after = None if number else first_dies_after
            special = {"check_then_act": check_then_act, "dies_after": dies_after}
            await say(client, json.dumps({**order, **special, "seed": f"{seed}/{number}"}))
        for client in clients:
            assert await hear(client) == ["ready"]
        for client in clients:
            await say(client, "")
        seen = await asyncio.gather(*(listen(number, client) for number, client in enumerate(clients)))
    return History(recorded for calls in seen for recorded in calls)


async def listen(number: int, client: Process) -> list[RecordedCall[Call]]:
    """The calls of a client. The one that it died in has no result: its outcome is unknown."""
    calls: list[RecordedCall[Call]] = []
    while (words := await hear(client)) is not None:
        call, started_at = words
        ended_at, told = await hear(client) or (None, None)
        calls.append(RecordedCall(number, call, started_at, ended_at, told))
    return calls


async def check_objects(history: History[Call]) -> None:
    for part in history.split(lambda call: call[0]).values():
        await check(part, MemoryModel())


def seeds(rounds: int) -> Iterator[str]:
    """Random ones, which are shown when the test fails."""
    first = Random().randrange(1_000_000)
    for number in range(first, first + rounds):
        print(f"seed {number}")
        yield str(number)


async def test_clients_in_several_processes_see_a_serial_order(server_url: str) -> None:
    async with started(server_url) as clients:
        for seed in seeds(ROUNDS):
            history = await play(clients, seed)
            assert all(recorded.ended for recorded in history.calls)
            await check_objects(history)


async def test_the_last_call_of_a_client_that_died_took_effect_at_some_moment_or_never(server_url: str) -> None:
    for seed in seeds(max(2, ROUNDS // 10)):
        async with started(server_url) as clients:
            history = await play(clients, seed, first_dies_after=Random(seed).uniform(0, TIME_TO_LIVE))
        assert [recorded.client for recorded in history.calls if recorded.ended is None] == [0]
        await check_objects(history)


class OneDocument:
    """What reading a document and replacing an expected revision do: as little as can tell an honest backend."""

    def start(self) -> tuple[int, int] | None:
        return None

    async def apply(self, state: tuple[int, int] | None, call: Call) -> tuple[str, tuple[int, int] | None]:
        _, operation, id, *arguments = call
        revision, number = state or (0, 0)
        if operation == "get":
            return said(at(revision, number=number) if state else None), state
        expected, *following = arguments
        if revision != expected:
            return said(VersionConflictError(expected, revision, f"n/{id}")), state
        return said(None), (following[0], following[1])


async def check_documents(history: History[Call]) -> None:
    documents = History(recorded for recorded in history.calls if recorded.call[0] == "config")
    for part in documents.split(lambda call: call[2]).values():
        await check(part, OneDocument())


async def test_a_backend_that_checks_and_then_acts_is_found_out(server_url: str) -> None:
    operations = [("config", "get"), ("config", "put_if_revision")]
    async with started(server_url) as clients:
        for seed in seeds(20):
            await check_documents(await play(clients, seed, operations))
            try:
                await check_documents(await play(clients, seed, operations, check_then_act=True))
            except REFUSED as error:
                assert "put_if_revision" in str(error)
                return
    pytest.fail("it looks like an honest one")

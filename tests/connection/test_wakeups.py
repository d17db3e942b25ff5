from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from redis_mob.connection.calls.client import Client, connect
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.retry import RetryPolicy
from redis_mob.notifications import wakeups as module
from redis_mob.notifications.wakeups import WakeUps
from redis_mob.testing.waiting import until
from tests.support.fake_server import SILENCE, Answer, fake_server, usual

LONG = 20.0
SHORT = 0.05


@pytest.fixture
async def wakeups(connection: Client) -> AsyncIterator[WakeUps]:
    async with WakeUps(connection) as opened:
        yield opened


async def _publish(connection: Client, channel: str) -> int:
    return await connection.router.request("SPUBLISH", channel, "")


async def test_a_bell_rings_once_when_it_begins_to_hear_and_once_per_publication(
    connection: Client, keys: Keys, wakeups: WakeUps
) -> None:
    async with wakeups.listen(keys.wake_events) as wake_up:
        assert await wake_up.wait(LONG)
        assert not await wake_up.wait(SHORT)
        assert await _publish(connection, keys.wake_events) == 1
        assert await wake_up.wait(LONG)
        assert not await wake_up.wait(SHORT)


async def test_publications_between_two_waits_are_one_ring(connection: Client, keys: Keys, wakeups: WakeUps) -> None:
    async with wakeups.listen(keys.wake_events) as wake_up, wakeups.listen(keys.wake_runs) as last:
        await wake_up.wait(LONG)
        await last.wait(LONG)
        for _ in range(3):
            await _publish(connection, keys.wake_events)
        await _publish(connection, keys.wake_runs)
        assert await last.wait(LONG)
        assert await wake_up.wait(LONG)
        assert not await wake_up.wait(0)


async def test_a_channel_rings_its_own_bells_all_of_them(connection: Client, keys: Keys, wakeups: WakeUps) -> None:
    async with (
        wakeups.listen(keys.wake_events) as one,
        wakeups.listen(keys.wake_events) as two,
        wakeups.listen(keys.wake_runs) as other,
    ):
        for wake_up in (one, two, other):
            assert await wake_up.wait(LONG)
        assert await _publish(connection, keys.wake_events) == 1
        assert await one.wait(LONG)
        assert await two.wait(LONG)
        assert not await other.wait(SHORT)


async def test_a_bell_that_joins_a_channel_already_heard_rings_at_once(keys: Keys, wakeups: WakeUps) -> None:
    async with wakeups.listen(keys.wake_events) as first:
        await first.wait(LONG)
        async with wakeups.listen(keys.wake_events) as second:
            assert await second.wait(LONG)
        assert not await first.wait(SHORT)


async def test_the_server_forgets_a_channel_without_subscribers(
    connection: Client, keys: Keys, wakeups: WakeUps
) -> None:
    async with wakeups.listen(keys.wake_events) as wake_up, wakeups.listen(keys.wake_runs) as still:
        await wake_up.wait(LONG)
        await still.wait(LONG)
    async with wakeups.listen(keys.wake_runs) as again:
        await again.wait(LONG)
        assert await _publish(connection, keys.wake_events) == 0
        assert await _publish(connection, keys.wake_runs) == 1


async def test_every_bell_rings_again_after_a_lost_connection(
    connection: Client, keys: Keys, wakeups: WakeUps, caplog: pytest.LogCaptureFixture
) -> None:
    async with wakeups.listen(keys.wake_events) as one, wakeups.listen(keys.wake_runs) as two:
        for _ in range(3):
            assert await one.wait(LONG)
            assert await two.wait(LONG)
            await connection.router.request("CLIENT", "KILL", "TYPE", "pubsub")
        assert await one.wait(LONG)
        assert await two.wait(LONG)
        assert await _publish(connection, keys.wake_events) == 1
        assert await one.wait(LONG)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


async def test_a_listener_may_come_before_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_RETRY", RetryPolicy(deadline=3600, base=0.01, cap=0.02))

    def answer(command: list[bytes]) -> Answer:
        if command[0] != b"SSUBSCRIBE":
            return usual(command)
        return b"".join(b"*3\r\n$10\r\nssubscribe\r\n$%d\r\n%s\r\n:1\r\n" % (len(c), c) for c in command[1:])

    async with fake_server(tmp_path, answer) as url:
        connection = await connect(url)
    async with WakeUps(connection) as wakeups, wakeups.listen("c") as wake_up:
        assert not await wake_up.wait(SHORT)
        async with fake_server(tmp_path, answer):
            assert await wake_up.wait(LONG)
            await wakeups.aclose()
    await connection.aclose()


async def test_a_connection_that_falls_silent_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SILENCE", 0.05)
    lines: list[list[bytes]] = []
    asked: list[list[bytes]] = []

    def answer(command: list[bytes]) -> Answer:
        if command[0] == b"SSUBSCRIBE":
            lines.append(command)
            return b"*3\r\n$10\r\nssubscribe\r\n$1\r\nc\r\n:1\r\n"
        if command[0] == b"PING" and len(asked) < len(lines):
            asked.append(command)
            return SILENCE
        return usual(command)

    async with fake_server(tmp_path, answer) as url:
        connection = await connect(url)
        async with WakeUps(connection) as wakeups, wakeups.listen("c") as wake_up:
            assert await wake_up.wait(LONG)
            assert await wake_up.wait(LONG)
            assert len(lines) == 2
        await connection.aclose()


async def test_a_quiet_connection_is_kept_while_the_server_answers(
    connection: Client, keys: Keys, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "_SILENCE", 0.02)
    async with WakeUps(connection) as wakeups, wakeups.listen(keys.wake_events) as wake_up:
        assert await wake_up.wait(LONG)
        assert not await wake_up.wait(0.3)
    assert caplog.records == []


async def test_listening_can_be_cancelled(connection: Client, keys: Keys, wakeups: WakeUps) -> None:
    async def listen() -> None:
        async with wakeups.listen(keys.wake_events) as wake_up:
            while True:
                await wake_up.wait()

    tasks = [asyncio.create_task(listen()) for _ in range(5)]
    async with wakeups.listen(keys.wake_events) as wake_up:
        assert await wake_up.wait(LONG)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert all(task.cancelled() for task in tasks)
        await _publish(connection, keys.wake_events)
        assert await wake_up.wait(LONG)


async def test_closing_leaves_no_task_and_no_connection_behind(connection: Client, keys: Keys) -> None:
    before = asyncio.all_tasks()
    wakeups = WakeUps(connection)
    async with wakeups.listen(keys.wake_events) as wake_up:
        await wake_up.wait(LONG)
        await wakeups.aclose()
        await wakeups.aclose()
        assert not await wake_up.wait(SHORT)
        async with wakeups.listen(keys.wake_runs) as late:
            assert not await late.wait(SHORT)
    assert asyncio.all_tasks() == before
    assert b"sub=1" not in await connection.router.request("CLIENT", "LIST", "TYPE", "pubsub")


async def test_leaving_and_coming_back_at_once_keeps_the_connection(
    connection: Client, keys: Keys, wakeups: WakeUps, caplog: pytest.LogCaptureFixture
) -> None:
    async with wakeups.listen(keys.wake_runs) as other:
        await other.wait(LONG)
        before = await subscribers(connection)
        for _ in range(50):
            async with wakeups.listen(keys.wake_events):
                pass
            async with wakeups.listen(keys.wake_events):
                await asyncio.sleep(0)
        async with wakeups.listen(keys.wake_events) as flag:
            assert await flag.wait(LONG)
            await _publish(connection, keys.wake_runs)
            assert await other.wait(LONG)
            await flag.wait(0)
            assert await _publish(connection, keys.wake_events) == 1
            assert await flag.wait(LONG)
        assert await subscribers(connection) == before
    assert caplog.records == []


async def test_an_outage_is_one_warning_and_its_end_one_information(
    connection: Client, keys: Keys, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "_RETRY", RetryPolicy(base=0.001, cap=0.002))
    caplog.set_level(logging.INFO, module.__name__)
    async with WakeUps(connection) as wakeups, wakeups.listen(keys.wake_events) as flag:
        assert await flag.wait(LONG)
        for _ in range(20):
            await connection.router.request("CLIENT", "KILL", "TYPE", "pubsub")
            assert await flag.wait(LONG)
        assert [record.levelno for record in caplog.records] == [logging.WARNING]
        monkeypatch.setattr(module, "_STEADY", 0.01)
        await connection.router.request("CLIENT", "KILL", "TYPE", "pubsub")
        await until(lambda: len(caplog.records) == 2)
        assert caplog.records[1].levelno == logging.INFO
        assert "arrive again" in caplog.text
        await connection.router.request("CLIENT", "KILL", "TYPE", "pubsub")
        await until(lambda: len(caplog.records) == 4)
    assert [record.levelno for record in caplog.records] == [logging.WARNING, logging.INFO] * 2


async def test_a_namespace_that_has_moved_is_followed_without_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, module.__name__)
    lines: list[list[bytes]] = []

    def answer(command: list[bytes]) -> bytes | None:
        if command[0] != b"SSUBSCRIBE":
            return usual(command)
        lines.append(command)
        subscribed = b"*3\r\n$10\r\nssubscribe\r\n$1\r\nc\r\n:1\r\n"
        return subscribed + (b"*3\r\n$12\r\nsunsubscribe\r\n$1\r\nc\r\n:0\r\n" if len(lines) == 1 else b"")

    async with fake_server(tmp_path, answer) as url:
        connection = await connect(url)
        async with WakeUps(connection) as wakeups, wakeups.listen("c"):
            await until(lambda: len(lines) == 2)
        await connection.aclose()
    assert [record.levelno for record in caplog.records if record.name == module.__name__] == [logging.INFO]


async def subscribers(connection: Client) -> set[bytes]:
    """The ids of the connections that listen."""
    clients = await connection.router.request("CLIENT", "LIST", "TYPE", "pubsub")
    return {line.split()[0] for line in clients.splitlines()}

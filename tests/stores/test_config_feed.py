"""The feed of config changes on a server: its wake-ups, its length, and what damages it."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from redis_mob.connection.calls.client import Client, connect
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.embedded.server_process import find_server
from redis_mob.connection.retry import RetryPolicy
from redis_mob.contracts import ConfigChangeNotifier, ConfigStore, WatchableConfigStore
from redis_mob.errors import ChangeFeedTruncatedError, ReadFailedError, SerializationError, ValidationError
from redis_mob.models.config import ConfigSnapshot, Delete, Put
from redis_mob.notifications import subscription as module
from redis_mob.notifications.wakeups import WakeUps
from redis_mob.stores.config import RedisConfigStore
from redis_mob.stores.config_feed import RedisConfigFeed
from redis_mob.testing.conformance.config_feed import FIFTY, put_one_by_one
from redis_mob.testing.samples.config_documents import TEN_THOUSAND, changed, deleted, put_all
from redis_mob.testing.waiting import LONG, take, until
from tests.support.raw import keys_of

THOUSAND = TEN_THOUSAND[:1000]


@pytest.fixture(autouse=True)
def wake_ups_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A subscriber that misses a wake-up would never see the change."""
    monkeypatch.setattr(module, "SWEEP_SECONDS", 3600.0)


def test_the_store_is_both_contracts(config: RedisConfigStore) -> None:
    assert isinstance(config, WatchableConfigStore)
    assert isinstance(config, ConfigStore)
    assert isinstance(config, ConfigChangeNotifier)


async def test_cursors_count_the_changes(config: RedisConfigStore) -> None:
    assert await config.snapshot([]) == ConfigSnapshot({}, 0)
    await config.put("n", "a", 0)
    await config.apply([Put("n", "b", 0), Delete("n", "c"), Delete("n", "a")])
    assert (await config.snapshot([])).cursor == 3
    async with config.subscribe(after=0) as following:
        assert await take(following, 3) == [changed("a"), changed("b"), deleted("a")]
        assert following.cursor == 3


async def test_every_kind_of_write_wakes_who_waits(
    config: RedisConfigStore, another_config: RedisConfigStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[Any] = []
    read_after = RedisConfigFeed.read_after

    async def counted(*arguments: Any) -> Any:
        looks.append(found := await read_after(*arguments))
        return found

    monkeypatch.setattr(RedisConfigFeed, "read_after", counted)
    async with config.subscribe() as following:
        await config.put("n", "a", 0)
        await take(following, 1)
        for write, change in (
            (another_config.put("n", "b", 0), changed("b")),
            (another_config.put_if_absent("n", "c", 0), changed("c")),
            (another_config.put_if_revision("n", "d", 0, 0), changed("d")),
            (another_config.apply([Put("n", "e", 0)]), changed("e")),
            (another_config.delete("n", "b"), deleted("b")),
            (another_config.delete_if_revision("n", "c", 0), deleted("c")),
            (another_config.apply([Delete("n", "d")]), deleted("d")),
            (another_config.scoped("A").put("n", "a", 0), changed("a", "scope:1:A:n")),
        ):
            seen = len(looks)
            waiting = asyncio.create_task(take(following, 1))
            await until(lambda seen=seen: len(looks) > seen)
            await write
            assert await waiting == [change]


@pytest.mark.parametrize("kind", ["pubsub", "normal"])
async def test_config_case_39_a_subscriber_survives_the_loss_of_its_connection(
    config: RedisConfigStore, connection: Client, server_url: str, keys: Keys, kind: str
) -> None:
    async with config.subscribe() as following:
        await config.put("n", "first", 0)
        assert await take(following, 1) == [changed("first")]
        reading = asyncio.create_task(take(following, 50))
        killer = await connect(server_url)
        async with WakeUps(killer) as wake_ups:
            other = RedisConfigStore(killer, keys, wake_ups)
            assert await killer.router.request("CLIENT", "KILL", "TYPE", kind) >= 1
            await put_one_by_one(other, FIFTY)
            assert await reading == [changed(id) for id in FIFTY]
        await killer.aclose()


async def test_config_case_40_a_slow_reader_is_told_once_and_goes_on(config: RedisConfigStore) -> None:
    config.feed_length = 10
    async with config.subscribe() as following:
        await put_one_by_one(config, THOUSAND)
        with pytest.raises(ChangeFeedTruncatedError, match="after cursor 0 are gone") as lost:
            await take(following, 1)
        first = lost.value.first_available
        assert lost.value.after == 0
        assert 1000 - 10 - 200 < first <= 1000 - 10
        assert await take(following, 1001 - first) == [changed(id) for id in THOUSAND[first - 1 :]]
        await config.put("n", "end", 0)
        assert await take(following, 1) == [changed("end")]


async def test_the_feed_keeps_what_it_says(config: RedisConfigStore, connection: Client, keys: Keys) -> None:
    assert config.feed_length == 10_000
    for length in (500, 50):
        config.feed_length = length
        await put_all(config, TEN_THOUSAND[:2000])
        assert length <= await connection.router.request("XLEN", keys.config_feed) < length + 200
    assert config.scoped("A").feed_length == 50


class OwnServer:
    """A server that can be killed and started again, and keeps its data."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "s"
        self._command = [
            *(str(find_server()), "--port", "0", "--unixsocket", str(self.path), "--dir", str(directory)),
            *("--save", "", "--appendonly", "yes", "--appendfsync", "always"),
        ]
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        self._process = await asyncio.to_thread(subprocess.Popen, self._command, stdout=subprocess.DEVNULL)
        await until(self._answers)

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(LONG)
            if probe.connect_ex(str(self.path)) != 0:
                return False
            probe.sendall(b"PING\r\n")
            return probe.recv(100) == b"+PONG\r\n"

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@pytest.fixture
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnServer]:
    server = OwnServer(tmp_path_factory.mktemp("s"))
    yield server
    server.kill()


async def test_config_case_43_a_subscriber_survives_the_death_of_the_server(own_server: OwnServer) -> None:
    await own_server.start()
    connection = await connect(f"unix://{own_server.path}", retry=RetryPolicy(deadline=0.2))
    keys = await connection.open_namespace("n")
    async with WakeUps(connection) as wake_ups:
        config = RedisConfigStore(connection, keys, wake_ups)
        async with config.subscribe() as following:
            await put_all(config, "abc")
            assert await take(following, 1) == [changed("a")]
            own_server.kill()
            assert await take(following, 2) == [changed("b"), changed("c")]
            with pytest.raises(ReadFailedError):
                await take(following, 1)
            await own_server.start()
            await config.put("n", "after", 0)
            assert await take(following, 1) == [changed("after")]
    await connection.aclose()


async def test_a_feed_that_lost_its_end_is_told_once(config: RedisConfigStore, connection: Client, keys: Keys) -> None:
    async with config.subscribe() as following:
        await put_all(config, "abc")
        await take(following, 3)
        await connection.router.request("DEL", *await keys_of(connection, keys))
        await config.put("n", "a", 0)
        with pytest.raises(ChangeFeedTruncatedError):
            await take(following, 1)
        await config.put("n", "b", 0)
        assert await take(following, 2) == [changed("a"), changed("b")]


async def test_a_change_that_cannot_be_read_is_told_once(
    config: RedisConfigStore, connection: Client, keys: Keys
) -> None:
    async with config.subscribe() as following:
        await connection.router.request("HINCRBY", keys.meta, "config_cursor", 1)
        await connection.router.request("XADD", keys.config_feed, "1-0", "kind", "put")
        await config.put("n", "a", 0)
        with pytest.raises(SerializationError, match="config change 1 cannot be read"):
            await take(following, 1)
        assert await take(following, 1) == [changed("a")]


@pytest.mark.parametrize("after", [-1, True, "0"])
async def test_a_cursor_is_counted_from_zero(config: RedisConfigStore, after: Any) -> None:
    with pytest.raises(ValidationError, match="is no cursor: use an integer from 0"):
        async with config.subscribe(after=after):
            pass

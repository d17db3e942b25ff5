"""The feed of config changes: each change once, in order, or one error that says that some are gone."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from redis_mob.connection.connection import Connection, connect
from redis_mob.connection.keys import Keys
from redis_mob.connection.server_process import find_server
from redis_mob.connection.wakeups import WakeUps
from redis_mob.contracts import ConfigChangeNotifier, ConfigStore, ConfigSubscription
from redis_mob.errors import (
    AlreadyExistsError,
    ChangeFeedTruncatedError,
    ConfigStoreError,
    ReadFailedError,
    SerializationError,
    ValidationError,
    VersionConflictError,
)
from redis_mob.models.config import ConfigChangeEvent, ConfigChangeKind, Delete, Put
from redis_mob.stores import subscription as module
from redis_mob.stores.config import RedisConfigStore
from redis_mob.testing.waiting import LONG, until
from tests.support.raw import keys_of


@pytest.fixture(autouse=True)
def wake_ups_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A subscriber that misses a wake-up would never see the change."""
    monkeypatch.setattr(module, "SWEEP_SECONDS", 3600.0)


def changed(id: str, kind: ConfigChangeKind = ConfigChangeKind.PUT, namespace: str = "n") -> ConfigChangeEvent:
    return ConfigChangeEvent(namespace=namespace, id=id, kind=kind)


def deleted(id: str) -> ConfigChangeEvent:
    return changed(id, ConfigChangeKind.DELETE)


async def take(following: ConfigSubscription, count: int) -> list[ConfigChangeEvent]:
    async with asyncio.timeout(LONG):
        return [await following.next() for _ in range(count)]


async def put_all(config: RedisConfigStore, ids: range) -> None:
    await config.apply([Put("n", str(number), number) for number in ids])


def numbered(ids: range) -> list[ConfigChangeEvent]:
    return [changed(str(number)) for number in ids]


def test_the_store_is_both_contracts(config: RedisConfigStore) -> None:
    assert isinstance(config, ConfigStore)
    assert isinstance(config, ConfigChangeNotifier)


async def test_config_case_31_each_put_is_one_change(config: RedisConfigStore) -> None:
    async with config.subscribe() as following:
        await config.put("n", "a", 1)
        await config.put_if_absent("m:", "{b}", 1)
        await config.put_if_revision("n", "a", 2, 0)
        await config.put("n", "end", 0)
        assert await take(following, 4) == [changed("a"), changed("{b}", namespace="m:"), changed("a"), changed("end")]


async def test_config_case_32_a_delete_is_a_change_if_it_removed_something(config: RedisConfigStore) -> None:
    await config.put("n", "a", 1)
    await config.put("n", "b", 1)
    async with config.subscribe() as following:
        await config.delete("n", "a")
        await config.delete("n", "a")
        await config.delete_if_revision("n", "a", 0)
        await config.apply([Delete("n", "a")])
        await config.delete_if_revision("n", "b", 0)
        await config.put("n", "end", 0)
        assert await take(following, 3) == [deleted("a"), deleted("b"), changed("end")]


async def test_config_case_33_what_failed_is_no_change(config: RedisConfigStore) -> None:
    await config.put("n", "a", {"meta": {"revision": 1}})
    token = await config.change_token("n")
    async with config.subscribe() as following:
        with pytest.raises(AlreadyExistsError):
            await config.put_if_absent("n", "a", 1)
        with pytest.raises(VersionConflictError):
            await config.put_if_revision("n", "a", 1, 2)
        with pytest.raises(VersionConflictError):
            await config.delete_if_revision("n", "a", 2)
        with pytest.raises(SerializationError):
            await config.put("n", "a", float("nan"))
        assert await config.change_token("n") == token
        await config.put("n", "end", 0)
        assert await take(following, 1) == [changed("end")]


async def test_config_case_34_every_subscriber_gets_every_change(
    config: RedisConfigStore, another_config: RedisConfigStore
) -> None:
    async with config.subscribe() as one, config.subscribe() as two, another_config.subscribe() as three:
        await config.put("n", "a", 1)
        for following in (one, two, three):
            assert await take(following, 1) == [changed("a")]


async def test_config_case_35_nothing_is_replayed_without_a_cursor(config: RedisConfigStore) -> None:
    await config.put("n", "before", 1)
    async with config.subscribe() as following:
        await config.put("n", "after", 1)
        assert await take(following, 1) == [changed("after")]


async def test_config_case_36_an_equal_value_is_a_change(config: RedisConfigStore) -> None:
    async with config.subscribe() as following:
        await config.put("n", "a", 1)
        await config.put("n", "a", 1)
        await config.put("n", "end", 1)
        assert await take(following, 3) == [changed("a"), changed("a"), changed("end")]


@pytest.mark.parametrize("kind", ["put", "delete"])
def test_config_case_37_the_json_of_a_change(kind: str) -> None:
    text = f'{{"namespace":"n","id":"a","kind":"{kind}"}}'
    event = ConfigChangeEvent.model_validate_json(text)
    assert event == changed("a", ConfigChangeKind(kind))
    assert event.model_dump_json() == text
    later = json.dumps({**json.loads(text), "sequence": 7})
    assert ConfigChangeEvent.model_validate_json(later) == event


async def test_config_case_38_a_cancelled_wait_loses_and_repeats_nothing(
    config: RedisConfigStore, another_config: RedisConfigStore
) -> None:
    order = random.Random(7)
    delivered: list[ConfigChangeEvent] = []
    async with config.subscribe() as following:
        for number in range(60):
            await another_config.put("n", str(number), 0)
            with suppress(TimeoutError):
                async with asyncio.timeout(0):
                    delivered.append(await following.next())
            waiting = asyncio.create_task(following.next())
            for _ in range(order.randrange(12)):
                await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.wait([waiting])
            if not waiting.cancelled():
                delivered.append(waiting.result())
        delivered += await take(following, 60 - len(delivered))
    assert delivered == numbered(range(60))


@pytest.mark.parametrize("kind", ["pubsub", "normal"])
async def test_config_case_39_a_subscriber_survives_the_loss_of_its_connection(
    config: RedisConfigStore, connection: Connection, server_url: str, keys: Keys, kind: str
) -> None:
    async with config.subscribe() as following:
        await config.put("n", "first", 0)
        assert await take(following, 1) == [changed("first")]
        reading = asyncio.create_task(take(following, 50))
        killer = await connect(server_url)
        async with WakeUps(killer) as wake_ups:
            other = RedisConfigStore(killer, keys, wake_ups)
            assert await killer.transport.request("CLIENT", "KILL", "TYPE", kind) >= 1
            for number in range(50):
                await other.put("n", str(number), 0)
            assert await reading == numbered(range(50))
        await killer.aclose()


async def test_config_case_39_history_that_was_trimmed_meanwhile_is_told(
    config: RedisConfigStore, another_config: RedisConfigStore
) -> None:
    another_config.feed_length = 1
    async with config.subscribe() as following:
        await put_all(another_config, range(1000))
        with pytest.raises(ChangeFeedTruncatedError):
            await take(following, 1)


async def test_config_case_40_a_slow_reader_is_told_once_and_goes_on(config: RedisConfigStore) -> None:
    config.feed_length = 10
    async with config.subscribe() as following:
        for number in range(1000):
            await config.put("n", str(number), 0)
        with pytest.raises(ChangeFeedTruncatedError, match="after cursor 0 are gone") as lost:
            await take(following, 1)
        first = lost.value.first_available
        assert lost.value.after == 0
        assert 1000 - 10 - 200 < first <= 1000 - 10
        assert isinstance(lost.value, ConfigStoreError)
        assert await take(following, 1001 - first) == numbered(range(first - 1, 1000))
        await config.put("n", "end", 0)
        assert await take(following, 1) == [changed("end")]


async def test_the_feed_keeps_what_it_says(config: RedisConfigStore, connection: Connection, keys: Keys) -> None:
    assert config.feed_length == 10_000
    for length in (500, 50):
        config.feed_length = length
        await put_all(config, range(2000))
        assert length <= await connection.transport.request("XLEN", keys.config_feed) < length + 200
    assert config.scoped("A").feed_length == 50


async def test_config_case_41_changes_come_in_the_order_of_their_commits(
    config: RedisConfigStore, another_config: RedisConfigStore
) -> None:
    revisions: list[int] = []

    async def write(store: RedisConfigStore) -> None:
        for _ in range(20):
            found = await store.get("n", "a")
            revision = found["meta"]["revision"] if found else 0
            with suppress(VersionConflictError):
                await store.put_if_revision("n", "a", {"meta": {"revision": revision + 1}}, revision)
                await store.put("seen", str(revision + 1), 0)

    async with config.subscribe() as following:
        await asyncio.gather(write(config), write(another_config))
        last = (await config.get("n", "a"))["meta"]["revision"]
        events = await take(following, 2 * last)
    commits = 0
    for event in events:
        if event.namespace == "n":
            commits += 1
        else:
            revisions.append(int(event.id))
            assert int(event.id) <= commits
    assert sorted(revisions) == list(range(1, last + 1))
    assert commits == last


async def test_config_case_42_what_comes_after_a_snapshot(
    config: RedisConfigStore, another_config: RedisConfigStore
) -> None:
    async def write() -> None:
        for number in range(100):
            await another_config.put("n", str(number), number)

    writing = asyncio.create_task(write())
    await config.put("m", "a", 0)
    snapshot = await config.snapshot(["n"])
    async with config.subscribe(after=snapshot.cursor) as following:
        await writing
        seen = set(snapshot.documents["n"])
        while len(seen) < 100:
            [event] = await take(following, 1)
            assert (event.namespace, event.id in seen) != ("n", True)
            if event.namespace == "n":
                seen.add(event.id)
    assert seen == {str(number) for number in range(100)}


async def test_a_subscription_resumes_where_another_stood(config: RedisConfigStore) -> None:
    async with config.subscribe() as following:
        await put_all(config, range(5))
        assert await take(following, 2) == numbered(range(2))
        cursor = following.cursor
    async with config.subscribe(after=cursor) as following:
        assert await take(following, 3) == numbered(range(2, 5))


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
    connection = await connect(f"unix://{own_server.path}")
    keys = await connection.open_namespace("n")
    async with WakeUps(connection) as wake_ups:
        config = RedisConfigStore(connection, keys, wake_ups)
        async with config.subscribe() as following:
            await put_all(config, range(3))
            assert await take(following, 1) == numbered(range(1))
            own_server.kill()
            assert await take(following, 2) == numbered(range(1, 3))
            with pytest.raises(ReadFailedError):
                await take(following, 1)
            await own_server.start()
            await config.put("n", "after", 0)
            assert await take(following, 1) == [changed("after")]
    await connection.aclose()


async def test_a_feed_that_lost_its_end_is_told_once(
    config: RedisConfigStore, connection: Connection, keys: Keys
) -> None:
    async with config.subscribe() as following:
        await put_all(config, range(3))
        await take(following, 3)
        await connection.transport.request("DEL", *await keys_of(connection, keys))
        await config.put("n", "a", 0)
        with pytest.raises(ChangeFeedTruncatedError):
            await take(following, 1)
        await config.put("n", "b", 0)
        assert await take(following, 1) == [changed("b")]


async def test_config_case_52_a_debounced_consumer_ends_on_the_last_value(
    config: RedisConfigStore, another_config: RedisConfigStore
) -> None:
    applied: list[Any] = []
    window = asyncio.Event()

    async def consume(following: ConfigSubscription) -> None:
        while not applied or applied[-1] != 3:
            await following.next()
            await window.wait()
            with suppress(TimeoutError):
                while True:
                    async with asyncio.timeout(0):
                        await following.next()
            applied.append(await config.get("n", "a"))

    async with config.subscribe() as following, asyncio.timeout(LONG):
        consumer = asyncio.create_task(consume(following))
        for value in range(4):
            await another_config.put("n", "a", value)
        window.set()
        await consumer
    assert applied in ([3], [3, 3])


async def test_a_scope_hears_of_its_own_changes_only(config: RedisConfigStore) -> None:
    async with config.scoped("A").subscribe() as inside, config.subscribe() as outside:
        await config.put("n", "a", 0)
        await config.scoped("B").put("n", "b", 0)
        await config.scoped("A").put("n", "c", 0)
        assert await take(inside, 1) == [changed("c")]
        assert [event.namespace for event in await take(outside, 3)] == ["n", "scope:1:B:n", "scope:1:A:n"]


async def test_a_change_that_cannot_be_read_is_told_once(
    config: RedisConfigStore, connection: Connection, keys: Keys
) -> None:
    async with config.subscribe() as following:
        await connection.transport.request("HINCRBY", keys.meta, "config_cursor", 1)
        await connection.transport.request("XADD", keys.config_feed, "1-0", "kind", "put")
        await config.put("n", "a", 0)
        with pytest.raises(SerializationError, match="config change 1 cannot be read"):
            await take(following, 1)
        assert await take(following, 1) == [changed("a")]


async def test_a_subscription_is_iterated(config: RedisConfigStore) -> None:
    async with config.subscribe() as following, asyncio.timeout(LONG):
        await put_all(config, range(3))
        seen: list[ConfigChangeEvent] = []
        async for event in following:
            seen.append(event)
            if len(seen) == 3:
                break
    assert seen == numbered(range(3))


@pytest.mark.parametrize("after", [-1, True, "0"])
async def test_a_cursor_is_counted_from_zero(config: RedisConfigStore, after: Any) -> None:
    with pytest.raises(ValidationError, match="is no cursor: use an integer from 0"):
        async with config.subscribe(after=after):
            pass

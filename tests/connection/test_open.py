from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from redis.exceptions import RedisError

from redis_mob.connection.calls.client import Client, connect
from redis_mob.connection.retry import RetryPolicy
from redis_mob.errors import SerializationError, StorageUnavailableError, ValidationError
from redis_mob.version import NAMESPACE_SCHEMA
from tests.support.fake_server import SILENCE, bulk, fake_server, usual
from tests.support.servers import server


async def test_a_connection_knows_its_server_and_its_url(connection: Client, server_url: str) -> None:
    assert connection.url == server_url
    assert str(connection.server).startswith("Valkey 9.")


async def test_redis_7_is_supported(redis7_url: str, namespace: str) -> None:
    connection = await connect(redis7_url)
    assert str(connection.server).startswith("Redis ")
    keys = await connection.open_namespace(namespace)
    assert await connection.router.request("HGET", keys.meta, "schema") == str(NAMESPACE_SCHEMA).encode()
    await connection.aclose()


async def test_the_url_may_come_from_the_environment(server_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_MOB_URL", server_url)
    connection = await connect()
    assert connection.url == server_url
    await connection.aclose()


async def test_a_url_over_tcp(free_port: int) -> None:
    with server("--port", str(free_port)) as unix:
        connection = await connect(f"redis://127.0.0.1:{free_port}/2")
        keys = await connection.open_namespace("n")
        await connection.aclose()
        other = await connect(f"{unix}?db=2")
        assert await other.router.request("EXISTS", keys.meta) == 1
        await other.aclose()


async def test_no_server_listens(tmp_path: Path, free_port: int) -> None:
    assert "No such file" in await _refused(f"unix://{tmp_path}/none")
    assert str(free_port) in await _refused(f"redis://127.0.0.1:{free_port}")
    assert "too long" in await _refused(f"unix:///{'x' * 200}")
    assert "no-such-host.invalid" in await _refused("redis://no-such-host.invalid")


async def test_a_server_that_never_answers_is_given_up(tmp_path: Path) -> None:
    async with fake_server(tmp_path, lambda _command: SILENCE) as url:
        assert "did not answer within 0.05 s" in await _refused(
            url, retry=RetryPolicy(deadline=0, connect_timeout=0.05)
        )


async def test_something_that_is_no_redis(tmp_path: Path) -> None:
    async with fake_server(tmp_path, lambda _command: b"HTTP/1.1 400 Bad Request\r\n\r\n") as url:
        await _refused(url)


@pytest.mark.parametrize(
    ("info", "reason"),
    [
        (
            b"redis_version:6.2.14\r\nredis_mode:standalone",
            "it is Redis 6.2.14, which is too old: Redis 7.0 or Valkey 7.2",
        ),
        (b"redis_version:2.8", "it is Redis 2.8, which is too old"),
        (b"", "unknown version"),
        (b"redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:7.1.0", "it is Valkey 7.1.0, which is too old"),
        (b"redis_version:7.2.4\r\nredis_mode:sentinel", "open its service with redis+sentinel://"),
        (b"redis_version:7.2.4\r\nredis_mode:cluster", "open it with redis+cluster://"),
        (
            b"redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:9.1.2\r\nserver_mode:cluster",
            "open it with redis+cluster://",
        ),
    ],
)
async def test_servers_that_are_not_supported(tmp_path: Path, info: bytes, reason: str) -> None:
    async with fake_server(tmp_path, lambda command: bulk(info) if command[0] == b"INFO" else usual(command)) as url:
        assert reason in await _refused(url)


@pytest.mark.parametrize(
    "info",
    [
        b"redis_version:7.0.0\r\nredis_mode:standalone",
        b"redis_version:8.2.0",
        b"redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:7.2.5\r\nredis_mode:standalone",
    ],
)
async def test_servers_that_are_supported(tmp_path: Path, info: bytes) -> None:
    async with fake_server(tmp_path, lambda command: bulk(info) if command[0] == b"INFO" else usual(command)) as url:
        await (await connect(url)).aclose()


async def test_a_namespace_is_created_once_and_then_left_as_it_is(connection: Client, namespace: str) -> None:
    keys = await connection.open_namespace(namespace)
    first = await connection.router.request("HGETALL", keys.meta)
    fields = dict(zip(first[::2], first[1::2], strict=True))
    seconds, microseconds = await connection.router.request("TIME")
    assert fields[b"schema"] == str(NAMESPACE_SCHEMA).encode()
    assert 0 <= int(seconds) * 10**6 + int(microseconds) - int(fields[b"created"]) < 600 * 10**6
    await connection.open_namespace(namespace)
    assert await connection.router.request("HGETALL", keys.meta) == first


async def test_a_namespace_that_several_open_at_a_time(connection: Client, namespace: str) -> None:
    opened = await asyncio.gather(*(connection.open_namespace(namespace) for _ in range(8)))
    assert {keys.meta for keys in opened} == {opened[0].meta}


async def test_a_namespace_of_a_newer_release_is_refused_and_untouched(connection: Client, namespace: str) -> None:
    keys = await connection.open_namespace(namespace)
    await connection.router.request("HSET", keys.meta, "schema", NAMESPACE_SCHEMA + 1)
    with pytest.raises(StorageUnavailableError, match=rf"{namespace}.* version {NAMESPACE_SCHEMA + 1}, .*upgrade"):
        await connection.open_namespace(namespace)
    assert await connection.router.request("HGET", keys.meta, "schema") == str(NAMESPACE_SCHEMA + 1).encode()


async def test_a_namespace_of_an_older_release_is_kept_from_it(connection: Client, namespace: str) -> None:
    keys = await connection.open_namespace(namespace)
    first = await connection.router.request("HGETALL", keys.meta)
    await connection.router.request("HSET", keys.meta, "schema", NAMESPACE_SCHEMA - 1)
    await connection.open_namespace(namespace)
    assert await connection.router.request("HGETALL", keys.meta) == first


async def test_a_namespace_with_an_unreadable_version(connection: Client, namespace: str) -> None:
    keys = await connection.open_namespace(namespace)
    await connection.router.request("HSET", keys.meta, "schema", "new")
    with pytest.raises(SerializationError, match="new"):
        await connection.open_namespace(namespace)


async def test_a_bad_name_of_a_namespace_is_refused(connection: Client) -> None:
    with pytest.raises(ValidationError, match="'a b'"):
        await connection.open_namespace("a b")


async def test_a_full_server_opens_the_namespaces_it_has_and_no_others() -> None:
    with server("--maxmemory", "10mb") as url:
        connection = await connect(url)
        await connection.open_namespace("old")
        await connection.router.request("CONFIG", "SET", "maxmemory", "1")
        await connection.open_namespace("old")
        with pytest.raises(StorageUnavailableError, match=r"cannot open namespace 'new'.*maxmemory"):
            await connection.open_namespace("new")
        await connection.aclose()


async def _refused(url: str, retry: RetryPolicy | None = None) -> str:
    with pytest.raises(StorageUnavailableError) as refused:
        await connect(url, retry=retry)
    assert isinstance(refused.value.__cause__, RedisError | TimeoutError | type(None))
    return f"{refused.value} {refused.value!r}"

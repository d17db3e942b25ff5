"""Config documents on a server: the bytes that are stored, what is refused before any I/O, what a page reads."""

from __future__ import annotations

from typing import Any

import pytest

from redis_mob.codec import config as codec
from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.errors import SerializationError, ValidationError
from redis_mob.models.config import Delete, Put
from redis_mob.stores.config import RedisConfigStore
from redis_mob.testing.conformance.config_names import BAD_NAMES
from redis_mob.testing.samples.config_documents import TEN_THOUSAND, at, ids_of, nested, put_all, walked
from redis_mob.testing.waiting import LONG


class UnreachableError:
    """In the place of a connection, where nothing may be sent."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the storage was used: {name}")


@pytest.fixture
def unreachable() -> RedisConfigStore:
    nothing: Any = UnreachableError()
    return RedisConfigStore(nothing, Keys("x"), nothing)


@pytest.mark.parametrize("name", BAD_NAMES)
async def test_config_case_44_bad_names_are_refused_before_any_io(unreachable: RedisConfigStore, name: Any) -> None:
    store = unreachable
    for pair in ((name, "a"), ("n", name)):
        for call in (
            store.get(*pair),
            store.lookup(*pair),
            store.exists(*pair),
            store.put(*pair, 1),
            store.put_if_absent(*pair, 1),
            store.put_if_revision(*pair, 1, 0),
            store.delete(*pair),
            store.delete_if_revision(*pair, 0),
            store.history(*pair),
            store.apply([Put(*pair, 1)]),
            store.apply([Delete(*pair)]),
        ):
            with pytest.raises(ValidationError, match=r"no config (namespace|id)|a config (namespace|id) is a text"):
                await call
    for call in (store.list(name), store.snapshot([name]), store.change_token(name), anext(store.walk(name))):
        with pytest.raises(ValidationError, match="config namespace"):
            await call
    with pytest.raises(ValidationError, match="scope id"):
        store.scoped(name)


async def test_config_case_44_the_offending_character_is_named(unreachable: RedisConfigStore) -> None:
    with pytest.raises(ValidationError, match=r"'a\\nb' is no config id: character 1 is '\\n'"):
        await unreachable.get("n", "a\nb")


def test_the_size_of_a_scope_id_is_told(unreachable: RedisConfigStore) -> None:
    with pytest.raises(ValidationError, match="513 bytes"):
        unreachable.scoped("ä" * 256 + "a")


@pytest.mark.parametrize("window", [{"offset": -1}, {"limit": -1}, {"limit": True}, {"offset": 1.0}])
async def test_what_is_no_window_is_told(unreachable: RedisConfigStore, window: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="use an integer from 0"):
        await unreachable.list("n", **window)


@pytest.mark.parametrize("page_size", [0, -1, True, 1.5])
async def test_what_is_no_page_size_is_told(unreachable: RedisConfigStore, page_size: Any) -> None:
    with pytest.raises(ValidationError, match="is no page size"):
        await walked(unreachable, page_size=page_size)


async def test_windows_and_pages_may_be_greater_than_any_number_of_lua(config: RedisConfigStore) -> None:
    await config.put("n", "a", 0)
    assert await ids_of(config, limit=2**200) == ["a"]
    assert await ids_of(config, offset=2**200) == []
    assert await walked(config, page_size=2**200) == [("a", 0)]


async def test_config_case_48_a_page_reads_what_it_returns(config: RedisConfigStore, connection: Client) -> None:
    await put_all(config, TEN_THOUSAND)
    line = await connection.router.dedicated_connection()
    try:
        await line.send("MONITOR")
        assert await line.receive(LONG) == b"OK"
        assert await ids_of(config, offset=9_990, limit=10) == TEN_THOUSAND[9_990:]
        await connection.router.request("ECHO", "end of the watch")
        commands: list[bytes] = []
        while b'"end of the watch"' not in (entry := await line.receive(LONG)):
            if b" lua]" in entry:
                commands.append(entry.split(b'"', 1)[1])
    finally:
        await line.aclose()
    reads = [command for command in commands if command.startswith(b"HMGET") and b"config:documents" in command]
    assert len(reads) == 1
    assert reads[0].count(b'" "') == 1 + 10
    assert {command.split(b'"')[0] for command in commands} == {b"ZCARD", b"ZLEXCOUNT", b"ZRANGE", b"HMGET"}


@pytest.mark.parametrize("text", [b"{", b"", b"\xff", b"NaN", b"1" * 5000, b"[" * 100_000])
async def test_config_case_49_a_text_that_is_no_json_is_named(
    config: RedisConfigStore, connection: Client, keys: Keys, text: bytes
) -> None:
    await config.put("n", "b", 1)
    await connection.router.request("HSET", keys.config_documents, codec.encode_place("n", "b"), text)
    for reading in (config.get("n", "b"), config.list("n"), config.snapshot(["n"]), config.history("n", "b")):
        with pytest.raises(SerializationError, match="n/b"):
            await reading


async def test_config_case_49_a_document_that_cannot_be_read_has_its_revision(
    config: RedisConfigStore, connection: Client, keys: Keys
) -> None:
    await config.put("n", "a", at(1))
    await connection.router.request("HSET", keys.config_documents, codec.encode_place("n", "a"), b"{")
    await config.put_if_revision("n", "a", at(2), 1)
    assert await config.get("n", "a") == at(2)


async def test_config_case_49_a_listed_document_without_text_is_named(
    config: RedisConfigStore, connection: Client, keys: Keys
) -> None:
    await config.put("n", "a", 1)
    await connection.router.request("DEL", keys.config_documents)
    with pytest.raises(SerializationError, match="n/a is listed, but its text is missing"):
        await config.list("n")


@pytest.mark.parametrize("version", [b"", b"x 1", b"1", b"1 -x", b"1 99999999999999999999999"])
async def test_a_version_that_cannot_be_read_is_named(
    config: RedisConfigStore, connection: Client, keys: Keys, version: bytes
) -> None:
    await config.put("n", "a", 1)
    await connection.router.request("HSET", keys.config_versions, codec.encode_place("n", "a"), version)
    with pytest.raises(SerializationError, match="n/a"):
        await config.history("n", "a")
    # put would keep it among the past versions, and so make the history unreadable for twenty more writes
    with pytest.raises(SerializationError, match="config:versions is damaged: the version of the document a"):
        await config.put("n", "a", 2)
    assert await config.get("n", "a") == 1
    await config.delete("n", "a")
    await config.put("n", "a", 2)
    assert [kept.value for kept in await config.history("n", "a")] == [2]


async def test_past_versions_of_a_deleted_document_are_gone_from_the_server(
    config: RedisConfigStore, connection: Client, keys: Keys
) -> None:
    for number in range(30):
        await config.put("n", "a", number)
    await config.delete("n", "a")
    assert await connection.router.request("EXISTS", keys.config_history) == 0


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"a": [1, float("nan")]}, r"\$\.a\[1\]"),
        ([float("inf")], r"\$\[0\]"),
        ({"a": {"b": "\ud800"}}, r"\$\.a\.b"),
        ({"\udc00": 1}, r"\$\."),
        ({1: 2}, r"\$: the key 1"),
        ({"a": b"x"}, r"\$\.a: a value of type bytes"),
        (nested(501), r"\$\[0\].*nested deeper than 500 levels"),
        ([10**4300], r"\$\[0\].*4300 digits"),
    ],
)
async def test_config_case_50_what_is_no_json_is_refused_before_any_io(
    unreachable: RedisConfigStore, value: Any, path: str
) -> None:
    for call in (
        unreachable.put("n", "a", value),
        unreachable.put_if_absent("n", "a", value),
        unreachable.put_if_revision("n", "a", value, 0),
        unreachable.apply([Put("n", "b", 1), Put("n", "a", value)]),
    ):
        with pytest.raises(SerializationError, match=f"(?s)n/a cannot be stored: {path}"):
            await call


async def test_config_case_50_a_document_that_is_too_large_is_refused_before_any_io(
    unreachable: RedisConfigStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert codec.MAX_DOCUMENT_BYTES == 64 * 1024 * 1024
    monkeypatch.setattr(codec, "MAX_DOCUMENT_BYTES", 10)
    with pytest.raises(SerializationError, match=r"n/a cannot be stored: \$: 11 bytes of JSON, at most 10"):
        await unreachable.put("n", "a", "x" * 9)
    assert codec.encode_document("n/a", "x" * 8).text == b'"xxxxxxxx"'

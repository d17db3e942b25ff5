"""Config documents: what is stored, how it is named and in which order it is listed."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from redis_mob.codec import config as codec
from redis_mob.connection.connection import Connection
from redis_mob.connection.keys import Keys
from redis_mob.errors import AlreadyExistsError, ConfigStoreError, SerializationError, ValidationError
from redis_mob.models.base import json_text
from redis_mob.models.config import Delete, Found, Put
from redis_mob.stores.config import RedisConfigStore
from redis_mob.testing.waiting import LONG

U64_MAX = 2**64 - 1

ODD_NAMES = ["a:b", "{}", "*", " a b ", "😀", "x" * 200, "a/b", "a\\b", "a..b", ".", "\u202e", "[a]?", "%s", "7"]
"""Names that other stores of this contract mix up or refuse."""

BAD_NAMES: list[Any] = ["", " ", "\t", "\u3000", "a\0", "a\nb", "\x7f", "a\x85", "\ud800", 7, None, b"a"]


def nested(levels: int) -> Any:
    value: Any = 0
    for _ in range(levels):
        value = [value]
    return value


async def ids(config: RedisConfigStore, namespace: str = "n", **window: int) -> list[str]:
    return [id for id, _ in await config.list(namespace, **window)]


async def store_raw(connection: Connection, keys: Keys, id: str, text: bytes) -> None:
    """Overwrite the text of a document past the store."""
    await connection.transport.request("HSET", keys.config_documents, codec.encode_place("n", id), text)


async def test_config_case_01_a_document_that_is_missing(config: RedisConfigStore) -> None:
    assert await config.get("n", "a") is None
    assert await config.lookup("n", "a") is None
    assert not await config.exists("n", "a")


@pytest.mark.parametrize(
    "value",
    [
        {"b": {"é": ["ü", {"a": []}]}, "a": {}, "": [[], {}, None]},
        [0, -1, 2**53 + 1, U64_MAX, -(2**70), 1.0, 1e16, 0.1, -0.0, 1e-320, 3.141592653589793],
        "line\nbreak \u2028 \0 😀",
        True,
        0,
    ],
)
async def test_config_case_02_a_document_comes_back_as_it_was(config: RedisConfigStore, value: Any) -> None:
    await config.put("n", "a", value)
    stored = await config.get("n", "a")
    assert json_text(stored) == json_text(value)
    assert await config.list("n") == [("a", stored)]


async def test_config_case_03_null_is_not_absence(config: RedisConfigStore) -> None:
    await config.put("n", "a", None)
    assert await config.get("n", "a") is None
    assert await config.lookup("n", "a") == Found(None)
    assert await config.exists("n", "a")


async def test_config_case_04_the_second_put_counts(config: RedisConfigStore) -> None:
    await config.put("n", "a", {"meta": {"revision": 3}, "x": 1})
    await config.put("n", "a", {"meta": {"revision": 3, "more": "x"}})
    assert await config.get("n", "a") == {"meta": {"revision": 3, "more": "x"}}


async def test_config_case_05_namespaces_are_apart(config: RedisConfigStore) -> None:
    await config.put("n", "a", 1)
    await config.put("m", "a", 2)
    await config.delete("n", "a")
    assert await config.get("n", "a") is None
    assert await config.get("m", "a") == 2
    assert await ids(config) == []


async def test_config_case_06_documents_are_listed_by_id(config: RedisConfigStore) -> None:
    for id in "bac":
        await config.put("n", id, id.upper())
    assert await config.list("n", 0, 10) == [("a", "A"), ("b", "B"), ("c", "C")]


async def test_config_case_07_an_offset_skips(config: RedisConfigStore) -> None:
    for id in "abc":
        await config.put("n", id, 0)
    assert await ids(config, offset=1, limit=1) == ["b"]
    assert await ids(config, offset=1) == ["b", "c"]


async def test_config_case_08_empty_pages(config: RedisConfigStore) -> None:
    for namespace in ("m", "n", "o"):
        await config.put(namespace, "a", 0)
    assert await ids(config, limit=0) == []
    assert await ids(config, offset=1) == []
    assert await ids(config, offset=U64_MAX) == []
    assert await ids(config, "unknown") == []


@pytest.mark.parametrize("limit", [sys.maxsize, U64_MAX, 2**200])
async def test_config_case_09_the_greatest_limit(config: RedisConfigStore, limit: int) -> None:
    await config.put("n", "a", 0)
    assert await ids(config, limit=limit) == ["a"]


@pytest.mark.parametrize("window", [{"offset": -1}, {"limit": -1}, {"limit": True}, {"offset": 1.0}])
async def test_a_window_is_counted_from_zero(config: RedisConfigStore, window: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="use an integer from 0"):
        await config.list("n", **window)


async def test_config_case_10_ids_are_in_the_order_of_their_bytes(config: RedisConfigStore) -> None:
    names = ["9", "10", "B", "a", "_x", "ä", "\uffff", "😀"]
    for name in names:
        await config.put("n", name, 0)
    assert await ids(config) == ["10", "9", "B", "_x", "a", "ä", "\uffff", "😀"]


async def test_config_case_11_deleting_what_is_missing(config: RedisConfigStore) -> None:
    await config.delete("n", "a")
    await config.put("n", "a", 1)
    await config.delete("n", "a")
    await config.delete("n", "a")
    assert await config.lookup("n", "a") is None
    assert not await config.exists("n", "a")
    assert await ids(config) == []


async def test_config_case_12_only_the_first_creates(config: RedisConfigStore) -> None:
    await config.put_if_absent("n", "a", 1)
    with pytest.raises(AlreadyExistsError) as refused:
        await config.put_if_absent("n", "a", 2)
    assert str(refused.value) == "n/a"
    assert (refused.value.namespace, refused.value.id) == ("n", "a")
    assert isinstance(refused.value, ConfigStoreError)
    assert await config.get("n", "a") == 1


async def test_config_case_12_a_stored_null_is_there(config: RedisConfigStore) -> None:
    await config.put("n", "a", None)
    with pytest.raises(AlreadyExistsError, match=r"\An/a\Z"):
        await config.put_if_absent("n", "a", 2)


class Unreachable:
    """In the place of a connection, where nothing may be sent."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the storage was used: {name}")


@pytest.fixture
def unreachable() -> RedisConfigStore:
    nothing: Any = Unreachable()
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


@pytest.mark.parametrize("name", ODD_NAMES)
async def test_config_case_45_odd_names_round_trip(config: RedisConfigStore, name: str) -> None:
    await config.put(name, name, [name])
    assert await config.list(name) == [(name, [name])]
    assert await config.get(name, name) == [name]
    await config.delete(name, name)
    assert await config.list(name) == []


async def test_config_case_45_names_do_not_run_into_each_other(config: RedisConfigStore) -> None:
    pairs = [
        ("a:b", "c"),
        ("a", "b:c"),
        ("a", "bc"),
        ("ab", "c"),
        ("a", "c"),
        ("a\u0100", "c"),
        ("a", "1:c"),
        ("a", "n:c"),
    ]
    for number, pair in enumerate(pairs):
        for version in range(2):
            await config.put(*pair, [number, version])
    for number, pair in enumerate(pairs):
        assert await config.get(*pair) == [number, 1]
        assert [version.value for version in await config.history(*pair)] == [[number, 1], [number, 0]]
    assert await ids(config, "a") == ["1:c", "b:c", "bc", "c", "n:c"]
    assert await ids(config, "ab") == ["c"]


async def test_config_case_46_scopes_are_apart(config: RedisConfigStore) -> None:
    one, two = config.scoped("A"), config.scoped("B")
    await one.put("n", "a", 1)
    await two.put("n", "a", 2)
    assert (await one.get("n", "a"), await two.get("n", "a"), await config.get("n", "a")) == (1, 2, None)
    assert await config.get("scope:1:A:n", "a") == 1
    await one.delete("n", "a")
    assert await two.list("n") == [("a", 2)]
    with pytest.raises(AlreadyExistsError, match=r"\An/a\Z"):
        await two.put_if_absent("n", "a", 3)


async def test_config_case_46_the_length_of_a_scope_tells_it_apart(config: RedisConfigStore) -> None:
    await config.scoped("1:a").put("b", "x", 1)
    await config.scoped("1").put("a:b", "x", 2)
    await config.scoped("ä").put("b", "x", 3)
    assert await config.scoped("1:a").list("b") == [("x", 1)]
    assert await config.scoped("1").list("a:b") == [("x", 2)]
    assert await config.get("scope:2:ä:b", "x") == 3
    assert await config.scoped("1").scoped("a").list("b") == []


def test_a_scope_id_has_at_most_512_bytes(unreachable: RedisConfigStore) -> None:
    unreachable.scoped("ä" * 256)
    with pytest.raises(ValidationError, match="513 bytes"):
        unreachable.scoped("ä" * 256 + "a")


async def test_config_case_48_a_page_reads_what_it_returns(config: RedisConfigStore, connection: Connection) -> None:
    names = [f"{number:05d}" for number in range(10_000)]
    for first in range(0, len(names), 1000):
        await config.apply([Put("n", name, name) for name in names[first : first + 1000]])
    line = await connection.transport.line()
    try:
        await line.send("MONITOR")
        assert await line.receive(LONG) == b"OK"
        assert await ids(config, offset=9_990, limit=10) == names[9_990:]
        await connection.transport.request("ECHO", "end of the watch")
        commands: list[bytes] = []
        while b'"end of the watch"' not in (entry := await line.receive(LONG)):
            if b" lua]" in entry:
                commands.append(entry.split(b'"', 1)[1])
    finally:
        await line.aclose()
    reads = [command for command in commands if command.startswith(b"HMGET")]
    assert len(reads) == 1
    assert reads[0].count(b'" "') == 1 + 10
    assert {command.split(b'"')[0] for command in commands} == {b"ZLEXCOUNT", b"ZRANGE", b"HMGET"}


@pytest.mark.parametrize("text", [b"{", b"", b"\xff", b"NaN", b"1" * 5000, b"[" * 100_000])
async def test_config_case_49_a_document_that_cannot_be_read_is_named(
    config: RedisConfigStore, connection: Connection, keys: Keys, text: bytes
) -> None:
    for id in ("a", "b", "c"):
        await config.put("n", id, {"meta": {"revision": 1}})
    await store_raw(connection, keys, "b", text)
    for reading in (config.get("n", "b"), config.list("n"), config.snapshot(["n"]), config.history("n", "b")):
        with pytest.raises(SerializationError, match="n/b"):
            await reading
    assert await config.exists("n", "b")
    assert await config.list("n", 0, 1) == [("a", {"meta": {"revision": 1}})]
    await config.put("n", "b", 2)
    assert await config.get("n", "b") == 2


async def test_config_case_49_a_listed_document_without_text_is_named(
    config: RedisConfigStore, connection: Connection, keys: Keys
) -> None:
    await config.put("n", "a", 1)
    await connection.transport.request("DEL", keys.config_documents)
    with pytest.raises(SerializationError, match="n/a is listed, but its text is missing"):
        await config.list("n")


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"a": [1, float("nan")]}, r"\$\.a\[1\]"),
        ([float("inf")], r"\$\[0\]"),
        ({"a": {"b": "\ud800"}}, r"\$\.a\.b"),
        ({"\udc00": 1}, r"\$\."),
        ({1: 2}, r"\$: the key 1"),
        ({"a": b"x"}, r"\$\.a: a bytes"),
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


async def test_config_case_50_a_document_that_is_too_large_is_refused(
    unreachable: RedisConfigStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert codec.MAX_DOCUMENT_BYTES == 64 * 1024 * 1024
    monkeypatch.setattr(codec, "MAX_DOCUMENT_BYTES", 10)
    with pytest.raises(SerializationError, match=r"n/a cannot be stored: \$: 11 bytes of JSON, at most 10"):
        await unreachable.put("n", "a", "x" * 9)
    assert codec.encode_document("n/a", "x" * 8).text == b'"xxxxxxxx"'


async def test_a_document_may_be_500_levels_deep(config: RedisConfigStore) -> None:
    await config.put("n", "a", nested(500))
    assert await config.get("n", "a") == nested(500)

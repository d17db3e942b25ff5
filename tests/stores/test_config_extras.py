"""What config documents offer beyond the contract: atomic changes, snapshots, tokens, histories and walks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from redis_mob.codec import config as codec
from redis_mob.connection.connection import Connection
from redis_mob.connection.keys import Keys
from redis_mob.errors import AlreadyExistsError, SerializationError, ValidationError, VersionConflictError
from redis_mob.models.config import (
    ConfigChangeKind,
    ConfigSnapshot,
    ConfigWrite,
    Delete,
    DeleteIfRevision,
    Put,
    PutIfAbsent,
    PutIfRevision,
)
from redis_mob.stores.config import RedisConfigStore
from redis_mob.testing.waiting import LONG


def at(revision: int) -> dict[str, Any]:
    return {"spec": {}, "meta": {"revision": revision}}


async def values(config: RedisConfigStore, id: str = "a") -> list[Any]:
    return [version.value for version in await config.history("n", id)]


async def test_several_documents_change_at_once(config: RedisConfigStore) -> None:
    for id in "abc":
        await config.put("n", id, at(1))
    async with config.subscribe() as following:
        await config.apply(
            [
                Put("n", "a", "new"),
                Delete("n", "missing"),
                PutIfRevision("n", "b", at(2), 1),
                DeleteIfRevision("n", "c", 1),
                PutIfAbsent("m", "a", None),
                DeleteIfRevision("n", "gone", 0),
            ]
        )
        await config.put("n", "end", 0)
        events = [await following.next() for _ in range(5)]
    assert await config.list("n") == [("a", "new"), ("b", at(2)), ("end", 0)]
    assert await config.list("m") == [("a", None)]
    assert [(event.namespace, event.id, event.kind.value) for event in events] == [
        ("n", "a", "put"),
        ("n", "b", "put"),
        ("n", "c", "delete"),
        ("m", "a", "put"),
        ("n", "end", "put"),
    ]


@pytest.mark.parametrize(
    ("refused", "error", "text"),
    [
        (PutIfAbsent("n", "a", 2), AlreadyExistsError, r"\An/a\Z"),
        (PutIfRevision("n", "a", 2, 0), VersionConflictError, "n/a has revision 1, not 0"),
        (DeleteIfRevision("n", "a", 2**64 - 1), VersionConflictError, "n/a has revision 1, not 18446744073709551615"),
        (PutIfRevision("n", "z", 2, 3), VersionConflictError, "n/z has revision 0, not 3"),
    ],
)
async def test_one_refusal_undoes_all(
    config: RedisConfigStore, refused: ConfigWrite, error: type[Exception], text: str
) -> None:
    await config.put("n", "a", at(1))
    await config.put("n", "b", at(1))
    await config.put("n", "c", at(1))
    before = await config.snapshot(["n"])
    with pytest.raises(error, match=text):
        await config.apply([Put("n", "new", 1), Delete("n", "b"), refused, PutIfAbsent("n", "c", 0)])
    assert await config.snapshot(["n"]) == before


async def test_a_document_is_named_once(config: RedisConfigStore) -> None:
    with pytest.raises(ValidationError, match="2 writes name the document n/a"):
        await config.apply([Put("n", "a", 1), Put("n", "b", 1), Delete("n", "a")])
    assert await config.list("n") == []


async def test_nothing_to_apply(config: RedisConfigStore) -> None:
    await config.apply([])
    assert await config.snapshot([]) == ConfigSnapshot({}, 0)


async def test_a_snapshot_shows_what_was_asked_for(config: RedisConfigStore) -> None:
    await config.put("n", "b", 1)
    await config.put("n", "a", None)
    await config.put("m", "a", 2)
    await config.put("o", "a", 3)
    snapshot = await config.snapshot(["n", "m", "empty", "n"])
    assert snapshot == ConfigSnapshot({"n": {"a": None, "b": 1}, "m": {"a": 2}, "empty": {}}, 4)
    assert list(snapshot.documents["n"]) == ["a", "b"]


async def test_a_token_grows_with_the_changes_of_its_namespace(config: RedisConfigStore) -> None:
    tokens = [await config.change_token("n")]
    assert tokens == [0]
    for change in (
        config.put("n", "a", at(1)),
        config.put_if_revision("n", "a", at(1), 1),
        config.apply([Put("n", "b", 0), Put("n", "c", 0)]),
        config.delete("n", "a"),
    ):
        await change
        tokens.append(await config.change_token("n"))
    assert tokens == sorted(set(tokens))
    await config.put("m", "a", 1)
    await config.delete("n", "a")
    await config.get("n", "b")
    await config.scoped("A").put("n", "a", 1)
    assert await config.change_token("n") == tokens[-1]


async def test_the_history_of_a_document(config: RedisConfigStore) -> None:
    start = datetime.now(UTC) - timedelta(seconds=LONG)
    assert await config.history("n", "a") == []
    await config.put("n", "a", at(1))
    await config.put("n", "a", {"bare": True})
    await config.put("n", "a", at(2**64 - 1))
    versions = await config.history("n", "a")
    assert [(version.revision, version.value) for version in versions] == [
        (2**64 - 1, at(2**64 - 1)),
        (0, {"bare": True}),
        (1, at(1)),
    ]
    times = [version.written_at for version in versions]
    assert start < times[2] <= times[1] <= times[0] < start + timedelta(hours=1)


@pytest.mark.parametrize("count", [19, 20, 21, 39, 60])
async def test_a_history_has_20_versions(config: RedisConfigStore, count: int) -> None:
    for number in range(count):
        await config.put("n", "a", number)
        await config.put("n", "b", -number)
    assert await values(config) == list(reversed(range(count)))[:20]
    assert await values(config, "b") == [-number for number in reversed(range(count))][:20]


async def test_deleting_a_document_forgets_its_history(
    config: RedisConfigStore, connection: Connection, keys: Keys
) -> None:
    for number in range(30):
        await config.put("n", "a", number)
    await config.delete("n", "a")
    assert await config.history("n", "a") == []
    assert await connection.transport.request("EXISTS", keys.config_history) == 0
    await config.put("n", "a", "again")
    assert await values(config) == ["again"]


@pytest.mark.parametrize("version", [b"", b"x 1", b"1", b"1 -x", b"1 99999999999999999999999"])
async def test_a_version_that_cannot_be_read_is_named(
    config: RedisConfigStore, connection: Connection, keys: Keys, version: bytes
) -> None:
    await config.put("n", "a", 1)
    await connection.transport.request("HSET", keys.config_versions, codec.encode_place("n", "a"), version)
    with pytest.raises(SerializationError, match="n/a"):
        await config.history("n", "a")
    await config.put("n", "a", 2)
    assert await config.get("n", "a") == 2


async def test_config_case_47_a_walk_sees_what_stays_exactly_once(
    config: RedisConfigStore, another_config: RedisConfigStore
) -> None:
    names = [f"{number:05d}" for number in range(10_000)]
    for first in range(0, len(names), 1000):
        await config.apply([Put("n", name, name) for name in names[first : first + 1000]])
    seen: list[str] = []
    gone: set[str] = set()
    async for id, value in config.walk("n", page_size=500):
        if len(seen) % 500 == 0 and len(seen) < 9_000:
            passed, ahead = names[len(seen) // 2], names[len(seen) // 2 + 5_100]
            gone |= {passed, ahead}
            removed = [Delete("n", passed), Delete("n", ahead)]
            added = [Put("n", f"{passed}x", 0), Put("n", f"{ahead}x", 0)]
            await another_config.apply([*removed, *added])
        assert value == id or id.endswith("x")
        seen.append(id)
    assert len(gone) == 36
    assert seen == sorted(set(seen))
    assert set(names) - gone <= set(seen)


@pytest.mark.parametrize("page_size", [1, 2, 3, 4, 100])
async def test_a_walk_does_not_depend_on_its_pages(config: RedisConfigStore, page_size: int) -> None:
    for namespace in ("m", "n", "o"):
        await config.apply([Put(namespace, id, id) for id in ("ä", "a", "b", "aa")])
    walked = [document async for document in config.walk("n", page_size)]
    assert walked == await config.list("n")
    assert [id for id, _ in walked] == ["a", "aa", "b", "ä"]
    assert [document async for document in config.walk("unknown", page_size)] == []


@pytest.mark.parametrize("page_size", [0, -1, True, 1.5])
async def test_a_page_has_at_least_one_document(config: RedisConfigStore, page_size: Any) -> None:
    with pytest.raises(ValidationError, match="is no page size"):
        await anext(config.walk("n", page_size))


async def test_a_scope_has_all_of_it(config: RedisConfigStore) -> None:
    scope = config.scoped("A")
    await scope.apply([Put("n", "a", 1), PutIfAbsent("n", "b", 2)])
    await scope.put("n", "a", 3)
    assert await scope.snapshot(["n"]) == ConfigSnapshot({"n": {"a": 3, "b": 2}}, 3)
    assert [document async for document in scope.walk("n")] == [("a", 3), ("b", 2)]
    assert [version.value for version in await scope.history("n", "a")] == [3, 1]
    assert await scope.change_token("n") == 3
    async with scope.subscribe(after=2) as following:
        event = await following.next()
    assert (event.namespace, event.id, event.kind) == ("n", "a", ConfigChangeKind.PUT)
    with pytest.raises(VersionConflictError, match="n/a has revision 0, not 1"):
        await scope.delete_if_revision("n", "a", 1)


async def test_a_large_namespace_is_read_whole(config: RedisConfigStore) -> None:
    names = [f"{number:05d}" for number in range(9_000)]
    await config.apply([Put("n", name, name) for name in names])
    assert await config.list("n") == [(name, name) for name in names]
    assert (await config.snapshot(["n"])).documents["n"] == {name: name for name in names}

"""Damage to config documents and to counters is told by one answer everywhere, which names what is damaged."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from redis_mob.admin.losses import Loss, accept_losses, find_losses
from redis_mob.codec.config import encode_namespace, encode_place
from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.contracts import WatchableConfigStore
from redis_mob.errors import SerializationError
from redis_mob.models.config import Put, PutIfAbsent, PutIfRevision
from redis_mob.storage import MobStorage
from redis_mob.stores.config import RedisConfigStore
from redis_mob.testing.samples.driven_runs import ONE_STEP, launched

pytestmark = pytest.mark.filterwarnings("ignore::redis_mob.errors.UnsealedSecretsWarning")

CALLS: dict[str, Callable[[WatchableConfigStore], Awaitable[Any]]] = {
    "get": lambda config: config.get("n", "gone"),
    "lookup": lambda config: config.lookup("n", "gone"),
    "exists": lambda config: config.exists("n", "gone"),
    "list": lambda config: config.list("n"),
    "snapshot": lambda config: config.snapshot(["n"]),
    "history": lambda config: config.history("n", "gone"),
    "put": lambda config: config.put("n", "gone", 2),
    "put_if_absent": lambda config: config.put_if_absent("n", "gone", 2),
    "put_if_revision": lambda config: config.put_if_revision("n", "gone", 2, 0),
    "delete": lambda config: config.delete("n", "gone"),
    "delete_if_revision": lambda config: config.delete_if_revision("n", "gone", 0),
    "apply": lambda config: config.apply([Put("n", "other", 2), PutIfAbsent("n", "gone", 2)]),
    "apply with a revision": lambda config: config.apply([Put("n", "other", 2), PutIfRevision("n", "gone", 2, 0)]),
}


@pytest.mark.parametrize("counted", [True, False], ids=["counted", "of an older release"])
@pytest.mark.parametrize("call", CALLS)
async def test_a_listed_document_whose_text_is_gone(
    config: RedisConfigStore, connection: Client, keys: Keys, call: str, counted: bool
) -> None:
    for id in ("gone", "other"):
        await config.put("n", id, {"meta": {"revision": 1}})
    await connection.router.request("HDEL", keys.config_documents, encode_place("n", "gone"))
    if not counted:
        await connection.router.request("HDEL", keys.meta, "counted")
    before = await config.change_token("n")
    with pytest.raises(SerializationError, match="gone"):
        await CALLS[call](config)
    assert await config.get("n", "other") == {"meta": {"revision": 1}}
    assert await config.change_token("n") == before


@pytest.mark.parametrize("token", ["x1", "-1", "", "1.5", str(2**64)])
async def test_a_damaged_change_token(config: RedisConfigStore, connection: Client, keys: Keys, token: str) -> None:
    await config.put("n", "a", 1)
    await connection.router.request("HSET", keys.config_tokens, encode_namespace("n"), token)
    with pytest.raises(SerializationError, match="config namespace 'n': its change token"):
        await config.change_token("n")
    await config.put("n", "a", 2)
    assert await config.change_token("n") == 2


@pytest.mark.parametrize("count", ["many", "-1", "1e3", ""])
async def test_a_damaged_counter_of_past_versions(
    config: RedisConfigStore, connection: Client, keys: Keys, count: str
) -> None:
    for number in range(3):
        await config.put("n", "a", number)
    await connection.router.request("HSET", keys.config_history, b"n:" + encode_place("n", "a"), count)
    with pytest.raises(SerializationError, match="config:history is damaged"):
        await config.history("n", "a")
    with pytest.raises(SerializationError, match="config:history is damaged"):
        await config.put("n", "a", 4)
    assert await config.get("n", "a") == 2


async def test_a_damaged_counter_of_cursors(server_url: str, namespace: str, connection: Client, keys: Keys) -> None:
    async with MobStorage.open(server_url, namespace=namespace) as storage:
        await connection.router.request("HSET", keys.meta, "cursor", "x", "config_cursor", "x")
        for call in (storage.events.replay_all, storage.events.subscribe().__aenter__):
            with pytest.raises(SerializationError, match="meta is damaged: its field cursor is no number"):
                await call()
        with pytest.raises(SerializationError, match="meta is damaged: its field config_cursor is no number"):
            await storage.config.snapshot(["n"])


async def test_a_damaged_time_of_launch(server_url: str, namespace: str, connection: Client, keys: Keys) -> None:
    async with MobStorage.open(server_url, namespace=namespace) as storage:
        run = await launched(storage.executions, ONE_STEP)
        await connection.router.request("HSET", keys.run(run.run_id).run, "launched_at", "soon")
        with pytest.raises(SerializationError, match=f"run {run.run_id}: launched_at"):
            await run.view()


DAMAGED_VERSIONS = [None, "", "1", "1 ", "1 017", "x", "1 " + "9" * 30]
"""What is left of the version of a document: nothing, and what was cut short."""

WRITES: dict[str, Callable[[WatchableConfigStore], Awaitable[Any]]] = {
    "put": lambda config: config.put("n", "a", 9),
    "put_if_revision": lambda config: config.put_if_revision("n", "a", 9, 1),
    "put_if_revision, absent": lambda config: config.put_if_revision("n", "a", 9, 0),
    "delete_if_revision": lambda config: config.delete_if_revision("n", "a", 1),
    "apply": lambda config: config.apply([Put("n", "b", 9), Put("n", "a", 9)]),
    "apply, conditional": lambda config: config.apply([PutIfRevision("n", "a", 9, 1)]),
}


@pytest.mark.parametrize("left", DAMAGED_VERSIONS)
@pytest.mark.parametrize("name", WRITES)
async def test_no_write_keeps_a_version_that_is_gone_or_cut_short(
    name: str, left: str | None, config: RedisConfigStore, connection: Client, keys: Keys, server_url: str
) -> None:
    for id in ("a", "b"):
        await config.put("n", id, 1)
    place = encode_place("n", "a")
    if left is None:
        await connection.router.request("HDEL", keys.config_versions, place)
    else:
        await connection.router.request("HSET", keys.config_versions, place, left)
    parts = [keys.config_documents, keys.config_versions, keys.config_history, keys.config_feed, keys.meta]
    before = [await connection.router.request("DUMP", key) for key in parts]
    with pytest.raises(SerializationError, match="config:versions is damaged: the version of the document a"):
        await WRITES[name](config)
    assert [await connection.router.request("DUMP", key) for key in parts] == before
    assert await accept_losses(server_url, keys.namespace)
    await config.put("n", "a", 9)
    assert [version.value for version in await config.history("n", "a")] == [9, 1]


@pytest.mark.parametrize("left", ["", " 1", "1 0170000000000000\n ", "1 0170000000000000 2", "x 0170000000000000\n 2"])
async def test_a_past_version_that_cannot_be_read_is_found_and_accepted(
    left: str, config: RedisConfigStore, connection: Client, keys: Keys, server_url: str
) -> None:
    for number in range(3):
        await config.put("n", "a", number)
    await connection.router.request("HSET", keys.config_history, b"1:" + encode_place("n", "a"), left)
    with pytest.raises(SerializationError):
        await config.history("n", "a")
    found = [Loss(keys.config_history, "1 documents have lost past versions")]
    assert await find_losses(server_url, keys.namespace) == found
    assert await accept_losses(server_url, keys.namespace) == found
    assert [version.value for version in await config.history("n", "a")] == [2]
    await config.put("n", "a", 3)
    assert [version.value for version in await config.history("n", "a")] == [3, 2]

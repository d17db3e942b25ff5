"""The checkpointer: what it stores and reads, what it costs, and what is left when something goes."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from langgraph.checkpoint.base import CheckpointTuple
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.types import ERROR

from redis_mob import MobStorage, sync
from redis_mob.codec.counted_texts import name_digest
from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.errors import (
    CasConflictError,
    InternalError,
    NotFoundError,
    SerializationError,
    StorageUnavailableError,
    ValidationError,
)
from redis_mob.langgraph import RedisMobSaver
from tests.langgraph.threads import checkpoint, commands_of, config, grow, keys_there, metadata


@pytest.fixture
async def saver(server_url: str, namespace: str) -> AsyncIterator[RedisMobSaver]:
    async with RedisMobSaver.open(server_url, namespace=namespace) as opened:
        yield opened


async def listed(saver: RedisMobSaver, *args: Any, **named: Any) -> list[CheckpointTuple]:
    return [one async for one in saver.alist(*args, **named)]


def ids(found: list[CheckpointTuple]) -> list[str]:
    return [one.checkpoint["id"] for one in found]


def records_of(keys: Keys, thread: str = "thread") -> str:
    return keys.langgraph.thread(name_digest(thread.encode()))[1]


async def test_a_value_is_stored_once_for_each_version(saver: RedisMobSaver, connection: Client, keys: Keys) -> None:
    await grow(saver, 5)
    fields: list[bytes] = await connection.router.request("HKEYS", records_of(keys))
    assert sum(field.startswith(b"b") for field in fields) == 5 + 1
    first, *_ = await listed(saver, config())
    assert first.checkpoint["channel_values"] == {"a": 4, "b": "b" * 100}


async def test_the_first_value_of_a_version_stays(saver: RedisMobSaver) -> None:
    one = await saver.aput(config(), checkpoint({"a": 1}, {"a": "1"}), metadata(), {"a": "1"})
    await saver.aput(config(), checkpoint({"a": 2}, {"a": "1"}), metadata(), {"a": "1"})
    found = await saver.aget_tuple(one)
    assert found is not None
    assert found.checkpoint["channel_values"] == {"a": 1}


async def test_versions_of_two_writers_differ_and_grow(saver: RedisMobSaver) -> None:
    first = saver.get_next_version(None, None)
    following = {saver.get_next_version(first, None) for _ in range(100)}
    assert len(following) == 100
    assert all(one > first for one in following)


async def test_a_write_that_is_there_stays_and_an_error_is_replaced(saver: RedisMobSaver) -> None:
    at = await saver.aput(config(), checkpoint({}, {}), metadata(), {})
    await saver.aput_writes(at, [("a", 1), (ERROR, "first")], "task")
    await saver.aput_writes(at, [("a", 2), (ERROR, "second")], "task")
    found = await saver.aget_tuple(at)
    assert found is not None
    assert set(found.pending_writes or []) == {("task", "a", 1), ("task", ERROR, "second")}


async def test_writes_may_come_before_their_checkpoint(saver: RedisMobSaver) -> None:
    made = checkpoint({}, {})
    await saver.aput_writes(config(checkpoint_id=made["id"]), [("a", 1)], "task")
    assert await saver.aget_tuple(config()) is None
    found = await saver.aget_tuple(await saver.aput(config(), made, metadata(), {}))
    assert found is not None
    assert found.pending_writes == [("task", "a", 1)]


async def test_names_that_look_alike_are_kept_apart(saver: RedisMobSaver) -> None:
    one = await saver.aput(config("t", "1:a"), checkpoint({"x": 1}, {"x": "1"}, "2"), metadata(), {"x": "1"})
    two = await saver.aput(config("t", "1"), checkpoint({"x": 2}, {"x": "1"}, ":a2"), metadata(), {"x": "1"})
    await saver.aput_writes(one, [("x", 1)], "a\0")
    await saver.aput_writes(two, [("x", 2)], "a")
    for at, value in ((one, 1), (two, 2)):
        found = await saver.aget_tuple(at)
        assert found is not None
        assert found.checkpoint["channel_values"] == {"x": value}
        assert [write[2] for write in found.pending_writes or []] == [value]


async def test_a_call_costs_the_same_in_a_long_thread(saver: RedisMobSaver, connection: Client) -> None:
    async def costs() -> list[object]:
        at = (await grow(saver, 1))[-1]
        made = checkpoint({"a": 1}, {"a": "1"})
        calls = (
            lambda: saver.aput(at, made, metadata(), {"a": "1"}),
            lambda: saver.aput_writes(at, [("a", 1)], "again"),
            lambda: saver.aget_tuple(at),
            lambda: saver.aget_tuple(config()),
            lambda: listed(saver, config(), limit=2),
            lambda: listed(saver, config(), limit=1, filter={"step": 0}),
        )
        return [await commands_of(connection, call) for call in calls]

    await grow(saver, 3)
    short = await costs()
    await grow(saver, 150)
    assert await costs() == short


async def test_a_list_goes_on_behind_a_page(saver: RedisMobSaver) -> None:
    await grow(saver, 230)
    found = await listed(saver, config(), filter={"source": "loop"})
    assert [one.metadata.get("step") for one in found] == list(range(229, -1, -1))
    before = found[100].config
    assert ids(await listed(saver, config(), before=before, limit=120)) == ids(found[101:221])
    assert ids(await listed(saver, config(), filter={"step": 3})) == [found[226].checkpoint["id"]]


async def test_all_threads_are_listed_with_a_limit_for_all(saver: RedisMobSaver) -> None:
    for thread in ("c", "a", "b"):
        await grow(saver, 2, thread)
    found = await listed(saver, None)
    threads = [one.config.get("configurable", {})["thread_id"] for one in found]
    assert threads == ["a", "a", "b", "b", "c", "c"]
    assert ids(await listed(saver, None, limit=3)) == ids(found[:3])


async def test_a_deleted_thread_leaves_no_key(saver: RedisMobSaver, connection: Client, keys: Keys) -> None:
    at = (await grow(saver, 3))[-1]
    await saver.aput(at, checkpoint({}, {}), metadata(run_id="run"), {})
    assert len(await keys_there(connection, keys)) == 4
    await saver.adelete_thread("thread")
    assert await keys_there(connection, keys) == set()


async def test_the_last_checkpoint_of_runs_takes_its_thread_along(
    saver: RedisMobSaver, connection: Client, keys: Keys
) -> None:
    for thread in ("a", "b"):
        at = await saver.aput(config(thread), checkpoint({"x": 1}, {"x": "1"}), metadata(run_id="one"), {"x": "1"})
        await saver.aput(at, checkpoint({"x": 1}, {"x": "1"}), metadata(run_id="two"), {})
        await saver.aput_writes(at, [("x", 1)], "task")
    await saver.adelete_for_runs(["one"])
    left = await listed(saver, None)
    assert [one.checkpoint["channel_values"] for one in left] == [{"x": 1}, {"x": 1}]
    await saver.adelete_for_runs(["two", "none"])
    assert await keys_there(connection, keys) == set()


async def test_a_checkpoint_that_is_put_again_is_of_its_last_run(saver: RedisMobSaver) -> None:
    made = checkpoint({}, {})
    for run in ("one", "two"):
        await saver.aput(config(), made, metadata(run_id=run), {})
    await saver.adelete_for_runs(["one"])
    assert await saver.aget_tuple(config()) is not None


async def test_pruning_keeps_no_value_that_only_old_checkpoints_have(
    saver: RedisMobSaver, connection: Client, keys: Keys
) -> None:
    made = await grow(saver, 20)
    await saver.aprune(["thread"])
    fields: list[bytes] = await connection.router.request("HKEYS", records_of(keys))
    assert sum(field.startswith(b"b") for field in fields) == 2
    assert sum(field.startswith(b"w") for field in fields) == 2
    found = await saver.aget_tuple(config())
    assert found is not None
    assert found.checkpoint["channel_values"] == {"a": 19, "b": "b" * 100}
    assert found.config == made[-1]
    await saver.aprune(["thread"], strategy="delete")
    assert await keys_there(connection, keys) == set()


async def grown_with_deltas(saver: Any, number: int) -> Any:
    """Checkpoints whose channel `d` is stored as a whole in the third one alone."""
    at = config()
    for step in range(number):
        values, versions = ({"d": ["whole"]} if step == 2 else {}), {"d": str(step)}
        told = metadata(step, counters_since_delta_snapshot={"d": (step, step)})
        made = checkpoint(values, versions, f"id-{step:03}")
        at = await saver.aput(at, made, told, versions)
        await saver.aput_writes(at, [("d", step), ("other", step)], f"task-{step}")
        await saver.aput_writes(at, [("d", -step)], "later", task_path="path")
    return at


@pytest.mark.parametrize("number", [1, 2, 4, 150])
async def test_delta_channels_have_the_history_that_memory_has(saver: RedisMobSaver, number: int) -> None:
    memory = InMemorySaver()
    for one in (saver, memory):
        await grown_with_deltas(one, number)
    asked: Any = {"config": config(), "channels": ["d", "other", "none"]}
    assert await saver.aget_delta_channel_history(**asked) == await memory.aget_delta_channel_history(**asked)


async def test_pruning_keeps_what_delta_channels_are_made_of(saver: RedisMobSaver) -> None:
    at = await grown_with_deltas(saver, 10)
    before = await saver.aget_delta_channel_history(config=at, channels=["d"])
    assert before["d"].get("seed") == ["whole"]
    await saver.aprune(["thread"])
    assert await saver.aget_delta_channel_history(config=at, channels=["d"]) == before
    assert [one.metadata.get("step") for one in await listed(saver, config())] == list(range(9, 1, -1))


async def test_a_thread_is_copied_to_a_new_one_alone(saver: RedisMobSaver) -> None:
    at = await saver.aput(config(), checkpoint({"x": 1}, {"x": "1"}), metadata(run_id="run"), {"x": "1"})
    await saver.aput_writes(at, [("x", 1)], "task")
    await saver.acopy_thread("thread", "copy")
    with pytest.raises(CasConflictError, match="'copy' exists"):
        await saver.acopy_thread("thread", "copy")
    with pytest.raises(NotFoundError, match="'none'"):
        await saver.acopy_thread("none", "new")
    await saver.adelete_thread("thread")
    found = await saver.aget_tuple(config("copy"))
    assert found is not None
    assert found.checkpoint["channel_values"] == {"x": 1}
    await saver.adelete_for_runs(["run"])
    assert await saver.aget_tuple(config("copy")) is None


async def test_a_thread_expires_as_a_whole(server_url: str, namespace: str, connection: Client, keys: Keys) -> None:
    async with (
        RedisMobSaver.open(server_url, namespace=namespace, ttl=timedelta(hours=1)) as one,
        RedisMobSaver.open(server_url, namespace=namespace) as two,
    ):
        await grow(one, 2)
        own = keys.langgraph.thread(name_digest(b"thread"))
        ends: list[int] = [await connection.router.request("PEXPIRETIME", key) for key in own]
        assert ends[0] == ends[1] > 0
        await grow(two, 1)
        assert [await connection.router.request("PTTL", key) for key in own] == [-1, -1]
        assert keys.langgraph.expiry not in await keys_there(connection, keys)


async def test_places_of_threads_that_are_gone_leave_with_the_next_write(
    server_url: str, namespace: str, connection: Client, keys: Keys
) -> None:
    async with RedisMobSaver.open(server_url, namespace=namespace, ttl=timedelta(hours=1)) as saver:
        await saver.aput(config("gone"), checkpoint({}, {}), metadata(run_id="run"), {})
        # as if its hour were over
        await connection.router.request("DEL", *keys.langgraph.thread(name_digest(b"gone")))
        await connection.router.request("ZADD", keys.langgraph.expiry, 1, "gone")
        await saver.adelete_for_runs(["run"])
        assert await listed(saver, None) == []
        await grow(saver, 1)
        assert await connection.router.request("ZRANGE", keys.langgraph.threads, 0, -1) == [b"thread"]
        assert await connection.router.request("EXISTS", keys.langgraph.runs) == 0


async def test_it_answers_as_memory_does(saver: RedisMobSaver) -> None:
    """Random puts, writes and reads, with forks and namespaces."""
    chosen, memory = random.Random(7), InMemorySaver()
    made: list[Any] = []
    for step in range(60):
        at = chosen.choice([config("t", chosen.choice(["", "sub", "sub:1"])), *made[-5:]])
        space: str = at.get("configurable", {})["checkpoint_ns"]
        versions = {name: f"{step}.{name}" for name in chosen.sample("abc", 2)}
        new, told = checkpoint(dict.fromkeys(versions, step), versions, f"{step:04}"), metadata(step)
        for one in (saver, memory):
            await one.aput(at, new, told, {**versions})
        made.append(config("t", space, f"{step:04}"))
        for task in chosen.sample(["x", "y", "z"], 2):
            writes = [(chosen.choice("abc"), step) for _ in range(chosen.randrange(3))]
            for one in (saver, memory):
                await one.aput_writes(made[-1], writes, task, task_path=task)
    for at in (*made, config("t"), config("t", "sub")):
        assert await saver.aget_tuple(at) == await memory.aget_tuple(at)
    asked: list[dict[str, Any]] = [{}, {"limit": 7}, {"before": made[30]}, {"filter": {"step": 12}}]
    for space in ("", "sub", "sub:1"):
        for named in asked:
            expected = [one async for one in memory.alist(config("t", space), **named)]
            assert await listed(saver, config("t", space), **named) == expected


async def test_one_of_with_serves_threads_and_event_loops(server_url: str, namespace: str) -> None:
    def work() -> None:
        with RedisMobSaver.open(server_url, namespace=namespace) as saver:
            at = saver.put(config(), checkpoint({"a": 1}, {"a": "1"}), metadata(run_id="r"), {"a": "1"})
            saver.put_writes(at, [("a", 2)], "task")
            found = saver.get_tuple(config())
            assert found == asyncio.run(saver.aget_tuple(config()))
            assert [one.config for one in saver.list(config(), limit=1)] == [at]
            assert saver.get_delta_channel_history(config=at, channels=["a"]) == {"a": {"writes": []}}
            saver.copy_thread("thread", "copy")
            saver.prune(["copy"])
            saver.delete_for_runs(["r"])
            assert list(saver.list(None)) == []
            saver.delete_thread("thread")

    await asyncio.to_thread(work)


async def test_a_synchronous_call_in_the_own_event_loop_is_refused(saver: RedisMobSaver) -> None:
    with pytest.raises(InternalError, match="aget_tuple"):
        saver.get_tuple(config())
    assert await asyncio.to_thread(saver.get_tuple, config()) is None


async def test_a_storage_that_is_given_stays_open(server_url: str, namespace: str) -> None:
    async with MobStorage.open(server_url, namespace=namespace) as storage:
        saver = RedisMobSaver(storage)
        await grow(saver, 1)
        await saver.aclose()
        assert await saver.aget_tuple(config()) is not None


async def test_what_names_nothing_is_refused_before_anything_is_written(
    saver: RedisMobSaver, connection: Client, keys: Keys
) -> None:
    wrong: Any = {"configurable": {"thread_id": 1.5}}
    made = checkpoint({"a": object()}, {"a": "1"})
    with pytest.raises(ValidationError, match="thread_id"):
        await saver.aput({"configurable": {}}, checkpoint({}, {}), metadata(), {})
    with pytest.raises(ValidationError, match="thread_id must be a text"):
        await saver.aget_tuple(wrong)
    with pytest.raises(ValidationError, match="lone surrogates"):
        await saver.aget_tuple(config("\ud800"))
    with pytest.raises(ValidationError, match="checkpoint_id"):
        await saver.aput_writes(config(), [("a", 1)], "task")
    for wrong in (True, "3", 1.5):
        with pytest.raises(ValidationError, match="limit must be an integer"):
            await listed(saver, config(), limit=wrong)
    for wrong in (5, [("a", 1)], "x"):
        with pytest.raises(ValidationError, match="filter must be a dict"):
            await listed(saver, config(), filter=wrong)
    with pytest.raises(ValidationError, match="keep_latest or delete, not 'all'"):
        await saver.aprune(["thread"], strategy="all")
    with pytest.raises(TypeError):
        await saver.aput(config(), made, metadata(), {"a": "1"})
    assert await keys_there(connection, keys) == set()


async def test_a_bad_ttl_and_a_storage_that_is_none_are_refused() -> None:
    none: Any = None
    for ttl in (timedelta(0), timedelta(days=40_000)):
        with pytest.raises(ValidationError, match="ttl must be a timedelta"):
            RedisMobSaver.open("embedded:", ttl=ttl)
    with pytest.raises(ValidationError, match="storage must be a MobStorage"):
        RedisMobSaver(none)
    with pytest.raises(StorageUnavailableError, match="memory: is none"):
        await RedisMobSaver.open("memory:")

    def work() -> None:
        with sync.MobStorage.open("memory:", namespace="n") as storage:
            RedisMobSaver(storage)

    with pytest.raises(StorageUnavailableError, match="memory: is none"):
        await asyncio.to_thread(work)


async def test_damaged_records_are_told(saver: RedisMobSaver, connection: Client, keys: Keys) -> None:
    await grow(saver, 1)
    records = records_of(keys)
    for field in await connection.router.request("HKEYS", records):
        if field.startswith(b"c"):
            await connection.router.request("HSET", records, field, b"\xc1")
    with pytest.raises(SerializationError, match="a record of a thread cannot be read"):
        await saver.aget_tuple(config())
    await connection.router.request("SET", records, "text")
    with pytest.raises(SerializationError, match="it is a string, and should be a hash"):
        await saver.aget_tuple(config())

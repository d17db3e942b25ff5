"""A number that clients refuse is a loss that is found, and accepting it repairs the number."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest

from redis_mob.admin.losses import accept_losses, find_losses
from redis_mob.codec.config import encode_namespace
from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.errors import EpochChangedError, MobStoreError, SerializationError
from redis_mob.storage import MobStorage
from redis_mob.testing.samples.compound import scene
from redis_mob.testing.samples.documents import definition
from redis_mob.testing.samples.new_events import numbered

UNREADABLE = ["x", "", " 7", "-5", "1e3", "0x10", "9007199254740993", "9" * 23, "9" * 5000]
FIELDS = ["cursor", "config_cursor", "runs", "runs_lost", "schema", "n:events", "n:specs", "n:documents"]


@pytest.fixture
def keys() -> Iterator[Keys]:
    yield Keys(f"numbers-{uuid4().hex}")


async def fill(url: str, keys: Keys) -> str:
    """One record of each kind, and the last revision of a deleted spec; returns the id of the run."""
    async with MobStorage.open(url, namespace=keys.namespace) as storage:
        await storage.events.append(numbered(1))
        await storage.config.put("n", "a", 1)
        for mob in ("m", "deleted"):
            await storage.specs.put_spec(mob, definition(mob))
        await storage.specs.delete_spec("deleted")
        run = scene()
        await storage.runs.create_run(run)
        return run.run_id


async def use(url: str, keys: Keys, run_id: str) -> None:
    """Read and write all of it; raises what tells of damage."""
    async with MobStorage.open(url, namespace=keys.namespace) as storage:
        assert len(await storage.events.replay_all()) == 1
        assert [run.run_id for run in await storage.runs.list_runs("mob")] == [run_id]
        assert await storage.config.list("n") == [("a", 1)]
        assert await storage.config.change_token("n") >= 0
        assert await storage.specs.get_spec("m") is not None
        assert await storage.specs.get_spec("absent") is None
        for _ in range(2):
            await storage.events.append(numbered(2))
            await storage.config.put("n", "b", 2)
            await storage.specs.put_spec("deleted", definition("deleted"))
            await storage.runs.create_run(scene())
        assert len(await storage.runs.list_runs("mob")) == 3


async def is_refused(url: str, keys: Keys, run_id: str) -> bool:
    try:
        await use(url, keys, run_id)
    except (SerializationError, EpochChangedError):
        return True
    except MobStoreError as error:
        assert "newer" in str(error), error  # a great schema version looks like that of a newer release
        return True
    return False


async def repairs(url: str, connection: Client, keys: Keys, key: str, field: str | bytes, value: str) -> None:
    """Damage a field. If calls are refused for it, accepting repairs it; otherwise nothing is to be accepted."""
    run_id = await fill(url, keys)
    names = [name for name in await connection.router.request("KEYS", keys.pattern) if b"}:session:" not in name]
    await connection.router.request("HSET", key, field, value)
    dumps = {name: await connection.router.request("DUMP", name) for name in names}
    refused = await is_refused(url, keys, run_id)
    for name in await connection.router.request("KEYS", keys.pattern):
        await connection.router.request("DEL", name)
    for name, dump in dumps.items():
        await connection.router.request("RESTORE", name, 0, dump)
    found = await find_losses(url, keys.namespace)
    assert found or not refused
    assert all(len(str(loss)) < 500 for loss in found)
    assert await accept_losses(url, keys.namespace) == found
    assert await find_losses(url, keys.namespace) == []
    await use(url, keys, run_id)


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("value", UNREADABLE, ids=lambda value: value[:20])
async def test_a_number_of_the_namespace_that_calls_refuse_is_found_and_repaired(
    field: str, value: str, server_url: str, connection: Client, keys: Keys
) -> None:
    await repairs(server_url, connection, keys, keys.meta, field, value)


@pytest.mark.parametrize("value", UNREADABLE, ids=lambda value: value[:20])
async def test_a_last_revision_and_a_change_token_that_calls_refuse_are_found_and_repaired(
    value: str, server_url: str, connection: Client
) -> None:
    for key, field in (
        ("spec_revisions", b"deleted"),
        ("spec_revisions", b"m"),
        ("config_tokens", encode_namespace("n")),
    ):
        keys = Keys(f"numbers-{uuid4().hex}")
        await repairs(server_url, connection, keys, getattr(keys, key), field, value)


async def test_more_lost_runs_than_are_missing_are_found_and_repaired(
    server_url: str, connection: Client, keys: Keys
) -> None:
    await repairs(server_url, connection, keys, keys.meta, "runs_lost", "5")


async def test_a_config_namespace_with_digits_at_its_end_is_no_counter(server_url: str, keys: Keys) -> None:
    async with MobStorage.open(server_url, namespace=keys.namespace) as storage:
        await storage.config.put("tenant-4711", "a", 1)
    assert await find_losses(server_url, keys.namespace) == []


async def test_a_count_of_a_run_with_thousands_of_digits_is_told(
    server_url: str, connection: Client, keys: Keys
) -> None:
    run_id = await fill(server_url, keys)
    await connection.router.request("HSET", keys.run(run_id).run, "n:steps", "9" * 5000)
    async with MobStorage.open(server_url, namespace=keys.namespace) as storage:
        with pytest.raises(SerializationError, match=r"its count b'9+' is no number"):
            await storage.runs.get_run(run_id)
    assert len(await find_losses(server_url, keys.namespace)) == 1
    assert await accept_losses(server_url, keys.namespace, run_id)
    async with MobStorage.open(server_url, namespace=keys.namespace) as storage:
        assert await storage.runs.get_run(run_id) is not None

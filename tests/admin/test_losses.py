"""What a namespace has lost is found, and accepted by an operator: after that no call is refused for it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from redis_mob.admin.losses import Loss, accept_losses, find_losses
from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.errors import EpochChangedError, NotFoundError, SerializationError, ValidationError, WriteFailedError
from redis_mob.version import NAMESPACE_SCHEMA
from tests.attacks.damages import damages_of
from tests.attacks.filled import Filled, all_steps, contents_of, make_filled, open_filled, restore
from tests.support.raw import keys_of

FIXED = [key.partition("}:")[2] for key in Keys("n").fixed]
RUN_PARTS = ["steps", "step_outputs", "failures", "iterations", "authority", "index"]


@pytest.fixture(scope="module")
def filled(server_url: str) -> Filled:
    return asyncio.run(make_filled(server_url))


@pytest.fixture(autouse=True)
async def whole(connection: Client, filled: Filled) -> None:
    await restore(connection, filled)


async def refusals(url: str, filled: Filled) -> list[str]:
    """What is still told of damage, after a storage was opened anew."""
    async with open_filled(url, filled.keys) as storage:
        found: list[str] = []
        for step in all_steps(filled.there):
            answers = await asyncio.gather(*(ask(storage) for ask in step.values()), return_exceptions=True)
            found += [
                f"{name}: {answer!r}"[:300]
                for name, answer in zip(step, answers, strict=True)
                if isinstance(answer, SerializationError | EpochChangedError)
            ]
        return found


async def lost(connection: Client, filled: Filled, target: str) -> list[tuple[str, tuple[Any, ...]]]:
    """The damages of a key that take something away, and that leave something readable."""
    key = filled.key_named(target)
    await restore(connection, filled)
    return [
        (damage.what, damage.commands)
        async for damage in damages_of(connection.router, key)
        if damage.found is None and " cut " not in damage.what and " empty" not in damage.what
    ]


async def is_accepted(url: str, connection: Client, filled: Filled, commands: tuple[Any, ...], run: str | None) -> None:
    for command in commands:
        await connection.router.request(*command)
    found = await find_losses(url, filled.keys.namespace, run)
    assert await accept_losses(url, filled.keys.namespace, run) == found
    assert await find_losses(url, filled.keys.namespace, run) == []
    before = await contents_of(connection, filled.keys)
    assert await accept_losses(url, filled.keys.namespace, run) == []
    assert await contents_of(connection, filled.keys) == before


@pytest.mark.parametrize("target", FIXED)
async def test_what_a_key_of_the_namespace_has_lost_is_accepted(
    target: str, server_url: str, connection: Client, filled: Filled
) -> None:
    for what, commands in await lost(connection, filled, target):
        await restore(connection, filled)
        await is_accepted(server_url, connection, filled, commands, None)
        assert await refusals(server_url, filled) == [], what


@pytest.mark.parametrize("part", RUN_PARTS)
async def test_what_a_key_of_a_run_has_lost_is_accepted(
    part: str, server_url: str, connection: Client, filled: Filled
) -> None:
    run = filled.there.stored.run_id
    for what, commands in await lost(connection, filled, f"stored:{part}"):
        await restore(connection, filled)
        await is_accepted(server_url, connection, filled, commands, run)
        assert await refusals(server_url, filled) == [], what


async def test_nothing_is_written_if_nothing_is_missing(server_url: str, connection: Client, filled: Filled) -> None:
    before = await contents_of(connection, filled.keys)
    for run in (None, filled.there.stored.run_id, filled.there.driven):
        assert await find_losses(server_url, filled.keys.namespace, run) == []
        assert await accept_losses(server_url, filled.keys.namespace, run) == []
    assert await contents_of(connection, filled.keys) == before


async def test_a_namespace_that_was_never_opened_stays_that(server_url: str, connection: Client) -> None:
    keys, run = Keys("never-opened"), "00000000-0000-4000-8000-000000000000"
    assert await find_losses(server_url, keys.namespace) == []
    with pytest.raises(NotFoundError, match="there is no namespace 'never-opened' on this server"):
        await accept_losses(server_url, keys.namespace)
    with pytest.raises(NotFoundError, match=f"there is no run {run} on this server"):
        await accept_losses(server_url, keys.namespace, run)
    assert {name for name in await keys_of(connection, keys) if ":session:" not in name} == set()


async def test_the_loss_of_every_key_is_told_with_what_is_left(
    server_url: str, connection: Client, filled: Filled
) -> None:
    keys, run = filled.keys, filled.keys.run(filled.there.stored.run_id)
    await connection.router.request("HDEL", keys.specs, "m")
    await connection.router.request("RPOP", run.steps)
    expected = [Loss(keys.specs, "1 of 2 records are there"), Loss(run.steps, "1 of 2 records are there")]
    assert await find_losses(server_url, keys.namespace) == expected
    assert await accept_losses(server_url, keys.namespace) == expected[:1]
    assert await accept_losses(server_url, keys.namespace, filled.there.stored.run_id) == expected[1:]


@pytest.mark.parametrize("left", ["its index", "its place"])
async def test_a_run_without_its_hash_is_forgotten(
    left: str, server_url: str, connection: Client, filled: Filled
) -> None:
    keys, run_id = filled.keys, filled.there.stored.run_id
    run = keys.run(run_id)
    gone = [run.run] if left == "its index" else [*run.parts, run.index]
    await connection.router.request("DEL", *gone)
    async with open_filled(server_url, keys) as storage:
        with pytest.raises(SerializationError):
            await storage.runs.list_runs("mob")
        assert await accept_losses(server_url, keys.namespace, run_id) == [Loss(run.run, "the run is gone")]
        assert await storage.runs.get_run(run_id) is None
        assert run_id not in [listed.run_id for listed in await storage.runs.list_runs("mob")]
        await storage.runs.create_run(filled.there.stored)
        assert await storage.runs.get_run(run_id) == filled.there.stored
    assert await find_losses(server_url, keys.namespace) == []


async def test_records_of_an_older_release_count_from_then_on(
    server_url: str, connection: Client, filled: Filled
) -> None:
    keys, run = filled.keys, filled.keys.run(filled.there.stored.run_id)
    for key in (keys.meta, run.run):
        fields = await connection.router.request("HKEYS", key)
        await connection.router.request("HDEL", key, "counted", *(name for name in fields if name.startswith(b"n:")))
    found = await find_losses(server_url, keys.namespace)
    assert [(loss.key, loss.is_uncounted) for loss in found] == [(keys.meta, True), (run.run, True)]
    assert await accept_losses(server_url, keys.namespace) == found[:1]
    assert await accept_losses(server_url, keys.namespace, filled.there.stored.run_id) == found[1:]
    assert await refusals(server_url, filled) == []
    await restore(connection, filled)
    await connection.router.request("HDEL", keys.specs, "m")
    assert [loss.key for loss in await find_losses(server_url, keys.namespace)] == [keys.specs]


async def test_counters_go_on_behind_what_is_there(server_url: str, connection: Client, filled: Filled) -> None:
    keys = filled.keys
    async with open_filled(server_url, keys) as storage:
        last = await storage.events.latest_cursor()
        token = await storage.config.change_token("n")
        await connection.router.request("DEL", keys.meta)
        assert await accept_losses(server_url, keys.namespace)
        with pytest.raises(EpochChangedError):
            await storage.specs.delete_spec("m")
    async with open_filled(server_url, keys) as storage:
        await storage.config.put("n", "number", 1)
        assert await storage.config.change_token("n") > token
        assert await storage.events.latest_cursor() == last


async def test_a_key_of_another_type_must_be_removed_first(server_url: str, connection: Client, filled: Filled) -> None:
    await connection.router.request("SET", filled.keys.specs, "x")
    for call in (find_losses, accept_losses):
        with pytest.raises(SerializationError, match="specs is damaged: it is a string, and should be a hash"):
            await call(server_url, filled.keys.namespace)
    await connection.router.request("DEL", filled.keys.specs)
    assert await accept_losses(server_url, filled.keys.namespace)
    assert await refusals(server_url, filled) == []


@pytest.mark.parametrize(("namespace", "run"), [("a b", None), ("n", "no id")])
async def test_names_are_checked(namespace: str, run: str | None, server_url: str) -> None:
    for call in (find_losses, accept_losses):
        with pytest.raises(ValidationError):
            await call(server_url, namespace, run)


@pytest.mark.parametrize("url", [7, b"memory:", ["memory:"]])
async def test_a_url_of_another_type_is_refused(url: Any) -> None:
    for call in (find_losses, accept_losses):
        with pytest.raises(ValidationError, match=f"url must be a str, not a value of type {type(url).__name__}"):
            await call(url, "n")


async def test_a_newer_release_accepts_what_it_has_lost_itself(
    server_url: str, connection: Client, filled: Filled
) -> None:
    await connection.router.request("HSET", filled.keys.meta, "schema", NAMESPACE_SCHEMA + 1)
    await connection.router.request("DEL", filled.keys.specs)
    before = await contents_of(connection, filled.keys)
    with pytest.raises(WriteFailedError, match="a newer redis_mob"):
        await accept_losses(server_url, filled.keys.namespace)
    assert await contents_of(connection, filled.keys) == before


async def test_a_schema_version_that_was_cut_to_nothing_comes_back(
    server_url: str, connection: Client, filled: Filled
) -> None:
    await connection.router.request("HSET", filled.keys.meta, "schema", "")
    assert await accept_losses(server_url, filled.keys.namespace)
    assert await refusals(server_url, filled) == []

"""Conditional writes of config documents: the revision that a document carries, and who wins."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any

import pytest

from redis_mob.connection.connection import Connection
from redis_mob.connection.keys import Keys
from redis_mob.connection.transport import ReplyLost
from redis_mob.errors import (
    AlreadyExistsError,
    ConfigStoreError,
    OutcomeUnknownError,
    ValidationError,
    VersionConflictError,
)
from redis_mob.models.revision import extract_meta_revision
from redis_mob.stores.config import RedisConfigStore
from redis_mob.testing.waiting import LONG
from tests.stores import config_process

U64_MAX = 2**64 - 1

UNREADABLE: list[Any] = ["7", 1.0, 1e3, 1.5, -1, True, None, 2**64, [], {}, [7]]
"""What is no revision, and counts as 0."""


def at(revision: Any, **rest: Any) -> dict[str, Any]:
    """An envelope with this revision."""
    return {"spec": rest, "meta": {"revision": revision}}


async def revision_of(config: RedisConfigStore, id: str = "a") -> int:
    return extract_meta_revision(await config.get("n", id)) or 0


async def conflict(call: Coroutine[Any, Any, None], expected: int, actual: int) -> None:
    """The call is refused with exactly these numbers."""
    with pytest.raises(VersionConflictError) as refused:
        await call
    assert (refused.value.expected, refused.value.actual) == (expected, actual)
    assert isinstance(refused.value, ConfigStoreError)


@pytest.mark.parametrize(
    ("value", "revision"),
    [
        (at(7), 7),
        (at(0), 0),
        (at(U64_MAX), U64_MAX),
        ({"meta": {"revision": 5}}, 5),
        *[(at(unreadable), None) for unreadable in UNREADABLE],
        ({"spec": {}, "meta": {}}, None),
        ({"spec": {}}, None),
        ({"meta": [5], "revision": 5}, None),
        ([{"revision": 5}], None),
        (None, None),
        (5, None),
    ],
)
def test_the_revision_of_a_document(value: Any, revision: int | None) -> None:
    found = extract_meta_revision(value)
    assert found == revision
    assert type(found) is type(revision)


async def test_config_case_13_one_of_many_creates(config: RedisConfigStore, another_config: RedisConfigStore) -> None:
    stores = [config, another_config] * 10
    outcomes = await asyncio.gather(
        *(store.put_if_absent("n", "a", number) for number, store in enumerate(stores)), return_exceptions=True
    )
    assert sorted(map(type, outcomes), key=repr) == sorted([type(None)] + [AlreadyExistsError] * 19, key=repr)
    assert await config.get("n", "a") == outcomes.index(None)


async def test_config_case_14_revision_0_creates(config: RedisConfigStore) -> None:
    await config.put_if_revision("n", "a", at(1), 0)
    assert await config.get("n", "a") == at(1)


async def test_config_case_15_revision_0_does_not_overwrite_1(config: RedisConfigStore) -> None:
    await config.put("n", "a", at(1))
    await conflict(config.put_if_revision("n", "a", at(2), 0), 0, 1)
    assert await config.get("n", "a") == at(1)


async def test_config_case_16_the_expected_revision_is_replaced(config: RedisConfigStore) -> None:
    await config.put("n", "a", at(1))
    await config.put_if_revision("n", "a", at(2), 1)
    await config.put_if_revision("n", "a", at(3), 2)
    assert await revision_of(config) == 3


async def test_config_case_17_a_conflict_tells_both_numbers(config: RedisConfigStore) -> None:
    await config.put("n", "a", at(1))
    with pytest.raises(VersionConflictError, match="n/a has revision 1, not 5: read it again"):
        await config.put_if_revision("n", "a", at(6), 5)
    await conflict(config.put_if_revision("n", "a", at(6), 5), 5, 1)


async def test_config_case_18_absence_is_revision_0(config: RedisConfigStore) -> None:
    await conflict(config.put_if_revision("n", "a", at(4), 3), 3, 0)
    assert not await config.exists("n", "a")


async def test_config_case_19_a_bare_document_is_at_0(config: RedisConfigStore) -> None:
    await config.put("n", "a", {"model": "m"})
    await conflict(config.put_if_revision("n", "a", at(2), 1), 1, 0)
    await config.put_if_revision("n", "a", at(1), 0)
    assert await revision_of(config) == 1


@pytest.mark.parametrize("unreadable", UNREADABLE, ids=repr)
async def test_config_case_20_an_unreadable_revision_is_0(config: RedisConfigStore, unreadable: Any) -> None:
    await config.put("n", "a", at(unreadable))
    await conflict(config.put_if_revision("n", "a", at(8), 7), 7, 0)
    await config.put_if_revision("n", "a", at(1), 0)
    assert await revision_of(config) == 1


async def test_config_case_21_revisions_are_exact(config: RedisConfigStore) -> None:
    await config.put("n", "a", at(2**53 + 1))
    await conflict(config.put_if_revision("n", "a", at(1), 2**53), 2**53, 2**53 + 1)
    await conflict(config.delete_if_revision("n", "a", 2**53), 2**53, 2**53 + 1)
    await config.put_if_revision("n", "a", at(2**53 + 2), 2**53 + 1)


async def test_config_case_22_the_greatest_revision(config: RedisConfigStore) -> None:
    await config.put("n", "a", at(U64_MAX))
    await conflict(config.put_if_revision("n", "a", at(1), U64_MAX - 1), U64_MAX - 1, U64_MAX)
    await config.put_if_revision("n", "a", at(U64_MAX), U64_MAX)


@pytest.mark.parametrize("expected", [2**64, -1, True, 1.0, "1", None])
async def test_config_case_22_what_is_no_revision_is_refused(config: RedisConfigStore, expected: Any) -> None:
    await config.put("n", "a", at(1))
    for call in (
        config.put_if_revision("n", "a", at(2), expected),
        config.delete_if_revision("n", "a", expected),
    ):
        with pytest.raises(ValidationError, match="is no revision: use an integer from 0 to 18446744073709551615"):
            await call
    assert await config.get("n", "a") == at(1)


async def test_config_case_23_a_revision_needs_no_spec(config: RedisConfigStore) -> None:
    await config.put("n", "a", {"meta": {"revision": 5}})
    await config.put_if_revision("n", "a", at(6), 5)
    assert await revision_of(config) == 6


@pytest.mark.parametrize("following", [at(3), at(1), {"bare": 1}, None])
async def test_config_case_24_a_revision_need_not_grow(config: RedisConfigStore, following: Any) -> None:
    await config.put("n", "a", at(3))
    await config.put_if_revision("n", "a", following, 3)
    assert await config.get("n", "a") == following


async def test_config_case_25_deleting_the_expected_revision(config: RedisConfigStore) -> None:
    await config.put("n", "a", at(3))
    await conflict(config.delete_if_revision("n", "a", 2), 2, 3)
    assert await config.get("n", "a") == at(3)
    await config.delete_if_revision("n", "a", 3)
    assert not await config.exists("n", "a")


async def test_config_case_26_deleting_what_is_missing(config: RedisConfigStore) -> None:
    await config.delete_if_revision("n", "a", 0)
    await conflict(config.delete_if_revision("n", "a", 4), 4, 0)


async def test_a_deleted_document_is_at_0_again(config: RedisConfigStore) -> None:
    await config.put("n", "a", at(9))
    await config.delete("n", "a")
    await conflict(config.put_if_revision("n", "a", at(10), 9), 9, 0)
    await config.put_if_revision("n", "a", at(1), 0)


async def test_config_case_27_one_of_many_wins(config: RedisConfigStore, another_config: RedisConfigStore) -> None:
    stores = [config, another_config] * 10
    outcomes = await asyncio.gather(
        *(store.put_if_revision("n", "a", at(1, number=number), 0) for number, store in enumerate(stores)),
        return_exceptions=True,
    )
    lost = [outcome for outcome in outcomes if isinstance(outcome, VersionConflictError)]
    assert [(error.expected, error.actual) for error in lost] == [(0, 1)] * 19
    assert await config.get("n", "a") == at(1, number=outcomes.index(None))


async def test_config_case_28_an_update_and_a_delete(
    config: RedisConfigStore, another_config: RedisConfigStore
) -> None:
    for turn in range(20):
        await config.put("n", "a", at(1))
        calls = [config.put_if_revision("n", "a", at(2), 1), another_config.delete_if_revision("n", "a", 1)]
        calls = calls[:: 1 if turn % 2 else -1]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        updated, deleted = outcomes[:: 1 if turn % 2 else -1]
        if updated is None:
            assert isinstance(deleted, VersionConflictError)
            assert deleted.actual == 2
            assert await config.get("n", "a") == at(2)
        else:
            assert isinstance(updated, VersionConflictError)
            assert (deleted, updated.actual) == (None, 0)
            assert not await config.exists("n", "a")


async def test_config_case_29_processes_lose_no_update(config: RedisConfigStore, server_url: str, keys: Keys) -> None:
    command = [sys.executable, "-m", config_process.__name__, server_url, keys.namespace, "25"]
    pipe = asyncio.subprocess.PIPE
    processes = [await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe) for _ in range(3)]
    try:
        async with asyncio.timeout(LONG):
            for process in processes:
                assert process.stdout is not None
                assert await process.stdout.readline() == b"ready\n"
            await asyncio.gather(*(process.communicate(b"\n") for process in processes))
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()
                await process.wait()
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert await config.get("agents", "counter") == {"meta": {"revision": 75}}


async def test_config_case_30_a_plain_put_comes_between(config: RedisConfigStore) -> None:
    await config.put("n", "a", at(1))
    read = await revision_of(config)
    await config.put("n", "a", at(2))
    await conflict(config.put_if_revision("n", "a", at(2), read), 1, 2)


@pytest.mark.parametrize("happened", [True, False])
async def test_config_case_51_an_unknown_outcome_is_named_and_may_be_tried_again(
    config: RedisConfigStore, connection: Connection, monkeypatch: pytest.MonkeyPatch, happened: bool
) -> None:
    await config.put_if_revision("n", "a", at(1), 0)
    request = connection.transport.request

    async def reply_lost(*parts: Any) -> Any:
        if happened:
            await request(*parts)
        raise ReplyLost("the cable was cut")

    monkeypatch.setattr(connection.transport, "request", reply_lost)
    with pytest.raises(OutcomeUnknownError, match="config/put_if_revision"):
        await config.put_if_revision("n", "a", at(2), 1)
    monkeypatch.undo()

    if happened:
        await conflict(config.put_if_revision("n", "a", at(2), 1), 1, 2)
    else:
        await config.put_if_revision("n", "a", at(2), 1)
    assert [version.revision for version in await config.history("n", "a")] == [2, 1]

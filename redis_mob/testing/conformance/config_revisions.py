"""Conditional writes of config documents: which call creates one, and which revision counts (contract: config-8)."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import pytest

from redis_mob.contracts import ConfigStore, WatchableConfigStore
from redis_mob.errors import (
    AlreadyExistsError,
    ConfigStoreError,
    ValidationError,
    VersionConflictError,
    WriteFailedError,
)
from redis_mob.testing.backend import Backend
from redis_mob.testing.conformance.base import Guarantee, Opener, given
from redis_mob.testing.samples.config_documents import U64_MAX, at, changed, deleted, revision_of
from redis_mob.testing.waiting import LONG, take

UNREADABLE: list[Any] = ["7", 1.0, 1e3, 1.5, -1, True, None, 2**64, [], {}, [7]]
"""What is no revision, and counts as 0."""


async def conflict(call: Coroutine[Any, Any, None], expected: int, actual: int) -> None:
    """The call is refused with exactly these numbers."""
    with pytest.raises(VersionConflictError) as refused:
        await call
    assert (refused.value.expected, refused.value.actual) == (expected, actual)
    assert isinstance(refused.value, ConfigStoreError)


async def count_up(config: ConfigStore, times: int) -> None:
    """Add 1 to the revision of `n/counter` this many times, again when another writer was faster."""
    done = 0
    while done < times:
        revision = await revision_of(config, "counter")
        with suppress(VersionConflictError):
            await config.put_if_revision("n", "counter", at(revision + 1), revision)
            done += 1


class TestConfigCreation(Guarantee):
    """A document is created once: a later creation is refused, and changes nothing."""

    async def test_config_case_12_only_the_first_creates(self, config: WatchableConfigStore) -> None:
        await config.put_if_absent("n", "a", 1)
        with pytest.raises(AlreadyExistsError) as refused:
            await config.put_if_absent("n", "a", 2)
        assert str(refused.value) == "n/a"
        assert (refused.value.namespace, refused.value.id) == ("n", "a")
        assert isinstance(refused.value, ConfigStoreError)
        assert await config.get("n", "a") == 1

    async def test_config_case_12_a_stored_null_is_there(self, config: WatchableConfigStore) -> None:
        await config.put("n", "a", None)
        with pytest.raises(AlreadyExistsError, match=r"\An/a\Z"):
            await config.put_if_absent("n", "a", 2)
        assert await config.get("n", "a") is None

    async def test_config_case_13_one_of_many_creates(self, open_stores: Opener) -> None:
        stores = [given("config", (await open_stores()).config) for _ in range(4)] * 5
        outcomes = await asyncio.gather(
            *(store.put_if_absent("n", "a", number) for number, store in enumerate(stores)), return_exceptions=True
        )
        assert [type(outcome) for outcome in outcomes if outcome is not None] == [AlreadyExistsError] * 19
        assert await stores[0].get("n", "a") == outcomes.index(None)

    async def test_a_deleted_document_may_be_created_again(self, config: WatchableConfigStore) -> None:
        await config.put_if_absent("n", "a", 1)
        await config.delete("n", "a")
        await config.put_if_absent("n", "a", 2)
        assert await config.get("n", "a") == 2


class TestConfigRevisions(Guarantee):
    """A conditional write happens if the stored revision is the expected one, and changes nothing otherwise."""

    async def test_config_case_14_revision_0_creates(self, config: WatchableConfigStore) -> None:
        await config.put_if_revision("n", "a", at(1), 0)
        assert await config.get("n", "a") == at(1)

    async def test_config_case_15_revision_0_does_not_overwrite_1(self, config: WatchableConfigStore) -> None:
        await config.put("n", "a", at(1))
        await conflict(config.put_if_revision("n", "a", at(2), 0), 0, 1)
        assert await config.get("n", "a") == at(1)

    async def test_config_case_16_the_expected_revision_is_replaced(self, config: WatchableConfigStore) -> None:
        await config.put("n", "a", at(1))
        await config.put_if_revision("n", "a", at(2), 1)
        await config.put_if_revision("n", "a", at(3), 2)
        assert await config.get("n", "a") == at(3)

    async def test_config_case_17_a_conflict_tells_both_numbers(self, config: WatchableConfigStore) -> None:
        await config.put("n", "a", at(1))
        await conflict(config.put_if_revision("n", "a", at(6), 5), 5, 1)
        assert await config.get("n", "a") == at(1)

    async def test_config_case_18_absence_is_revision_0(self, config: WatchableConfigStore) -> None:
        await conflict(config.put_if_revision("n", "a", at(4), 3), 3, 0)
        assert not await config.exists("n", "a")

    async def test_config_case_19_a_bare_document_is_at_0(self, config: WatchableConfigStore) -> None:
        await config.put("n", "a", {"model": "m"})
        await conflict(config.put_if_revision("n", "a", at(2), 1), 1, 0)
        await config.put_if_revision("n", "a", at(1), 0)
        assert await config.get("n", "a") == at(1)

    @pytest.mark.parametrize("unreadable", UNREADABLE, ids=repr)
    async def test_config_case_20_an_unreadable_revision_is_0(
        self, config: WatchableConfigStore, unreadable: Any
    ) -> None:
        await config.put("n", "a", at(unreadable))
        await conflict(config.put_if_revision("n", "a", at(8), 7), 7, 0)
        await config.put_if_revision("n", "a", at(1), 0)
        assert await config.get("n", "a") == at(1)

    @pytest.mark.parametrize("value", [None, 5, [{"revision": 5}], {"meta": [5], "revision": 5}], ids=repr)
    async def test_config_case_20_a_document_without_a_place_for_a_revision_is_at_0(
        self, config: WatchableConfigStore, value: Any
    ) -> None:
        await config.put("n", "a", value)
        await conflict(config.delete_if_revision("n", "a", 5), 5, 0)
        await config.delete_if_revision("n", "a", 0)
        assert not await config.exists("n", "a")

    async def test_config_case_21_revisions_are_exact(self, config: WatchableConfigStore) -> None:
        await config.put("n", "a", at(2**53 + 1))
        await conflict(config.put_if_revision("n", "a", at(1), 2**53), 2**53, 2**53 + 1)
        await conflict(config.delete_if_revision("n", "a", 2**53), 2**53, 2**53 + 1)
        await config.put_if_revision("n", "a", at(2**53 + 2), 2**53 + 1)
        assert await config.get("n", "a") == at(2**53 + 2)

    async def test_config_case_22_the_greatest_revision(self, config: WatchableConfigStore) -> None:
        await config.put("n", "a", at(U64_MAX))
        await conflict(config.put_if_revision("n", "a", at(1), U64_MAX - 1), U64_MAX - 1, U64_MAX)
        await config.put_if_revision("n", "a", at(U64_MAX), U64_MAX)
        await config.delete_if_revision("n", "a", U64_MAX)
        assert not await config.exists("n", "a")

    @pytest.mark.parametrize("expected", [2**64, -1])
    async def test_config_case_22_what_is_no_revision_is_refused(
        self, config: WatchableConfigStore, expected: int
    ) -> None:
        await config.put("n", "a", at(expected))
        for call in (
            config.put_if_revision("n", "a", at(2), expected),
            config.delete_if_revision("n", "a", expected),
        ):
            with pytest.raises(ValidationError):
                await call
        assert await config.get("n", "a") == at(expected)

    async def test_config_case_23_a_revision_needs_no_spec(self, config: WatchableConfigStore) -> None:
        await config.put("n", "a", {"meta": {"revision": 5}})
        await config.put_if_revision("n", "a", at(6), 5)
        assert await config.get("n", "a") == at(6)

    @pytest.mark.parametrize("following", [at(3), at(1), {"bare": 1}, None])
    async def test_config_case_24_a_revision_need_not_grow(self, config: WatchableConfigStore, following: Any) -> None:
        await config.put("n", "a", at(3))
        await config.put_if_revision("n", "a", following, 3)
        assert await config.get("n", "a") == following

    async def test_config_case_25_deleting_the_expected_revision(self, config: WatchableConfigStore) -> None:
        await config.put("n", "a", at(3))
        await conflict(config.delete_if_revision("n", "a", 2), 2, 3)
        assert await config.get("n", "a") == at(3)
        await config.delete_if_revision("n", "a", 3)
        assert not await config.exists("n", "a")

    async def test_config_case_26_deleting_what_is_missing(self, config: WatchableConfigStore) -> None:
        await config.delete_if_revision("n", "a", 0)
        await conflict(config.delete_if_revision("n", "a", 4), 4, 0)

    async def test_a_deleted_document_is_at_0_again(self, config: WatchableConfigStore) -> None:
        await config.put("n", "a", at(9))
        await config.delete("n", "a")
        await conflict(config.put_if_revision("n", "a", at(10), 9), 9, 0)
        await config.put_if_revision("n", "a", at(1), 0)
        assert await config.get("n", "a") == at(1)

    async def test_config_case_30_a_plain_put_comes_between(self, config: WatchableConfigStore) -> None:
        await config.put("n", "a", at(1))
        read = await revision_of(config, "a")
        await config.put("n", "a", at(2))
        await conflict(config.put_if_revision("n", "a", at(2), read), 1, 2)
        assert await config.get("n", "a") == at(2)


class TestConfigRaces(Guarantee):
    """Of conditional writes that race for a revision one wins, and no update is lost or made twice."""

    async def test_config_case_27_one_of_many_wins(self, open_stores: Opener) -> None:
        stores = [given("config", (await open_stores()).config) for _ in range(4)] * 5
        outcomes = await asyncio.gather(
            *(store.put_if_revision("n", "a", at(1, number=number), 0) for number, store in enumerate(stores)),
            return_exceptions=True,
        )
        lost = [outcome for outcome in outcomes if isinstance(outcome, VersionConflictError)]
        assert [(error.expected, error.actual) for error in lost] == [(0, 1)] * 19
        assert await stores[0].get("n", "a") == at(1, number=outcomes.index(None))

    async def test_config_case_28_an_update_and_a_delete(self, open_stores: Opener) -> None:
        one, two = [given("config", (await open_stores()).config) for _ in range(2)]
        for turn in range(20):
            await one.put("n", "a", at(1))
            async with one.subscribe() as following:
                order = slice(None, None, 1 if turn % 2 else -1)
                calls = [one.put_if_revision("n", "a", at(2), 1), two.delete_if_revision("n", "a", 1)]
                updated, removed = (await asyncio.gather(*calls[order], return_exceptions=True))[order]
                if updated is None:
                    assert isinstance(removed, VersionConflictError)
                    assert removed.actual == 2
                    assert await two.get("n", "a") == at(2)
                    assert await take(following, 1) == [changed("a")]
                else:
                    assert isinstance(updated, VersionConflictError)
                    assert (removed, updated.actual) == (None, 0)
                    assert not await one.exists("n", "a")
                    assert await take(following, 1) == [deleted("a")]

    async def test_config_case_29_no_update_is_lost(self, open_stores: Opener) -> None:
        stores = [given("config", (await open_stores()).config) for _ in range(3)]
        await asyncio.gather(*(count_up(store, 25) for store in stores))
        assert await stores[0].get("n", "counter") == at(75)

    async def test_config_case_51_a_write_that_is_tried_again_happens_once(
        self, config: WatchableConfigStore, open_stores: Opener, backend: Backend
    ) -> None:
        async def write(revision: int) -> None:
            """Try until it has happened, now or in an attempt whose outcome was unknown."""
            while True:
                try:
                    return await config.put_if_revision("n", "a", at(revision), revision - 1)
                except WriteFailedError:
                    await asyncio.sleep(0)
                except VersionConflictError as happened:
                    assert happened.actual == revision
                    return None

        async def disturb() -> None:
            for _ in range(20):
                await backend.disconnect()

        start, revision = (await config.snapshot([])).cursor, 0
        disturbing = asyncio.create_task(disturb())
        async with asyncio.timeout(LONG):
            while not disturbing.done():
                revision += 1
                await write(revision)
                await asyncio.sleep(0)
        await disturbing
        another = given("config", (await open_stores()).config)
        assert await another.get("n", "a") == at(revision)
        await another.put("n", "end", 0)
        async with another.subscribe(after=start) as following:
            assert await take(following, revision + 1) == [*[changed("a")] * revision, changed("end")]

"""Reading a namespace of config documents: in windows, whole, or page by page (contract: config-14, config-15)."""

from __future__ import annotations

import sys
from bisect import bisect

import pytest

from redis_mob.contracts import WatchableConfigStore
from redis_mob.errors import ValidationError
from redis_mob.models.config import Delete
from redis_mob.testing.conformance.base import Guarantee, Opener, given
from redis_mob.testing.samples.config_documents import TEN_THOUSAND, U64_MAX, ids_of, put_all, walked


class TestConfigListings(Guarantee):
    """Documents are listed in the order of the bytes of their ids, all of them or a window."""

    async def test_config_case_06_documents_are_listed_by_id(self, config: WatchableConfigStore) -> None:
        for id in "bac":
            await config.put("n", id, id.upper())
        assert await config.list("n", 0, 10) == [("a", "A"), ("b", "B"), ("c", "C")]

    async def test_config_case_07_an_offset_skips(self, config: WatchableConfigStore) -> None:
        await put_all(config, "abc")
        assert await ids_of(config, offset=1, limit=1) == ["b"]
        assert await ids_of(config, offset=1) == ["b", "c"]

    async def test_config_case_08_empty_pages(self, config: WatchableConfigStore) -> None:
        for namespace in ("m", "n", "o"):
            await config.put(namespace, "a", 0)
        assert await ids_of(config, limit=0) == []
        assert await ids_of(config, offset=1) == []
        assert await ids_of(config, offset=U64_MAX) == []
        assert await ids_of(config, "unknown") == []

    @pytest.mark.parametrize("limit", [sys.maxsize, U64_MAX])
    async def test_config_case_09_the_greatest_limit(self, config: WatchableConfigStore, limit: int) -> None:
        await config.put("n", "a", 0)
        assert await ids_of(config, limit=limit) == ["a"]

    @pytest.mark.parametrize("window", [{"offset": -1}, {"limit": -1}])
    async def test_a_window_is_counted_from_zero(self, config: WatchableConfigStore, window: dict[str, int]) -> None:
        with pytest.raises(ValidationError):
            await config.list("n", **window)

    async def test_config_case_10_ids_are_in_the_order_of_their_bytes(self, config: WatchableConfigStore) -> None:
        await put_all(config, ["9", "10", "B", "a", "_x", "ä", "😀", "\uffff"])
        assert await ids_of(config) == ["10", "9", "B", "_x", "a", "ä", "\uffff", "😀"]

    async def test_config_case_48_a_large_namespace_is_read_whole_or_far_into_it(
        self, config: WatchableConfigStore
    ) -> None:
        await put_all(config, TEN_THOUSAND)
        documents = [(id, id) for id in TEN_THOUSAND]
        assert await config.list("n", 9_990, 10) == documents[9_990:]
        assert await config.list("n", 9_999, 10) == documents[9_999:]
        assert await config.list("n") == documents
        assert list((await config.snapshot(["n"])).documents["n"].items()) == documents


class TestConfigWalks(Guarantee):
    """A walk sees each document that stays exactly once and in order, also while others are written."""

    async def test_config_case_47_a_walk_sees_what_stays_exactly_once(self, open_stores: Opener) -> None:
        config, another = [given("config", (await open_stores()).config) for _ in range(2)]
        await put_all(config, TEN_THOUSAND)
        seen: list[str] = []
        gone: set[str] = set()
        async for id, value in config.walk("n", page_size=500):
            assert value == id
            seen.append(id)
            if len(seen) % 500 == 0:
                place = bisect(TEN_THOUSAND, id)
                passed, ahead = seen[-300:-297], TEN_THOUSAND[place + 700 : place + 702]
                await put_all(another, [f"{id}+" for id in [passed[0], *ahead]])
                await another.apply([Delete("n", id) for id in [*passed, *ahead]])
                gone.update(passed, ahead)
        assert len(gone) > 50
        assert seen == sorted(set(seen))
        assert set(TEN_THOUSAND) - gone <= set(seen)

    @pytest.mark.parametrize("page_size", [1, 2, 3, 4, 100])
    async def test_a_walk_does_not_depend_on_its_pages(self, config: WatchableConfigStore, page_size: int) -> None:
        for namespace in ("m", "n", "o"):
            await put_all(config, ["ä", "a", "b", "aa"], namespace)
        assert await walked(config, "n", page_size) == await config.list("n")
        assert await ids_of(config) == ["a", "aa", "b", "ä"]
        assert await walked(config, "unknown", page_size) == []

    async def test_a_page_has_no_negative_size(self, config: WatchableConfigStore) -> None:
        with pytest.raises(ValidationError):
            await walked(config, page_size=-1)

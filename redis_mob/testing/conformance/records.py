"""Generic records: exact replays of inserts, conditional writes, listings (contract: record-3, record-4, record-5)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from redis_mob.contracts import RecordStore
from redis_mob.errors import CasConflictError, InternalError, SerializationError, ValidationError
from redis_mob.testing.backend import Backend, StoredRecord
from redis_mob.testing.conformance.base import Guarantee, Opener, given

NAMES = ["", "a", "a\0", "ab", "b", "\x80", "é", "🦀", "a" * 300]


class TestRecords(Guarantee):
    """A generic record is inserted once, and is replaced or deleted only by a caller who knows its value."""

    async def test_the_store_has_every_method_of_the_contract(self, records: RecordStore) -> None:
        assert isinstance(records, RecordStore)

    @pytest.mark.parametrize("value", [0, False, "", [], {"b": 1, "a": [None, 1.5, "é"]}, "x" * 100_000, 2**70])
    async def test_a_value_is_read_as_it_was_written(self, records: RecordStore, value: Any) -> None:
        assert await records.insert("c", "k", value) is True
        found = await records.get("c", "k")
        assert (type(found), found) == (type(value), value)
        assert str(found) == str(value), "the order of the keys included"

    async def test_an_absent_record_is_none(self, records: RecordStore) -> None:
        assert await records.insert("c", "k", 1)
        assert await records.get("c", "other") is await records.get("d", "k") is None

    async def test_the_same_insert_happens_once(self, records: RecordStore) -> None:
        assert await records.insert("c", "k", {"a": 1, "b": -0.0}) is True
        assert await records.insert("c", "k", {"b": 0.0, "a": 1}) is False
        assert str(await records.get("c", "k")) == "{'a': 1, 'b': -0.0}"

    @pytest.mark.parametrize("other", [1.0, True, "1", [1], {"a": 1}])
    async def test_an_insert_of_another_value_is_refused_and_shows_none(
        self, records: RecordStore, other: object
    ) -> None:
        await records.insert("some collection", "some key", 1)
        with pytest.raises(CasConflictError, match=r"'some key' of collection 'some collection'"):
            await records.insert("some collection", "some key", other)
        assert await records.get("some collection", "some key") == 1
        await records.insert("c", "secret", {"s": "hunter2"})
        with pytest.raises(CasConflictError) as refused:
            await records.insert("c", "secret", {"s": "hunter3"})
        assert "hunter" not in str(refused.value)

    async def test_one_of_many_inserts_at_once_stores(self, open_stores: Opener) -> None:
        handles = [given("records", (await open_stores()).records) for _ in range(4)]
        same = await asyncio.gather(*(handle.insert("c", "same", 1) for handle in handles))
        assert sorted(same) == [False, False, False, True]
        different = await asyncio.gather(
            *(handle.insert("c", "other", number) for number, handle in enumerate(handles)), return_exceptions=True
        )
        assert [answer for answer in different if not isinstance(answer, CasConflictError)] == [True]

    async def test_a_value_that_is_known_is_replaced(self, records: RecordStore) -> None:
        await records.insert("c", "k", {"a": 1, "b": 2})
        assert await records.compare_and_put("c", "k", {"b": 2, "a": 1}, [1]) is True
        assert await records.compare_and_put("c", "k", {"b": 2, "a": 1}, [2]) is False
        assert await records.get("c", "k") == [1]

    async def test_absence_is_expected_by_none(self, records: RecordStore) -> None:
        assert await records.compare_and_put("c", "k", None, 1) is True
        assert await records.compare_and_put("c", "k", None, 1) is False
        assert await records.compare_and_put("c", "absent", 1, 1) is False
        assert await records.compare_and_delete("c", "absent", None) is True
        assert await records.compare_and_delete("c", "k", None) is False
        assert await records.list("c") == [("k", 1)]

    async def test_a_value_that_is_known_is_deleted(self, records: RecordStore) -> None:
        await records.insert("c", "k", 1)
        await records.insert("c", "other", 1)
        assert await records.compare_and_delete("c", "k", 1.0) is False
        assert await records.compare_and_delete("c", "k", 1) is True
        assert await records.compare_and_delete("c", "k", 1) is False
        assert await records.list("c") == [("other", 1)]
        assert await records.insert("c", "k", 2) is True

    async def test_one_of_many_changes_of_a_value_wins(self, open_stores: Opener) -> None:
        handles = [given("records", (await open_stores()).records) for _ in range(4)]
        await handles[0].insert("c", "k", 0)
        wins = await asyncio.gather(*(handle.compare_and_put("c", "k", 0, n + 1) for n, handle in enumerate(handles)))
        assert sum(wins) == 1
        assert await handles[0].get("c", "k") == wins.index(True) + 1

    async def test_null_and_what_is_no_json_are_refused(self, records: RecordStore) -> None:
        null: Any = None
        for write in (
            lambda: records.insert("c", "k", null),
            lambda: records.compare_and_put("c", "k", None, null),
        ):
            with pytest.raises(ValidationError, match="null"):
                await write()
        for value in (float("nan"), {1: 2}, "\ud800", b"bytes", object()):
            for refused in (
                records.insert("c", "k", value),
                records.compare_and_put("c", "k", None, value),
                records.compare_and_put("c", "k", value, 1),
                records.compare_and_delete("c", "k", value),
            ):
                with pytest.raises(InternalError, match=r"record 'k' of collection 'c'"):
                    await refused
        assert await records.collections() == []


class TestRecordListings(Guarantee):
    """Generic records are listed by collection in the byte order of their keys, page by page if that is wanted."""

    async def test_a_collection_is_listed_in_the_order_of_its_keys(self, records: RecordStore) -> None:
        for key in reversed(NAMES):
            await records.insert("c", key, [key])
        assert await records.list("c") == [(key, [key]) for key in sorted(NAMES, key=str.encode)]

    async def test_pages_give_every_record_once(self, records: RecordStore) -> None:
        for key in NAMES:
            await records.insert("c", key, [key])
        found: list[str] = []
        after: str | None = None
        while page := await records.list("c", after, limit=2):
            assert len(page) <= 2
            found += [key for key, _ in page]
            after = found[-1]
        assert found == sorted(NAMES, key=str.encode)
        assert [key for key, _ in await records.list("c", "aa")] == [key for key in found if key.encode() > b"aa"]
        assert await records.list("c", limit=0) == []

    async def test_collections_do_not_meet(self, records: RecordStore) -> None:
        for collection in NAMES:
            for key in NAMES:
                await records.insert(collection, key, [collection, key])
        assert await records.collections() == sorted(NAMES, key=str.encode)
        for collection in NAMES:
            assert await records.list(collection) == [(key, [collection, key]) for key in sorted(NAMES, key=str.encode)]

    async def test_a_collection_is_gone_with_its_last_record(self, records: RecordStore) -> None:
        assert await records.collections() == await records.list("c") == []
        await records.insert("c", "k", 1)
        assert await records.collections() == ["c"]
        await records.compare_and_delete("c", "k", 1)
        assert await records.collections() == []


class TestUnreadableRecords(Guarantee):
    """A generic record that is damaged is named, and all others are read."""

    async def test_only_the_damaged_record_is_refused(self, records: RecordStore, backend: Backend) -> None:
        for key in ("broken", "whole"):
            await records.insert("c", key, {"of": key})
        await backend.damage(StoredRecord("c", "broken"))
        for refused in (
            records.get("c", "broken"),
            records.list("c"),
            records.insert("c", "broken", 1),
            records.compare_and_put("c", "broken", 1, 2),
            records.compare_and_delete("c", "broken", 1),
        ):
            with pytest.raises(SerializationError, match=r"record 'broken' of collection 'c'"):
                await refused
        assert await records.get("c", "whole") == {"of": "whole"}
        assert await records.list("c", "broken") == [("whole", {"of": "whole"})]
        assert await records.insert("c", "whole", {"of": "whole"}) is False

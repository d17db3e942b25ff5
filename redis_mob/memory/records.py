"""Generic records in memory."""

from __future__ import annotations

from typing import Any

from redis_mob.codec import records as codec
from redis_mob.codec.arguments import integer, optional_text
from redis_mob.contracts import RecordStore
from redis_mob.contracts.records import Names, StoredRecords
from redis_mob.memory.namespace import Access


class MemoryRecordStore(RecordStore):
    """The contract's `RecordStore` in memory; its docstrings say what holds."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def insert(self, collection: str, key: str, value: Any) -> bool:
        place, encoded = codec.record_place(collection, key), codec.encode_record(collection, key, value)
        records = self._access.content.records
        if place not in records:
            records[place] = (collection, encoded)
            return True
        if codec.is_equal(collection, key, records[place][1], codec.comparable(collection, key, value)):
            return False
        raise codec.another_value(collection, key)

    async def get(self, collection: str, key: str) -> Any | None:
        found = self._access.content.records.get(codec.record_place(collection, key))
        return None if found is None else codec.decode_record(collection, key, found[1])

    async def list(self, collection: str, after: str | None = None, limit: int | None = None) -> StoredRecords:
        prefix = codec.collection_prefix(collection)
        behind = None if (key := optional_text("after", after)) is None else prefix + key.encode()
        most = None if limit is None else integer("limit", limit, 0)
        records = self._access.content.records
        places = sorted(place for place in records if place.startswith(prefix) and (behind is None or place > behind))
        keys = [(place, codec.key_of_place(prefix, place)) for place in places[:most]]
        return [(key, codec.decode_record(collection, key, records[place][1])) for place, key in keys]

    async def compare_and_put(self, collection: str, key: str, expected: Any | None, value: Any) -> bool:
        place, encoded = codec.record_place(collection, key), codec.encode_record(collection, key, value)
        if self._is(collection, key, expected):
            self._access.content.records[place] = (collection, encoded)
            return True
        return False

    async def compare_and_delete(self, collection: str, key: str, expected: Any | None) -> bool:
        place = codec.record_place(collection, key)
        if self._is(collection, key, expected):
            self._access.content.records.pop(place, None)
            return True
        return False

    async def collections(self) -> Names:
        return sorted({collection for collection, _ in self._access.content.records.values()}, key=str.encode)

    def _is(self, collection: str, key: str, expected: Any | None) -> bool:
        """Whether the record has this value, or is absent for None."""
        wanted = None if expected is None else codec.comparable(collection, key, expected)
        found = self._access.content.records.get(codec.record_place(collection, key))
        if wanted is None or found is None:
            return wanted is found
        return codec.is_equal(collection, key, found[1], wanted)

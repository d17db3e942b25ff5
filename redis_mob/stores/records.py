"""Generic records on Redis: each method encodes, calls one script, and reads its reply.

Values are compared here, as JSON; a script compares the bytes that were compared, and the comparing begins again if
they have changed meanwhile (decision 0061).
"""

from __future__ import annotations

from typing import Any

from redis_mob.codec import records as codec
from redis_mob.codec.arguments import integer, optional_text
from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.calls.replies import Reply
from redis_mob.contracts import RecordStore
from redis_mob.contracts.records import Names, StoredRecords
from redis_mob.stores.readable import readable


@readable
class RedisRecordStore(RecordStore):
    """The contract's `RecordStore` on Redis; its docstrings say what holds."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client = client
        self._keys = [keys.meta, keys.records, keys.record_places]

    async def insert(self, collection: str, key: str, value: Any) -> bool:
        place, encoded = codec.record_place(collection, key), codec.encode_record(collection, key, value)
        stored = await self._insert(place, encoded)
        if stored is None:
            return True
        if codec.is_equal(collection, key, stored, codec.comparable(collection, key, value)):
            return False
        raise codec.another_value(collection, key)

    async def get(self, collection: str, key: str) -> Any | None:
        stored = await self._get(codec.record_place(collection, key))
        return None if stored is None else codec.decode_record(collection, key, stored)

    async def list(self, collection: str, after: str | None = None, limit: int | None = None) -> StoredRecords:
        prefix = codec.collection_prefix(collection)
        behind = b"" if (key := optional_text("after", after)) is None else prefix + key.encode()
        most = None if limit is None else integer("limit", limit, 0)
        found = await self._client.read(
            "records/list", self._keys, [prefix, behind, -1 if most is None else min(most, 2**31)]
        )
        keys = [(codec.key_of_place(prefix, place), stored) for place, stored in found]
        return [(key, codec.decode_record(collection, key, stored)) for key, stored in keys]

    async def compare_and_put(self, collection: str, key: str, expected: Any | None, value: Any) -> bool:
        place, encoded = codec.record_place(collection, key), codec.encode_record(collection, key, value)
        if expected is None:
            return await self._insert(place, encoded) is None
        return await self._if_value_is(collection, key, place, expected, "records/compare_and_put", encoded)

    async def compare_and_delete(self, collection: str, key: str, expected: Any | None) -> bool:
        place = codec.record_place(collection, key)
        if expected is None:
            return await self._get(place) is None
        return await self._if_value_is(collection, key, place, expected, "records/compare_and_delete")

    async def collections(self) -> Names:
        found = await self._client.read("records/collections", self._keys, [])
        return sorted(map(codec.collection_of_prefix, found), key=str.encode)

    async def _insert(self, place: bytes, encoded: bytes) -> bytes | None:
        """Store a record unless one is there; what is there."""
        won, *stored = await self._client.call("records/insert", self._keys, [place, encoded])
        return None if won == Reply.WON else stored[0]

    async def _get(self, place: bytes) -> bytes | None:
        return await self._client.read("records/get", self._keys, [place])

    async def _if_value_is(
        self, collection: str, key: str, place: bytes, expected: Any, script: str, *more: bytes
    ) -> bool:
        """Run a script that changes exactly the bytes that were compared; they are compared again if they changed."""
        wanted = codec.comparable(collection, key, expected)
        while (stored := await self._get(place)) is not None:
            if not codec.is_equal(collection, key, stored, wanted):
                return False
            if await self._client.call(script, self._keys, [place, stored, *more]) == Reply.WON:
                return True
        return False

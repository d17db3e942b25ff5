"""What the store of generic records promises."""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias, runtime_checkable

StoredRecords: TypeAlias = list[tuple[str, Any]]
"""Keys and values of one collection, in the order of the keys."""

Names: TypeAlias = list[str]


@runtime_checkable
class RecordStore(Protocol):
    """JSON values by collection and key, for what has no store of its own (contract: record-1).

    A value is any JSON but null, which stands for absence (contract: record-2); values are compared as JSON
    (contract: store-6). Every method is atomic. All methods raise ValidationError for an argument of another type
    (contract: store-23); InternalError for a collection, key or value that cannot be stored, before any write;
    SerializationError naming the collection and the key that are damaged; OutcomeUnknownError when the connection was
    lost after a write was sent; WriteFailedError or ReadFailedError when the storage cannot be reached.
    """

    async def insert(self, collection: str, key: str, value: Any) -> bool:
        """Store a new record. True if it was stored; False, touching nothing, if an equal one is there.

        Raises CasConflictError, naming collection and key, if another value is there (contract: record-3).
        """
        ...

    async def get(self, collection: str, key: str) -> Any | None:
        """The value of a record; None if there is none."""
        ...

    async def list(self, collection: str, after: str | None = None, limit: int | None = None) -> StoredRecords:
        """The records of a collection as they were at one moment, in the byte order of their keys in UTF-8.

        Begins with the first key behind `after`, which need not be there, and gives at most `limit` records, all
        without one (contract: record-4).
        """
        ...

    async def compare_and_put(self, collection: str, key: str, expected: Any | None, value: Any) -> bool:
        """Store a value if that of the record equals `expected`, or if there is none for None (contract: record-5).

        False, touching nothing, if not.
        """
        ...

    async def compare_and_delete(self, collection: str, key: str, expected: Any | None) -> bool:
        """Delete a record if its value equals `expected`; False, touching nothing, if not.

        For None there is nothing to delete: True if the record is absent.
        """
        ...

    async def collections(self) -> Names:
        """The collections that have a record, in the byte order of their names in UTF-8 (contract: record-6)."""
        ...

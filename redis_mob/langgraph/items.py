"""The items of a store of LangGraph on a server: each method encodes, calls one script, and reads its reply."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from redis_mob.codec.ledgers import decode_json
from redis_mob.connection.calls.open_namespace import OpenNamespace
from redis_mob.errors import SerializationError, shortened, shown
from redis_mob.langgraph.addresses import utf8

PAGE = 200
"""How many items one script reads."""

_NAMESPACES = 500
"""How many places one script looks at to find namespaces."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class StoredItem(NamedTuple):
    """An item as it is stored. `expires` says whether it goes some time after its last use."""

    namespace: tuple[str, ...]
    key: str
    value: dict[str, Any]
    created_at: datetime
    updated_at: datetime
    expires: bool

    @classmethod
    def of(cls, place: bytes, item: bytes) -> StoredItem:
        """An item from its place and its record. Raises SerializationError."""
        namespace, key = namespace_and_key(place)
        try:
            created, updated, stays, value = item.split(b" ", 3)
            return cls(namespace, key, decode_json(value), _moment(created), _moment(updated), stays != b"0")
        except ValueError as error:
            raise SerializationError(
                f"item {shown(key)} of namespace {shown(namespace)} cannot be read: {shortened(error)}"
            ) from error


class NewItem(NamedTuple):
    """A value that is to be stored, and for how many milliseconds it stays after each use; 0 is for ever."""

    value: bytes
    stays: int


def place_of(namespace: Sequence[str], key: str) -> bytes:
    """Where an item stands: behind the labels of its namespace, which hold no NUL. Raises ValidationError."""
    return prefix_of(namespace) + b"\0" + key.encode()


def prefix_of(namespace: Sequence[str]) -> bytes:
    """What the places of all items of a namespace, and of those below it, begin with. Raises ValidationError."""
    return b"".join(utf8("a label of the namespace", label) + b"\0" for label in namespace)


def namespace_and_key(place: bytes) -> tuple[tuple[str, ...], str]:
    """What a place says. Raises SerializationError."""
    labels, between, key = place.partition(b"\0\0")
    try:
        if between:
            return tuple(labels.decode().split("\0")), key.decode()
    except UnicodeDecodeError:
        pass
    raise SerializationError(f"{shown(place)} is no place of an item")


class Items:
    """The items of one namespace of redis_mob. All methods raise as those of the stores do."""

    def __init__(self, server: OpenNamespace) -> None:
        self._client = server.client
        self._keys = server.keys.langgraph

    @property
    def _all(self) -> list[str]:
        return [self._keys.items, self._keys.item_places, self._keys.item_expiry]

    async def put_items(self, changes: Mapping[bytes, NewItem | None]) -> None:
        """Put items, and delete those whose value is None: all or nothing."""
        arguments = {
            "gone": [place for place, new in changes.items() if new is None],
            "put": [part for place, new in changes.items() if new is not None for part in (place, *new)],
        }
        await self._client.call("langgraph/put_items", self._all, arguments)

    async def read_items(self, places: Sequence[bytes]) -> list[StoredItem | None]:
        """The items at these places."""
        keys = [self._keys.items, self._keys.item_expiry]
        found: list[bytes | None] = await self._client.read("langgraph/read_items", keys, {"places": places})
        return [None if item is None else StoredItem.of(place, item) for place, item in zip(places, found, strict=True)]

    async def search_items(self, prefix: bytes, most: int) -> AsyncIterator[StoredItem]:
        """The items whose places begin with this, in the order of namespaces and keys, so many at a time."""
        low, high = b"[" + prefix, b"(" + prefix + b"\xff"
        while True:
            last, found = await self._client.read("langgraph/search_items", self._all, [low, high, most])
            for place, item in zip(found[::2], found[1::2], strict=True):
                yield StoredItem.of(place, item)
            if not last:
                return
            low = b"(" + last

    async def use_items(self, places: Sequence[bytes]) -> None:
        """Let items that expire stay as long as after a write."""
        await self._client.call("langgraph/use_items", self._all, {"used": places})

    async def list_namespaces(self, prefix: bytes) -> AsyncIterator[tuple[str, ...]]:
        """The namespaces that have items, of those whose places begin with this, in their order."""
        low, high = b"[" + prefix, b"(" + prefix + b"\xff"
        keys = [self._keys.item_places, self._keys.item_expiry]
        while low:
            low, found = await self._client.read("langgraph/list_namespaces", keys, [low, high, _NAMESPACES])
            for namespace in found:
                yield namespace_and_key(namespace + b"\0")[0]


def _moment(microseconds: bytes) -> datetime:
    return _EPOCH + timedelta(microseconds=int(microseconds))

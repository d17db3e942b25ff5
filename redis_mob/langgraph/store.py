"""The store of LangGraph on plain Redis or Valkey."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Self

from langgraph.store.base import (
    BaseStore,
    GetOp,
    Item,
    ListNamespacesOp,
    Op,
    PutOp,
    Result,
    SearchItem,
    SearchOp,
    TTLConfig,
    validate_op_namespace,
)

from redis_mob import sync
from redis_mob.codec.arguments import integer, optional_instance
from redis_mob.codec.ledgers import stored_value
from redis_mob.connection.retry import RetryPolicy
from redis_mob.errors import ValidationError, shown
from redis_mob.langgraph.addresses import utf8
from redis_mob.langgraph.item_filters import has, matches, prefix_in
from redis_mob.langgraph.items import PAGE, Items, NewItem, StoredItem, place_of, prefix_of
from redis_mob.langgraph.opening import Home, Opening, server_of
from redis_mob.storage import MobStorage

_MOST_MINUTES = timedelta(days=36_500) / timedelta(minutes=1)


class RedisMobStore(BaseStore):
    """Keeps items by namespace and key in a namespace of redis_mob; `open` makes it, or a storage that is open.

    The changes of a batch are one atomic script, which happens at most once, after what the batch reads
    (contract: langgraph-6). Items may be searched by their namespaces and by what they hold, not by meaning: `index`
    and `query` raise ValidationError. An item with a `ttl`, in minutes, is gone that long after its last use.
    Methods raise the errors of the stores, and InvalidNamespaceError of LangGraph.
    """

    supports_ttl = True

    def __init__(
        self, storage: MobStorage | sync.MobStorage, *, index: None = None, ttl: TTLConfig | None = None
    ) -> None:
        _refuse_index(index)
        self.ttl_config = ttl
        self._items = Items(server_of(storage, "a store"))
        self._home = Home(storage)
        self._storage = storage
        self._owns_storage = False

    @classmethod
    def open(
        cls,
        url: str | None = None,
        *,
        namespace: str = "default",
        index: None = None,
        ttl: TTLConfig | None = None,
        durability: str = "memory",
        retry: RetryPolicy | None = None,
    ) -> Opening[Self]:
        """Open a namespace for it: `async with RedisMobStore.open(...) as store`, or `with` where no event loop runs.

        Takes and raises what `MobStorage.open` does, ValidationError for an `index`.
        """
        _refuse_index(index)

        def made(storage: MobStorage | sync.MobStorage) -> Self:
            store = cls(storage, ttl=ttl)
            store._owns_storage = True
            return store

        return Opening(made, url, namespace, durability, retry)

    async def aclose(self) -> None:
        """Close the storage, if it was opened for this."""
        if self._owns_storage and isinstance(self._storage, MobStorage):
            await self._storage.aclose()

    def close(self) -> None:
        """Close the storage, if it was opened for this with `with`."""
        if self._owns_storage and isinstance(self._storage, sync.MobStorage):
            self._storage.close()

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """The results of operations, in their order. What is put comes after all others: of a key its last value."""
        return await self._home.wait(self._batch(list(ops)))

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """As `abatch`, for threads other than that of the event loop of the storage."""
        return self._home.run(self._batch(list(ops)))

    async def _batch(self, ops: Sequence[Op]) -> list[Result]:
        for op in ops:
            validate_op_namespace(op)
        changes = dict(_change(op) for op in ops if isinstance(op, PutOp))
        gets = {number: op for number, op in enumerate(ops) if isinstance(op, GetOp)}
        results: list[Result] = [None] * len(ops)
        for number, found in zip(gets, await self._get(list(gets.values())), strict=True):
            results[number] = found
        others = [(number, op) for number, op in enumerate(ops) if isinstance(op, SearchOp | ListNamespacesOp)]
        answers = await asyncio.gather(
            *(self._search(op) if isinstance(op, SearchOp) else self._list_namespaces(op) for _, op in others)
        )
        for (number, _), found in zip(others, answers, strict=True):
            results[number] = found
        if changes:
            await self._items.put_items(changes)
        return results

    async def _get(self, ops: Sequence[GetOp]) -> list[Item | None]:
        if not ops:
            return []
        places = [place_of(op.namespace, _key(op.key)) for op in ops]
        found = await self._items.read_items(places)
        used = [
            place
            for op, place, item in zip(ops, places, found, strict=True)
            if op.refresh_ttl and item is not None and item.expires
        ]
        if used:
            await self._items.use_items(used)
        return [None if item is None else Item(**_fields(item)) for item in found]

    async def _search(self, op: SearchOp) -> list[SearchItem]:
        if op.query is not None:
            raise ValidationError(
                f"query {shown(op.query)}: this store has no vectors, so that it cannot search by meaning; use filter"
            )
        first, last = _part(op)
        optional_instance("filter", op.filter, Mapping)
        # where all are wanted, no more are read than that
        most, found, number = PAGE if op.filter else max(1, min(PAGE, last)), list[StoredItem](), 0
        if op.limit <= 0:
            return []
        async for item in self._items.search_items(prefix_of(op.namespace_prefix), most):
            if has(item.value, op.filter):
                if number >= first:
                    found.append(item)
                number += 1
                if number >= last:
                    break
        if op.refresh_ttl and (used := [place_of(one.namespace, one.key) for one in found if one.expires]):
            await self._items.use_items(used)
        return [SearchItem(**_fields(item)) for item in found]

    async def _list_namespaces(self, op: ListNamespacesOp) -> list[tuple[str, ...]]:
        conditions, (first, last) = op.match_conditions or (), _part(op)
        found: dict[tuple[str, ...], None] = {}
        if op.limit <= 0:
            return []
        async for namespace in self._items.list_namespaces(prefix_of(prefix_in(conditions))):
            if all(matches(condition, namespace) for condition in conditions):
                found[namespace[: op.max_depth]] = None
                if len(found) >= last:
                    break
        return list(found)[first:last]


def _part(op: SearchOp | ListNamespacesOp) -> tuple[int, int]:
    """From where to where what was found is wanted. Raises ValidationError for what is no number."""
    first = integer("offset", op.offset, least=0)
    return first, first + integer("limit", op.limit)


def _change(op: PutOp) -> tuple[bytes, NewItem | None]:
    """Where a change happens, and what it is; None to delete. Raises ValidationError and InternalError."""
    key = _key(op.key)
    place = place_of(op.namespace, key)
    if op.value is None:
        return place, None
    if not isinstance(op.value, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance] - it is a user's
        raise ValidationError(f"the value of item {shown(key)} must be an object, not {shown(op.value)}")
    if op.index:
        raise ValidationError(f"index {shown(op.index)} of item {shown(key)}: this store has no vectors; leave it out")
    if op.ttl is not None and not _is_ttl(op.ttl):
        raise ValidationError(f"ttl of item {shown(key)} must be minutes, more than 0, not {shown(op.ttl)}")
    stays = 0 if op.ttl is None else max(1, round(op.ttl * 60_000))
    return place, NewItem(stored_value(f"item {shown(key)}", dict(op.value)), stays)


def _is_ttl(minutes: object) -> bool:
    return isinstance(minutes, int | float) and not isinstance(minutes, bool) and 0 < minutes <= _MOST_MINUTES


def _key(key: str) -> str:
    return utf8("key", key).decode()


def _fields(item: StoredItem) -> dict[str, Any]:
    fields = item._asdict()
    del fields["expires"]
    return fields


def _refuse_index(index: object) -> None:
    if index is not None:
        raise ValidationError("index: this store has no vectors, so that it cannot search by meaning; leave it out")
